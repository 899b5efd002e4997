import { gunzipSync } from "node:zlib"
import { NodeServices } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Path, type Scope } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { jsonErrors, listen, makeAssets, mountRoutes } from "../../src/http/index.ts"
import { askBytes } from "./RawHttp.ts"

const TEXT = "body { color: CanvasText }\n".repeat(200)

/** A server of one file. */
const serving = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(yield* fs.makeTempDirectoryScoped(), "app.css")
  const assets = yield* makeAssets
  const css = { contentType: "text/css" }
  const { port, server } = yield* listen({ host: "127.0.0.1", port: 0 })
  const app = yield* HttpRouter.toHttpEffect(
    mountRoutes([
      HttpRouter.route("GET", "/css", assets(file, css)),
      HttpRouter.route("GET", "/fresh", assets(file, { ...css, headers: { "cache-control": "no-store" } }))
    ])
  )
  yield* HttpServer.serveEffect(jsonErrors(app)).pipe(Effect.provideService(HttpServer.HttpServer, server))
  const ask = (line: string, headers: Record<string, string> = {}) =>
    Effect.promise(() => askBytes(port, line, headers))
  return { ask, write: fs.writeFileString(file, TEXT), remove: fs.remove(file) }
})

const scoped = <A, E>(body: Effect.Effect<A, E, NodeServices.NodeServices | Scope.Scope>) =>
  body.pipe(Effect.scoped, Effect.provide(NodeServices.layer))

describe("a file of a page", () => {
  it.live("goes compressed to whoever takes that, and plain to others", () =>
    scoped(
      Effect.gen(function* () {
        const { ask, write } = yield* serving
        yield* write
        for (const coding of ["gzip", "br, gzip;q=0.5", "GZIP"]) {
          const packed = yield* ask("GET /css", { "accept-encoding": coding })
          expect([coding, packed.status, packed.headers["content-encoding"]]).toEqual([coding, 200, "gzip"])
          expect(gunzipSync(packed.body).toString()).toBe(TEXT)
          expect(packed.body.length).toBeLessThan(TEXT.length / 10)
        }
        for (const coding of ["", "br", "gzip;q=0", "gzip; q=0.000", "xgzip"]) {
          const plain = yield* ask("GET /css", { "accept-encoding": coding })
          expect([coding, plain.headers["content-encoding"]]).toEqual([coding, undefined])
          expect(plain.body.toString()).toBe(TEXT)
          expect(plain.headers).toMatchObject({ "content-type": "text/css", vary: "accept-encoding" })
        }
      })
    )
  )

  it.live("is not sent again to whoever has it", () =>
    scoped(
      Effect.gen(function* () {
        const { ask, write } = yield* serving
        yield* write
        const { headers } = yield* ask("GET /css")
        expect(headers).toMatchObject({
          "cache-control": "no-cache",
          etag: expect.stringMatching(/^W\/"[0-9a-f]{32}"$/)
        })
        const etag = headers["etag"] ?? ""
        for (const known of [etag, `"other", ${etag}`, etag.slice(2), "*"]) {
          const again = yield* ask("GET /css", { "if-none-match": known })
          expect([known, again.status, again.body.length, again.headers["etag"]]).toEqual([known, 304, 0, etag])
        }
        expect((yield* ask("GET /css", { "if-none-match": '"other"' })).status).toBe(200)
      })
    )
  )

  it.live("has a head of its own", () =>
    scoped(
      Effect.gen(function* () {
        const { ask, write } = yield* serving
        yield* write
        const head = yield* ask("HEAD /css")
        expect([head.status, head.headers["content-length"], head.body.length]).toEqual([200, String(TEXT.length), 0])
        expect((yield* ask("HEAD /fresh")).headers["cache-control"]).toBe("no-store")
      })
    )
  )

  it.live("is read once; one that was missing is looked for again", () =>
    scoped(
      Effect.gen(function* () {
        const { ask, remove, write } = yield* serving
        expect((yield* ask("GET /css")).status).toBe(500)
        yield* write
        expect((yield* ask("GET /css")).status).toBe(200)
        yield* remove
        expect((yield* ask("GET /css")).status).toBe(200)
      })
    )
  )
})
