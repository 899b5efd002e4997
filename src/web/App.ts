/**
 * The pages of the daemon: `/` this machine, `/chat` a new conversation, `/chat#<id>` one of before, `/runs` all runs, `/runs#<id>` one of them, `/machines` all statecharts,
 * `/machines#join` one of them, `/machines#run/<id>` one instance of one.
 */
import { chatPage } from "./ChatPage.ts"
import { h, setText } from "./Dom.ts"
import { listen } from "./EventStream.ts"
import { machinePage } from "./MachinePage.ts"
import { overviewPage } from "./OverviewPage.ts"
import type { Page } from "./Page.ts"
import { runPage } from "./RunPage.ts"
import { runsPage } from "./RunsPage.ts"
import { disconnected, greeted, happened, nothingSeen, type Seen } from "./Seen.ts"
import { statusPage } from "./StatusPage.ts"
import { readEntry, readHello } from "./Wire.ts"

const place = (id: string): HTMLElement => {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found
}
const main = place("page")
const connection = place("connection")

/** Where these pages are. */
const PATHS: ReadonlySet<string> = new Set(["/", "/chat", "/runs", "/machines"])

let seen: Seen = nothingSeen
let page: Page | null = null

const show = (next: Seen): void => {
  seen = next
  setText(connection, connectionWords(next))
  connection.dataset["connection"] = next.connection
  if (next.daemon !== null && next.pageVersion !== next.daemon.version && connection.querySelector("button") === null) {
    connection.append(" ", h("button", { type: "button", click: () => location.reload() }, "Reload"))
  }
  if (page !== null) update(page)
}

const update = (page: Page): void => {
  page.update(seen)
  entitle(page)
}

const entitle = (page: Page): void => {
  const title = `${page.title()} · Holdfast`
  if (document.title !== title) document.title = title
}

const connectionWords = ({ connection, daemon, pageVersion }: Seen): string => {
  switch (connection) {
    case "connecting":
      return "connecting …"
    case "live":
      return pageVersion === daemon?.version ? "live" : `live; the daemon is version ${daemon?.version} now`
    case "lost":
      return "connection lost, reconnecting …"
    case "refused":
      return "this browser is not let in any longer: run holdfast open"
  }
}

/** What is named behind the path, `a/b` in parts; empty when nothing is, or nothing that can be read. */
const named = (): readonly [string, string | null] => {
  const [first = "", second] = location.hash.slice(1).split("/")
  try {
    return [decodeURIComponent(first), second === undefined ? null : decodeURIComponent(second)]
  } catch {
    return ["", null]
  }
}

const pageOf = (path: string, name: string, part: string | null): Page => {
  if (path === "/chat") return chatPage(name === "" ? null : name, go)
  if (path === "/runs") return name === "" ? runsPage(go) : runPage(name)
  if (path !== "/machines") return statusPage()
  return name === "" ? overviewPage() : machinePage(name, part)
}

/** Puts the page of the current address up. */
const open = (): void => {
  const [name, part] = location.pathname === "/" ? ["", null] : named()
  const isFirst = page === null
  page?.close()
  page = pageOf(location.pathname, name, part)
  for (const link of document.querySelectorAll<HTMLAnchorElement>("header nav a")) {
    const isHere = link.pathname === location.pathname
    if (isHere) link.setAttribute("aria-current", name === "" ? "page" : "true")
    else link.removeAttribute("aria-current")
  }
  main.replaceChildren(page.root)
  update(page)
  if (isFirst) return
  scrollTo(0, 0)
  page.root.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true })
}

/** To another page, without loading anew. */
const go = (address: string): void => {
  history.pushState(null, "", address)
  open()
}

// Going from page to page without loading anew keeps what was seen.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null
  if (link === null || link.origin !== location.origin || event.defaultPrevented) return
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  if (!PATHS.has(link.pathname) || link.hasAttribute("download")) return
  event.preventDefault()
  if (link.classList.contains("skip")) return main.focus()
  if (link.href === location.href) return
  go(link.href)
})
addEventListener("popstate", open)

setInterval(() => {
  if (page === null) return
  page.tick()
  // A page may have learnt what it shows since it was put up.
  entitle(page)
}, 1_000)
open()
void listen(() => "/machines/events", {
  message: ({ data, event }) => {
    const value: unknown = JSON.parse(data)
    if (event === "hello") {
      const hello = readHello(value)
      if (hello !== null) show(greeted(seen, hello))
    } else if (event === "transition") {
      const entry = readEntry(value)
      if (entry !== null) show(happened(seen, entry))
    }
  },
  lost: () => show(disconnected(seen, "lost")),
  refused: () => show(disconnected(seen, "refused"))
})
