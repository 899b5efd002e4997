/** One run: how it does, its output live, and its end if somebody wants it. */
import type { RunView } from "../domain/index.ts"
import { confirm } from "./Confirm.ts"
import { h, setChildren, setText } from "./Dom.ts"
import { factElements, section } from "./Facts.ts"
import type { Page } from "./Page.ts"
import { isCancelled, RUN_MACHINE, RunFeed } from "./RunFeed.ts"
import { RunLog } from "./RunLog.ts"
import { cancelRun, fetchRun } from "./RunWire.ts"
import { isOpen, runFacts, runVerdict } from "./RunWords.ts"
import { isStale, type Seen } from "./Seen.ts"

export const runPage = (id: string): Page => {
  let run: RunView | null = null
  let seen: Seen | null = null
  /** Asked for here, before any transition tells of it. */
  let isAsked = false

  const title = h("h1", { tabindex: -1 }, "Run")
  const word = h("p", { class: "word" })
  const why = h("p", { class: "why" })
  const facts = h("dl", { class: "facts" })
  const log = new RunLog(id)
  const cancel = confirm({
    button: "Cancel this run",
    words: "End this run? Its work is told to stop, and killed if it does not.",
    yes: "Yes, end it",
    no: "No, let it run",
    elsewhere: title,
    carryOut: async () => {
      const answer = await cancelRun(id)
      if (answer.type === "failed") return answer.words
      if (answer.type === "away") return "The daemon did not answer: nothing was asked of it, as far as is known."
      isAsked = true
      take(answer.value)
      return null
    }
  })
  const summary = h("div", { class: "summary" })
  const said = section("What it said last", "said-last", summary)
  const missing = h("p", { class: "card none", role: "status", hidden: true })
  const body = h(
    "div",
    { class: "run-bench", hidden: true },
    h(
      "section",
      { class: "card outcome", "aria-label": "How it does" },
      h("div", { role: "status", "aria-live": "polite" }, word, why),
      cancel.root
    ),
    h(
      "div",
      { class: "side" },
      section("What is known", "known", facts),
      h("p", { class: "elsewhere" }, h("a", { href: `/machines#${RUN_MACHINE}/${id}` }, "Its statechart, live"))
    ),
    log.root,
    said
  )
  const root = h(
    "div",
    { class: "run" },
    h("nav", { class: "tabs", "aria-label": "Runs" }, h("a", { href: "/runs" }, "All runs")),
    h("div", { class: "heading" }, title, h("code", { class: "run-id" }, id)),
    missing,
    body
  )

  const draw = (): void => {
    if (run === null) return
    const asked = isAsked || (seen !== null && isCancelled(seen, run))
    const verdict = runVerdict(run, asked && isOpen(run))
    const isOld = seen !== null && isStale(seen) && isOpen(run)
    setText(title, `Run of ${run.agent_id}`)
    setText(word, isOld ? `last known: ${verdict.word}` : verdict.word)
    word.dataset["tone"] = isOld ? "plain" : verdict.tone
    setText(why, verdict.why)
    root.dataset["verdict"] = run.verdict ?? "open"
    setChildren(facts, ...factElements(runFacts(run, { now: Date.now() }), ""))
    setText(summary, run.summary ?? "")
    said.hidden = run.summary === null || isOpen(run)
    cancel.show(isOpen(run), asked)
  }
  const take = (value: RunView): void => {
    run = value
    missing.hidden = true
    body.hidden = false
    draw()
    log.update(value)
  }
  const feed = new RunFeed<RunView>({
    ask: () => fetchRun(id),
    show: (answer) => {
      if (answer.type === "ok") return take(answer.value)
      if (answer.type !== "failed" || run !== null) return
      setText(title, "There is no such run")
      setText(missing, "It was never here, or a thousand others have ended since.")
      missing.hidden = false
    },
    isGrowing: () => run !== null && isOpen(run),
    run: id
  })

  return {
    title: () => (run === null ? "Run" : `${runVerdict(run).word}, run of ${run.agent_id}`),
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
    close: () => {
      feed.close()
      log.close()
    }
  }
}
