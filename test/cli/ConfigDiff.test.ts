import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Redacted } from "effect"
import { seedDocument } from "../../src/domain/index.ts"
import { centralDocument } from "./CentralDesk.ts"
import { atDesk, type Desk } from "./InProcess.ts"

const URL = "https://c.example.com"

const slot = Effect.fnUntraced(function* (desk: Desk, name: string, more: object) {
  const document = JSON.stringify(centralDocument(URL, more))
  const folder = `home/state/config-control/${name}`
  const digest = createHash("sha256").update(document).digest("hex")
  yield* desk.write(`${folder}/document.json`, document)
  yield* desk.write(`${folder}/record.json`, JSON.stringify({ etag: `"${name}"`, digest }))
  yield* desk.write(`${folder}/promoted`, "2026-11-21T10:00:00.000Z")
})

describe("config diff", () => {
  it.live("compares the slots, or the active one with a file, and changes nothing", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* slot(desk, "a", { query: 1 })
        const fs = yield* FileSystem.FileSystem
        yield* fs.symlink("a", desk.path("home/state/config-control/active"))
        const alone = yield* desk.run(["config", "diff"])
        expect(alone).toMatchObject({ code: 1, err: expect.stringMatching(/nothing in the other slot .* name a file/) })
        yield* slot(desk, "b", { query: 2 })
        const files = yield* desk.files
        const slots = yield* desk.run(["config", "diff"])
        expect([slots.code, slots.out.split("\n").slice(0, 3)]).toEqual([
          0,
          ["# /query: 1 -> 2", "--- slot a (active)", "+++ slot b"]
        ])
        const file = yield* desk.write("fleet.json", JSON.stringify(centralDocument(URL, { query: 1 })))
        const same = yield* desk.run(["config", "diff", file])
        expect(same).toMatchObject({ code: 0, out: "", err: `slot a (active) and ${file} say the same.` })
        const json = yield* desk.run(["config", "diff", "-", "--json"], { stdin: '{"version":2,"query":"\\u001b[2J"}' })
        expect(JSON.parse(json.out)).toMatchObject({ before: "slot a (active)", after: "-" })
        const missing = yield* desk.run(["config", "diff", desk.path("no.json")])
        expect(missing).toMatchObject({
          code: 1,
          err: expect.stringMatching(/no\.json cannot be read: there is no such file/)
        })
        const broken = yield* desk.run(["config", "diff", "-"], { stdin: "no\u001b[2J JSON" })
        expect(broken).toMatchObject({ code: 0, out: expect.stringContaining("+no [2J JSON") })
        expect(yield* desk.files).toEqual(files)
      })
    )
  )

  it.live("shows no policy token of the seed, and says what to do on a machine without a central", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const file = yield* desk.write("fleet.json", JSON.stringify(centralDocument(URL)))
        const unjoined = yield* desk.run(["config", "diff", file])
        expect(unjoined).toMatchObject({
          code: 1,
          out: "",
          err: expect.stringMatching(/no document of a central: holdfast join/)
        })
        const seed = new TextDecoder().decode(seedDocument("https://d.example.com", Redacted.make("hf_secret")))
        yield* desk.write("home/state/config-control/seed.json", seed)
        const said = yield* desk.run(["config", "diff", file])
        expect(said).toMatchObject({ code: 0, out: expect.stringContaining("--- the seed") })
        expect(said.out + said.err).not.toContain("hf_secret")
      })
    )
  )
})
