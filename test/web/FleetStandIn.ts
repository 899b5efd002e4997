/**
 * Stands in for central: serves the built page, and the answers of LLP 0028 that a test has put into it. What a real
 * central answers is in the tests of `src/central-server`.
 */
import { existsSync, readFileSync } from "node:fs"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import {
  documentSchema,
  type FleetView,
  type GatewayDetail,
  type GatewayView,
  type ObjectionView,
  type RevisionView,
  type TokenView
} from "../../src/domain/index.ts"
import { configOf, etagOf, iso } from "./FleetFixtures.ts"
import { built, POLICY, TYPES } from "./StandIn.ts"

interface Kept {
  readonly view: RevisionView
  readonly text: string
}

interface Failure {
  readonly status: number
  readonly error: string
  readonly detail: string
}

const UNREACHABLE: ObjectionView = {
  pointer: "/sinks/central/config/url",
  message: "points at another server, but this server is https://central.example.com: mend the URL",
  consequence:
    "A gateway that applies this revision does not reach this server any more: it goes back by itself when its probation ends, and tries again later."
}

export class FleetStandIn {
  fleet: FleetView
  readonly kept = new Map<string, Array<Kept>>()
  tokens: ReadonlyArray<TokenView> = []
  details = new Map<string, Omit<GatewayDetail, "gateway">>()
  /** Answers everything with 401. */
  refuses = false
  /** Answers everything but the page's files with this. */
  failure: Failure | null = null
  /** Answers that write are held back so long, milliseconds. */
  slow = 0
  /** What was asked for, the newest last: `GET /fleet 304`. */
  readonly asked: Array<string> = []
  #etag = 1
  #server: Server | undefined
  #port = 0
  readonly #streams = new Set<ServerResponse>()

  constructor(fleet: FleetView, documents: Readonly<Record<string, (seq: number) => string>> = {}) {
    this.fleet = fleet
    for (const { name, newest } of fleet.configs) {
      this.kept.set(
        name,
        newest.map((view) => ({ view, text: documents[name]?.(view.seq) ?? `{ "version": 2, "note": ${view.seq} }\n` }))
      )
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async open(): Promise<void> {
    if (!existsSync(join(built, "fleet.js"))) throw new Error(`${built} is missing: npm run build`)
    const server = createServer((request, response) => void this.#answer(request, response))
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject)
      server.listen(this.#port, "127.0.0.1", resolve)
    })
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) stream.end()
    this.#streams.clear()
    const server = this.#server
    this.#server = undefined
    server?.closeAllConnections()
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())))
  }

  /** Another fleet from now on; whoever listens is told. */
  become(gateways: ReadonlyArray<GatewayView>, central: Partial<FleetView["central"]> = {}): void {
    const configs = this.fleet.configs.map(({ name }) => name)
    this.fleet = {
      ...this.fleet,
      central: { ...this.fleet.central, ...central },
      gateways,
      configs: [...new Set([...configs, ...this.kept.keys()])].map((name) =>
        configOf(
          name,
          gateways,
          (this.kept.get(name) ?? []).map(({ view }) => view)
        )
      )
    }
    this.tell()
  }

  tell(): void {
    this.#etag += 1
    for (const stream of this.#streams) stream.write("event: changed\ndata: {}\n\n")
  }

  /** Saves as another admin would, beside the page. */
  save(name: string, text: string, by: string, more: Partial<RevisionView> = {}): RevisionView {
    const all = this.kept.get(name) ?? []
    const seq = (all[0]?.view.seq ?? 0) + 1
    const view: RevisionView = {
      seq,
      etag: etagOf(text),
      bytes: Buffer.byteLength(text),
      saved_at: iso(0),
      saved_by: by,
      forced: false,
      restores: null,
      convergence: { promoted: 0, probation: 0, unconfirmed: 0, restarting: 0, rolled_back: 0, refused: 0 },
      ...more
    }
    this.kept.set(name, [{ view, text }, ...all])
    const gateways = this.fleet.gateways.map((one) =>
      one.config === name ? { ...one, newest_etag: view.etag, standing: "waiting" as const } : one
    )
    this.become(gateways)
    return view
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", this.url)
    const body = await bodyOf(request)
    const { method = "GET" } = request
    // Its clock is made up, and stands still.
    response.sendDate = false
    response.on("finish", () => this.asked.push(`${method} ${pathname} ${response.statusCode}`))
    if (this.refuses) return fail(response, { status: 401, error: "unauthorized", detail: "Who are you?" })
    const file = { "/": "fleet.html", "/web/fleet.js": "fleet.js", "/web/fleet.css": "fleet.css" }[pathname]
    if (file !== undefined) return sendFile(response, file)
    if (pathname === "/fleet/events") return this.#stream(response)
    if (method !== "GET" && this.slow > 0) await new Promise((resolve) => setTimeout(resolve, this.slow))
    if (this.failure !== null) return fail(response, this.failure)
    if (pathname === "/fleet") return this.#sendFleet(request, response)
    if (pathname === "/schema.json") return send(response, 200, documentSchema())
    if (pathname === "/tokens") return this.#tokens(method, body, response)
    const [, kind, first = "", second, third] = pathname.split("/").map(decodeURIComponent)
    if (kind === "tokens") return this.#revokeToken(first, response)
    if (kind === "gateways") return this.#gateway(first, second, response)
    if (kind !== "configs") return fail(response, NOT_FOUND)
    if (method === "POST" && second === "check") return this.#check(first, body, response)
    if (method === "PUT") return this.#put(request, response, first, body, searchParams.get("force") === "true")
    if (second === "rollback") return this.#rollback(request, response, first, body)
    return this.#revisions(first, third, searchParams.get("before"), response)
  }

  #stream(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" })
    response.write(`event: hello\ndata: ${JSON.stringify({ version: this.fleet.central.version })}\n\n`)
    this.#streams.add(response)
    response.on("close", () => this.#streams.delete(response))
  }

  #sendFleet(request: IncomingMessage, response: ServerResponse): void {
    const etag = `"${this.#etag}"`
    if (request.headers["if-none-match"] === etag) return void response.writeHead(304, { etag }).end()
    send(response, 200, this.fleet, { etag })
  }

  #tokens(method: string, body: string, response: ServerResponse): void {
    if (method === "GET") return send(response, 200, { tokens: this.tokens })
    const { config, expires_in_seconds } = JSON.parse(body) as { config: string; expires_in_seconds?: number }
    const id = `tok_${this.tokens.length + 1}`
    this.tokens = [
      {
        id,
        config,
        created_at: iso(0),
        expires_at: expires_in_seconds === undefined ? null : iso(-expires_in_seconds),
        revoked_at: null,
        gateways: 0
      },
      ...this.tokens
    ]
    send(response, 201, { id, token: "hft_dGhpcyBpcyBubyByZWFsIHNlY3JldA" })
  }

  #revokeToken(id: string, response: ServerResponse): void {
    this.tokens = this.tokens.map((token) => (token.id === id ? { ...token, revoked_at: iso(0) } : token))
    response.writeHead(204).end()
  }

  #gateway(id: string, verb: string | undefined, response: ServerResponse): void {
    const found = this.fleet.gateways.find((one) => one.id === id)
    if (found === undefined) return fail(response, { ...NOT_FOUND, detail: `There is no gateway ${id}.` })
    if (verb === "revoke") {
      const ended = { ...found, standing: "revoked" as const, revoked: true, why: "its identity was revoked" }
      this.become(this.fleet.gateways.map((one) => (one.id === id ? ended : one)))
      return void response.writeHead(204).end()
    }
    send(response, 200, { gateway: found, tenures: [], events: [], runs: [], ...this.details.get(id) })
  }

  #objections(text: string): ReadonlyArray<ObjectionView> {
    const url = /"url": "([^"]*)"/.exec(text)?.[1]
    if (url !== undefined && url !== this.fleet.central.external_url) return [UNREACHABLE]
    return []
  }

  #check(name: string, body: string, response: ServerResponse): void {
    const unchanged = this.kept.get(name)?.[0]?.text === body
    send(response, 200, { objections: this.#objections(body), unchanged })
  }

  /** Whether the admin has seen the newest; answers where not. */
  #hasSeen(request: IncomingMessage, response: ServerResponse, name: string): boolean {
    const newest = this.kept.get(name)?.[0]?.view.etag
    const { "if-match": match, "if-none-match": none } = request.headers
    if (match === newest && (newest !== undefined || none === "*")) return true
    fail(response, { status: 412, error: "revision_changed", detail: "Another admin was faster." })
    return false
  }

  #put(request: IncomingMessage, response: ServerResponse, name: string, text: string, force: boolean): void {
    if (!this.#hasSeen(request, response, name)) return
    const objections = this.#objections(text)
    if (objections.length > 0 && !force) return refuse(response, objections)
    this.#saved(response, this.save(name, text, "page", { forced: objections.length > 0 }), objections)
  }

  #rollback(request: IncomingMessage, response: ServerResponse, name: string, body: string): void {
    if (!this.#hasSeen(request, response, name)) return
    const { force = false, seq } = JSON.parse(body) as { seq: number; force?: boolean }
    const text = this.kept.get(name)?.find(({ view }) => view.seq === seq)?.text ?? ""
    const objections = this.#objections(text)
    if (objections.length > 0 && !force) return refuse(response, objections)
    this.#saved(response, this.save(name, text, "page", { restores: seq, forced: objections.length > 0 }), objections)
  }

  #saved(
    response: ServerResponse,
    { etag, forced, seq }: RevisionView,
    objections: ReadonlyArray<ObjectionView>
  ): void {
    const warnings = objections.map(({ consequence, message, pointer }) => `${pointer} ${message}. ${consequence}`)
    send(response, 200, { seq, etag, forced, warnings })
  }

  #revisions(name: string, seq: string | undefined, before: string | null, response: ServerResponse): void {
    const all = this.kept.get(name)
    if (all === undefined) return fail(response, { ...NOT_FOUND, detail: `There is no config ${name}.` })
    if (seq === undefined) {
      const views = all.map(({ view }) => view).filter((view) => before === null || view.seq < Number(before))
      return send(response, 200, { revisions: views.slice(0, 50) })
    }
    const found = all.find(({ view }) => view.seq === Number(seq))
    if (found === undefined) return fail(response, NOT_FOUND)
    response.writeHead(200, { "content-type": "application/json", etag: found.view.etag })
    response.end(found.text)
  }
}

const NOT_FOUND: Failure = { status: 404, error: "not_found", detail: "There is nothing of this name." }

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

const refuse = (response: ServerResponse, objections: ReadonlyArray<ObjectionView>): void =>
  send(response, 422, {
    error: "config_refused",
    detail: "The document was not saved: mend what speaks against it, or force it.",
    objections
  })

const fail = (response: ServerResponse, { detail, error, status }: Failure): void =>
  send(response, status, { error, detail })

const send = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {}
): void => {
  response.writeHead(status, { "content-type": "application/json", "content-encoding": "gzip", ...headers })
  response.end(gzipSync(JSON.stringify(body), { level: 1 }))
}

const sendFile = (response: ServerResponse, name: string): void => {
  const kind = name.split(".").at(-1) ?? ""
  const headers = { "content-type": TYPES[kind] ?? "", "content-encoding": "gzip" }
  response.writeHead(200, kind === "html" ? { ...headers, "content-security-policy": POLICY } : headers)
  response.end(gzipSync(readFileSync(join(built, name))))
}
