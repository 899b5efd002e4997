// @effect-diagnostics nodeBuiltinImport:off - the one file that makes node:http servers
/** Opening a port. */
import { createServer } from "node:http"
import type { Duplex } from "node:stream"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Predicate, Schema } from "effect"

/** The port could not be opened. `code` is the system's, such as `EADDRINUSE`. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  code: Schema.String,
  message: Schema.String
}) {}

/** Where to listen. Port 0 is any free port. */
export interface ListenOptions {
  readonly host: string
  readonly port: number
}

/**
 * Opens a port until the scope closes; requests in flight are then given one second. Gives the server and its real port. Also answers what Node refuses before
 * it is a request (malformed or oversized headers, headers that never end) in JSON.
 */
export const listen = Effect.fn("http.listen")(({ host, port }: ListenOptions) =>
  NodeHttpServer.make(makeServer, { host, port, gracefulShutdownTimeout: "1 second" }).pipe(
    Effect.mapBoth({
      onFailure: ({ cause }) => listenFailed(host, port, cause),
      onSuccess: (server) => ({ server, port: "port" in server.address ? server.address.port : port })
    })
  )
)

/** `host` as it stands in a URL: an IPv6 address in brackets, and a wildcard address as loopback, which it includes. */
export const urlHost = (host: string): string => {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host
  return reachable.includes(":") ? `[${reachable}]` : reachable
}

const makeServer = () =>
  createServer().on("clientError", (error: NodeJS.ErrnoException, socket) => answerMalformed(error.code, socket))

const answerMalformed = (code: string | undefined, socket: Duplex): void => {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const [status, error] = MALFORMED[code ?? ""] ?? ["400 Bad Request", "request_malformed"]
  const body = JSON.stringify({ error })
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close`
  socket.end(`${head}\r\n\r\n${body}`)
}

const MALFORMED: Record<string, readonly [status: string, error: string]> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "headers_too_large"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "request_timeout"]
}

const listenFailed = (host: string, port: number, cause: unknown): ListenFailed => {
  const code = Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) ? cause.code : "unknown"
  const advice = LISTEN_ADVICE[code] ?? "check the host and the port"
  return new ListenFailed({ code, message: `Cannot listen on ${host} port ${port} (${code}): ${advice}.` })
}

const LISTEN_ADVICE: Record<string, string> = {
  EADDRINUSE: "another program has this port; stop it, choose another port, or 0 for any free one",
  EACCES: "ports below 1024 need privileges; choose a higher one",
  EADDRNOTAVAIL: "this machine does not have that address; choose one of its own, such as 127.0.0.1",
  ENOTFOUND: "this host name is not known; use an address such as 127.0.0.1"
}
