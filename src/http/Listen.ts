// @effect-diagnostics nodeBuiltinImport:off - the one file that makes node:http servers
/** Opening a port. */
import { createServer, type IncomingHttpHeaders, IncomingMessage, type Server, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Predicate, Redacted, Schema } from "effect"

/** The port could not be opened. `code` is the system's, such as `EADDRINUSE`. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  code: Schema.String,
  message: Schema.String
}) {}

/** A certificate with those that vouch for it, and its key, both PEM. */
export interface TlsPair {
  readonly certificate: string
  readonly key: Redacted.Redacted<string>
}

/** Where to listen. Port 0 is any free port. */
export interface ListenOptions {
  readonly host: string
  readonly port: number
  /** Serve TLS 1.2 and newer with this pair, which must be a good one; left out: plain HTTP. */
  readonly tls?: TlsPair | undefined
  /** Requests that are answered before anything else sees them. */
  readonly atOnce?: AtOnce | undefined
}

/**
 * The answer to a request without a body in either, when it is known at once; undefined leaves it to the app. For the one
 * route in a million requests where an effect would cost more than its answer.
 */
export type AtOnce = (
  method: string | undefined,
  url: string | undefined,
  headers: IncomingHttpHeaders
) => { readonly status: number; readonly headers: Readonly<Record<string, string>> } | undefined

/**
 * Opens a port until the scope closes; requests in flight are then given one second. Gives the server, its real port, and
 * how new connections get another pair. Also answers what Node refuses before it is a request (malformed or oversized
 * headers, headers that never end) in JSON.
 */
export const listen = Effect.fn("http.listen")(({ atOnce, host, port, tls }: ListenOptions) => {
  const { renew, server } = tls === undefined ? makePlain() : makeSecure(tls)
  if (atOnce !== undefined) answerAtOnce(server, atOnce)
  return NodeHttpServer.make(() => server, { host, port, gracefulShutdownTimeout: "1 second" }).pipe(
    Effect.mapBoth({
      onFailure: ({ cause }) => listenFailed(host, port, cause),
      onSuccess: (server) => ({ server, port: "port" in server.address ? server.address.port : port, renew })
    })
  )
})

/** `host` as it stands in a URL: an IPv6 address in brackets, and a wildcard address as loopback, which it includes. */
export const urlHost = (host: string): string => {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host
  return reachable.includes(":") ? `[${reachable}]` : reachable
}

/** A server, and how its new connections get another pair. */
interface Made {
  readonly server: Server
  readonly renew: (pair: TlsPair) => Effect.Effect<void>
}

/**
 * A connection that nobody uses is kept so much longer than is announced, in milliseconds: a client that was busy for a
 * moment must not send a request into one that has just been closed.
 */
const KEEP_ALIVE_BUFFER_MS = 15_000

const makePlain = (): Made => ({
  server: answering(createServer({ keepAliveTimeoutBuffer: KEEP_ALIVE_BUFFER_MS })),
  renew: () => Effect.void
})

const makeSecure = (pair: TlsPair): Made => {
  // Not imported: only a server with TLS pays for loading it.
  const https = globalThis.process.getBuiltinModule("node:https")
  const server = https.createServer({
    ...secretsOf(pair),
    handshakeTimeout: HANDSHAKE_MS,
    keepAliveTimeoutBuffer: KEEP_ALIVE_BUFFER_MS
  })
  return {
    server: answering(server),
    renew: (next) => Effect.sync(() => server.setSecureContext(secretsOf(next)))
  }
}

// Listeners of an event cannot keep it from one another.
const answerAtOnce = (server: Server, atOnce: AtOnce): void => {
  const emit = server.emit.bind(server)
  server.emit = (event: string, ...args: ReadonlyArray<unknown>) => {
    const [request, response] = args
    if (event === "request" && request instanceof IncomingMessage && response instanceof ServerResponse) {
      const answer = atOnce(request.method, request.url, request.headers)
      if (answer !== undefined) return response.writeHead(answer.status, answer.headers).end().writableEnded
    }
    return emit(event, ...args)
  }
}

const secretsOf = ({ certificate, key }: TlsPair) =>
  ({ cert: certificate, key: Redacted.value(key), minVersion: "TLSv1.2" }) as const

const HANDSHAKE_MS = 10_000

const answering = <S extends Server>(server: S): S =>
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => answerMalformed(error.code, socket))

const answerMalformed = (code: string | undefined, socket: Duplex): void => {
  // What failed before there was TLS cannot be answered in it.
  if (!socket.writable || code?.startsWith("ERR_SSL") === true || code?.startsWith("ERR_TLS") === true) {
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
