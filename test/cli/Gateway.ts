/** A stand-in for the API of a live daemon, and the files by which commands find it. */
import { writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { Effect } from "effect"
import type { Status } from "../../src/domain/index.ts"
import type { Desk } from "./InProcess.ts"

export interface Asked {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly authorization: string | undefined
  readonly body: unknown
}

export const API_TOKEN = "api-token-of-this-home-0123456789abcdef"

export const healthy: Status = {
  overall: "healthy",
  diagnostics: [],
  daemon: {
    state: "running",
    pid: process.pid,
    started_at: "2026-11-21T10:00:00.000Z",
    api_url: null,
    version: "0.1.0",
    last_start: "explained",
    safe_start: false,
    time_scale: 1
  },
  identity: { gateway_id: "gw_1", expires_at: "2026-12-21T10:00:00.000Z", state: "enrolled" },
  remote_config: {
    running_etag: '"abc"',
    running_digest: "abc",
    last_known_good: { etag: '"abc"', slot: "b", promoted_at: "2026-11-21T10:00:01.000Z" },
    probation: null,
    last_rollback: null,
    bad_etag: null,
    quarantine: [],
    last_attempt: { etag: '"abc"', verdict: "applied", at: "2026-11-21T09:59:59.000Z", attempt: 1 }
  },
  config_layers: {
    central: { source: "slot", slot: "b", etag: '"abc"', url: "http://127.0.0.1:7999" },
    local: { path: "/srv/holdfast/config.json", used: false, dropped: [] }
  },
  plugins: [{ name: "@holdfast/central", version: "0.1.0", state: "active" }],
  machines: { daemon: "running" }
}

type Answer = readonly [status: number, body: unknown]

/** Makes it look as if the daemon had been started again. */
type Restart = () => void

/** Listens on loopback until the scope closes; the process of the test stands in for the daemon's. */
export const standIn = (desk: Desk, answer: (asked: Asked, restart: Restart) => Answer) =>
  Effect.gen(function* () {
    const asked: Array<Asked> = []
    let api_url = ""
    const restart = () =>
      writeFileSync(
        desk.path("home/state/run/status.json"),
        JSON.stringify({ ...healthy, daemon: { ...healthy.daemon, api_url, started_at: "2026-11-21T10:00:09.000Z" } })
      )
    const server = createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const text = Buffer.concat(chunks).toString()
        const one: Asked = {
          method: request.method,
          url: request.url,
          authorization: request.headers.authorization,
          body: text === "" ? undefined : JSON.parse(text)
        }
        asked.push(one)
        const [status, body] = answer(one, restart)
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
      })
    })
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
      () =>
        Effect.promise(() => {
          server.closeAllConnections()
          return new Promise((resolve) => server.close(resolve))
        })
    )
    const address = server.address()
    api_url = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
    yield* desk.write("home/state/api-token", API_TOKEN)
    yield* writeStatus(desk, { ...healthy, daemon: { ...healthy.daemon, api_url } })
    return { asked }
  })

/** What a daemon wrote last. */
export const writeStatus = (desk: Desk, status: Status) =>
  desk.write("home/state/run/status.json", JSON.stringify(status))
