import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { centralDocument, withCentralDesk } from "./CentralDesk.ts"

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const hashOf = (document: object): string => createHash("sha256").update(JSON.stringify(document)).digest("hex")

describe("central config", () => {
  it.live("saves, shows, compares and brings back revisions, for people and for programs", () =>
    withCentralDesk(({ central, document, url }) =>
      Effect.gen(function* () {
        const [a, b] = [yield* document("a.json"), yield* document("b.json", { query: 7 })]
        const [first, second] = [hashOf(centralDocument(url)), hashOf(centralDocument(url, { query: 7 }))]
        expect(yield* central(["config", "put", "fleet", a, "--if-match", "none"])).toMatchObject({
          code: 0,
          err: "",
          out: `fleet is now revision 1, "${first}".`
        })
        // With quotes or without.
        expect((yield* central(["config", "put", "fleet", b, "--if-match", first])).out).toMatch(/revision 2/)
        const again = yield* central(["config", "put", "fleet", b, "--if-match", `"${second}"`, "--json"])
        expect(JSON.parse(again.out)).toEqual({ etag: `"${second}"`, seq: 2 })

        const newest = yield* central(["config", "get", "fleet"])
        expect(newest).toMatchObject({ code: 0, err: `revision 2, "${second}"` })
        expect(text(newest.bytes)).toBe(JSON.stringify(centralDocument(url, { query: 7 })))
        expect(text((yield* central(["config", "get", "fleet", "1"])).bytes)).toBe(JSON.stringify(centralDocument(url)))

        expect((yield* central(["config", "diff", "fleet"])).out.split("\n").slice(0, 3)).toEqual([
          "# /query added: 7",
          "--- fleet revision 1",
          "+++ fleet revision 2"
        ])
        expect((yield* central(["config", "diff", "fleet", "2", "1"])).out).toMatch(/^# \/query removed: 7\n/)
        expect((yield* central(["config", "diff", "fleet", a])).out).toContain(`--- fleet revision 2\n+++ ${a}`)
        const same = yield* central(["config", "diff", "fleet", "2", b])
        expect(same).toMatchObject({ code: 0, out: "", err: expect.stringContaining("say the same") })
        const difference = yield* central(["config", "diff", "fleet", "1", "-", "--json"], {
          stdin: JSON.stringify(centralDocument(url, { query: 8 }))
        })
        expect(JSON.parse(difference.out)).toMatchObject({
          before: "fleet revision 1",
          after: "-",
          changes: [{ pointer: "/query", kind: "added", before: null, after: "8" }]
        })

        expect((yield* central(["config", "rollback", "fleet"])).out).toBe(`fleet is now revision 3, "${first}".`)
        const back = yield* central(["config", "rollback", "fleet", "2", "--if-match", first, "--json"])
        expect(JSON.parse(back.out)).toMatchObject({ seq: 4, etag: `"${second}"`, warnings: [] })
        const rows = (yield* central(["config", "history", "fleet"])).out.split("\n")
        expect(rows[0]).toMatch(/^SEQ +SAVED +BY +BYTES +FORCED +GATEWAYS +REVISION$/)
        expect(rows[1]).toMatch(/^4 +\S+Z +command \(rollback to 2\) +\d+ +no +none +"[0-9a-f]{64}"$/)
        expect(rows).toHaveLength(5)
        const history = JSON.parse((yield* central(["config", "history", "fleet", "--json"])).out)
        expect(history.map(({ seq }: { seq: number }) => seq)).toEqual([4, 3, 2, 1])
      })
    )
  )

  it.live("says what is wrong, and what to do", () =>
    withCentralDesk(({ central, desk, document, url }) =>
      Effect.gen(function* () {
        const [a, b] = [yield* document("a.json"), yield* document("b.json", { query: 7 })]
        yield* central(["config", "put", "fleet", a])
        const first = hashOf(centralDocument(url))
        const wrong: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp, number?]> = [
          [
            ["put", "fleet", b, "--if-match", "none"],
            /changed since you looked: revision 1, .* \(command\).*save again/
          ],
          [["put", "other", b, "--if-match", first], /Nothing is saved under other/],
          [["put", "fleet", desk.path("no.json")], /no\.json cannot be read: there is no such file\. Check the path/],
          [["put", "fleet", desk.path()], /it is a directory/],
          [["put", "fl/eet", a], /A config name has 1 to 64/],
          [["get", "other"], /no document with this name, other: `central config list` shows them/],
          [["get", "fleet", "9"], /no revision 9 of fleet: `central config history fleet` shows them/],
          [["get", "fleet", "x"], /<revision>/, 2],
          [["history", "other"], /no document with this name, other/],
          [["rollback", "other"], /no document with this name, other/],
          [["rollback", "fleet"], /never had another document/],
          [["rollback", "fleet", "9"], /no revision 9/],
          [["diff", "fleet"], /has one revision only: name a file/],
          [["diff", "fleet", "9"], /no revision 9/],
          [["diff", "fleet", a, b], /a\.json is no number of a revision.*A file comes last/, 2],
          [["diff", "fleet", desk.path("no.json")], /no\.json cannot be read: there is no such file/]
        ]
        for (const [argv, message, code = 1] of wrong) {
          const said = yield* central(["config", ...argv])
          expect([argv, said.code, said.err]).toEqual([argv, code, expect.stringMatching(message)])
        }
        const history = yield* central(["config", "history", "fleet", "--json"])
        expect(JSON.parse(history.out)).toHaveLength(1)
      })
    )
  )

  it.live("names every problem of a document that was edited by hand, and where it is", () =>
    withCentralDesk(({ central, desk, url }) =>
      Effect.gen(function* () {
        const invalid = { ...centralDocument(url), plugins: [{ nme: "x" }], extra: 1 }
        const said = yield* central(["config", "put", "fleet", "-"], { stdin: JSON.stringify(invalid) })
        expect([said.code, said.err.split("\n")]).toEqual([
          1,
          [
            expect.stringContaining("This document is not accepted:"),
            expect.stringMatching(/^ {2}\/extra: is not a known key/),
            "  /plugins/0/nme: is not a known key: did you mean `name`?",
            "  /plugins/0/name: is required",
            expect.stringContaining("--force")
          ]
        ])
        const broken = yield* desk.write("broken.json", '{\n  "version": 2,,\n}')
        expect((yield* central(["config", "put", "fleet", broken])).err).toMatch(/not valid JSON: .* line 2, column 16/)
      })
    )
  )

  it.live("has examples in the help of every command", () =>
    withCentralDesk(({ desk }) =>
      Effect.gen(function* () {
        const commands = [
          ...["put", "get", "list", "history", "diff", "rollback"].map((command) => ["config", command]),
          ...["create", "list", "revoke"].map((command) => ["token", command]),
          ["gateways"],
          ["gateways", "show"],
          ["gateways", "revoke"],
          ["backup"],
          ["restore"],
          ["events"],
          ["open"]
        ]
        for (const command of commands) {
          const { code, out } = yield* desk.run(["central", ...command, "--help"])
          expect([command, code, out]).toEqual([command, 0, expect.stringMatching(/EXAMPLES\n[^]*--data /)])
        }
        for (const command of ["schema", "diff"]) {
          expect((yield* desk.run(["config", command, "--help"])).out).toContain(`holdfast config ${command}`)
        }
      })
    )
  )
})
