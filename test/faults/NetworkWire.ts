/** What lies between a gateway and central: a TLS proxy that can go wrong in every way that networks and servers do. */
import { writeFileSync } from "node:fs"
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http"
import { createServer as createHttpsServer } from "node:https"
import { type AddressInfo, createServer, type Socket } from "node:net"
import type { TLSSocket } from "node:tls"
import { goodCertificate, leafKey } from "./NetworkCertificates.ts"

/** The name by which gateways know central; it is on loopback, or unknown. */
export const CENTRAL_NAME = "central.localhost"

/** The requests that a daemon makes of central. */
export const REQUESTS = {
  "/v1/identity/bootstrap": "bootstrap",
  "/v1/config": "poll",
  "/v1/identity/refresh": "refresh",
  "/v1/gateway/status": "report"
} as const
export type RequestName = (typeof REQUESTS)[keyof typeof REQUESTS]

/** What central itself answered. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A request that met a fault. */
export interface Victim {
  readonly request: RequestName
  /** The encrypted connection: what is written here is what the gateway reads. */
  readonly socket: TLSSocket
  /** Ends the connection by RST, as a crashed machine does. */
  readonly reset: () => void
  /** Has central answer, and keeps the answer from the gateway. */
  readonly answer: () => Promise<Answer>
}

/** One way to go wrong; each part of a connection's life has its own. */
export interface Fault {
  readonly name: string
  /** The name of central is not known. */
  readonly isNameless?: boolean
  /** Nobody listens. */
  readonly isClosed?: boolean
  /** Instead of the TLS handshake. */
  readonly connected?: (socket: Socket) => void
  readonly certificate?: string
  /** At the first byte of the request. */
  readonly asked?: (socket: TLSSocket) => void
  /** Instead of the answer. */
  readonly answered?: (victim: Victim) => void | Promise<void>
}

/** A request that came through whole, or met a fault after it was read. */
export interface Seen {
  readonly request: RequestName
  readonly fault: string | null
  /** Null where a fault took the place of an answer. */
  readonly status: number | null
  readonly body: string
}

export interface FaultyWire {
  readonly url: string
  readonly log: ReadonlyArray<Seen>
  readonly inject: (fault: Fault) => void
  /** Injects once central has told the gateway that this is still its newest revision; resolves when that is so. */
  readonly injectAfterConfirmed: (etag: string, fault: Fault) => Promise<void>
  readonly heal: () => Promise<void>
  readonly close: () => Promise<void>
}

/** How long an identity lives that came over this wire, in s: so short that it is refreshed within the test. */
const LIFE_S = 100

const bytesOf = async (stream: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const ask = (target: string, { headers, method, url }: IncomingMessage, body: Buffer): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const to = new URL(target)
    const onward = httpRequest({ host: to.hostname, port: to.port, method, path: url, headers }, (answer) => {
      bytesOf(answer).then(
        (body) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: shortLived(url, body) }),
        reject
      )
    })
    onward.on("error", reject)
    onward.end(body)
  })

const shortLived = (url: string | undefined, body: Buffer): Buffer => {
  if (url?.startsWith("/v1/identity/") !== true || !body.includes('"jwt"')) return body
  const { jwt } = JSON.parse(body.toString()) as { readonly jwt: string }
  return Buffer.from(JSON.stringify({ jwt, expires_at: Math.floor(Date.now() / 1_000) + LIFE_S }))
}

/**
 * Opens a wire to central at `target`. `hosts` is the file that tells the gateway where central is; it is kept in line
 * with the fault.
 */
export const openFaultyWire = async (target: string, hosts: string): Promise<FaultyWire> => {
  const log: Array<Seen> = []
  const raws = new Map<number | undefined, Socket>()
  let fault: Fault | null = null
  let armed: { readonly etag: string; readonly fault: Fault; readonly done: () => void } | null = null
  const good = { cert: goodCertificate, key: leafKey }

  const tls = createHttpsServer(good, (incoming, outgoing) => void exchange(incoming, outgoing))
  // A gateway that does not like our certificate says so and goes.
  tls.on("tlsClientError", () => {})
  tls.on("clientError", (_error, socket) => socket.destroy())
  tls.on("secureConnection", (socket) => {
    socket.on("error", () => {})
    if (fault?.asked !== undefined) socket.once("data", () => fault?.asked?.(socket))
  })
  const server = createServer((raw) => {
    raws.set(raw.remotePort, raw)
    raw.on("error", () => {})
    const port = raw.remotePort
    raw.once("close", () => raws.delete(port))
    if (fault?.connected === undefined) tls.emit("connection", raw)
    else fault.connected(raw)
  })
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => void server.once("error", reject).listen(port, "127.0.0.1", resolve))

  const cut = (except?: Socket): void => {
    for (const raw of raws.values()) if (raw.remotePort !== except?.remotePort) raw.destroy()
  }
  const name = (isKnown: boolean): void =>
    writeFileSync(hosts, `127.0.0.1 localhost\n${isKnown ? `127.0.0.1 ${CENTRAL_NAME}\n` : ""}`)

  const begin = (next: Fault, except?: Socket): void => {
    fault = next
    name(next.isNameless !== true)
    tls.setSecureContext(next.certificate === undefined ? good : { cert: next.certificate, key: leafKey })
    if (next.isClosed === true) server.close()
    cut(except)
  }

  const exchange = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const request = REQUESTS[(incoming.url ?? "") as keyof typeof REQUESTS]
    const met = fault
    if (met?.asked !== undefined) return
    const body = await bytesOf(incoming)
    const note = (status: number | null) =>
      log.push({ request, fault: met?.name ?? null, status, body: body.toString() })
    const socket = incoming.socket as TLSSocket
    if (met?.answered !== undefined) {
      note(null)
      // So that central has a body to give.
      delete incoming.headers["if-none-match"]
      await met.answered({
        request,
        socket,
        reset: () => raws.get(socket.remotePort)?.resetAndDestroy(),
        answer: () => ask(target, incoming, body)
      })
      return
    }
    const answer = await ask(target, incoming, body)
    note(answer.status)
    const last = armed !== null && answer.status === 304 && incoming.headers["if-none-match"] === armed.etag
    const { "content-length": _length, "transfer-encoding": _coding, ...headers } = answer.headers
    outgoing.writeHead(answer.status, { ...headers, ...(last ? { connection: "close" } : {}) })
    if (last && armed !== null) {
      const { done, fault: next } = armed
      armed = null
      begin(next, socket)
      done()
    }
    outgoing.end(answer.body)
  }

  await listen(0)
  const { port } = server.address() as AddressInfo
  name(true)
  return {
    url: `https://${CENTRAL_NAME}:${port}`,
    log,
    inject: (next) => begin(next),
    injectAfterConfirmed: (etag, next) => new Promise((done) => void (armed = { etag, fault: next, done })),
    heal: async () => {
      fault = null
      name(true)
      tls.setSecureContext(good)
      cut()
      if (!server.listening) await listen(port)
    },
    close: () =>
      new Promise((resolve) => {
        cut()
        if (server.listening) server.close(() => resolve())
        else resolve()
      })
  }
}
