/** Archives, byte by byte, and servers for them on loopback. */
import { Effect } from "effect"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { gzipSync } from "node:zlib"

/** One header of an archive and what follows it; `body` is put behind it whatever `size` says. */
export interface Piece {
  readonly name: string | Buffer
  /** The type flag: `0` is a file, `5` a directory. */
  readonly type?: string
  readonly body?: string | Buffer
  /** Bytes, as the header says them; left out: those of `body`. */
  readonly size?: number
  readonly link?: string
  readonly mode?: number
}

const BLOCK = 512

const padded = (body: Buffer): Buffer => Buffer.concat([body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)])

const pieceOf = ({ body = "", link = "", mode = 0o644, name, size, type = "0" }: Piece): Buffer => {
  const bytes = Buffer.from(body)
  const header = Buffer.alloc(BLOCK)
  Buffer.from(name).copy(header, 0, 0, 100)
  const octal = (value: number, at: number, digits: number) =>
    header.write(`${value.toString(8).padStart(digits, "0")}\0`, at)
  octal(mode, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  octal(size ?? bytes.length, 124, 11)
  octal(0, 136, 11)
  header.write(" ".repeat(8), 148)
  header.write(type, 156, "latin1")
  header.write(link, 157)
  header.write("ustar\u000000", 257, "latin1")
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    6
  )
  return Buffer.concat([header, padded(bytes)])
}

/** The records of a PAX header, before the piece that they are about. */
export const pax = (records: Readonly<Record<string, string>>, type = "x"): Piece => ({
  name: "PaxHeaders/x",
  type,
  body: Object.entries(records)
    .map(([key, value]) => {
      const rest = Buffer.byteLength(` ${key}=${value}\n`)
      const digits = String(rest + String(rest + 3).length).length
      return `${rest + digits} ${key}=${value}\n`
    })
    .join("")
})

/** GNU's way to a name of any length, before the piece that has it. */
export const longName = (name: string): Piece => ({ name: "././@LongLink", type: "L", body: `${name}\0` })

export const END = Buffer.alloc(2 * BLOCK)

export const tarOf = (pieces: ReadonlyArray<Piece>): Buffer => Buffer.concat([...pieces.map(pieceOf), END])

export const tgzOf = (pieces: ReadonlyArray<Piece>): Buffer => gzipSync(tarOf(pieces), { level: 1 })

/** 16 MiB of zeros in 16 KiB: gzip takes such parts one after the other as one. */
const zeros = gzipSync(Buffer.alloc(2 ** 24))

/** The pieces, and then zeros: `mebibytes` of them, a multiple of 16. */
export const tgzWithZeros = (pieces: ReadonlyArray<Piece>, mebibytes: number, after = Buffer.alloc(0)): Buffer =>
  Buffer.concat([
    gzipSync(Buffer.concat(pieces.map(pieceOf))),
    ...Array.from({ length: mebibytes / 16 }, () => zeros),
    ...(after.length === 0 ? [] : [gzipSync(after)])
  ])

/** A server for the time of a scope; its connections end with it. Answers its URL, without a slash at the end. */
export const serve = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer(listener)
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
    }),
    ({ server }) =>
      Effect.promise(() => {
        server.closeAllConnections()
        return new Promise((resolve) => server.close(resolve))
      })
  ).pipe(Effect.map(({ url }) => url))

/** A server that answers everything with these bytes. */
export const serveBytes = (bytes: Buffer) => serve((_, response) => response.end(bytes))
