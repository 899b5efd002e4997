/** Versions, requirements and conditions of Python as people write them, and some that they should not. */
import * as fc from "fast-check"

const number = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 3 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom("10", "2024", "00", "01", "99999999999999999999") }
)
const separator = fc.constantFrom("", "", "", ".", "-", "_")
const release = fc.array(number, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("."))
const cased = (text: string) => fc.constantFrom(text, text, text.toUpperCase())
const part = (words: ReadonlyArray<string>) =>
  fc
    .tuple(separator, fc.constantFrom(...words).chain(cased), separator, fc.option(number, { nil: "" }))
    // A separator that nothing follows belongs to no version.
    .map(([before, word, between, digits]) => `${before}${word}${digits === "" ? "" : between}${digits}`)
const sometimes = (arbitrary: fc.Arbitrary<string>) => fc.option(arbitrary, { nil: "", freq: 2 })
const pre = sometimes(part(["a", "b", "rc", "c", "alpha", "beta", "pre", "preview"]))
const post = sometimes(
  fc.oneof(
    part(["post", "rev", "r"]).map((text) => text),
    number.map((digits) => `-${digits}`)
  )
)
const dev = sometimes(part(["dev"]))
const local = sometimes(
  fc
    .array(fc.constantFrom("1", "2", "10", "abc", "ubuntu", "A1", "0"), { minLength: 1, maxLength: 3 })
    .chain((parts) => fc.constantFrom(".", "-", "_").map((between) => `+${parts.join(between)}`))
)
const epoch = fc.option(fc.constantFrom("0!", "1!", "2!"), { nil: "", freq: 5 })

/** Without a local part. */
export const publicVersion = fc.tuple(fc.constantFrom("", "", "", "v"), epoch, release, pre, post, dev).map(join)
export const version = fc.tuple(publicVersion, local).map(join)

/** Mostly versions; else what somebody might have typed. */
export const maybeVersion = fc.oneof(
  { weight: 6, arbitrary: version },
  {
    weight: 1,
    arbitrary: fc.constantFrom("", "1.", "1..2", "latest", "1.0-", "1.0+", "1.0+a_", "1.0.x", "1!a", "dev", "1.0 beta")
  },
  { weight: 1, arbitrary: fc.string({ unit: fc.constantFrom(..."01.abcrpostdv+-_!* "), maxLength: 8 }) }
)

/** Wildcards and compatible releases without epochs: older references read those wrongly. */
export const clause = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constantFrom("<", "<=", ">", ">=", "==", "!="), publicVersion).map(join) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom("==", "!="), version).map(join) },
  { weight: 2, arbitrary: release.map((text) => `~=${text}`) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom("==", "!="), release).map(([operator, text]) => `${operator}${text}.*`)
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("=1", "~=1.*", ">=1.*", ">1+a", "==", "1.0", "== 1.0", ">= 2", "=>1")
  }
)

/** One or two comparisons. */
export const specifier = fc.array(clause, { minLength: 1, maxLength: 2 }).map((clauses) => clauses.join(","))

const tail = fc.tuple(pre, post, dev, local).map(join)

/** Three that often differ in their last parts only. */
export const closeVersions = fc.oneof(
  fc.tuple(version, version, version),
  fc.tuple(release, tail, tail, tail).map(([base, ...tails]) => tails.map((each) => `${base}${each}`)),
  fc
    .tuple(release, fc.array(fc.constantFrom("+1", "+a", "+1.a", "+1.2", ".dev0", ""), { minLength: 3, maxLength: 3 }))
    .map(([base, tails]) => tails.map((each) => `${base}${each}`))
)

/** A comparison with a version, and one that differs in its last parts at most. */
export const closePair = fc.oneof(
  fc
    .tuple(release, fc.constantFrom("<", "<=", ">", ">=", "==", "!="), fc.tuple(pre, post, dev).map(join), tail)
    .map(([base, operator, left, right]): [string, string] => [`${operator}${base}${left}`, `${base}${right}`]),
  fc
    .tuple(
      release,
      fc.constantFrom("==", "!="),
      fc.constantFrom("", ".0", ".0.0", ".1"),
      fc.constantFrom("", ".0", ".2")
    )
    .map(([base, operator, left, right]): [string, string] => [`${operator}${base}${left}.*`, `${base}${right}`])
)

const quoted = (values: ReadonlyArray<string>) =>
  fc.tuple(fc.constantFrom(...values), fc.constantFrom('"', "'")).map(([text, quote]) => `${quote}${text}${quote}`)
/** Versions are compared with versions, and words with words: for anything else there is no common reading. */
const sides = fc.oneof(
  fc.tuple(
    fc.constantFrom("python_version", "python_full_version"),
    fc.constantFrom("<", "<=", ">", ">=", "==", "!="),
    quoted(["3.8", "3.11", "3", "3.9.1", "3.12"])
  ),
  fc.tuple(
    fc.constantFrom("sys_platform", "os_name", "implementation_name", "extra"),
    fc.constantFrom("==", "!=", "in", "not in"),
    quoted(["linux", "win32", "posix", "cpython", "cli", "linux win32", "pypy posix"])
  )
)
const comparison = fc
  .tuple(sides, fc.boolean())
  .map(([[variable, operator, text], turned]) =>
    (turned ? [text, operator, variable] : [variable, operator, text]).join(" ")
  )

/** Conditions of up to four comparisons. */
export const marker: fc.Arbitrary<string> = fc.letrec<{ readonly tree: string }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    comparison,
    fc.tuple(tie("tree"), fc.constantFrom("and", "or"), tie("tree")).map((parts) => parts.join(" ")),
    tie("tree").map((inner) => `(${inner})`)
  )
})).tree

const plainClause = fc
  .tuple(fc.constantFrom("<", "<=", ">", ">=", "==", "!="), fc.constantFrom("1", "1.2", "1.2.3", "2.0", "1.3rc1"))
  .map((parts) => parts.join(""))
const plainSpecifier = fc
  .array(plainClause, { maxLength: 3 })
  .chain((clauses) => fc.constantFrom(clauses.join(","), clauses.join(" , ")))
const distribution = fc.constantFrom(
  "name",
  "A.b_c-D",
  "zope.interface",
  "x",
  "n2",
  "bad-",
  "-bad",
  "_bad",
  "two words",
  ""
)

/** What a package asks for, in the spellings that METADATA files have. */
export const requirement = fc
  .tuple(
    distribution,
    fc.constantFrom("", "", "[cli]", "[ a , B_c ]", "[]"),
    fc.constantFrom("", " "),
    plainSpecifier.chain((text) => fc.constantFrom(text, text === "" ? "" : `(${text})`)),
    fc.option(fc.tuple(fc.constantFrom(";", " ; "), marker).map(join), { nil: "" })
  )
  .map(join)

export const environment = {
  python_version: "3.11",
  python_full_version: "3.11.2",
  sys_platform: "linux",
  os_name: "posix",
  implementation_name: "cpython",
  extra: ""
} as const

function join(parts: ReadonlyArray<string>): string {
  return parts.join("")
}
