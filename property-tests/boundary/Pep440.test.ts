/** Our reading of Python's versions and conditions against the one that pip itself has: real Python, thousands of cases. */
import * as fc from "fast-check"
import { Option } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import * as Marker from "../../src/boundary/PythonMarker.ts"
import { canonicalName } from "../../src/boundary/PythonNames.ts"
import * as Requirement from "../../src/boundary/PythonRequirement.ts"
import * as Specifier from "../../src/boundary/PythonSpecifier.ts"
import * as Version from "../../src/boundary/PythonVersion.ts"
import { askPython, withoutPython } from "../../test/boundary/Python.ts"
import { loadMutant, removeMutants } from "../Mutants.ts"
import { runs, seed } from "../Options.ts"
import {
  clause,
  closePair,
  closeVersions,
  environment,
  marker,
  maybeVersion,
  requirement,
  specifier,
  version
} from "./Arbitraries.ts"

const cases = Math.min(runs * 20, 40_000)

const REFERENCE = String.raw`
import json, re, sys
import pip._vendor.packaging as package
from pip._vendor.packaging.markers import InvalidMarker, Marker
from pip._vendor.packaging.requirements import InvalidRequirement, Requirement
from pip._vendor.packaging.specifiers import InvalidSpecifier, Specifier
from pip._vendor.packaging.version import InvalidVersion, Version
def guarded(f, errors):
    try:
        return f()
    except errors:
        return None
def order(a, b):
    a, b = Version(a), Version(b)
    return (a > b) - (a < b)
# Before 22 a star is compared with letters of a pre-release and with leading zeros, which later ones corrected.
old = not Specifier("==2.0.*").contains("2b1", prereleases=True)
def held(spec, version):
    plain = version.replace(".", "").isdigit() and re.search(r"\b0\d", spec + " " + version) is None
    if old and (".*" in spec or "~=" in spec) and not plain:
        return "unknown"
    parts = guarded(lambda: [Specifier(part) for part in spec.split(",")], InvalidSpecifier)
    return None if parts is None else all(part.contains(Version(version), prereleases=True) for part in parts)
def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()
def requirement(text):
    parsed = Requirement(text)
    held = all(parsed.specifier.contains(version, prereleases=True) for version in [asked["installed"]])
    wanted = parsed.marker is None or parsed.marker.evaluate(asked["environment"])
    return [canonical(parsed.name), sorted(map(canonical, parsed.extras)), held, wanted]
asked = json.load(sys.stdin)
json.dump({
    "normal": [guarded(lambda: str(Version(text)), InvalidVersion) for text in asked["texts"]],
    "orders": [[order(a, b), order(b, c), order(a, c)] for a, b, c in asked["triples"]],
    "held": [held(spec, version) for spec, version in asked["pairs"]],
    "requirements": [guarded(lambda: requirement(text), InvalidRequirement) for text in asked["requirements"]],
    "markers": [guarded(lambda: Marker(text).evaluate(asked["environment"]), InvalidMarker) for text in asked["markers"]],
}, sys.stdout)
`

const sample = <A>(arbitrary: fc.Arbitrary<A>): ReadonlyArray<A> => fc.sample(arbitrary, { numRuns: cases, seed })

const texts = sample(maybeVersion)
const triples = sample(closeVersions)
const pairs = [closePair, fc.tuple(clause, version), fc.tuple(specifier, version)].flatMap(sample)
const markers = sample(marker)
const installed = "1.2.3"
const requirements = sample(requirement)
const reference =
  withoutPython === null
    ? askPython(REFERENCE, { texts, triples, pairs, markers, requirements, installed, environment })
    : undefined

const parse = (text: string) => Option.getOrThrow(Version.parsePythonVersion(text))
const normalOf = ({ formatPythonVersion, parsePythonVersion }: typeof Version) =>
  texts.map((text) => Option.getOrNull(Option.map(parsePythonVersion(text), formatPythonVersion)))
const ordersOf = ({ comparePythonVersions: compare }: typeof Version) =>
  triples.map(([a, b, c]) =>
    [compare(parse(a), parse(b)), compare(parse(b), parse(c)), compare(parse(a), parse(c))].map(Math.sign)
  )
const heldOf = ({ parsePythonSpecifier, satisfies }: typeof Specifier) =>
  pairs.map(([spec, text]) =>
    Option.getOrNull(Option.map(parsePythonSpecifier(spec), (parsed) => satisfies(parse(text), parsed)))
  )
const markersOf = ({ evaluateMarker, parseMarker }: typeof Marker) =>
  markers.map((text) =>
    Option.getOrNull(Option.map(parseMarker(text), (parsed) => evaluateMarker(parsed, environment)))
  )

const requirementsOf = ({ isWanted, parsePythonRequirement }: typeof Requirement) =>
  requirements.map((text) =>
    Option.getOrNull(
      Option.map(parsePythonRequirement(text), (parsed) => [
        canonicalName(parsed.name),
        [...new Set(parsed.extras)].toSorted(),
        Specifier.satisfies(parse(installed), parsed.specifier),
        isWanted(parsed, environment)
      ])
    )
  )

/** The first case that differs, for people. */
const difference = (cases: ReadonlyArray<unknown>, ours: ReadonlyArray<unknown>, theirs: ReadonlyArray<unknown>) => {
  const at = ours.findIndex(
    (each, index) => theirs[index] !== "unknown" && JSON.stringify(each) !== JSON.stringify(theirs[index])
  )
  return at < 0
    ? null
    : `seed ${seed}: ${JSON.stringify(cases[at])}: ours ${JSON.stringify(ours[at])}, pip's ${JSON.stringify(theirs[at])}`
}

describe.skipIf(withoutPython !== null)("versions of Python packages", () => {
  afterAll(removeMutants)

  it("are read and written as pip reads and writes them", () => {
    expect(difference(texts, normalOf(Version), reference.normal)).toBeNull()
    const valid = reference.normal.filter((each: unknown) => each !== null).length
    console.log(
      `${texts.length} texts (${valid} versions), ${triples.length * 3} comparisons, ${pairs.length} specifiers`
    )
  })

  it("have the order that pip has", () => {
    expect(difference(triples, ordersOf(Version), reference.orders)).toBeNull()
  })

  it("satisfy what pip says that they satisfy", () => {
    expect(difference(pairs, heldOf(Specifier), reference.held)).toBeNull()
  })

  it("are asked for under the conditions that pip sees", () => {
    expect(difference(markers, markersOf(Marker), reference.markers)).toBeNull()
  })

  it("are asked for in requirements that are read as pip reads them", () => {
    expect(difference(requirements, requirementsOf(Requirement), reference.requirements)).toBeNull()
    const valid = reference.requirements.filter((each: unknown) => each !== null).length
    console.log(`${markers.length} conditions, ${requirements.length} requirements (${valid} of them valid)`)
  })

  const V = "src/boundary/PythonVersion.ts"
  const S = "src/boundary/PythonSpecifier.ts"
  const M = "src/boundary/PythonMarker.ts"

  it.each([
    [
      "1.0 and 1 are two versions",
      V,
      "compareLists(trimZeros(a.release), trimZeros(b.release), compareValues) ||",
      "compareLists(a.release, b.release, compareValues) ||"
    ],
    ["a development release comes after", V, "compareWith(a.dev, b.dev, 1)", "compareWith(a.dev, b.dev, -1)"],
    ["the local version does not count", V, "compareLocal(a.local, b.local)", "0"],
    [
      "words of a local version come after numbers",
      V,
      'typeof left === "string" ? -1 : 1',
      'typeof left === "string" ? 1 : -1'
    ],
    ["a bare dev release sorts as its release", V, "return post === null && dev !== null ? 0 : 2", "return 2"]
  ])("are compared otherwise by a program in which %s", async (_, file, search, replacement) => {
    const mutant = await loadMutant<typeof Version>(file, search, replacement)
    expect(difference(triples, ordersOf(mutant), reference.orders)).not.toBeNull()
  })

  it.each([
    [
      "> takes a later build",
      S,
      "((version.post !== null && wanted.post === null) || version.local.length > 0)",
      "false"
    ],
    [
      "< takes a pre-release of what it excludes",
      S,
      "!(isPrerelease(version) && !isPrerelease(wanted) && sameBase(version, wanted))",
      "true"
    ],
    ["== counts what only the builder knows", S, "wanted.local.length === 0 ? publicOf(version) : version", "version"],
    [
      "~= takes everything later",
      S,
      "order >= 0 && startsWith(version, { ...wanted, release: wanted.release.slice(0, -1) })",
      "order >= 0"
    ],
    ["a star wants as many parts", S, "(version.release[at] ?? 0n) === part", "version.release[at] === part"]
  ])("are taken otherwise by a program in which %s", async (_, file, search, replacement) => {
    const mutant = await loadMutant<typeof Specifier>(file, search, replacement)
    expect(difference(pairs, heldOf(mutant), reference.held)).not.toBeNull()
  })

  it.each([
    ["versions are compared as text", M, "Option.isSome(specifier) && Option.isSome(version)", "false"],
    [
      "and binds no closer than or",
      M,
      'this.#chain("or", () => this.#chain("and", () => this.#term()))',
      'this.#chain("and", () => this.#chain("or", () => this.#term()))'
    ],
    ["not in is in", M, "!right.includes(left)", "right.includes(left)"]
  ])("are asked for otherwise by a program in which %s", async (_, file, search, replacement) => {
    const mutant = await loadMutant<typeof Marker>(file, search, replacement)
    expect(difference(markers, markersOf(mutant), reference.markers)).not.toBeNull()
  })
})
