/** One machine large: live, its last transitions, any of them as a moment, and what is proved of it. */
import { coverageOf } from "./Assets.ts"
import { h, setChildren, setText } from "./Dom.ts"
import { History } from "./History.ts"
import { type Moment, momentOf } from "./Moment.ts"
import { countsOf, hasInstances, instanceOf, instancesWords } from "./Instances.ts"
import { InstancePicker } from "./InstancePicker.ts"
import type { Page } from "./Page.ts"
import { Picture } from "./Picture.ts"
import { bySource } from "./Proof.ts"
import { proofPanel, transitionPanel } from "./ProofPanel.ts"
import { activeOf, isStale, lastOf, type Row, rowsOf, type Seen } from "./Seen.ts"
import { Stage } from "./Stage.ts"
import { Walk } from "./Walk.ts"
import type { Coverage, Entry, Machine } from "./Wire.ts"
import { clockWords, eventWords, moveWords, spaced, stateWords, statesOf, valueWords } from "./Words.ts"

/** `first`: the instance that is chosen at first; null: none of them, or the machine is one thing. */
export const machinePage = (id: string, first: string | null): Page => {
  let instance = first
  let seen: Seen | null = null
  let picture: Picture | null = null
  let coverage: Coverage | null = null
  /** The row whose moment is shown; null while live. */
  let moment: number | null = null
  let selected: string | null = null
  /** Rows from this key on are news; null before the first message. */
  let known: number | null = null

  const title = h("h1", { tabindex: -1 }, id)
  const tabs = h("nav", { class: "tabs", "aria-label": "Machines" })
  const now = h("p", { class: "moment" })
  const live = h("button", { type: "button", class: "live", click: () => showMoment(null) }, "Live")
  const fields = h("dl", { class: "fields" })
  const picker = new InstancePicker(id, (chosen) => choose(chosen))
  const stage = new Stage()
  const chooser = h("select", { id: "transition", change: () => select(chooser.value === "" ? null : chooser.value) })
  const choice = h("div", { class: "choice" })
  const chosen = h("section", { class: "card chosen", hidden: true, "aria-label": "Chosen transition" }, choice)
  const proof = h("div", { class: "proof-body" })
  const history = new History({
    choose: (key) => showMoment(key),
    ids: () => idsOf(picture),
    isMixed: () => instance === null
  })
  const closeChoice = h("button", { type: "button", class: "close", click: () => select(null) }, "Close")
  chosen.prepend(h("div", { class: "row-head" }, h("h2", {}, "Transition"), closeChoice))

  const root = h(
    "div",
    { class: "machine" },
    tabs,
    h("div", { class: "heading" }, title, fields),
    picker.root,
    h(
      "div",
      { class: "bench" },
      h(
        "section",
        { class: "card stage-card", "aria-label": "Picture" },
        h("div", { class: "moment-bar" }, now, live),
        stage.root,
        h("div", { class: "tools" }, stage.tools, h("label", { for: "transition" }, "Transition"), chooser)
      ),
      h(
        "div",
        { class: "side" },
        chosen,
        h(
          "section",
          { class: "card", "aria-labelledby": "last-title" },
          h("h2", { id: "last-title" }, "Last transitions"),
          history.root
        )
      )
    ),
    h(
      "section",
      { class: "card proof", "aria-labelledby": "proof-title" },
      h("h2", { id: "proof-title" }, "What is proved"),
      proof
    )
  )

  const entryOf = (key: number | null): Entry | null => {
    const row = seen?.rows.find((row) => row.key === key)
    return row?.kind === "transition" ? row.entry : null
  }

  /** The marks of now: what is active, and how it came to be. */
  const liveMoment = (): Moment => {
    const machine = machineIn(seen, id)
    if (seen === null || machine === undefined) return { was: [], taken: [], active: [] }
    if (instance === null && hasInstances(machine)) return { was: [], taken: [], active: statesOf(activeOf(machine)) }
    const active = statesOf(instance === null ? activeOf(machine) : (instanceOf(seen, machine, instance)?.state ?? ""))
    const last = lastOf(seen, id, instance)
    return last === null || picture === null
      ? { was: [], taken: [], active }
      : { ...momentOf(last, picture.drawn), active }
  }

  const draw = (): void => {
    const past = entryOf(moment)
    const isLive = past === null
    const entry = past ?? walk.current
    live.setAttribute("aria-pressed", String(isLive))
    root.dataset["view"] = past !== null ? "past" : entry === null ? "live" : "walking"
    setText(now, entry === null ? liveWords(seen, id, instance) : momentWords(entry, idsOf(picture)))
    history.mark(isLive ? null : moment)
    if (picture === null) return
    picture.mark(entry === null ? liveMoment() : momentOf(entry, picture.drawn))
    const machine = machineIn(seen, id)
    picture.count(
      entry === null && instance === null && machine !== undefined && hasInstances(machine) ? countsOf(machine) : null
    )
    picture.select(selected)
    stage.follow()
  }

  const walk = new Walk(draw)

  const showMoment = (key: number | null): void => {
    moment = key
    walk.end()
    stage.startFollowing()
    draw()
  }

  /** Another instance: the address says so, and nothing else of the page changes. */
  const choose = (chosen: string | null): void => {
    instance = chosen
    globalThis.history.replaceState(
      null,
      "",
      `/machines#${id}${chosen === null ? "" : `/${encodeURIComponent(chosen)}`}`
    )
    moment = null
    walk.end()
    history.clear()
    stage.startFollowing()
    if (seen !== null) show(seen)
  }

  const select = (transition: string | null): void => {
    const hadFocus = chosen.contains(document.activeElement)
    selected = transition
    picture?.select(selected)
    chosen.hidden = transition === null
    chooser.value = transition ?? ""
    if (transition === null) {
      if (hadFocus) chooser.focus()
      return
    }
    const target = picture?.drawn.find((drawn) => drawn.id === transition)?.target ?? null
    choice.replaceChildren(...transitionPanel(transition, target, coverage))
    stage.reveal(transition)
  }

  root.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") {
      if (selected === null) showMoment(null)
      else select(null)
    }
  })

  const loadPicture = async (): Promise<void> => {
    try {
      picture = await Picture.load(id)
    } catch {
      stage.root.replaceChildren(h("p", { class: "none" }, "No picture of this machine could be fetched."))
      return
    }
    picture.offer(select)
    stage.put(picture)
    chooser.replaceChildren(h("option", { value: "" }, "choose one …"), ...choicesOf(idsOf(picture)))
    history.rename()
    draw()
  }
  const loadCoverage = async (): Promise<void> => {
    try {
      coverage = await coverageOf(id)
    } catch {
      proof.replaceChildren(h("p", { class: "none" }, "What is recorded could not be fetched."))
      return
    }
    proof.replaceChildren(
      ...(coverage === null ? [h("p", { class: "none" }, "Nothing is recorded.")] : proofPanel(coverage))
    )
    if (selected !== null) select(selected)
  }
  const show = (next: Seen): void => {
    seen = next
    const machine = machineIn(next, id)
    if (machine !== undefined) setText(title, machine.title)
    else if (next.machines.length > 0) setText(title, `There is no machine ${id}`)
    setChildren(
      tabs,
      ...next.machines.map((other) =>
        h("a", { href: `/machines#${other.id}`, ...(other.id === id ? { "aria-current": "page" } : {}) }, other.title)
      )
    )
    setChildren(fields, ...fieldElements(next, machine, instance))
    picker.update(next, machine, instance)
    const rows = rowsOf(next, id, instance)
    history.update(rows)
    root.classList.toggle("stale", isStale(next))
    // A moment that was forgotten cannot be shown any longer.
    if (moment !== null && entryOf(moment) === null) moment = null
    const since = known
    // The first message brings the past, and is no news.
    if (next.daemon !== null) known = next.nextKey
    const isMixed = instance === null && machine !== undefined && hasInstances(machine)
    if (since !== null && moment === null && !isMixed) walk.add(entriesFrom(rows, since))
    draw()
  }

  void loadPicture()
  void loadCoverage()

  return {
    title: () => title.textContent,
    root,
    update: show,
    tick: () => {},
    close: () => {
      walk.end()
      stage.close()
    }
  }
}

const entriesFrom = (rows: ReadonlyArray<Row>, key: number): ReadonlyArray<Entry> =>
  rows.flatMap((row) => (row.kind === "transition" && row.key >= key ? [row.entry] : []))

const idsOf = (picture: Picture | null): ReadonlyArray<string> => picture?.drawn.map(({ id }) => id) ?? []

const choicesOf = (ids: ReadonlyArray<string>): ReadonlyArray<HTMLElement> =>
  bySource(ids).map(({ ids: group, source }) =>
    h("optgroup", { label: source }, ...group.map((id) => h("option", { value: id }, id.slice(source.length + 3))))
  )

const machineIn = (seen: Seen | null, id: string): Machine | undefined =>
  seen?.machines.find((machine) => machine.id === id)

/** What may be seen of a machine, or of one instance; of many together, nothing. */
const fieldElements = (
  seen: Seen,
  machine: Machine | undefined,
  instance: string | null
): ReadonlyArray<HTMLElement> => {
  if (machine === undefined || (instance === null && hasInstances(machine))) return []
  const current = instance === null ? machine.states.at(-1) : instanceOf(seen, machine, instance)
  return Object.entries(current?.visible ?? {}).map(([name, value]) =>
    h("div", {}, h("dt", {}, spaced(name)), h("dd", {}, valueWords(value)))
  )
}

const liveWords = (seen: Seen | null, id: string, instance: string | null): string => {
  const machine = machineIn(seen, id)
  if (seen === null || machine === undefined) return ""
  const before = isStale(seen) ? "last known: " : ""
  if (instance === null) {
    return `${before}${hasInstances(machine) ? instancesWords(machine) : stateWords(activeOf(machine))}`
  }
  const current = instanceOf(seen, machine, instance)
  return current === null
    ? "It has gone, and nothing is known of it here any more."
    : `${before}${stateWords(current.state)}`
}

const momentWords = (entry: Entry, ids: ReadonlyArray<string>): string => {
  const { from, to } = moveWords(entry)
  return `${clockWords(entry.at)}  ${eventWords(entry, ids)}: ${from === to ? `in ${to}` : `${from} → ${to}`}`
}
