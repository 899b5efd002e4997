/** The editor of central's page, without a browser: places, problems, differences, and what it decides. */
import { describe, expect, it } from "vitest"
import { documentSchema } from "../../src/domain/index.ts"
import { diffLines, diffWords } from "../../src/web/FleetDiff.ts"
import { type Base, edited, type Editor, isDirty, objectionsOf, openEditor, waysOf } from "../../src/web/FleetEditor.ts"
import { lineColumn, lineStarts, parseJson, placeOfPointer } from "../../src/web/FleetJson.ts"
import { problemsIn } from "../../src/web/FleetProblems.ts"
import { judgeOf } from "../../src/web/FleetSchema.ts"
import { DOCUMENT } from "./FleetFixtures.ts"

const base: Base = { seq: 7, etag: '"seven"', text: "{}\n" }
const against = [{ pointer: "/sinks", message: "has no central sink", consequence: "Gateways are cut off." }]

describe("where a text breaks", () => {
  it.each([
    ["", "0-0 is empty: a JSON object is expected"],
    ['{ "a": 1, }', "10-11 the comma before this is one too many"],
    ['{ "a" 1 }', "6-7 a colon is expected after the key"],
    ["[1, 2", "0-1 this is never closed"],
    ['{ "a": tru }', "7-10 a value is expected here"],
    ['{ "a": 1, "a": 2 }', "10-13 this key is there twice"],
    ['["a\n"]', "1-3 this text is never closed"],
    ['["\\q"]', "2-4 this escape is none that JSON knows"],
    ["{} {}", "3-4 the document has ended before this"],
    [`${"[".repeat(65)}`, "64-65 is nested deeper than 64 levels"]
  ])("says of %j what is wrong", (text, words) => {
    const parsed = parseJson(text)
    expect(parsed.type === "broken" ? `${parsed.at.from}-${parsed.at.to} ${parsed.message}` : "fine").toBe(words)
  })

  it("finds where a pointer leads, and else the innermost thing that is there", () => {
    const text = DOCUMENT(60)
    const parsed = parseJson(text)
    if (parsed.type !== "tree") throw new Error("no tree")
    const at = (pointer: string): string => {
      const { from, to } = placeOfPointer(parsed.root, pointer)
      const { column, line } = lineColumn(lineStarts(text), from)
      return `${line}:${column} ${text.slice(from, to)}`
    }
    expect(at("/sinks/central/config/url")).toBe('20:9 "url"')
    expect(at("/sinks/central/config/absent/deeper")).toBe('19:7 "config"')
    expect(at("/plugins/1")).toBe("12:5 {")
    expect(at("")).toBe("1:1 {")
    const odd = parseJson('{"a/b":{"~":1}}')
    expect(odd.type === "tree" ? placeOfPointer(odd.root, "/a~1b/~0") : null).toEqual({ from: 8, to: 11 })
  })

  it("lets one voice speak at a time", () => {
    const judge = judgeOf(documentSchema())
    expect(problemsIn("[", judge, against)).toMatchObject({ by: "syntax", problems: [{ line: 1, column: 2 }] })
    const unknown = DOCUMENT(60).replace('"plugins"', '"plugin"')
    expect(problemsIn(unknown, judge, null)).toMatchObject({
      by: "schema",
      problems: [{ pointer: "/plugin", line: 3 }]
    })
    expect(problemsIn(unknown, judge, against)).toMatchObject({
      by: "central",
      problems: [{ pointer: "/sinks", line: 16 }]
    })
    expect(problemsIn(DOCUMENT(60), judge, null)).toEqual({ by: "schema", problems: [] })
    expect(judgeOf({ $ref: 7 })({ some: "thing" })).toEqual([])
  })
})

describe("the difference of two documents", () => {
  it("replaces what is too different to be reckoned with, in no more than a moment", () => {
    const [a, b] = ["a", "b"].map((letter) =>
      Array.from({ length: 20_000 }, (_, index) => `${letter} ${index}`).join("\n")
    )
    expect(diffWords(diffLines(a ?? "", b ?? ""))).toBe("20000 lines added, 20000 removed.")
    expect(diffWords(diffLines("x", "x"))).toBe("No line differs.")
  })
})

describe("the editor of a config", () => {
  const fresh = openEditor(base, "", null)
  const typed = edited(fresh, { type: "typed", text: "mine" })
  const checked = (editor: Editor, objections: typeof against | []) =>
    edited(editor, { type: "checked", text: editor.text, answer: { objections, unchanged: false } })
  const reviewed = (editor: Editor) => edited(editor, { type: "step", to: "review" })

  it("saves what was checked and looked at, and nothing that was not", () => {
    expect(waysOf(fresh)).toEqual({ review: false, save: false, force: false })
    expect(waysOf(reviewed(typed)).save).toBe(false)
    expect(waysOf(checked(typed, [])).save).toBe(false)
    expect(waysOf(reviewed(checked(typed, []))).save).toBe(true)
    const other = edited(reviewed(checked(typed, [])), { type: "typed", text: "mine, and more" })
    expect([waysOf(other).save, objectionsOf(other), other.step]).toEqual([false, null, "edit"])
  })

  it("forces only after the objections, and in a step of its own", () => {
    const objected = reviewed(checked(typed, against))
    expect(waysOf(objected)).toEqual({ review: false, save: false, force: false })
    expect(waysOf(edited(objected, { type: "step", to: "force" })).force).toBe(true)
    expect(waysOf(edited(checked(typed, []), { type: "step", to: "force" })).force).toBe(false)
  })

  it("takes no answer about a text for one about another", () => {
    const late = edited(typed, { type: "checked", text: "before", answer: { objections: against, unchanged: false } })
    expect(objectionsOf(late)).toBeNull()
  })

  it("follows the revision that was saved, also when more was typed meanwhile", () => {
    let editor = edited(reviewed(checked(typed, [])), { type: "sent" })
    expect(waysOf(editor).save).toBe(false)
    editor = edited(editor, { type: "typed", text: "mine, and more" })
    editor = edited(editor, { type: "saved", answer: { seq: 8, etag: '"8"', forced: false, warnings: [] } })
    expect(editor.base).toEqual({ seq: 8, etag: '"8"', text: "mine" })
    expect(isDirty(editor)).toBe(true)
  })

  it("brings a draft back with the revision that it began with, and none that says nothing new", () => {
    const older: Base = { seq: 5, etag: '"five"', text: "old" }
    expect(openEditor(base, "", { base: older, text: "draft" })).toMatchObject({
      base: older,
      text: "draft",
      isRestored: true
    })
    expect(openEditor(base, "", { base: older, text: base.text })).toMatchObject({ base, isRestored: false })
    expect(openEditor(null, "begin", null)).toMatchObject({ base: null, text: "begin" })
  })
})
