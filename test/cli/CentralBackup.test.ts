import { execFileSync } from "node:child_process"
import { existsSync, lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { serve } from "../../src/central-server/index.ts"
import { withCentralDesk } from "./CentralDesk.ts"

describe("central backup and restore", () => {
  it.live("copies a central that runs, and puts it back after a yes", () =>
    withCentralDesk(({ central, desk, document }) =>
      Effect.gen(function* () {
        yield* central(["config", "put", "fleet", yield* document("a.json")])
        const file = desk.path("monday.sqlite")
        const made = yield* central(["backup", file])
        expect(made).toMatchObject({ code: 0, err: expect.stringMatching(/signing key: keep it like a password/) })
        expect(made.out).toMatch(
          /monday\.sqlite holds 1 config with 1 revision, 0 gateways, 0 tokens, 0 rows .*, as of \S+Z/
        )
        const json = JSON.parse((yield* central(["backup", file, "--json"])).out)
        expect(json).toMatchObject({ file, configs: 1, revisions: 1, backed_up_at: expect.stringMatching(/Z$/) })

        yield* central(["config", "put", "fleet", yield* document("b.json", { query: 1 })])
        const revisions = Effect.map(
          central(["config", "history", "fleet", "--json"]),
          ({ out }) => JSON.parse(out).length
        )
        const unasked = yield* central(["restore", file], { stdin: "y\n" })
        expect(unasked).toMatchObject({
          code: 1,
          out: "",
          err: expect.stringMatching(/Nobody can be asked.*add --yes/)
        })
        const declined = yield* central(["restore", file], { answer: "n\n" })
        expect(declined).toMatchObject({
          code: 1,
          out: "",
          err: expect.stringMatching(/lost to it\. \[y\/N\]\nNothing was/)
        })
        expect(yield* revisions).toBe(2)
        const done = yield* central(["restore", file], { answer: "y\n" })
        expect(done).toMatchObject({ code: 0, out: expect.stringMatching(/central is put back to \S+Z\./) })
        expect(done.err).toMatch(/is whole: 1 config[^]*What was there is kept as \S+central-before-\S+\.sqlite\./)
        expect(done.err).not.toMatch(/restart/)
        expect(yield* revisions).toBe(1)
        const again = yield* central(["restore", file, "--yes", "--json"])
        expect(JSON.parse(again.out)).toMatchObject({ found: "same", revisions: 1, still_revoked: { gateways: 0 } })
        // Another directory, where nothing is asked for nothing is lost.
        const elsewhere = yield* desk.run(["central", "restore", file, "--data", desk.path("new")])
        expect(elsewhere).toMatchObject({ code: 0, err: expect.stringMatching(/revoke them again/) })
      })
    )
  )

  it.live("says that it would take the place of another central, also where nobody is asked", () =>
    withCentralDesk(({ central, desk, document }) =>
      Effect.gen(function* () {
        yield* central(["config", "put", "fleet", yield* document("a.json")])
        const file = desk.path("monday.sqlite")
        yield* central(["backup", file])
        const other = ["--data", desk.path("other")]
        yield* Effect.scoped(serve({ data: desk.path("other"), host: "127.0.0.1", port: 0 }))
        const warning = /ANOTHER central is in this directory.*its gateways would have to join again/
        const unasked = yield* desk.run(["central", "restore", file, ...other], { stdin: "" })
        expect(unasked).toMatchObject({ code: 1, err: expect.stringMatching(warning) })
        const done = yield* desk.run(["central", "restore", file, ...other, "--yes"])
        expect(done).toMatchObject({ code: 0, err: expect.stringMatching(warning) })
        expect(done.err).toMatch(/are not known here: each has to join again/)
        expect(done.err).not.toMatch(/taken in again/)
      })
    )
  )

  it.live("refuses what is no backup, and what a backup must not be written to", () =>
    withCentralDesk(({ central, desk, document }) =>
      Effect.gen(function* () {
        yield* central(["config", "put", "fleet", yield* document("a.json")])
        const file = desk.path("monday.sqlite")
        yield* central(["backup", file])
        const text = yield* desk.write("text", "no database at all".repeat(100))
        const cut = desk.path("cut.sqlite")
        writeFileSync(cut, readFileSync(file).subarray(0, 20_000))
        const empty = yield* desk.write("empty", "")
        symlinkSync(text, desk.path("link"))
        symlinkSync("nowhere", desk.path("dangling"))
        execFileSync("mkfifo", [desk.path("pipe")])
        const names = readdirSync(desk.path("central"))
        const wrong: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
          [["restore", text, "--yes"], /text is not a database, or damaged\. Nothing was changed: name a file/],
          [["restore", cut, "--yes"], /cut\.sqlite is (not a database, or )?damaged.*Nothing was changed/],
          [["restore", empty, "--yes"], /not one of a central: name a file that `central backup` wrote/],
          [["restore", desk.path("none"), "--yes"], /There is no file .*none/],
          [["restore", desk.path(), "--yes"], /is no file/],
          [["backup", desk.path("no", "where.sqlite")], /there is no directory .*no, or it may not be read/],
          [["backup", desk.path("central")], /it is a directory\. Name a file in it/],
          [["backup", "-"], /not written to standard output\. Name a file/],
          [["backup", desk.path("link")], /it is a link\. Name the file itself/],
          [["backup", desk.path("dangling")], /it is a link\. Name the file itself/],
          [["backup", desk.path("pipe")], /it is a device, a pipe or a socket\. Name a file/],
          [["backup", desk.path("central", "central.lock")], /it is a file of the central itself/],
          [["backup", desk.path("central", "central.sqlite")], /it is a file of the central itself/],
          [["backup", desk.path("central", "central.sqlite-wal")], /it is a file of the central itself/]
        ]
        for (const [argv, message] of wrong) {
          const said = yield* central(argv)
          expect([argv, said.code, said.err]).toEqual([argv, 1, expect.stringMatching(message)])
        }
        expect(readdirSync(desk.path("central"))).toEqual(names)
        expect(existsSync(desk.path("central.partial"))).toBe(false)
        expect(lstatSync(desk.path("dangling")).isSymbolicLink()).toBe(true)
        expect(lstatSync(desk.path("pipe")).isFIFO()).toBe(true)
        const none = yield* desk.run(["central", "backup", file, "--data", desk.path("typo")])
        expect(none).toMatchObject({
          code: 1,
          err: expect.stringMatching(/There is no central in .*typo.*Check --data/)
        })
        expect((yield* central(["config", "get", "fleet"])).code).toBe(0)
      })
    )
  )
})
