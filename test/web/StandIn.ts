/**
 * Stands in for a daemon: serves the built pages, and tells them whatever a test says. What a real daemon does to a page
 * is in UpInChromium.test.ts.
 */
import { existsSync, readFileSync } from "node:fs"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import type { RunView, Status } from "../../src/domain/index.ts"
import type { Entry, Hello } from "../../src/web/Wire.ts"
import { loginStatus } from "./Entries.ts"

export const built = join(import.meta.dirname, "..", "..", "dist", "web")

export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  json: "application/json"
}

export class StandIn {
  hello: Hello
  status: Status
  runs: ReadonlyArray<RunView> = []
  /** Answers everything with 401. */
  refuses = false
  /** How often the status was asked for. */
  asked = 0
  #server: Server | undefined
  #port = 0
  readonly #streams = new Set<ServerResponse>()

  constructor(hello: Hello, status: Status) {
    this.hello = hello
    this.status = status
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async open(): Promise<void> {
    if (!existsSync(join(built, "app.js"))) throw new Error(`${built} is missing: npm run build`)
    const server = createServer((request, response) => this.#answer(request, response))
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject)
      server.listen(this.#port, "127.0.0.1", resolve)
    })
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  /** As a daemon that ends: streams end, and nobody listens. */
  async close(): Promise<void> {
    for (const stream of this.#streams) stream.end()
    this.#streams.clear()
    const server = this.#server
    this.#server = undefined
    server?.closeAllConnections()
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())))
  }

  /** Tells a transition, and remembers it for streams to come. */
  send(entry: Entry): void {
    const { entries, machines } = this.hello
    this.hello = {
      ...this.hello,
      entries: [...entries, entry],
      machines: machines.map((machine) =>
        machine.id === entry.machine
          ? { ...machine, states: [{ instance: entry.instance, state: entry.to, visible: entry.visible }] }
          : machine
      )
    }
    for (const stream of this.#streams) stream.write(message("transition", entry))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? "/").replace(/\?.*/, "")
    if (this.refuses) return void response.writeHead(401).end()
    if (path === "/machines/events") return this.#stream(response)
    if (path === "/status") {
      this.asked += 1
      return send(response, "json", JSON.stringify(this.status))
    }
    if (path === "/runs" && !/text\/html/.test(request.headers.accept ?? "")) {
      return send(response, "json", JSON.stringify({ runs: this.runs }))
    }
    if (path === "/login/status") return send(response, "json", JSON.stringify(loginStatus()))
    const name = ["/", "/runs", "/machines"].includes(path)
      ? "app.html"
      : path.replace(/^\/web\//, "").replace(/^\//, "")
    const file = join(built, name)
    if (!file.startsWith(built) || !existsSync(file)) return void response.writeHead(404).end()
    send(response, name.split(".").at(-1) ?? "", readFileSync(file))
  }

  #stream(response: ServerResponse): void {
    const { startedAt, ...rest } = this.hello
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" })
    response.write(message("hello", { ...rest, started_at: startedAt }))
    this.#streams.add(response)
    response.on("close", () => this.#streams.delete(response))
  }
}

const message = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

const send = (response: ServerResponse, kind: string, body: string | Buffer): void => {
  const headers = { "content-type": TYPES[kind] ?? "application/octet-stream", "content-encoding": "gzip" }
  response.writeHead(200, kind === "html" ? { ...headers, "content-security-policy": POLICY } : headers)
  response.end(gzipSync(body))
}
