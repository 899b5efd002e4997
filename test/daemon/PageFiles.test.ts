/** The files of the pages, from a folder of the test's own: no build is needed. */
import { gunzipSync } from "node:zlib"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Path, Redacted, References, type Scope } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { catalogue } from "../../machines/index.ts"
import { pageRoutes } from "../../src/daemon/Pages.ts"
import { jsonErrors, listen, mountRoutes } from "../../src/http/index.ts"
import { Journal } from "../../src/statechart/index.ts"
import { askBytes, type ByteAnswer } from "../http/RawHttp.ts"

const FILES: Readonly<Record<string, string>> = {
  "app.html": "<!doctype html><title>page</title>",
  "app.js": "export {}",
  "app.css": "body {}",
  "machines/coverage.json": "{}",
  ...Object.fromEntries(catalogue.map(({ id }) => [`machines/${id}.svg`, `<svg data-machine="${id}"/>`]))
}

interface Site {
  readonly ask: (path: string, headers?: Record<string, string>) => Effect.Effect<ByteAnswer>
  readonly remove: (name: string) => Effect.Effect<void>
}

const site = <A, E>(body: (site: Site) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = yield* fs.makeTempDirectoryScoped()
    yield* fs.makeDirectory(path.join(folder, "machines"))
    for (const [name, text] of Object.entries(FILES)) yield* fs.writeFileString(path.join(folder, name), text)
    const { routes } = yield* pageRoutes({
      token: Redacted.make("token"),
      port: Effect.succeed(7071),
      status: Effect.die("not asked for"),
      closing: Effect.never,
      folder: Effect.succeed(folder)
    })
    const { port, server } = yield* listen({ host: "127.0.0.1", port: 0 })
    const app = yield* HttpRouter.toHttpEffect(mountRoutes(routes))
    yield* HttpServer.serveEffect(jsonErrors(app)).pipe(Effect.provideService(HttpServer.HttpServer, server))
    return yield* body({
      ask: (address, headers = {}) => Effect.promise(() => askBytes(port, `GET ${address}`, headers)),
      remove: (name) => Effect.orDie(fs.remove(path.join(folder, name)))
    })
  }).pipe(
    Effect.scoped,
    Effect.provide([Journal.layer, NodeServices.layer]),
    Effect.provideService(References.MinimumLogLevel, "None")
  )

describe("a file of the pages", () => {
  it.live("is where it should be, as what it is, compressed, and kept by browsers that ask first", () =>
    site(({ ask }) =>
      Effect.gen(function* () {
        const types: Readonly<Record<string, readonly [name: string, type: string]>> = {
          "/web/app.js": ["app.js", "text/javascript; charset=utf-8"],
          "/web/app.css": ["app.css", "text/css; charset=utf-8"],
          "/machines/coverage.json": ["machines/coverage.json", "application/json"],
          ...Object.fromEntries(
            catalogue.map(({ id }) => [`/machines/${id}.svg`, [`machines/${id}.svg`, "image/svg+xml"]])
          )
        }
        for (const [address, [name, type]] of Object.entries(types)) {
          const answer = yield* ask(address, { "accept-encoding": "gzip" })
          assert.strictEqual(gunzipSync(answer.body).toString(), FILES[name])
          assert.deepInclude(answer.headers, { "content-type": type, "cache-control": "no-cache" })
          const again = yield* ask(address, { "if-none-match": answer.headers["etag"] ?? "" })
          assert.deepStrictEqual([again.status, again.body.length], [304, 0], address)
        }
      })
    )
  )

  it.live("that is a page carries its policy, and is not kept", () =>
    site(({ ask }) =>
      Effect.gen(function* () {
        for (const [address, accept] of [
          ["/", "*/*"],
          ["/machines", "text/html,application/xhtml+xml"]
        ] as const) {
          const { body, headers } = yield* ask(address, { accept })
          assert.strictEqual(body.toString(), FILES["app.html"])
          assert.deepInclude(headers, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" })
          assert.match(headers["content-security-policy"] ?? "", /^default-src 'none'; script-src 'self'; .*frame-anc/)
        }
        const data = yield* ask("/machines", { accept: "application/json" })
        assert.match(data.headers["content-type"] ?? "", /^application\/json/)
      })
    )
  )

  it.live("that is missing is said to be, and how to get it", () =>
    site(({ ask, remove }) =>
      Effect.gen(function* () {
        yield* remove("app.html")
        const { body, status } = yield* ask("/")
        const { detail, error } = JSON.parse(body.toString())
        assert.deepStrictEqual([status, error], [500, "page_missing"])
        assert.include(detail, "install Holdfast again")
      })
    )
  )
})
