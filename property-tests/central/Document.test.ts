import { describe, expect, it } from "vitest"
import * as fc from "fast-check"
import { Result } from "effect"
import { checkSchema, checkShape, diffDocuments, documentSchema } from "../../src/domain/index.ts"
import { options } from "../Options.ts"

const words = { unknownKey: "is unknown", schema: "the schema", remedy: "mend it" }
const schema = documentSchema()
const taken = (value: unknown) => checkSchema(schema, value, [], words).length === 0
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

// Mostly right, wrong in one place or another.
const text = fc.constantFrom("x", "@holdfast/central", "@other/central", "@holdfast/runs", "", 7)
const url = fc.constantFrom("http://h", "https://h/x/", "HTTPS://h", "ftp://h", "http://h?x", "http://h#x", "h", "", 7)
const central = fc.record(
  {
    url,
    identity: fc.constantFrom<unknown>({}, { bootstrap_token: "t" }, { bootstrap_token: "" }, { more: 1 }, "x"),
    poll_interval_seconds: fc.constantFrom<unknown>(5, 3600, 4, 3601, 5.5, "5"),
    more: fc.constant(1)
  },
  { requiredKeys: [] }
)
const sink = fc.record(
  {
    plugin: text,
    writer: text,
    destination: text,
    config: fc.oneof(central, fc.constantFrom<unknown>({}, [], null, "x"))
  },
  { requiredKeys: [] }
)
const plugin = fc.record(
  {
    name: text,
    enabled: fc.constantFrom<unknown>(true, "yes"),
    config: fc.constantFrom<unknown>({}, []),
    version: text,
    more: text
  },
  { requiredKeys: [] }
)
const document = fc.record(
  {
    version: fc.constantFrom<unknown>(2, 2, 2, 1, "2"),
    plugins: fc.oneof(fc.array(plugin, { maxLength: 2 }), fc.constantFrom<unknown>({}, null)),
    sinks: fc.oneof(
      fc.dictionary(fc.constantFrom("a", "b", ""), sink, { maxKeys: 2 }),
      fc.constantFrom<unknown>([], null)
    ),
    query: fc.jsonValue(),
    more: fc.constant(1)
  },
  { requiredKeys: [] }
)

describe("the JSON Schema of a document", () => {
  it("takes what the shape check takes, and refuses what it refuses", () => {
    fc.assert(
      fc.property(document, (value) => {
        expect(taken(value)).toBe(Result.isSuccess(checkShape(bytes(value))))
      }),
      options(10)
    )
  })

  it("leaves to the shape check what exactly is a URL", () => {
    const value = {
      version: 2,
      sinks: { c: { plugin: "@holdfast/central", config: { url: "http://user:password@h", identity: {} } } }
    }
    expect([taken(value), Result.isSuccess(checkShape(bytes(value)))]).toEqual([true, false])
  })
})

describe("the difference of two documents", () => {
  const lines = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 40 })

  /** What a patch makes of the old lines; it must meet them where it says. */
  const patched = (before: ReadonlyArray<string>, patch: ReadonlyArray<string>): ReadonlyArray<string> => {
    const after: Array<string> = []
    let at = 0
    for (const line of patch) {
      const hunk = /^@@ -(\d+),\d+ \+(\d+),\d+ @@$/.exec(line)
      if (hunk !== null) {
        while (at < Number(hunk[1]) - 1) after.push(before[at++] ?? "")
        expect(after.length).toBe(Number(hunk[2]) - 1)
      } else if (line.startsWith("+")) after.push(line.slice(1))
      else {
        expect(before[at]).toBe(line.slice(1))
        if (line.startsWith(" ")) after.push(line.slice(1))
        at++
      }
    }
    return [...after, ...before.slice(at)]
  }

  it("turns the one into the other", () => {
    fc.assert(
      fc.property(lines, lines, (a, b) => {
        const [before, after] = [
          ["-", ...a],
          ["-", ...b]
        ].map((each) => each.join("\n"))
        const encode = (text = "") => new TextEncoder().encode(text)
        const { lines: patch } = diffDocuments(encode(before), encode(after))
        expect(patched(["-", ...a], patch)).toEqual(["-", ...b])
      }),
      options(5)
    )
  })

  it("names every value that changed, and none when spelling did", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const { changes, lines: patch } = diffDocuments(bytes(a), bytes(b))
        expect(changes.length === 0).toBe(JSON.stringify(sorted(a)) === JSON.stringify(sorted(b)))
        expect(patch.length > 0 || changes.length === 0).toBe(true)
      }),
      options()
    )
  })

  it("of two large documents that share nothing is made in less than two seconds", () => {
    const large = (word: string) =>
      bytes({ version: 2, query: Array.from({ length: 60_000 }, (_, n) => `${word}${n}`) })
    const started = performance.now()
    expect(diffDocuments(large("a"), large("b")).lines.length).toBeGreaterThan(120_000)
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})

const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : typeof value === "object" && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .toSorted(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, each]) => [key, sorted(each)])
        )
      : value
