/** What a requirement says of versions, such as `>=2,<3` (PEP 440). */
import { Option } from "effect"
import {
  comparePythonVersions,
  formatPythonVersion,
  isPrerelease,
  parsePythonVersion,
  publicOf,
  type PythonVersion,
  sameBase
} from "./PythonVersion.ts"

type Operator = "~=" | "==" | "!=" | "<=" | ">=" | "<" | ">"

/** One comparison. `wildcard`: of `== 1.2.*`, the version before the star. */
type Clause =
  | { readonly operator: Operator; readonly version: PythonVersion; readonly wildcard: boolean }
  | { readonly operator: "==="; readonly text: string }

/** Comparisons that must all hold; none holds for every version. */
export type PythonSpecifier = ReadonlyArray<Clause>

/** Reads comparisons that are separated by commas; `None` for what PEP 440 does not know. */
export const parsePythonSpecifier = (text: string): Option.Option<PythonSpecifier> =>
  Option.all(
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "")
      .map(parseClause)
  )

const parseClause = (text: string): Option.Option<Clause> => {
  const [, operator = "", rest = ""] = /^(===|~=|==|!=|<=|>=|<|>)\s*(\S+)$/.exec(text) ?? []
  if (operator === "===") return Option.some({ operator, text: rest.toLowerCase() })
  if (!isOperator(operator)) return Option.none()
  const wildcard = rest.endsWith(".*")
  return Option.filter(
    Option.map(parsePythonVersion(wildcard ? rest.slice(0, -2) : rest), (version) => ({ operator, version, wildcard })),
    isAllowed
  )
}

const OPERATORS: ReadonlySet<string> = new Set(["~=", "==", "!=", "<=", ">=", "<", ">"])

const isOperator = (text: string): text is Operator => OPERATORS.has(text)

/** A star belongs to a plain release, a local version to an equality, and `~=` needs a part to vary. */
const isAllowed = ({
  operator,
  version,
  wildcard
}: {
  readonly operator: Operator
  readonly version: PythonVersion
  readonly wildcard: boolean
}): boolean => {
  const equality = operator === "==" || operator === "!="
  const plain = version.pre === null && version.post === null && version.dev === null && version.local.length === 0
  if (wildcard) return equality && plain
  if (version.local.length > 0) return equality
  return operator !== "~=" || version.release.length > 1
}

/**
 * Whether a version satisfies all comparisons. A pre-release does where its number does: what is installed was chosen
 * already, and nobody asks whether pre-releases should be considered.
 */
export const satisfies = (version: PythonVersion, specifier: PythonSpecifier): boolean =>
  specifier.every((clause) =>
    clause.operator === "===" ? formatPythonVersion(version).toLowerCase() === clause.text : holds(version, clause)
  )

const holds = (version: PythonVersion, clause: Exclude<Clause, { readonly operator: "===" }>): boolean => {
  const wanted = clause.version
  // Only an equality may name a local version; for anything else it does not count.
  const order = comparePythonVersions(publicOf(version), wanted)
  switch (clause.operator) {
    case "==":
      return isEqual(version, clause)
    case "!=":
      return !isEqual(version, clause)
    case ">=":
      return order >= 0
    case "<=":
      return order <= 0
    case "~=":
      return order >= 0 && startsWith(version, { ...wanted, release: wanted.release.slice(0, -1) })
    case "<":
      return (
        comparePythonVersions(version, wanted) < 0 &&
        // A pre-release of the very version that is excluded.
        !(isPrerelease(version) && !isPrerelease(wanted) && sameBase(version, wanted))
      )
    case ">":
      return (
        comparePythonVersions(version, wanted) > 0 &&
        // A later build of the very version that is excluded.
        !(((version.post !== null && wanted.post === null) || version.local.length > 0) && sameBase(version, wanted))
      )
  }
}

const isEqual = (
  version: PythonVersion,
  { version: wanted, wildcard }: { readonly version: PythonVersion; readonly wildcard: boolean }
): boolean => {
  if (wildcard) return startsWith(version, wanted)
  return comparePythonVersions(wanted.local.length === 0 ? publicOf(version) : version, wanted) === 0
}

/** Whether epoch and the first parts of the release are those; missing parts are zeros. */
const startsWith = (version: PythonVersion, { epoch, release }: PythonVersion): boolean =>
  version.epoch === epoch && release.every((part, at) => (version.release[at] ?? 0n) === part)
