/** Versions of Python packages: their form and their order (PEP 440). */
import { Option } from "effect"

/** A version, taken apart and normalised. Numbers may be of any length. */
export interface PythonVersion {
  readonly epoch: bigint
  /** At least one number, as written: `1.0` and `1` differ here and compare equal. */
  readonly release: ReadonlyArray<bigint>
  readonly pre: readonly [letter: "a" | "b" | "rc", number: bigint] | null
  readonly post: bigint | null
  readonly dev: bigint | null
  /** What follows `+`; empty without it. */
  readonly local: ReadonlyArray<bigint | string>
}

/** The form of a version without what may stand around it; `v` before and letters of either case are fine. */
const VERSION =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d+)?)?(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d+)?)?(?:[-_.]?(dev)[-_.]?(\d+)?)?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$/i

const LETTERS: Readonly<Record<string, "a" | "b" | "rc">> = {
  a: "a",
  alpha: "a",
  b: "b",
  beta: "b",
  c: "rc",
  rc: "rc",
  pre: "rc",
  preview: "rc"
}

/** Reads a version; `None` for what PEP 440 does not know. */
export const parsePythonVersion = (text: string): Option.Option<PythonVersion> => {
  const match = VERSION.exec(text.trim())
  if (match === null) return Option.none()
  const [, epoch, release = "", preLetter, preNumber, postBare, postWord, postNumber, devWord, devNumber, local] = match
  const letter = LETTERS[preLetter?.toLowerCase() ?? ""]
  return Option.some({
    epoch: BigInt(epoch ?? 0),
    release: release.split(".").map(BigInt),
    pre: letter === undefined ? null : [letter, BigInt(preNumber ?? 0)],
    post: postBare !== undefined ? BigInt(postBare) : postWord !== undefined ? BigInt(postNumber ?? 0) : null,
    dev: devWord === undefined ? null : BigInt(devNumber ?? 0),
    local: local === undefined ? [] : local.split(/[-_.]/).map(localPart)
  })
}

const localPart = (part: string): bigint | string => (/^\d+$/.test(part) ? BigInt(part) : part.toLowerCase())

/** The normal form. */
export const formatPythonVersion = (version: PythonVersion): string => {
  const { dev, local, post, pre } = version
  return [
    baseOf(version),
    pre === null ? "" : pre.join(""),
    post === null ? "" : `.post${post}`,
    dev === null ? "" : `.dev${dev}`,
    local.length === 0 ? "" : `+${local.join(".")}`
  ].join("")
}

const baseOf = ({ epoch, release }: PythonVersion): string => `${epoch === 0n ? "" : `${epoch}!`}${release.join(".")}`

/** Without what only the one who built it knows. */
export const publicOf = (version: PythonVersion): PythonVersion => ({ ...version, local: [] })

/** An alpha, a beta, a candidate or a development release. */
export const isPrerelease = ({ dev, pre }: PythonVersion): boolean => dev !== null || pre !== null

/** Whether epoch and release are the same, whatever follows. */
export const sameBase = (a: PythonVersion, b: PythonVersion): boolean =>
  a.epoch === b.epoch && compareLists(trimZeros(a.release), trimZeros(b.release), compareValues) === 0

/** Negative, zero or positive. */
export const comparePythonVersions = (a: PythonVersion, b: PythonVersion): number =>
  compareValues(a.epoch, b.epoch) ||
  compareLists(trimZeros(a.release), trimZeros(b.release), compareValues) ||
  comparePre(a, b) ||
  compareWith(a.post, b.post, -1) ||
  compareWith(a.dev, b.dev, 1) ||
  compareLocal(a.local, b.local)

const compareValues = (a: bigint | string, b: bigint | string): number => (a < b ? -1 : a > b ? 1 : 0)

/** What is missing sorts first (-1) or last (1). */
const compareWith = (a: bigint | null, b: bigint | null, missing: -1 | 1): number => {
  if (a === null || b === null) return a === b ? 0 : a === null ? missing : -missing
  return compareValues(a, b)
}

/** A development release of no pre-release comes before all of them, and a release after. */
const comparePre = (a: PythonVersion, b: PythonVersion): number =>
  preRank(a) - preRank(b) ||
  compareValues(a.pre?.[0] ?? "", b.pre?.[0] ?? "") ||
  compareValues(a.pre?.[1] ?? 0n, b.pre?.[1] ?? 0n)

const preRank = ({ dev, post, pre }: PythonVersion): number => {
  if (pre !== null) return 1
  return post === null && dev !== null ? 0 : 2
}

/** None comes before any; words before numbers; a prefix before what it begins. */
const compareLocal = (a: PythonVersion["local"], b: PythonVersion["local"]): number =>
  compareLists(a, b, (left, right) =>
    typeof left === typeof right ? compareValues(left, right) : typeof left === "string" ? -1 : 1
  )

const compareLists = <A>(a: ReadonlyArray<A>, b: ReadonlyArray<A>, compare: (left: A, right: A) => number): number => {
  for (const [at, left] of a.entries()) {
    const right = b[at]
    if (right === undefined) return 1
    const order = compare(left, right)
    if (order !== 0) return order
  }
  return a.length - b.length
}

const trimZeros = (release: ReadonlyArray<bigint>): ReadonlyArray<bigint> =>
  release.slice(0, release.findLastIndex((part) => part !== 0n) + 1)
