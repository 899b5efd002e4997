/** The revisions of a config: looked at, compared, brought back. */
import type { ObjectionView, RevisionView } from "../domain/index.ts"
import { h, setText } from "./Dom.ts"
import { fetchDocument, fetchRevisions, replyWords, rollBack } from "./FleetAsk.ts"
import { spreadBar } from "./FleetBar.ts"
import { diffView } from "./FleetDiffView.ts"
import { readObjections } from "./FleetWire.ts"
import { counted, line, savedWords, spreadWords } from "./FleetWords.ts"
import { harmless } from "./RunLine.ts"
import { shortEtag } from "./Words.ts"

export interface HistoryView {
  readonly root: HTMLElement
  /** The newest revisions as the fleet knows them, and how many gateways the config has. */
  readonly update: (newest: ReadonlyArray<RevisionView>, gateways: number, now: number | null) => void
  readonly tick: (now: number | null) => void
  readonly close: () => void
}

/** The most characters of a revision that are shown. */
const TEXT_MAX = 1_048_576
const PAGE = 50

export const historyView = (name: string, first: ReadonlyArray<RevisionView>, changed: () => void): HistoryView => {
  let revisions: ReadonlyArray<RevisionView> = first
  let gateways = 0
  let now: number | null = null
  let isClosed = false
  let isBusy = false
  let target: RevisionView | null = null
  let objections: ReadonlyArray<ObjectionView> = []
  const rows = new Map<number, { readonly root: HTMLElement; readonly update: (revision: RevisionView) => void }>()
  const kept = new Map<number, string>()

  const list = h("ol", { class: "revisions history-list", reversed: true, "aria-label": "Revisions, the newest first" })
  const more = h(
    "button",
    { type: "button", class: "more", hidden: first.length < PAGE, click: () => void older() },
    "Older revisions"
  )
  const failure = h("p", { class: "failure", role: "alert", hidden: true })
  const from = h("select", { id: "compare-from" })
  const to = h("select", { id: "compare-to" })
  const look = h("button", { type: "button", click: () => void compare() }, "Compare")
  const tools = h(
    "div",
    { class: "tools-row compare" },
    h("label", { for: "compare-from" }, "Compare"),
    from,
    h("label", { for: "compare-to" }, "with"),
    to,
    look
  )
  const stageTitle = h("h3", { tabindex: -1 })
  const document_ = h("pre", { class: "document", tabindex: 0, "aria-label": "The revision" })
  const difference = diffView()
  const against = h("ul", { class: "consequences" })
  const bring = h("button", { type: "button", class: "main", click: () => void restore(false) }, "Roll back")
  const bringForced = h(
    "button",
    { type: "button", class: "danger", click: () => void restore(true) },
    "Roll back by force"
  )
  const shut = h("button", { type: "button", click: () => close() }, "Close")
  const said = h("p", { class: "failure", role: "alert", hidden: true })
  const stage = h(
    "div",
    { class: "revision-stage", hidden: true },
    stageTitle,
    document_,
    difference.root,
    against,
    h("div", { class: "tools-row" }, bring, bringForced, shut),
    said
  )
  const done = h("p", { class: "success", role: "status", hidden: true })
  const root = h("div", { class: "history-view" }, tools, done, stage, failure, list, more)

  const say = (element: HTMLElement, words: string): void => {
    setText(element, words)
    element.hidden = words === ""
  }
  const textOf = async (revision: RevisionView): Promise<string | null> => {
    const known = kept.get(revision.seq)
    if (known !== undefined) return known
    const reply = await fetchDocument(name, revision.seq)
    if (isClosed) return null
    if (reply.type === "ok") {
      kept.set(revision.seq, reply.value)
      return reply.value
    }
    if (reply.type !== "same") say(failure, `Revision ${revision.seq} cannot be read. ${replyWords(reply, "It")}`)
    return null
  }
  const open = (title: string): void => {
    say(failure, "")
    say(said, "")
    say(done, "")
    setText(stageTitle, title)
    for (const one of [document_, difference.root, against, bring, bringForced]) one.hidden = true
    stage.hidden = false
    stage.scrollIntoView({ block: "nearest" })
    stageTitle.focus({ preventScroll: true })
  }
  const close = (): void => {
    stage.hidden = true
    target = null
    tools.querySelector("select")?.focus()
  }
  const view = async (revision: RevisionView): Promise<void> => {
    const text = await textOf(revision)
    if (text === null) return
    open(`Revision ${revision.seq}`)
    document_.hidden = false
    setText(document_, text.slice(0, TEXT_MAX).split("\n").map(harmless).join("\n"))
  }
  const differ = async (before: RevisionView, after: RevisionView, title: string): Promise<boolean> => {
    const [left, right] = await Promise.all([textOf(before), textOf(after)])
    if (left === null || right === null) return false
    open(title)
    difference.root.hidden = false
    difference.show({ name: `revision ${before.seq}`, text: left }, { name: `revision ${after.seq}`, text: right })
    return true
  }
  const compare = async (): Promise<void> => {
    const before = revisions.find(({ seq }) => seq === Number(from.value))
    const after = revisions.find(({ seq }) => seq === Number(to.value))
    if (before !== undefined && after !== undefined)
      await differ(before, after, `Revision ${before.seq} and revision ${after.seq}`)
  }
  const ask = async (revision: RevisionView): Promise<void> => {
    const [newest] = revisions
    if (newest === undefined) return
    if (!(await differ(newest, revision, `Roll back to revision ${revision.seq}?`))) return
    target = revision
    objections = []
    drawAsk()
  }
  const drawAsk = (): void => {
    bring.hidden = objections.length > 0
    setText(
      bring,
      `Roll back to revision ${target?.seq ?? ""}: save its bytes as revision ${(revisions[0]?.seq ?? 0) + 1}`
    )
    bringForced.hidden = objections.length === 0
    against.hidden = objections.length === 0
    against.replaceChildren(
      ...objections.map(({ consequence, message, pointer }) =>
        h(
          "li",
          {},
          h("p", {}, h("code", {}, pointer === "" ? "the document" : line(pointer)), ` ${line(message)}`),
          h("p", { class: "note" }, line(consequence, 1_000))
        )
      )
    )
  }
  const restore = async (force: boolean): Promise<void> => {
    const [newest] = revisions
    if (isBusy || target === null || newest === undefined) return
    isBusy = true
    for (const button of [bring, bringForced]) button.setAttribute("aria-disabled", "true")
    const { seq } = target
    const reply = await rollBack(name, seq, newest.etag, force)
    isBusy = false
    for (const button of [bring, bringForced]) button.removeAttribute("aria-disabled")
    if (isClosed) return
    changed()
    if (reply.type === "ok") {
      close()
      return say(
        done,
        `Revision ${reply.value.seq} has the bytes of revision ${seq}. Gateways fetch it at their next poll.`
      )
    }
    if (reply.type === "same") return
    if (reply.type === "failed" && reply.status === 412) {
      target = null
      bring.hidden = true
      bringForced.hidden = true
      return say(
        said,
        "Not rolled back: another revision was saved meanwhile. The list below has it; compare, and roll back again if that is still right."
      )
    }
    if (reply.type === "failed" && reply.status === 422) {
      objections = readObjections(reply.body["objections"])
      drawAsk()
      return say(said, `Not rolled back. ${replyWords(reply, "The rollback")}`)
    }
    say(
      said,
      `Not rolled back${reply.type === "away" && reply.why === "lost" ? ", as far as is known" : ""}. ${replyWords(reply, "The rollback")}`
    )
  }
  const older = async (): Promise<void> => {
    const last = revisions.at(-1)
    if (isBusy || last === undefined) return
    isBusy = true
    const reply = await fetchRevisions(name, last.seq)
    isBusy = false
    if (isClosed) return
    if (reply.type !== "ok") {
      if (reply.type !== "same") say(failure, replyWords(reply, "Older revisions"))
      return
    }
    revisions = [...revisions, ...reply.value]
    more.hidden = reply.value.length < PAGE
    draw()
  }
  const rowOf = (revision: RevisionView) => {
    const { etag, seq } = revision
    const words = h("span", { class: "spread" })
    const saved = h("span", { class: "note saved" })
    const small = spreadBar()
    const here = (): RevisionView => revisions.find((one) => one.seq === seq) ?? revision
    const bringBack = h(
      "button",
      { type: "button", "aria-label": `Roll back to revision ${seq}`, click: () => void ask(here()) },
      "Roll back …"
    )
    const root = h(
      "li",
      { "data-seq": seq },
      h("code", { title: etag }, `r${seq} ${shortEtag(etag)}`),
      small.root,
      words,
      saved,
      h(
        "span",
        { class: "row-buttons" },
        h("button", { type: "button", "aria-label": `View revision ${seq}`, click: () => void view(here()) }, "View"),
        bringBack
      )
    )
    return {
      root,
      update: (next: RevisionView) => {
        small.update(next, gateways)
        setText(words, spreadWords(next))
        setText(saved, `${savedWords(next, now)} · ${counted(next.bytes)} bytes`)
        bringBack.hidden = next.seq === revisions[0]?.seq
      }
    }
  }
  const draw = (): void => {
    for (const [index, revision] of revisions.entries()) {
      const row = rows.get(revision.seq) ?? rowOf(revision)
      rows.set(revision.seq, row)
      if (list.children[index] !== row.root) list.insertBefore(row.root, list.children[index] ?? null)
      row.update(revision)
    }
    tools.hidden = revisions.length < 2
    if (from.options.length !== revisions.length) {
      for (const [select, at] of [
        [from, 1],
        [to, 0]
      ] as const) {
        const chosen = select.value
        select.replaceChildren(
          ...revisions.map(({ etag, seq }) => h("option", { value: seq }, `r${seq} ${shortEtag(etag)}`))
        )
        select.value = chosen === "" ? String(revisions[at]?.seq ?? "") : chosen
      }
    }
  }
  draw()

  return {
    root,
    update: (newest, all, at) => {
      gateways = all
      now = at
      const fresh = new Map(newest.map((one) => [one.seq, one]))
      const known = new Set(revisions.map(({ seq }) => seq))
      const added = newest.filter(({ seq }) => !known.has(seq))
      revisions = [...added, ...revisions.map((one) => fresh.get(one.seq) ?? one)].sort((a, b) => b.seq - a.seq)
      draw()
    },
    tick: (at) => {
      now = at
      for (const revision of revisions) rows.get(revision.seq)?.update(revision)
    },
    close: () => {
      isClosed = true
      difference.close()
    }
  }
}
