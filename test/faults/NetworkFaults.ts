/** What goes wrong on networks and in servers, and what a gateway should say about each. */
import { randomBytes } from "node:crypto"
import type { Writable } from "node:stream"
import { gzipSync } from "node:zlib"
import { elsewhereCertificate, expiredCertificate, strangerCertificate } from "./NetworkCertificates.ts"
import type { Fault, RequestName, Victim } from "./NetworkWire.ts"

/** A fault, and the words that its diagnosis must have for each request; null: the request is done in spite of it. */
export interface Trial extends Fault {
  readonly says: Readonly<Record<RequestName, RegExp | null>>
}

const everywhere = (words: RegExp): Trial["says"] => ({ bootstrap: words, poll: words, refresh: words, report: words })

const NOT_AN_IDENTITY = /not an identity/
const TYPE = "content-type: application/json\r\n"
const OK = `HTTP/1.1 200 OK\r\n${TYPE}etag: "fault"\r\n`
const MIB = 1_048_576

/** Writes for as long as anybody reads. */
const pour = (to: Writable, chunk: Buffer): void => {
  const more = () => {
    while (to.writable && to.write(chunk)) {
      // Until the buffer is full.
    }
  }
  to.on("drain", more)
  more()
}

/** Central's own answer with its body, or with one where it has none, under another length. */
const misannounced =
  (length: (real: number) => number) =>
  async ({ answer, socket }: Victim): Promise<void> => {
    const { body } = await answer()
    const sent = body.length === 0 ? Buffer.from('{"accepted":true}') : body
    socket.write(`${OK}content-length: ${length(sent.length)}\r\n\r\n`)
    socket.end(sent)
  }

const answers =
  (head: string, body = "") =>
  ({ socket }: Victim): void =>
    void socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`)

const page = (title: string): string => `<!doctype html><html><title>${title}</title><body><h1>${title}</h1></html>`

/** `elsewhere` is another origin, which nobody may follow a redirect to. */
export const quickTrials = (elsewhere: string): readonly [ReadonlyArray<Trial>, ReadonlyArray<Trial>] => {
  const garbage = randomBytes(512)
  const block = Buffer.alloc(65_536, "a")
  const headers = Buffer.from(`x-more: ${"a".repeat(1_000)}\r\n`)
  const bomb = gzipSync(Buffer.alloc(32 * MIB))
  const connections: ReadonlyArray<Trial> = [
    { name: "name not known", isNameless: true, says: everywhere(/\((ENOTFOUND|EAI_AGAIN)\).*name resolution/) },
    { name: "connection refused", isClosed: true, says: everywhere(/\(ECONNREFUSED\).*server runs/) },
    {
      name: "reset in the handshake",
      connected: (socket) => void socket.resetAndDestroy(),
      says: everywhere(/\(ECONNRESET\).*cut/)
    },
    {
      name: "closed while the request is sent",
      asked: (socket) => void socket.destroy(),
      says: everywhere(/\((UND_ERR_SOCKET|ECONNRESET)\).*cut/)
    },
    { name: "reset before headers", answered: ({ reset }) => reset(), says: everywhere(/\(ECONNRESET\).*cut/) },
    {
      name: "reset after headers",
      answered: ({ reset, socket }) =>
        void socket.write(`${OK}content-length: 500\r\n\r\n`, () => setTimeout(reset, 20)),
      says: everywhere(/\(ECONNRESET\).*cut/)
    },
    {
      name: "reset in the body",
      answered: async ({ answer, reset, socket }) => {
        const { body } = await answer()
        socket.write(`${OK}content-length: 500\r\n\r\n${body.subarray(0, body.length / 2)}`, () =>
          setTimeout(reset, 20)
        )
      },
      says: everywhere(/\(ECONNRESET\).*cut/)
    },
    {
      name: "headers without end",
      answered: ({ socket }) => {
        socket.write("HTTP/1.1 200 OK\r\n")
        pour(socket, headers)
      },
      says: everywhere(/UND_ERR_HEADERS_OVERFLOW/)
    },
    {
      name: "body without end",
      answered: ({ socket }) => {
        socket.write(`${OK}\r\n`)
        pour(socket, block)
      },
      says: { ...everywhere(NOT_AN_IDENTITY), poll: /more than 1048576 bytes/, report: /is not central/ }
    },
    {
      name: "a small body that swells",
      answered: ({ socket }) => {
        socket.write(`${OK}content-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`)
        socket.end(bomb)
      },
      says: { ...everywhere(NOT_AN_IDENTITY), poll: /more than 1048576 bytes/, report: /is not central/ }
    }
  ]
  const servers: ReadonlyArray<Trial> = [
    {
      name: "expired certificate",
      certificate: expiredCertificate,
      says: everywhere(/\(CERT_HAS_EXPIRED\).*renew it/)
    },
    {
      name: "self-signed certificate",
      certificate: strangerCertificate,
      says: everywhere(/SELF_SIGNED_CERT\).*--ca FILE/)
    },
    {
      name: "certificate of another host",
      certificate: elsewhereCertificate,
      says: everywhere(/\(ERR_TLS_CERT_ALTNAME_INVALID\).*another host/)
    },
    {
      name: "no TLS",
      connected: (socket) => void socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
      says: everywhere(/\(ERR_SSL_\w+\).*TLS/)
    },
    {
      name: "Content-Length too short",
      answered: misannounced((length) => Math.floor(length / 2)),
      says: { ...everywhere(NOT_AN_IDENTITY), poll: /not JSON/, report: null }
    },
    {
      name: "Content-Length too long",
      answered: misannounced((length) => length + 100),
      says: everywhere(/UND_ERR_SOCKET/)
    },
    {
      name: "garbage",
      answered: ({ socket }) => void socket.end(garbage),
      says: everywhere(/does not match the HTTP/)
    },
    {
      name: "redirect to another origin",
      answered: answers(`HTTP/1.1 307 Temporary Redirect\r\nlocation: ${elsewhere}/v1/config\r\n`),
      says: everywhere(/redirects to another place/)
    },
    {
      name: "502 of a proxy",
      answered: answers("HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\n", page("502 Bad Gateway")),
      says: everywhere(/answered 502: .*Bad Gateway/)
    },
    {
      name: "200 of a captive portal",
      answered: answers("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n", page("Welcome to our hotel")),
      says: { ...everywhere(NOT_AN_IDENTITY), poll: /without an ETag/, report: /is not central/ }
    }
  ]
  return [connections, servers]
}

const inTime = everywhere(/did not answer within 30 s/)

/** These last as long as a request may: 30 s of real time. */
export const slowTrials: ReadonlyArray<Trial> = [
  { name: "no answer", answered: () => {}, says: inTime },
  {
    name: "silence after headers",
    answered: ({ socket }) => void socket.write(`${OK}content-length: 500\r\n\r\n`),
    says: inTime
  },
  {
    name: "drips",
    answered: ({ socket }) => {
      socket.write(`${OK}content-length: ${MIB}\r\n\r\n`)
      const drip = setInterval(() => socket.write("a"), 50)
      socket.once("close", () => clearInterval(drip))
    },
    says: inTime
  }
]
