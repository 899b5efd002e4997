/** The first page: this machine, what it runs and why, what was tried, and the model account. */
import { fetchStatus } from "./Assets.ts"
import { h, setChildren, setText } from "./Dom.ts"
import { factElements, section } from "./Facts.ts"
import { loginSection } from "./LoginSection.ts"
import type { Page } from "./Page.ts"
import { isStale, type Seen } from "./Seen.ts"
import {
  daemonOf,
  type Heard,
  identityOf,
  type Now,
  pluginsOf,
  runningOf,
  triedOf,
  type Verdict,
  verdictOf
} from "./ThisMachine.ts"

/** Transitions come in bursts; the status is asked for once per burst. */
const SETTLE_MS = 150

export const statusPage = (): Page => {
  const verdict = h("div", { class: "verdict" })
  const overall = h("p", { class: "overall" })
  const lists = {
    running: h("dl", { class: "facts" }),
    tried: h("dl", { class: "facts" }),
    identity: h("dl", { class: "facts" }),
    plugins: h("dl", { class: "facts" }),
    daemon: h("dl", { class: "facts" })
  }
  const diagnostics = h("ul", { class: "diagnostics" })
  const login = loginSection()
  const root = h(
    "div",
    { class: "status" },
    h("div", { class: "heading" }, h("h1", { tabindex: -1 }, "This machine"), overall),
    h(
      "div",
      { class: "column" },
      section("What runs", "runs", verdict, lists.running),
      section("What was tried", "tried", lists.tried),
      login.root
    ),
    h(
      "div",
      { class: "column" },
      section("What needs attention", "attention", diagnostics),
      section("Identity", "identity", lists.identity),
      section("Plugins", "plugins", lists.plugins),
      section("Daemon", "daemon", lists.daemon)
    )
  )

  let heard: Heard | null = null
  let shown: Seen | null = null
  let pending: ReturnType<typeof setTimeout> | undefined

  const draw = (): void => {
    if (heard === null) return
    const time: Now = { now: Date.now() }
    setChildren(verdict, ...verdictElements(verdictOf(heard, time)))
    const { overall: health } = heard.status
    const isOld = shown !== null && isStale(shown)
    setText(overall, isOld ? `last known: ${health}` : health)
    overall.dataset["tone"] = isOld ? "plain" : health === "healthy" ? "good" : "bad"
    setChildren(lists.running, ...factElements(runningOf(heard, time), ""))
    setChildren(lists.tried, ...factElements(triedOf(heard, time), "Nothing was tried yet."))
    setChildren(lists.identity, ...factElements(identityOf(heard, time), ""))
    setChildren(lists.plugins, ...factElements(pluginsOf(heard), "No plugins are configured."))
    setChildren(lists.daemon, ...factElements(daemonOf(heard, time), ""))
    setChildren(diagnostics, ...diagnosticElements(heard))
  }
  const refresh = async (): Promise<void> => {
    const status = await fetchStatus()
    if (status === null) return
    heard = { status, at: Date.now() }
    await login.ready
    root.classList.add("known")
    draw()
  }
  const refreshSoon = (): void => {
    clearTimeout(pending)
    pending = setTimeout(() => void refresh(), SETTLE_MS)
  }

  return {
    title: () => "This machine",
    root,
    update: (seen) => {
      // Only a transition, or a stream that came back, can have changed something.
      if (shown?.nextKey !== seen.nextKey || (shown.connection !== "live" && seen.connection === "live")) refreshSoon()
      root.classList.toggle("stale", isStale(seen))
      const wasStale = shown !== null && isStale(shown)
      shown = seen
      login.update(seen)
      if (wasStale !== isStale(seen)) draw()
    },
    // Without a daemon no time of a probation passes.
    tick: () => {
      if (shown?.connection === "live") draw()
      login.tick()
    },
    close: () => {
      clearTimeout(pending)
      login.close()
    }
  }
}

const verdictElements = ({ tone, why, word }: Verdict): ReadonlyArray<HTMLElement> => [
  h("p", { class: "word", "data-tone": tone }, word),
  h("p", { class: "why" }, why)
]

const diagnosticElements = ({ status }: Heard): ReadonlyArray<HTMLElement> =>
  status.diagnostics.length === 0
    ? [h("li", { class: "none" }, "Nothing.")]
    : status.diagnostics.map(({ kind, message, repair, severity }) =>
        h(
          "li",
          { "data-severity": severity },
          h("p", { class: "message" }, h("span", { class: "severity" }, severity), " ", message),
          repair.length === 0 ? null : h("ul", { class: "repair" }, ...repair.map((step) => h("li", {}, step))),
          h("p", { class: "kind" }, kind)
        )
      )
