import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { FakeManager } from "../service/FakeManager.ts"
import { atDesk } from "./InProcess.ts"

const URL = "http://127.0.0.1:7999"
const TOKEN = "hf_policy-token"
const INTENT = "home/state/config-control/join.json"

describe("a join that is asked for wrongly", () => {
  const wrong: ReadonlyArray<readonly [what: string, argv: ReadonlyArray<string>, stdin: string | undefined, RegExp]> =
    [
      ["without a URL", ["join"], undefined, /Missing required argument: url/],
      ["with a URL that is none", ["join", "central", TOKEN], undefined, /not an http or https URL/],
      [
        "with http to another machine",
        ["join", "http://central.example.com", TOKEN],
        undefined,
        /--allow-insecure-http/
      ],
      [
        "with a URL that holds a password",
        ["join", "https://a:b@example.com", TOKEN],
        undefined,
        /user name or password/
      ],
      ["without a token at a terminal", ["join", URL], undefined, /There is no token/],
      ["with an empty token", ["join", URL], " \n", /The token is empty/],
      ["with two sources of the token", ["join", URL, TOKEN, "--token-file", "-"], TOKEN, /two sources/],
      ["with something that is no token", ["join", URL], "-----BEGIN KEY-----\nabc\n", /This is no token/],
      ["with an unknown flag", ["join", URL, TOKEN, "--tokenfile", "x"], undefined, /--tokenfile/]
    ]
  for (const [what, argv, stdin, message] of wrong) {
    it.live(`${what}: exit code 2, says why, writes nothing`, () =>
      atDesk((desk) =>
        Effect.gen(function* () {
          const said = yield* desk.run(argv, stdin === undefined ? {} : { stdin })
          expect(said.code).toBe(2)
          expect(said.err).toMatch(message)
          expect(said.err).not.toMatch(/^\s+at /m)
          expect(yield* desk.files).toEqual([])
        })
      )
    )
  }

  it.live("with a token file that cannot be read: exit code 1", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const said = yield* desk.run(["join", URL, "--token-file", desk.path("none")])
        expect(said).toMatchObject({ code: 1, err: expect.stringContaining("there is no such file") })
      })
    )
  )

  it.live("with a certificate file that holds none: exit code 1", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const ca = yield* desk.write("ca.pem", "not PEM")
        const said = yield* desk.run(["join", URL, "--ca", ca], { stdin: TOKEN })
        expect(said).toMatchObject({ code: 1, err: expect.stringContaining("holds no certificate") })
      })
    )
  )
})

describe("a join", () => {
  it.live("writes the joining document for the user alone, and says how to start the daemon", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const said = yield* desk.run(["join", `${URL}/`], { stdin: `${TOKEN}\n` })
        expect(said).toMatchObject({ code: 0, err: "" })
        expect(said.out).toContain("No daemon runs for this home yet")
        expect(said.out).toContain("holdfast daemon")
        expect(JSON.parse(yield* desk.read(INTENT))).toMatchObject({
          document: {
            version: 2,
            sinks: {
              central: { plugin: "@holdfast/central", config: { url: URL, identity: { bootstrap_token: TOKEN } } }
            }
          }
        })
        const { mode } = yield* (yield* FileSystem.FileSystem).stat(desk.path(INTENT))
        expect(mode & 0o777).toBe(0o600)
      })
    )
  )

  it.live("takes the token from a file, and from the command line with a warning, and never prints it", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const file = yield* desk.write("token", TOKEN)
        const fromFile = yield* desk.run(["join", URL, "--token-file", file, "--no-daemon"])
        expect(fromFile).toMatchObject({ code: 0, err: "" })
        const fromArgument = yield* desk.run(["join", `${URL}/other`, TOKEN, "--json"])
        expect(fromArgument).toMatchObject({ code: 0, err: expect.stringContaining("history") })
        expect(JSON.stringify([fromFile, fromArgument])).not.toContain(TOKEN)
        expect(yield* desk.read(INTENT)).toContain(`${URL}/other`)
      })
    )
  )

  it.live("keeps the certificate and the leave to use http for this machine alone", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const ca = yield* desk.write("ca.pem", "-----BEGIN CERTIFICATE-----\n")
        const url = "http://central.example.com"
        expect((yield* desk.run(["join", url, "--ca", ca, "--allow-insecure-http"], { stdin: TOKEN })).code).toBe(0)
        expect(JSON.parse(yield* desk.read(INTENT))).toMatchObject({
          ca: "-----BEGIN CERTIFICATE-----\n",
          allow_insecure_http: true
        })
      })
    )
  )

  it.live("only tells with --dry-run", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const said = yield* desk.run(["join", URL, "--dry-run", "--json"], { stdin: TOKEN })
        expect(said.code).toBe(0)
        expect(JSON.parse(said.out)).toMatchObject({ url: URL, dry_run: true, already_joined: false, intent: null })
        expect(said.out).toContain("No service manager is here")
        const manager = new FakeManager(desk.root, "systemd")
        const withManager = yield* desk.run(["join", URL, "--dry-run"], { stdin: TOKEN, env: manager.env })
        expect(withManager.out).toContain("Then it would install and start the service holdfast.service")
        expect(manager.calls()).toEqual([])
        expect(yield* desk.files).toEqual([])
      })
    )
  )

  it.live("is done once: again with the same URL and token it changes nothing", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.run(["join", URL], { stdin: TOKEN })
        const before = yield* desk.read(INTENT)
        const again = yield* desk.run(["join", `${URL}/`], { stdin: TOKEN })
        expect(again).toMatchObject({ code: 0, out: expect.stringMatching(/written already\. No daemon runs/) })
        expect(yield* desk.read(INTENT)).toBe(before)
        // It is joined when a daemon has taken the intent up.
        for (const flag of ["--dry-run", "--no-daemon"]) {
          const report = yield* desk.run(["join", URL, "--json", flag], { stdin: TOKEN })
          expect(JSON.parse(report.out)).toMatchObject({ already_joined: false, replaces: null })
        }
        yield* desk.write("home/state/config-control/seed.json", JSON.stringify(JSON.parse(before).document))
        const fs = yield* FileSystem.FileSystem
        for (const file of [INTENT, INTENT.replace(".json", ".bak.json")]) yield* fs.remove(desk.path(file))
        const joined = yield* desk.run(["join", URL, "--json"], { stdin: TOKEN })
        expect(JSON.parse(joined.out)).toMatchObject({
          already_joined: true,
          message: expect.stringMatching(
            /^This machine is already joined to .*\. No daemon runs for this home: holdfast daemon/
          )
        })
      })
    )
  )

  it.live("says what it replaces", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.run(["join", URL], { stdin: TOKEN })
        const other = yield* desk.run(["join", "http://127.0.0.1:1", "--json"], { stdin: "another" })
        expect(other).toMatchObject({ code: 0, err: expect.stringContaining(`replaces the configuration of ${URL}`) })
        expect(JSON.parse(other.out)).toMatchObject({ replaces: { url: URL, etag: null }, daemon: "stopped" })
      })
    )
  )

  it.live("after an unfinished leave carries the leave out first", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.run(["join", URL], { stdin: TOKEN })
        yield* desk.write("home/state/config-control/leave.json", '{"version":1}\n')
        expect((yield* desk.run(["join", URL], { stdin: TOKEN })).code).toBe(0)
        const files = yield* desk.files
        expect(files).toContain("state/config-control/join.json")
        expect(files).not.toContain("state/config-control/leave.json")
      })
    )
  )
})
