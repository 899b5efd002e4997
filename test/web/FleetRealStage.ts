/**
 * A fleet of real gateways on a real central: the road between them, of which a part can be bad, and two recorders, of
 * what a page showed and of what the gateways said of themselves at that moment.
 */
import { createServer, request as httpRequest, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { isDeepStrictEqual } from "node:util"
import type { Page } from "playwright-core"
import type { Status } from "../../src/domain/index.ts"
import { type Central, type Gateway, holdfast, sleep } from "../e2e/Processes.ts"

/** A link that signs a browser in, at central itself and not where gateways think that it is. */
export const linkOf = async ({ data, url }: Central): Promise<string> => {
  const { stdout } = await holdfast(["central", "open", "--data", data])
  const link = new URL(/http\S+/.exec(stdout)?.[0] ?? "")
  return `${url}${link.pathname}${link.search}`
}

/** How one gateway's road is: `cut` brings nothing through, `busy` answers its polls with 503 and lets its reports pass. */
export type Road = "open" | "cut" | "busy"

export interface Roads {
  /** Where all gateways think that central is. */
  readonly url: string
  target: string
  /** By gateway; what is not here is open. */
  readonly of: Map<string, Road>
  /** Told of each document that a gateway has got, before it can do anything with it. */
  fetched: (gateway: string, etag: string) => void
  readonly close: () => Promise<void>
}

/** A proxy before central, which tells gateways apart by the identity that they bring. */
export const openRoads = async (): Promise<Roads> => {
  const server = createServer((incoming, outgoing) => {
    const gateway = subjectOf(incoming.headers.authorization)
    const road = roads.of.get(gateway) ?? "open"
    if (road === "cut") return void incoming.socket.destroy()
    const { method, url: path = "/" } = incoming
    if (road === "busy" && path === "/v1/config") return busy(outgoing)
    const to = new URL(roads.target)
    const onward = httpRequest(
      { host: to.hostname, port: to.port, method, path, headers: { ...incoming.headers, host: to.host } },
      (answer) => {
        if (path === "/v1/config" && answer.statusCode === 200) roads.fetched(gateway, answer.headers.etag ?? "")
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      }
    )
    onward.on("error", () => incoming.socket.destroy())
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const roads: Roads = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    target: "",
    of: new Map(),
    fetched: () => {},
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      })
  }
  return roads
}

const busy = (response: ServerResponse): void => {
  response.writeHead(503, { "content-type": "application/json" })
  response.end(JSON.stringify({ error: "busy", detail: "The proxy has too much to do." }))
}

const subjectOf = (authorization = ""): string => {
  const [, claims] = authorization.split(".")
  return claims === undefined ? "" : String(JSON.parse(Buffer.from(claims, "base64url").toString()).sub)
}

/** One state of a page: what it said of each gateway, and of all of them. */
export interface Shown {
  /** Wall clock, ms. */
  readonly at: number
  /** The newest revision that it knew. */
  readonly newest: string
  readonly headline: string
  readonly stands: Readonly<Record<string, string>>
}

declare global {
  interface Window {
    shown: Array<Shown>
  }
}

/** Writes down every state that the first page of a fleet shows from now on. */
export const watch = (page: Page): Promise<void> =>
  page.evaluate(() => {
    window.shown = []
    let last = ""
    const look = (): void => {
      const rows = [...document.querySelectorAll<HTMLElement>("[data-gateway]")]
      const state = {
        newest: document.querySelector<HTMLElement>(".newest code")?.title ?? "",
        headline: document.querySelector(".headline")?.textContent ?? "",
        stands: Object.fromEntries(
          rows.map((row) => [row.dataset["gateway"], row.querySelector<HTMLElement>(".stand")?.dataset["stand"] ?? ""])
        )
      }
      const text = JSON.stringify(state)
      if (text === last) return
      last = text
      window.shown.push({ at: Date.now(), ...state })
    }
    look()
    const everything = { subtree: true, childList: true, characterData: true, attributes: true }
    new MutationObserver(look).observe(document.body, everything)
  })

/** What a gateway's own status file said from a moment on. */
interface Said {
  readonly at: number
  readonly running: string | null
  /** The revision that it ran promoted. */
  readonly promoted: string | null
  /** The revisions that it had applied, and given up. */
  readonly applied: string | null
  readonly rolledBack: string | null
}

const saidIn = ({ remote_config: remote }: Status): Omit<Said, "at"> => {
  const running = remote?.running_etag ?? null
  const isProven = remote?.probation == null && remote?.last_known_good?.etag === running
  return {
    running,
    promoted: isProven ? running : null,
    applied: remote?.last_attempt?.verdict === "applied" ? remote.last_attempt.etag : null,
    rolledBack: remote?.last_rollback?.etag ?? null
  }
}

/** Reads the status files of gateways all the time, and writes down each that differs from the one before. */
export class OwnWords {
  readonly #said = new Map<string, Array<Said>>()
  #isOver = false
  readonly #done: Promise<void>

  constructor(gateways: ReadonlyMap<string, Gateway>) {
    this.#done = this.#read(gateways)
  }

  /** Its first look is over when it is made. */
  async #read(gateways: ReadonlyMap<string, Gateway>): Promise<void> {
    while (!this.#isOver) {
      for (const [id, gateway] of gateways) {
        const status = gateway.quickStatus()
        if (status === undefined) continue
        const all = this.#said.get(id) ?? []
        this.#said.set(id, all)
        const now = saidIn(status)
        if (!isDeepStrictEqual({ ...now, at: all.at(-1)?.at }, all.at(-1))) all.push({ ...now, at: Date.now() })
      }
      await sleep(20)
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#done
  }

  /**
   * How long after a page showed something a gateway's own words bore it out, ms; 0 or less when they did by then.
   * Infinity: they never did. What was true until `BEHIND_MS` before counts, for a page is a little behind.
   */
  lead(id: string, shown: number, isTrue: (said: Said) => boolean): number {
    const all = this.#said.get(id) ?? []
    const since = all.findLastIndex(({ at }) => at <= shown - BEHIND_MS)
    const first = all.slice(Math.max(since, 0)).find(isTrue)
    return first === undefined ? Infinity : first.at - shown
  }
}

/** Central tells its pages once a second, they ask once a second, and machines that run tests are slow. */
const BEHIND_MS = 4_000
/** A status file is written when nothing has happened for 100 ms: a report may be at central before. */
const FILE_MS = 1_000
/** While one process ends and the next begins, the file may wait for the next. */
const RESTART_MS = 10_000

interface Claim {
  readonly isTrue: (newest: string) => (said: Said) => boolean
  readonly within: number
}

const runs = (newest: string) => (said: Said) => said.running === newest

/** When a word is not better than what happened. */
const CLAIMS: Readonly<Record<string, Claim>> = {
  converged: { isTrue: (newest) => (said) => said.promoted === newest, within: FILE_MS },
  rolled_back: { isTrue: (newest) => (said) => said.rolledBack === newest, within: FILE_MS },
  probation: { isTrue: runs, within: RESTART_MS },
  unconfirmed: { isTrue: runs, within: RESTART_MS },
  restarting: { isTrue: (newest) => (said) => said.applied === newest, within: RESTART_MS },
  waiting: { isTrue: () => () => true, within: 0 }
}

/** What a page showed of gateways that their own words do not bear out, and how far it was ahead of their files at most. */
export const compare = (all: ReadonlyArray<Shown>, words: OwnWords) => {
  const wrong: Array<string> = []
  const leads: Record<string, number> = {}
  for (const { at, headline, newest, stands } of all) {
    for (const [id, stand] of Object.entries(stands)) {
      const claim = CLAIMS[stand]
      const lead = claim === undefined ? Infinity : words.lead(id, at, claim.isTrue(newest))
      leads[stand] = Math.max(leads[stand] ?? 0, lead)
      if (claim === undefined || lead > claim.within) wrong.push(`${id} was shown as ${stand}, ${lead} ms too early`)
    }
    const converged = Object.values(stands).filter((stand) => stand === "converged").length
    if (Number(/^(?:all )?(\d+)/.exec(headline)?.[1]) !== converged)
      wrong.push(`${headline}, and ${converged} in the list`)
  }
  return { wrong, leads }
}
