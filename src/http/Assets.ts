/** Files that pages are made of: read once, sent compressed, and not sent again to whoever has them. */
import { Effect, FileSystem } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { PlatformError } from "effect/PlatformError"
import { sha256Hex } from "../storage/index.ts"
import { namesTag } from "./EntityTags.ts"

/** How a file is sent. */
export interface AssetOptions {
  readonly contentType: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Files by path, as they were when they were first asked for. */
export type Assets = (
  path: string,
  options: AssetOptions
) => Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  PlatformError,
  FileSystem.FileSystem | HttpServerRequest.HttpServerRequest
>

interface Asset {
  readonly plain: Uint8Array
  readonly packed: Uint8Array
  readonly etag: string
}

/** Nothing has been read yet. What cannot be read is not remembered. */
export const makeAssets: Effect.Effect<Assets> = Effect.sync(() => {
  const known = new Map<string, Asset>()
  return Effect.fnUntraced(function* (path: string, { contentType, headers }: AssetOptions) {
    const asset = known.get(path) ?? (yield* load(path))
    known.set(path, asset)
    const request = (yield* HttpServerRequest.HttpServerRequest).headers
    const all = { "cache-control": "no-cache", ...headers, etag: asset.etag, vary: "accept-encoding" }
    if (namesTag(request["if-none-match"], asset.etag)) return HttpServerResponse.empty({ status: 304, headers: all })
    return takesGzip(request["accept-encoding"])
      ? HttpServerResponse.uint8Array(asset.packed, { contentType, headers: { ...all, "content-encoding": "gzip" } })
      : HttpServerResponse.uint8Array(asset.plain, { contentType, headers: all })
  })
})

const load = Effect.fnUntraced(function* (path: string) {
  const plain = yield* (yield* FileSystem.FileSystem).readFile(path)
  // Weak: the same for both encodings.
  const asset: Asset = {
    plain,
    packed: yield* gzip(plain),
    etag: `W/"${(yield* sha256Hex(plain)).slice(0, 32)}"`
  }
  return asset
})

/** Not imported: only a server that is asked for a page pays for loading it. */
const gzip = (bytes: Uint8Array): Effect.Effect<Uint8Array> =>
  Effect.callback((resume) => {
    const zlib = globalThis.process.getBuiltinModule("node:zlib")
    zlib.gzip(bytes, { level: 9 }, (error, packed) =>
      resume(error === null ? Effect.succeed(packed) : Effect.die(error))
    )
  })

const takesGzip = (header: string | undefined): boolean =>
  (header ?? "").split(",").some((coding) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(coding))
