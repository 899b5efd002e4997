/** HTTP by hand: what goes over the socket is exactly what a test says. */
import * as net from "node:net"

export interface RawAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** An answer whose body is no text. */
export interface ByteAnswer extends Omit<RawAnswer, "body"> {
  readonly body: Buffer
}

/** One request, and its answer with the bytes of its body. */
export const askBytes = (
  port: number,
  line: string,
  headers: Record<string, string | undefined> = {},
  body = ""
): Promise<ByteAnswer> => exchange(port, [request(line, headers, body)])

/** Sends the parts one after the other on one connection, and reads until the server closes it. */
export const sendRaw = async (port: number, ...parts: ReadonlyArray<string | Uint8Array>): Promise<RawAnswer> => {
  const { body, ...head } = await exchange(port, parts)
  return { ...head, body: body.toString() }
}

const exchange = (port: number, parts: ReadonlyArray<string | Uint8Array>): Promise<ByteAnswer> =>
  new Promise((resolve, reject) => {
    const chunks: Array<Buffer> = []
    const socket = net.connect(port, "127.0.0.1", () => {
      for (const part of parts) socket.write(part)
    })
    socket.on("data", (chunk) => chunks.push(chunk))
    socket.on("error", reject)
    socket.on("close", () => resolve(parseAnswer(Buffer.concat(chunks))))
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

const parseAnswer = (bytes: Buffer): ByteAnswer => {
  const end = bytes.indexOf("\r\n\r\n")
  const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n")
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()])
  )
  return { status: Number(first.split(" ")[1]), headers, body: bytes.subarray(end + 4) }
}
