/** All runs, the newest first, live; and a form to start one. */
import type { RunView } from "../domain/index.ts"
import { h, rove, setText } from "./Dom.ts"
import type { Page } from "./Page.ts"
import { isCancelled, RunFeed } from "./RunFeed.ts"
import { runStart } from "./RunStart.ts"
import { fetchRuns } from "./RunWire.ts"
import { countWords, isFailure, isOpen, outputWords, runVerdict, timeWords, usageWords } from "./RunWords.ts"
import { isStale, type Seen } from "./Seen.ts"

/** How many are listed before a person asks for more. */
const LISTED = 100

type Filter = "all" | "open" | "failed"
const FILTERS: Readonly<Record<Filter, (run: RunView) => boolean>> = {
  all: () => true,
  open: isOpen,
  failed: isFailure
}

/** `go` opens the page of a run that was started here. */
export const runsPage = (go: (path: string) => void): Page => {
  let runs: ReadonlyArray<RunView> | null = null
  let seen: Seen | null = null
  let filter: Filter = "all"
  let listed = LISTED
  const rows = new Map<string, Row>()

  const start = runStart(({ run_id }) => go(`/runs#${run_id}`))
  const buttons = (["all", "open", "failed"] as const).map((name) => ({
    name,
    button: h("button", { type: "button", click: () => choose(name) })
  }))
  const list = h("ol", { class: "run-list", reversed: true, "aria-label": "Runs, the newest first" })
  const more = h("button", { type: "button", class: "more", click: () => showMore() })
  const none = h("p", { class: "none" }, "None of them.")
  const failure = h("p", { class: "failure", role: "alert", hidden: true })
  const empty = h(
    "div",
    { class: "card empty-runs" },
    h("h2", {}, "No runs yet"),
    h(
      "p",
      {},
      "A run is one job of an agent: OpenCode with a prompt, or any program. Start one here, or in a terminal:"
    ),
    h(
      "pre",
      {},
      "holdfast run start --prompt 'Tidy up the README' --follow\nholdfast run start --follow -- sh -c 'make test'"
    )
  )
  const filters = h(
    "div",
    { class: "zoom", role: "group", "aria-label": "Which runs" },
    ...buttons.map(({ button }) => button)
  )
  const box = h("section", { class: "card list-card", "aria-label": "Runs" }, list, none, more)
  const root = h(
    "div",
    { class: "runs-page" },
    h("div", { class: "heading" }, h("h1", { tabindex: -1 }, "Runs"), filters),
    failure,
    start.root,
    empty,
    box
  )
  empty.hidden = true
  box.hidden = true
  filters.hidden = true
  rove(list, () => [...list.querySelectorAll("a")])

  const choose = (name: Filter): void => {
    filter = name
    listed = LISTED
    draw()
  }
  const showMore = (): void => {
    listed += LISTED
    draw()
  }
  const draw = (): void => {
    if (runs === null) return
    const known = runs
    const wanted = known.filter(FILTERS[filter])
    const shown = wanted.slice(0, listed)
    const ids = new Set(shown.map(({ run_id }) => run_id))
    for (const [id, { root }] of rows) {
      if (ids.has(id)) continue
      root.remove()
      rows.delete(id)
    }
    for (const [index, run] of shown.entries()) {
      const row = rows.get(run.run_id) ?? rowOf(run)
      rows.set(run.run_id, row)
      if (list.children[index] !== row.root) list.insertBefore(row.root, list.children[index] ?? null)
      row.update(run, seen)
    }
    const links = [...list.querySelectorAll("a")]
    if (!links.some(({ tabIndex }) => tabIndex === 0)) links[0]?.setAttribute("tabindex", "0")
    for (const { button, name } of buttons) {
      setText(button, `${name} ${known.filter(FILTERS[name]).length}`)
      button.setAttribute("aria-pressed", String(name === filter))
    }
    const hidden = wanted.length - shown.length
    more.hidden = hidden === 0
    setText(more, `Show ${Math.min(hidden, LISTED)} of ${countWords(hidden, "earlier run")}`)
    none.hidden = wanted.length > 0
    empty.hidden = known.length > 0
    box.hidden = known.length === 0
    filters.hidden = known.length === 0
    root.dataset["known"] = String(known.length)
  }
  const feed = new RunFeed<ReadonlyArray<RunView>>({
    ask: fetchRuns,
    show: (answer) => {
      failure.hidden = answer.type !== "failed"
      if (answer.type === "failed") return setText(failure, `The runs cannot be listed: ${answer.words}`)
      if (answer.type !== "ok") return
      if (runs === null && answer.value.length === 0) start.unfold()
      runs = answer.value
      draw()
    },
    isGrowing: () => runs?.some(isOpen) === true,
    run: null
  })

  return {
    title: () => "Runs",
    root,
    update: (next) => {
      seen = next
      root.classList.toggle("stale", isStale(next))
      feed.update(next)
      draw()
    },
    tick: () => {
      feed.tick()
      if (seen?.connection === "live") draw()
    },
    close: () => feed.close()
  }
}

interface Row {
  readonly root: HTMLElement
  readonly update: (run: RunView, seen: Seen | null) => void
}

/** One run in a row; its parts are made once, so that a list that lives keeps its focus. */
const rowOf = ({ agent_id, run_id }: RunView): Row => {
  const word = h("p", { class: "value outcome-word" })
  const message = h("p", { class: "message" })
  const when = h("p", { class: "when" })
  const figures = h("p", { class: "figures-line" })
  const link = h(
    "a",
    { href: `/runs#${run_id}`, tabindex: -1 },
    h("span", { class: "agent" }, agent_id),
    " ",
    h("span", { class: "run-id" }, run_id)
  )
  const root = h("li", { "data-run": run_id }, word, h("div", { class: "who" }, link, message), when, figures)
  return {
    root,
    update: (run, seen) => {
      const verdict = runVerdict(run, seen !== null && isOpen(run) && isCancelled(seen, run))
      root.dataset["verdict"] = run.verdict ?? "open"
      setText(word, verdict.word)
      word.dataset["tone"] = verdict.tone
      // Of a success, and of a run that does as it should, there is nothing to explain.
      const isPlain = run.message === null && (run.verdict === "succeeded" || verdict.tone === "plain")
      setText(message, isPlain ? "" : verdict.why)
      message.hidden = isPlain
      setText(when, timeWords(run, { now: Date.now() }))
      setText(figures, figuresOf(run))
      figures.classList.toggle("has-gaps", run.output.gaps.length > 0)
    }
  }
}

const figuresOf = (run: RunView): string =>
  [
    outputWords(run),
    ...(run.output.gaps.length === 0 ? [] : [countWords(run.output.gaps.length, "gap")]),
    ...(run.output.end === null || run.output.end === "complete" ? [] : [run.output.end]),
    ...(run.exit_code === null ? [] : [`exit code ${run.exit_code}`]),
    ...(run.usage === null ? [] : [usageWords(run.usage)])
  ].join(" · ")
