/**
 * The page of central: `#` the fleet, `#config/<name>` a config, `#gateway/<id>` a gateway, `#tokens` the tokens.
 */
import { h, now as pageNow, setChildren, setText } from "./Dom.ts"
import { listen } from "./EventStream.ts"
import { fieldsOf, textOf } from "./Fields.ts"
import { fetchFleet } from "./FleetAsk.ts"
import { configPage } from "./FleetConfigPage.ts"
import { gatewayPage } from "./FleetGatewayPage.ts"
import { overviewPage } from "./FleetOverviewPage.ts"
import type { FleetPage, Shell } from "./FleetPage.ts"
import { centralNow, type FleetEvent, type FleetState, isOld, learn, NOTHING_KNOWN } from "./FleetState.ts"
import { tokensPage } from "./FleetTokensPage.ts"
import { line, newsOf } from "./FleetWords.ts"
import { agoWords, clockWords, dateWords } from "./Words.ts"

const place = (id: string): HTMLElement => {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found
}
const main = place("page")
const connection = place("connection")
const about = place("central")
const notices = place("notices")
const news = place("news")

/** From one answer to the next question about the fleet; after one that failed; and the least between two things read out. */
const BETWEEN_MS = 1_000
const AGAIN_MS = 5_000
const NEWS_MS = 5_000

let state: FleetState = NOTHING_KNOWN
let page: FleetPage | null = null
let isAsking = false
let isWanted = false
let answeredAt = Number.NEGATIVE_INFINITY
let timer: ReturnType<typeof setTimeout> | undefined
/** What was read out last, and when. */
let told: { readonly configs: NonNullable<FleetState["fleet"]>["configs"]; readonly at: number } | null = null

const clock = (): number | null => centralNow(state, pageNow())

const become = (event: FleetEvent): void => {
  state = learn(state, event)
  const begun = pageNow()
  page?.update(state, clock())
  // What a new state of the fleet costs, for whoever measures it.
  if (event.type === "fleet") main.dataset["cost"] = (pageNow() - begun).toFixed(1)
  drawHead()
  tell()
}

const drawHead = (): void => {
  const { fleet, heard, lostAt, pageVersion, trouble, version } = state
  setText(connection, connectionWords(state))
  connection.dataset["connection"] = state.connection
  if (version !== pageVersion && connection.querySelector("button") === null) {
    connection.append(" ", h("button", { type: "button", click: () => location.reload() }, "Reload"))
  }
  document.body.classList.toggle("stale", isOld(state))
  const certificate = fleet?.central.certificate_expires_at ?? null
  const at = clock()
  setText(
    about,
    fleet === null
      ? ""
      : [
          `central ${line(fleet.central.version, 40)}`,
          line(fleet.central.external_url, 200),
          ...(certificate === null || at === null
            ? []
            : [`certificate until ${dateWords(Date.parse(certificate), at)}`])
        ].join(" · ")
  )
  const old =
    isOld(state) && lostAt !== null && fleet !== null && heard !== null
      ? `What follows is what was last known${at === null ? "" : `, at ${clockWords(at)}`}: ${agoWords(0, pageNow() - lostAt)}.`
      : null
  setChildren(
    notices,
    ...[...(old === null ? [] : [old]), ...(trouble === "" ? [] : [trouble]), ...(fleet?.central.warnings ?? [])].map(
      (words) => h("p", { class: "warning" }, line(words, 1_000))
    )
  )
  if (page !== null) entitle(page)
}

const connectionWords = ({ connection: how, pageVersion, version }: FleetState): string => {
  switch (how) {
    case "connecting":
      return "connecting …"
    case "live":
      return pageVersion === version ? "live" : `live; central is version ${line(version ?? "", 40)} now`
    case "lost":
      return "central does not answer, reconnecting …"
    case "refused":
      return "not let in any longer: run holdfast central open --data DIR"
  }
}

/** What changed is read out, and not more often than anybody can listen to. */
const tell = (): void => {
  const configs = state.fleet?.configs
  if (configs === undefined || told?.configs === configs) return
  if (told === null) {
    told = { configs, at: pageNow() }
    return
  }
  if (pageNow() - told.at < NEWS_MS) return
  const words = newsOf(told.configs, configs)
  told = { configs, at: pageNow() }
  if (words !== "") setText(news, words)
}

const entitle = (shown: FleetPage): void => {
  const title = `${shown.title()} · Holdfast`
  if (document.title !== title) document.title = title
}

/** Asks how the fleet is as soon as it is time: once a second at most, one question at a time, and not for nobody. */
const want = (): void => {
  isWanted = true
  if (isAsking || document.visibilityState !== "visible") return
  clearTimeout(timer)
  timer = setTimeout(() => void ask(), Math.max(0, BETWEEN_MS - (pageNow() - answeredAt)))
}

const ask = async (): Promise<void> => {
  isWanted = false
  isAsking = true
  const reply = await fetchFleet(state.etag)
  isAsking = false
  answeredAt = pageNow()
  become({ type: "fleet", reply, at: answeredAt })
  if (isWanted) return want()
  if (reply.type === "failed" || (reply.type === "away" && reply.why === "odd")) {
    clearTimeout(timer)
    timer = setTimeout(want, AGAIN_MS)
  }
}

const shell: Shell = {
  go: (address) => {
    history.pushState(null, "", address === "#" ? location.pathname : address)
    open()
  },
  changed: () => {
    answeredAt = Number.NEGATIVE_INFINITY
    want()
  }
}

const pageOf = (): { readonly page: FleetPage; readonly nav: string } => {
  const [kind = "", ...rest] = location.hash.slice(1).split("/")
  const name = decoded(rest.join("/"))
  if (kind === "tokens") return { page: tokensPage(shell), nav: "#tokens" }
  if (kind === "config" && name !== "") return { page: configPage(name, shell), nav: "" }
  if (kind === "gateway" && name !== "") return { page: gatewayPage(name, shell), nav: "" }
  return { page: overviewPage(shell), nav: "#" }
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    // Nothing that this page has made.
    return ""
  }
}

/** Puts the page of the current address up. */
const open = (): void => {
  const isFirst = page === null
  page?.close()
  const next = pageOf()
  page = next.page
  for (const link of document.querySelectorAll<HTMLAnchorElement>("header nav a")) {
    if (link.getAttribute("href") === next.nav) link.setAttribute("aria-current", "page")
    else link.removeAttribute("aria-current")
  }
  main.replaceChildren(page.root)
  page.update(state, clock())
  entitle(page)
  if (isFirst) return
  scrollTo(0, 0)
  page.root.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true })
}

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null
  const address = link?.getAttribute("href") ?? ""
  if (link === null || !address.startsWith("#") || event.defaultPrevented) return
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  event.preventDefault()
  if (link.classList.contains("skip")) return main.focus()
  shell.go(address)
})
addEventListener("popstate", open)
// What changed while nobody looked is asked for as soon as somebody does.
document.addEventListener("visibilitychange", want)

setInterval(() => {
  if (state.connection === "live") page?.tick(clock())
  drawHead()
  tell()
}, 1_000)
open()
void listen(() => "./fleet/events", {
  message: ({ data, event }) => {
    if (event === "hello") become({ type: "hello", version: textOf(fieldsOf(JSON.parse(data))?.["version"]) ?? "" })
    want()
  },
  lost: () => become({ type: "gone", how: "lost", at: pageNow() }),
  refused: () => become({ type: "gone", how: "refused", at: pageNow() })
})
