/** A proxy between gateways and central that writes down every exchange, and can play dead. */
import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type RequestListener,
  type Server
} from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { AddressInfo } from "node:net"
import { buffer } from "node:stream/consumers"

export interface Exchange {
  /** Wall clock when the answer's head came, ms. */
  readonly at: number
  readonly method: string
  readonly path: string
  readonly ifNoneMatch: string | undefined
  readonly status: number
  readonly etag: string | undefined
  /** Of a batch of rows. */
  readonly batchId: string | undefined
}

/**
 * What becomes of a request: it arrives without its last line; its connection breaks in the middle of its body;
 * or it arrives, and its answer never does.
 */
export type Mishap = "shortened" | "torn" | "unanswered"

export interface Wire {
  readonly url: string
  readonly log: ReadonlyArray<Exchange>
  /** Where requests go; null: every connection is cut. */
  target: string | null
  /** What goes wrong with a request to this path; null: nothing. */
  mishap: (path: string) => Mishap | null
  readonly close: () => Promise<void>
}

const sendPart = async (
  incoming: IncomingMessage,
  onward: ClientRequest,
  mishap: "shortened" | "torn"
): Promise<void> => {
  const body = await buffer(incoming)
  if (mishap === "shortened") {
    const rest = body.subarray(0, body.lastIndexOf("\n", -2) + 1)
    onward.setHeader("content-length", rest.length)
    onward.end(rest)
  } else {
    onward.write(body.subarray(0, body.length / 2), () => onward.destroy(new Error("torn")))
  }
}

/** With `tls` the gateway's side of the wire is encrypted with that certificate. */
export const openWire = async (tls?: { readonly cert: string; readonly key: string }): Promise<Wire> => {
  const log: Array<Exchange> = []
  const forward: RequestListener = (incoming, outgoing) => {
    if (wire.target === null) {
      incoming.socket.destroy()
      return
    }
    const to = new URL(wire.target)
    const mishap = wire.mishap(incoming.url ?? "")
    const onward = httpRequest(
      {
        host: to.hostname,
        port: to.port,
        method: incoming.method,
        path: incoming.url,
        headers: { ...incoming.headers, host: to.host }
      },
      (answer) => {
        log.push({
          at: Date.now(),
          method: incoming.method ?? "",
          path: incoming.url ?? "",
          ifNoneMatch: incoming.headers["if-none-match"],
          status: answer.statusCode ?? 0,
          etag: answer.headers.etag,
          batchId: incoming.headers["x-holdfast-batch-id"]?.toString()
        })
        if (mishap === "unanswered") return
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      }
    )
    onward.on("error", () => incoming.socket.destroy())
    if (mishap === "shortened" || mishap === "torn") void sendPart(incoming, onward, mishap)
    else incoming.pipe(onward)
  }
  const server: Server = tls === undefined ? createServer(forward) : createTlsServer(tls, forward)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const wire: Wire = {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    target: null,
    mishap: () => null,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      })
  }
  return wire
}
