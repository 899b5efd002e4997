/** A central that answers whatever a test says, on a real socket. */
import { Effect, type Scope } from "effect"
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** A request as it arrived. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Tells connections apart. */
  readonly connection: number
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>
}

export type Answer = (request: Seen, response: ServerResponse) => void

export interface StandIn {
  readonly url: string
  readonly port: number
  readonly seen: ReadonlyArray<Seen>
  /** What it answers from now on. */
  readonly answerWith: (answer: Answer) => void
  /** Resolves with the next request. */
  readonly next: () => Promise<Seen>
}

/** An answer of a status, headers and a body. */
export const reply =
  (status: number, headers: Record<string, string> = {}, body: string | Uint8Array = ""): Answer =>
  (_request, response) => {
    response.writeHead(status, headers)
    response.end(body)
  }

export const json = (status: number, value: unknown, headers: Record<string, string> = {}): Answer =>
  reply(status, { "content-type": "application/json", ...headers }, JSON.stringify(value))

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** Listens until the scope closes; connections that are still open are then cut. */
export const standIn = (answer: Answer = reply(404)): Effect.Effect<StandIn, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const seen: Array<Seen> = []
      const waiting: Array<(request: Seen) => void> = []
      let current = answer
      const server = createServer((request, response) => {
        request.socket.setMaxListeners(0)
        const closed = new Promise<void>((resolve) => request.socket.once("close", () => resolve()))
        void (async () => {
          const body = await bodyOf(request)
          const { headers, method = "", url = "" } = request
          const one: Seen = { method, url, headers, body, connection: request.socket.remotePort ?? 0, closed }
          seen.push(one)
          for (const resolve of waiting.splice(0)) resolve(one)
          current(one, response)
        })()
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const { port } = server.address() as AddressInfo
      const stand: StandIn = {
        url: `http://127.0.0.1:${port}`,
        port,
        seen,
        answerWith: (next) => void (current = next),
        next: () => new Promise((resolve) => waiting.push(resolve))
      }
      return { stand, server }
    }),
    ({ server }) =>
      Effect.promise(() => {
        server.closeAllConnections()
        return new Promise<void>((resolve) => server.close(() => resolve()))
      })
  ).pipe(Effect.map(({ stand }) => stand))

/** Fails unless the connection of a request is closed within a second of real time. */
export const closedSoon = ({ closed }: Seen): Effect.Effect<void> =>
  Effect.promise(() => {
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error("the connection is still open")), 1_000).unref()
    })
    return Promise.race([closed, late])
  })
