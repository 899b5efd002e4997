/** What the editor of central's page reads, compares and keeps, for whatever is typed. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { diffLines, pairsOf, partsOf } from "../../src/web/FleetDiff.ts"
import { edited, openEditor } from "../../src/web/FleetEditor.ts"
import { parseJson } from "../../src/web/FleetJson.ts"
import { options } from "../Options.ts"

describe("the texts of central's page", () => {
  it("takes exactly what JSON.parse takes, but for keys that are there twice", () => {
    const isJson = (text: string): boolean => {
      try {
        JSON.parse(text)
        return true
      } catch {
        return false
      }
    }
    const texts = fc.oneof(
      fc.json(),
      fc.string({ unit: fc.constantFrom(...'{}[]",:0123.eE+-\\ntruefals u00e9\n\t'.split("")), maxLength: 24 }),
      fc
        .tuple(fc.json(), fc.nat(40), fc.string({ maxLength: 2 }))
        .map(([text, at, some]) => text.slice(0, at) + some + text.slice(at))
    )
    fc.assert(
      fc.property(texts, (text) => {
        const parsed = parseJson(text)
        if (parsed.type === "broken" && parsed.message === "this key is there twice") return
        expect(parsed.type === "tree").toBe(isJson(text))
        if (parsed.type === "tree") return
        expect(parsed.at.from).toBeGreaterThanOrEqual(0)
        expect(parsed.at.from).toBeLessThanOrEqual(text.length)
      }),
      options(5)
    )
  })

  const documents = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 30 }).map((lines) => lines.join("\n"))

  it("has all lines of both in their order, and no more differences than the lines have", () => {
    fc.assert(
      fc.property(documents, documents, (before, after) => {
        const lines = diffLines(before, after)
        const side = (without: "gone" | "come") =>
          lines
            .filter(({ kind }) => kind !== without)
            .map(({ text }) => text)
            .join("\n")
        expect(side("come")).toBe(before)
        expect(side("gone")).toBe(after)
        const edits = lines.filter(({ kind }) => kind !== "same").length
        expect(edits).toBe(least(before.split("\n"), after.split("\n")))
        expect(partsOf(lines).flatMap((part) => part.lines)).toEqual(lines)
        const pairs = pairsOf(lines)
        expect(pairs.flatMap(({ left }) => (left === null ? [] : [left.text])).join("\n")).toBe(before)
        expect(pairs.flatMap(({ right }) => (right === null ? [] : [right.text])).join("\n")).toBe(after)
      }),
      options()
    )
  })

  it("loses nothing that is typed, whatever happens", () => {
    const events = fc.constantFrom(
      { type: "sent" as const },
      { type: "saved" as const, answer: { seq: 8, etag: '"8"', forced: false, warnings: [] } },
      { type: "objected" as const, objections: [{ pointer: "", message: "no", consequence: "" }] },
      { type: "overtaken" as const, newest: null },
      { type: "failed" as const, words: "away" },
      { type: "newest" as const, newest: { seq: 9, etag: '"9"', saved_at: "", saved_by: "page" } },
      { type: "rebased" as const, base: { seq: 9, etag: '"9"', text: "theirs" } },
      { type: "step" as const, to: "review" as const },
      { type: "step" as const, to: "force" as const },
      { type: "typed" as const, text: "mine, and more" }
    )
    fc.assert(
      fc.property(fc.array(events, { maxLength: 12 }), (all) => {
        let editor = edited(openEditor({ seq: 7, etag: '"seven"', text: "{}" }, "", null), {
          type: "typed",
          text: "mine"
        })
        let wanted = editor.text
        for (const event of all) {
          if (event.type === "typed") wanted = event.text
          editor = edited(editor, event)
          expect(editor.text).toBe(wanted)
        }
      }),
      options()
    )
  })
})

/** The fewest differences, by the table of all beginnings. */
const least = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number => {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [i, one] of a.entries()) {
    const next = [i + 1]
    for (const [j, other] of b.entries()) {
      next.push(one === other ? (row[j] ?? 0) : 1 + Math.min(row[j + 1] ?? 0, next[j] ?? 0))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
