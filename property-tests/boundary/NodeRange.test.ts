/** Our reading of npm's ranges against npm's own: the semver that the machine's npm carries. */
import { Option } from "effect"
import * as fc from "fast-check"
import { execFileSync } from "node:child_process"
import { realpathSync } from "node:fs"
import { createRequire } from "node:module"
import { afterAll, describe, expect, it } from "vitest"
import * as NodeRange from "../../src/boundary/NodeRange.ts"
import { loadMutant, removeMutants } from "../Mutants.ts"
import { runs, seed } from "../Options.ts"

const cases = Math.min(runs * 20, 40_000)
const npm = realpathSync(execFileSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).trim())
const semver = createRequire(npm)("semver")

const number = fc.constantFrom("0", "1", "1", "2", "3", "10")
const pre = fc.constantFrom("", "", "", "", "-0", "-beta.1", "-rc.2", "-alpha")
const version = fc.tuple(number, number, number, pre).map(([a, b, c, tail]) => `${a}.${b}.${c}${tail}`)
const wild = fc.oneof(
  version,
  fc.tuple(number, fc.constantFrom("", ".x", ".*", ".1", ".X.x", ".2.x")).map((parts) => parts.join("")),
  fc.constantFrom("*", "x")
)
const comparator = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("", "=", "^", "~", ">=", ">", "<", "<=", "~>", ">= ", "^ "),
      fc.constantFrom("", "", "v"),
      wild
    )
    .map((parts) => parts.join("")),
  version.map((text) => `${text}+build.5`)
)
const alternative = fc.oneof(
  { weight: 3, arbitrary: comparator },
  { weight: 2, arbitrary: fc.tuple(comparator, comparator).map((both) => both.join(" ")) },
  { weight: 1, arbitrary: fc.tuple(version, version).map((both) => both.join(" - ")) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("", " ", "latest", "next", "file:../x", "github:a/b", "workspace:*", "1.2.3.4")
  }
)
const range = fc.array(alternative, { minLength: 1, maxLength: 2 }).map((alternatives) => alternatives.join(" || "))

/** Of `A || *` npm forgets A, and with it the pre-releases that A alone would take: there the two differ on purpose. */
const forgets = (text: string, own: string): boolean =>
  own.includes("-") && text.includes("||") && /(^|\|\|)\s*(?:[<>]=|[=^~v]|~>)*\s*[*xX]?\s*($|\|\|)/.test(text)
const pairs = fc.sample(
  fc.tuple(range, version).filter(([text, own]) => !forgets(text, own)),
  { numRuns: cases, seed }
)
/** What npm would not even read, or reads in its tolerant way alone, is `unknown` to us: a plugin is asked to write a range. */
const theirs = pairs.map(([text, own]) => (semver.validRange(text) === null ? null : semver.satisfies(own, text)))
const oursOf = ({ rangeContains }: typeof NodeRange) =>
  pairs.map(([text, own]) => Option.getOrNull(rangeContains(text, own)))

const different = (ours: ReadonlyArray<boolean | null>) =>
  pairs.flatMap((pair, at) => (ours[at] === null || ours[at] === theirs[at] ? [] : [[...pair, ours[at], theirs[at]]]))

describe("ranges of npm", () => {
  afterAll(removeMutants)

  it("contain what npm says that they contain, and what npm cannot read is no range", () => {
    const ours = oursOf(NodeRange)
    expect({ seed, different: different(ours).slice(0, 3) }).toEqual({ seed, different: [] })
    const unread = pairs.filter((_, at) => ours[at] === null && theirs[at] !== null)
    console.log(
      `${pairs.length} ranges, ${theirs.filter((each) => each === null).length} of them none, ${unread.length} only npm reads`
    )
    expect({ seed, unread: unread.slice(0, 5) }).toEqual({ seed, unread: [] })
  })

  it("are read otherwise by a program that forgets npm's own spellings", async () => {
    const mutant = await loadMutant<typeof NodeRange>(
      "src/boundary/NodeRange.ts",
      "SemVerRange.parse(strictly(range))",
      "SemVerRange.parse(range.length > 900 ? strictly(range) : range)"
    )
    const ours = oursOf(mutant)
    expect(pairs.some((_, at) => ours[at] === null && theirs[at] !== null)).toBe(true)
  })

  it("are read otherwise by a program that takes pre-releases for releases", async () => {
    const mutant = await loadMutant<typeof NodeRange>(
      "src/boundary/NodeRange.ts",
      "SemVerRange.matches(parsed.success, own.success)",
      "SemVerRange.matches(parsed.success, own.success, { includePrerelease: true })"
    )
    expect(different(oursOf(mutant)).length).toBeGreaterThan(0)
  })
})
