/**
 * The other side of the bench of central, in a process of its own: connections that are kept, each with one poll under way,
 * for some seconds. `node CentralLoad.ts '<Load as JSON>'` prints a Loaded as JSON.
 */
import { connect } from "node:net"

/** What to ask. */
export interface Load {
  readonly port: number
  /** One connection each. */
  readonly tokens: ReadonlyArray<string>
  readonly etag: string
  /** Before counting, and counting. */
  readonly warmUpMs: number
  readonly ms: number
}

/** What came back. */
export interface Loaded {
  readonly answers: number
  readonly seconds: number
  /** Answers that were not 304, in all. */
  readonly wrong: number
}

if (import.meta.main) {
  const { etag, ms, port, tokens, warmUpMs } = JSON.parse(process.argv[2] ?? "") as Load
  let answers = 0
  let wrong = 0
  for (const token of tokens) {
    const request = Buffer.from(
      `GET /v1/config HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\nIf-None-Match: ${etag}\r\n\r\n`
    )
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => socket.write(request))
    let text = ""
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1")
      for (let end = text.indexOf("\r\n\r\n"); end !== -1; end = text.indexOf("\r\n\r\n")) {
        if (!text.startsWith("HTTP/1.1 304 ")) wrong += 1
        text = text.slice(end + 4)
        answers += 1
        socket.write(request)
      }
    })
  }
  setTimeout(() => {
    // The parent reads how long the server was busy between the two lines.
    process.stdout.write("counting\n")
    answers = 0
    const begin = performance.now()
    setTimeout(() => {
      const result: Loaded = { answers, seconds: (performance.now() - begin) / 1000, wrong }
      process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit())
    }, ms)
  }, warmUpMs)
}
