import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Option, SemVer } from "effect"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parseVersion } from "../../src/cli/VersionSource.ts"
import { type Offer, versionServer } from "../install/Servers.ts"
import { ascending, refused } from "../install/Versions.ts"
import { atDesk, type Desk } from "./InProcess.ts"

const repository = join(import.meta.dirname, "..", "..")
const current = readFileSync(join(repository, "VERSION"), "utf8").trim()

/** A desk whose HOLDFAST_VERSION_URL answers like this. */
const asking = <A, E, R>(
  offer: Offer,
  use: (
    upgrade: (...args: ReadonlyArray<string>) => ReturnType<Desk["run"]>,
    server: { readonly url: string; readonly asked: ReadonlyArray<string>; offer: Offer }
  ) => Effect.Effect<A, E, R>
) =>
  atDesk((desk) =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.promise(() => versionServer(offer)),
        ({ close }) => Effect.promise(close)
      )
      const env = { HOLDFAST_VERSION_URL: `${server.url}/VERSION` }
      return yield* use((...args) => desk.run(["upgrade", ...args], { env }), server)
    })
  )

describe("upgrade --check", () => {
  it.live("says that this is the newest", () =>
    asking(` ${current}\r\n\n`, (upgrade, server) =>
      Effect.gen(function* () {
        expect(yield* upgrade("--check")).toMatchObject({ code: 0, out: `Already up to date (${current})`, err: "" })
        expect(server.asked).toEqual(["GET /VERSION"])
      })
    )
  )

  it.live("says what is newer, and what to run", () =>
    asking("99.0.0-rc.1", (upgrade, server) =>
      Effect.gen(function* () {
        const said = yield* upgrade("--check")
        expect(said).toMatchObject({ code: 0, err: "" })
        expect(said.out.split("\n")).toEqual([
          `Upgrade available: ${current} → 99.0.0-rc.1`,
          `To upgrade: sh ${join(repository, "install.sh")} --version-url ${server.url}/VERSION --source GIT_URL`
        ])
      })
    )
  )

  it.live("says that this is newer than what is offered", () =>
    asking("0.0.1", (upgrade) =>
      Effect.gen(function* () {
        const out = `This is newer than what the source offers: ${current}, 0.0.1`
        expect(yield* upgrade("--check")).toMatchObject({ code: 0, out })
      })
    )
  )

  it.live("prints one document with --json", () =>
    asking("99.0.0", (upgrade, server) =>
      Effect.gen(function* () {
        const said = yield* upgrade("--check", "--json")
        expect(said).toMatchObject({ code: 0, err: "" })
        const document = JSON.parse(said.out)
        expect(document).toMatchObject({ verdict: "available", current, offered: "99.0.0" })
        expect(document).toMatchObject({ source: `${server.url}/VERSION`, run: expect.stringContaining("install.sh") })
        server.offer = current
        expect(JSON.parse((yield* upgrade("--check", "--json")).out)).toMatchObject({
          verdict: "up_to_date",
          run: null
        })
        server.offer = "0.0.1"
        expect(JSON.parse((yield* upgrade("--check", "--json")).out)).toMatchObject({ verdict: "ahead", run: null })
      })
    )
  )

  it.live("asks nobody without a source", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const said = yield* desk.run(["upgrade", "--check"])
        expect(said).toMatchObject({ code: 0, out: expect.stringContaining("No source configured") })
        expect(said.err).toContain("HOLDFAST_VERSION_URL")
        const document = { verdict: "no_source", current, offered: null, source: null, run: null }
        expect(JSON.parse((yield* desk.run(["upgrade", "--json"])).out)).toEqual(document)
      })
    )
  )
})

describe("upgrade", () => {
  it.live("says what --check says, how upgrades are made, and changes nothing", () =>
    asking(current, (upgrade) =>
      Effect.gen(function* () {
        const said = yield* upgrade()
        expect(said.out).toMatch(/^Already up to date .+\nUpgrades are made by: sh .+install\.sh /)
        expect(said.err).toContain("holdfast daemon restart")
      })
    )
  )
})

describe("what a server says instead of a version", () => {
  it.live("is described without a byte of it, and is no version", () =>
    asking("", (upgrade, server) =>
      Effect.gen(function* () {
        for (const [what, body, said] of refused) {
          server.offer = body
          const { code, err, out } = yield* upgrade("--check")
          expect({ what, code, out }).toEqual({ what, code: 1, out: "" })
          expect(err).toMatch(said)
          expect(err).toContain("Nothing was changed")
          expect(err).not.toMatch(/pwned|[^\n\x20-\x7e]/)
        }
        expect(server.asked).toHaveLength(refused.length)
      })
    )
  )

  const bad: ReadonlyArray<readonly [what: string, offer: Offer, said: RegExp]> = [
    ["404", (_, response) => void response.writeHead(404).end("1.2.3"), /answered HTTP 404/],
    ["500", (_, response) => void response.writeHead(500).end("1.2.3"), /answered HTTP 500/],
    ["a closed connection", (request) => void request.socket.destroy(), /cannot be reached/],
    [
      "fewer bytes than it said",
      (request) => void request.socket.end("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n1.2.3"),
      /cannot be reached/
    ],
    ["circles", (_, response) => void response.writeHead(302, { location: "/VERSION" }).end(), /in circles/],
    [
      "another scheme",
      (_, response) => void response.writeHead(302, { location: "file:///etc/hostname" }).end(),
      /redirects to another place/
    ],
    ["a redirect without a place", (_, response) => void response.writeHead(302).end("1.2.3"), /answered HTTP 302/]
  ]
  it.live("is explained: exit code 1", () =>
    asking("", (upgrade, server) =>
      Effect.gen(function* () {
        for (const [what, offer, said] of bad) {
          server.offer = offer
          const { code, err, out } = yield* upgrade("--check")
          expect({ what, code, out }).toEqual({ what, code: 1, out: "" })
          expect(err).toMatch(said)
        }
      })
    )
  )

  it.live("is explained when nobody is there, or the URL is none", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const check = (url: string) => desk.run(["upgrade", "--check"], { env: { HOLDFAST_VERSION_URL: url } })
        expect(yield* check("http://127.0.0.1:1/VERSION?key=secret")).toMatchObject({
          code: 1,
          err: expect.stringMatching(/http:\/\/127\.0\.0\.1:1 cannot be reached/)
        })
        for (const url of ["nonsense", "file:///etc/hostname", "http://me:secret@127.0.0.1:1/VERSION"]) {
          const { code, err } = yield* check(url)
          expect({ url, code }).toEqual({ url, code: 1 })
          expect(err).toContain("must be an http or https URL without user name")
          expect(err).not.toContain("secret")
        }
      })
    )
  )
})

describe("the request", () => {
  const slow: ReadonlyArray<readonly [string, Offer]> = [
    ["is silent", () => {}],
    [
      "drips byte after byte",
      (_, response) => {
        const drip = setInterval(() => response.write("1"), 50)
        response.on("close", () => clearInterval(drip))
      }
    ]
  ]
  for (const [what, offer] of slow) {
    it.effect(`is given up after 5 s when the server ${what}`, () =>
      asking(offer, (upgrade, server) =>
        Effect.gen(function* () {
          const running = yield* Effect.forkChild(upgrade("--check"))
          while (server.asked.length === 0) yield* Effect.promise(() => new Promise((done) => setTimeout(done, 5)))
          yield* TestClock.adjust("4900 millis")
          expect(running.pollUnsafe()).toBeUndefined()
          yield* TestClock.adjust("100 millis")
          const { code, err } = yield* Fiber.join(running)
          expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining("did not answer within 5 s") })
        })
      )
    )
  }

  it.live("follows redirects, to other origins as well", () =>
    asking(current, (upgrade, server) =>
      Effect.gen(function* () {
        const other = yield* Effect.acquireRelease(
          Effect.promise(() => versionServer("99.0.0")),
          ({ close }) => Effect.promise(close)
        )
        server.offer = (_, response) => void response.writeHead(301, { location: `${other.url}/x` }).end()
        expect((yield* upgrade("--check")).out).toContain("→ 99.0.0")
        expect([server.asked, other.asked]).toEqual([["GET /VERSION"], ["GET /x"]])
      })
    )
  )

  it.live("never goes from https to http", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const asked: Array<string> = []
        const places: Record<string, string> = {
          "http://a.example/": "https://b.example/VERSION",
          "https://b.example/VERSION": "http://c.example/VERSION"
        }
        const fetch: typeof globalThis.fetch = async (input) => {
          asked.push(String(input))
          const location = places[String(input)]
          return location === undefined
            ? new Response("99.0.0")
            : new Response(null, { status: 302, headers: { location } })
        }
        const { code, err } = yield* desk
          .run(["upgrade", "--check"], { env: { HOLDFAST_VERSION_URL: "http://a.example/" } })
          .pipe(Effect.provideService(FetchHttpClient.Fetch, fetch))
        expect({ code, asked }).toEqual({ code: 1, asked: Object.keys(places) })
        expect(err).toContain("redirects to another place (http://c.example), which is refused")
      })
    )
  )
})

describe("versions", () => {
  it("are ordered as install.sh orders them", () => {
    const parsed = ascending.map((text) => Option.getOrThrow(parseVersion(text)).version)
    expect(parsed.toSorted(SemVer.Order).map(SemVer.format)).toEqual(ascending)
    for (const [at, version] of parsed.slice(1).entries()) {
      expect(SemVer.Order(parsed[at] ?? version, version)).toBe(-1)
    }
  })
})
