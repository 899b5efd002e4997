/** HTTP by hand: what goes over the socket is exactly what a test says. */
import * as net from "node:net"

export interface RawAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** Sends the parts one after the other on one connection, and reads until the server closes it. */
export const sendRaw = (port: number, ...parts: ReadonlyArray<string | Uint8Array>): Promise<RawAnswer> =>
  new Promise((resolve, reject) => {
    const chunks: Array<Buffer> = []
    const socket = net.connect(port, "127.0.0.1", () => {
      for (const part of parts) socket.write(part)
    })
    socket.on("data", (chunk) => chunks.push(chunk))
    socket.on("error", reject)
    socket.on("close", () => resolve(parseAnswer(Buffer.concat(chunks).toString())))
  })

/** A request as text; `connection: close` unless said otherwise. */
export const request = (line: string, headers: Record<string, string | undefined> = {}, body = ""): string => {
  const all = {
    host: "localhost",
    connection: "close",
    ...(body === "" ? {} : { "content-length": String(Buffer.byteLength(body)), "content-type": "application/json" }),
    ...headers
  }
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]))
  return `${line} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`
}

const parseAnswer = (text: string): RawAnswer => {
  const end = text.indexOf("\r\n\r\n")
  const [first = "", ...lines] = text.slice(0, end).split("\r\n")
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()])
  )
  return { status: Number(first.split(" ")[1]), headers, body: text.slice(end + 4) }
}
