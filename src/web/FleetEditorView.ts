/** The editor of a config: a text with its problems, the difference before a save, and the save. */
import { h, setText } from "./Dom.ts"
import { checkDocument, fetchDocument, fetchSchema, replyWords, saveDocument } from "./FleetAsk.ts"
import { codeBox } from "./FleetCodeBox.ts"
import { diffView } from "./FleetDiffView.ts"
import { draftOf, keepDraft } from "./FleetDrafts.ts"
import {
  type Base,
  type Editor,
  edited,
  type EditorEvent,
  isDirty,
  type Newest,
  objectionsOf,
  openEditor,
  waysOf
} from "./FleetEditor.ts"
import { problemsIn, type Told } from "./FleetProblems.ts"
import { judgeOf } from "./FleetSchema.ts"
import { readObjections } from "./FleetWire.ts"
import { ago, byWords, line } from "./FleetWords.ts"

/** After the last key, milliseconds until the text is looked at, kept, and shown to central. */
const LOOK_MS = 120
const KEEP_MS = 300
const CHECK_MS = 500
/** How many problems are listed. */
const PROBLEMS_MAX = 50

export interface EditorView {
  readonly root: HTMLElement
  /** What the fleet says is the newest. */
  readonly newest: (newest: Newest) => void
  readonly tick: (now: number | null) => void
  readonly close: () => void
}

export interface EditorOptions {
  readonly name: string
  readonly base: Base | null
  /** What a config that is not there yet begins with. */
  readonly template: string
  readonly changed: () => void
}

export const editorView = ({ base, changed, name, template }: EditorOptions): EditorView => {
  let editor: Editor = openEditor(base, template, draftOf(name))
  let judge: ReturnType<typeof judgeOf> | null = null
  let told: Told = { problems: [], by: "schema" }
  let now: number | null = null
  let isClosed = false
  let keeps = true
  let checkSaid = ""
  const timers = new Map<string, ReturnType<typeof setTimeout>>()

  const box = codeBox(`Document of ${line(name, 60)}`, "editor-state", (text) => act({ type: "typed", text }))
  const standing = h("p", { id: "editor-state", class: "note", role: "status" })
  const problems = h("ol", { class: "problems", "aria-label": "What is wrong with the document" })
  const restored = h(
    "p",
    { class: "warning", hidden: true },
    h("span", {}, ""),
    " ",
    h("button", { type: "button", click: () => discard() }, "Discard the draft")
  )
  const meanwhile = h("div", { class: "warning meanwhile", role: "alert", hidden: true })
  const meanwhileWords = h("p", {})
  const takeOver = h(
    "button",
    { type: "button", click: () => void compare(true) },
    "Compare with mine, and save after it"
  )
  const takeTheirs = h("button", { type: "button", click: () => void theirs() }, "Drop mine, take theirs")
  meanwhile.append(meanwhileWords, h("div", { class: "tools-row" }, takeOver, takeTheirs))
  const difference = diffView()
  const said = h("p", { class: "said-words", role: "status", hidden: true })
  const review = h("button", { type: "button", class: "main", click: () => step("review") }, "Review and save …")
  const save = h("button", { type: "button", class: "main", click: () => void send(false) }, "Save")
  const toForce = h(
    "button",
    { type: "button", class: "danger", click: () => step("force") },
    "Save against the objections …"
  )
  const force = h("button", { type: "button", class: "danger", click: () => void send(true) }, "Save by force")
  const back = h("button", { type: "button", click: () => step("edit") }, "Back to the text")
  const drop = h("button", { type: "button", click: () => discard() }, "Discard changes")
  const consequences = h("ul", { class: "consequences" })
  const forceWords = h(
    "p",
    { id: "force-words" },
    "What the fleet makes of this revision, if it is saved all the same:"
  )
  const forcing = h(
    "div",
    { class: "question", role: "group", "aria-labelledby": "force-words", hidden: true },
    forceWords,
    consequences
  )
  const root = h(
    "div",
    { class: "editor" },
    restored,
    meanwhile,
    box.root,
    standing,
    problems,
    difference.root,
    forcing,
    h("div", { class: "tools-row actions" }, review, save, toForce, force, back, drop),
    said
  )

  const later = (what: string, ms: number, run: () => void): void => {
    clearTimeout(timers.get(what))
    timers.set(what, setTimeout(run, ms))
  }
  const act = (event: EditorEvent): void => {
    const before = editor
    editor = edited(editor, event)
    if (editor.text !== before.text) {
      later("look", LOOK_MS, look)
      later("check", CHECK_MS, () => void check())
      checkSaid = ""
    }
    if (editor.text !== before.text || editor.base !== before.base) later("keep", KEEP_MS, keep)
    if (editor.checked !== before.checked) look()
    draw()
  }
  const keep = (): void => {
    keeps = keepDraft(
      name,
      isDirty(editor) && editor.text !== template ? { base: editor.base, text: editor.text } : null
    )
    draw()
  }
  const look = (): void => {
    told = problemsIn(editor.text, judge, objectionsOf(editor))
    box.mark(told.problems.map((one) => one.line))
    drawProblems()
    draw()
  }
  const check = async (): Promise<void> => {
    const { text } = editor
    if (isClosed || objectionsOf(editor) !== null) return
    const reply = await checkDocument(name, text)
    if (isClosed || text !== editor.text) return
    if (reply.type === "ok") {
      checkSaid = ""
      return act({ type: "checked", text, answer: reply.value })
    }
    if (reply.type !== "same") checkSaid = replyWords(reply, "The check")
    later("check", 5_000, () => void check())
    draw()
  }
  const learnSchema = async (): Promise<void> => {
    const reply = await fetchSchema()
    if (isClosed || reply.type !== "ok") return
    judge = judgeOf(reply.value)
    look()
  }
  const step = (to: Editor["step"]): void => {
    if (to === "review" && objectionsOf(editor) === null) void check()
    act({ type: "step", to })
    if (to === "edit") box.area.focus()
    else if (to === "force") back.focus()
    else difference.root.scrollIntoView({ block: "nearest" })
  }
  const send = async (isForced: boolean): Promise<void> => {
    const ways = waysOf(editor)
    if (isForced ? !ways.force : !ways.save) return
    act({ type: "sent" })
    const reply = await saveDocument(name, editor.sending ?? "", editor.base?.etag ?? null, isForced)
    if (isClosed) return
    if (reply.type === "ok") {
      act({ type: "saved", answer: reply.value })
      changed()
      if (!said.contains(document.activeElement)) box.area.focus({ preventScroll: true })
      return
    }
    if (reply.type === "failed" && reply.status === 412) {
      changed()
      return act({ type: "overtaken", newest: null })
    }
    if (reply.type === "failed" && reply.status === 422 && Array.isArray(reply.body["objections"])) {
      return act({ type: "objected", objections: readObjections(reply.body["objections"]) })
    }
    const words = reply.type === "same" ? "Central answered oddly." : replyWords(reply, "The save")
    const unknown = reply.type === "away" && reply.why === "lost"
    act({
      type: "failed",
      words: unknown
        ? "Central did not answer: whether it has saved this is not known. The history below shows it as soon as central is back; what you wrote is still here."
        : `Not saved. ${words} What you wrote is still here.`
    })
  }
  const newestBase = async (): Promise<Base | null> => {
    const { meanwhile: newest } = editor
    if (newest === null) return null
    const reply = await fetchDocument(name, newest.seq)
    if (isClosed) return null
    if (reply.type === "ok") return { seq: newest.seq, etag: newest.etag, text: reply.value }
    if (reply.type !== "same")
      act({ type: "failed", words: `Revision ${newest.seq} cannot be read. ${replyWords(reply, "It")}` })
    return null
  }
  const compare = async (isReview: boolean): Promise<void> => {
    const found = await newestBase()
    if (found === null) return
    act({ type: "rebased", base: found })
    if (isReview) step("review")
  }
  const theirs = async (): Promise<void> => {
    const found = await newestBase()
    if (found === null) return
    act({ type: "reset", base: found, text: found.text })
    box.set(editor.text)
  }
  const discard = (): void => {
    act({ type: "reset", base: editor.base, text: editor.base?.text ?? template })
    box.set(editor.text)
    keepDraft(name, null)
    later("look", 0, look)
    later("check", 0, () => void check())
    if (editor.meanwhile !== null) void theirs()
  }
  const drawProblems = (): void => {
    const some = told.problems.slice(0, PROBLEMS_MAX)
    problems.replaceChildren(
      ...some.map((one) =>
        h(
          "li",
          {},
          h(
            "button",
            { type: "button", class: "place", click: () => box.reveal(one.from, one.to, one.line) },
            `${one.line}:${one.column}`
          ),
          h(
            "div",
            {},
            h(
              "p",
              {},
              one.pointer === null ? null : h("code", {}, one.pointer === "" ? "the document" : line(one.pointer)),
              " ",
              line(one.message)
            ),
            one.consequence === null || one.consequence === ""
              ? null
              : h("p", { class: "note" }, line(one.consequence, 1_000))
          )
        )
      ),
      ...(told.problems.length > some.length
        ? [h("li", { class: "none" }, `and ${told.problems.length - some.length} more`)]
        : [])
    )
    problems.hidden = some.length === 0
  }
  const draw = (): void => {
    const ways = waysOf(editor)
    const objections = objectionsOf(editor)
    const isReview = editor.step !== "edit"
    const sent = editor.sending !== null
    setText(standing, standingWords(editor, told, checkSaid, keeps))
    restored.hidden = !editor.isRestored
    const [restoredText] = restored.children
    if (restoredText !== undefined) {
      setText(
        restoredText,
        `This is your draft from before, ${editor.base === null ? "of a config that was not there yet" : `begun on revision ${editor.base.seq}`}.`
      )
    }
    meanwhile.hidden = editor.meanwhile === null || !isDirty(editor)
    if (editor.meanwhile !== null) {
      const { saved_at, saved_by, seq } = editor.meanwhile
      setText(
        meanwhileWords,
        `Revision ${seq} was saved ${ago(saved_at, now)} by ${byWords(saved_by)}, while you were writing. Nothing of yours is lost, and a save would not overwrite it.`
      )
    }
    difference.root.hidden = !isReview
    if (isReview) {
      difference.show(
        { name: editor.base === null ? "nothing" : `revision ${editor.base.seq}`, text: editor.base?.text ?? "" },
        { name: "your text", text: editor.text }
      )
    }
    forcing.hidden = editor.step !== "force"
    if (editor.step === "force" && objections !== null) {
      const all = [...new Set(objections.map(({ consequence }) => line(consequence, 1_000)))]
      if (consequences.children.length !== all.length)
        consequences.replaceChildren(...all.map((words) => h("li", {}, words)))
    } else consequences.replaceChildren()
    const isOvertaken = editor.meanwhile !== null
    review.hidden = isReview || !isDirty(editor)
    save.hidden = editor.step !== "review" || (objections !== null && objections.length > 0)
    setText(save, sent ? "Saving …" : `Save as revision ${(editor.base?.seq ?? 0) + 1}`)
    off(save, !ways.save || isOvertaken)
    toForce.hidden = editor.step !== "review" || objections === null || objections.length === 0
    off(toForce, isOvertaken || sent)
    force.hidden = editor.step !== "force"
    setText(force, sent ? "Saving …" : "Save by force")
    off(force, !ways.force || isOvertaken)
    back.hidden = !isReview
    off(back, sent)
    drop.hidden = isReview || !isDirty(editor) || (editor.base === null && editor.text === template)
    said.hidden = editor.said === null
    setText(said, editor.said?.words ?? "")
    said.className = editor.said?.isGood === false ? "failure" : "success"
    root.dataset["dirty"] = String(isDirty(editor))
    root.dataset["checked"] = String(objections !== null)
  }

  box.set(editor.text)
  look()
  void check()
  void learnSchema()
  const keepNow = (): void => keep()
  addEventListener("pagehide", keepNow)

  return {
    root,
    newest: (newest) => {
      const wasUntouched = !isDirty(editor)
      act({ type: "newest", newest })
      if (wasUntouched && editor.meanwhile !== null && editor.meanwhile.seq > (editor.base?.seq ?? 0)) void theirs()
    },
    tick: (at) => {
      now = at
      if (editor.meanwhile !== null) draw()
    },
    close: () => {
      isClosed = true
      keep()
      removeEventListener("pagehide", keepNow)
      for (const timer of timers.values()) clearTimeout(timer)
      difference.close()
    }
  }
}

const off = (button: HTMLButtonElement, isOff: boolean): void => {
  if (isOff) button.setAttribute("aria-disabled", "true")
  else button.removeAttribute("aria-disabled")
}

const standingWords = (editor: Editor, told: Told, checkSaid: string, keeps: boolean): string => {
  const count = told.problems.length
  const things = `${count} ${count === 1 ? "problem" : "problems"}`
  const words =
    told.by === "syntax"
      ? "This is no JSON yet."
      : told.by === "central"
        ? count > 0
          ? `Central has ${count} ${count === 1 ? "objection" : "objections"}.`
          : editor.checked?.answer.unchanged === true
            ? "This is the newest revision."
            : "Central would take this."
        : `${count > 0 ? `${things} by the schema. ` : ""}${checkSaid === "" ? "Central is asked …" : checkSaid}`
  return keeps ? words : `${words} This browser does not keep the draft: a reload would lose it.`
}
