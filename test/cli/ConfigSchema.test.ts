import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { documentSchema } from "../../src/domain/index.ts"
import { atDesk } from "./InProcess.ts"

describe("config schema", () => {
  it.live("prints the JSON Schema of a document, indented and alone, and needs no home", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const said = yield* desk.run(["config", "schema"])
        expect(said).toMatchObject({ code: 0, err: "" })
        expect(said.out).toMatch(/^\{\n {2}"\$schema": "https:\/\/json-schema\.org\/draft\/2020-12\/schema"/)
        expect(JSON.parse(said.out)).toEqual(documentSchema())
        expect(yield* desk.files).toEqual([])
        expect((yield* desk.run(["config", "schema", "extra"])).code).toBe(2)
      })
    )
  )
})
