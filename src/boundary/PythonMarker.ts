/** The condition of a requirement, such as `python_version < "3.9" and extra == "cli"` (PEP 508). */
import { Option } from "effect"
import { parsePythonSpecifier, satisfies } from "./PythonSpecifier.ts"
import { parsePythonVersion } from "./PythonVersion.ts"

/** What a condition may ask for: `python_version`, `sys_platform` … and `extra`. */
export type MarkerEnvironment = Readonly<Record<string, string>>

interface Operand {
  readonly kind: "variable" | "text"
  readonly value: string
}

export type Marker =
  | { readonly _tag: "and" | "or"; readonly left: Marker; readonly right: Marker }
  | { readonly _tag: "compare"; readonly left: Operand; readonly operator: string; readonly right: Operand }

const TOKEN =
  /\s*(?:(?<bracket>[()])|(?<operator><=|>=|===|==|!=|~=|<|>|not\s+in\b|in\b)|(?<word>and\b|or\b)|(?<text>"[^"]*"|'[^']*')|(?<variable>[a-z_.]+))/y

const VARIABLES: ReadonlySet<string> = new Set([
  "os_name",
  "sys_platform",
  "platform_machine",
  "platform_python_implementation",
  "platform_release",
  "platform_system",
  "platform_version",
  "python_version",
  "python_full_version",
  "implementation_name",
  "implementation_version",
  "extra"
])

/** The former spellings that PEP 345 had. */
const FORMER: Readonly<Record<string, string>> = {
  "os.name": "os_name",
  "sys.platform": "sys_platform",
  "platform.version": "platform_version",
  "platform.machine": "platform_machine",
  "platform.python_implementation": "platform_python_implementation",
  python_implementation: "platform_python_implementation"
}

interface Token {
  readonly kind: string
  readonly value: string
}

/** Reads a condition; `None` for what PEP 508 does not know. */
export const parseMarker = (source: string): Option.Option<Marker> => {
  const tokens = tokensOf(source.trimEnd())
  if (tokens === undefined) return Option.none()
  const parser = new Parser(tokens)
  const marker = parser.alternatives()
  return marker !== undefined && parser.isDone ? Option.some(marker) : Option.none()
}

const tokensOf = (source: string): ReadonlyArray<Token> | undefined => {
  const tokens: Array<Token> = []
  const pattern = new RegExp(TOKEN)
  while (pattern.lastIndex < source.length) {
    const groups = pattern.exec(source)?.groups
    const [kind, value] = Object.entries(groups ?? {}).find(([, found]) => found !== undefined) ?? []
    if (kind === undefined || value === undefined) return undefined
    tokens.push({ kind, value })
  }
  return tokens
}

class Parser {
  readonly #tokens: ReadonlyArray<Token>
  #at = 0
  constructor(tokens: ReadonlyArray<Token>) {
    this.#tokens = tokens
  }

  get isDone(): boolean {
    return this.#at === this.#tokens.length
  }

  #take(kind: string, value?: string): Token | undefined {
    const token = this.#tokens[this.#at]
    if (token?.kind !== kind || (value !== undefined && token.value !== value)) return undefined
    this.#at += 1
    return token
  }

  alternatives(): Marker | undefined {
    return this.#chain("or", () => this.#chain("and", () => this.#term()))
  }

  #chain(word: "and" | "or", part: () => Marker | undefined): Marker | undefined {
    let left = part()
    while (left !== undefined && this.#take("word", word) !== undefined) {
      const right = part()
      if (right === undefined) return undefined
      left = { _tag: word, left, right }
    }
    return left
  }

  #term(): Marker | undefined {
    if (this.#take("bracket", "(") !== undefined) {
      const inner = this.alternatives()
      return this.#take("bracket", ")") === undefined ? undefined : inner
    }
    const left = this.#operand()
    const operator = this.#take("operator")
    const right = this.#operand()
    if (left === undefined || operator === undefined || right === undefined) return undefined
    return { _tag: "compare", left, operator: operator.value.replace(/\s+/, " "), right }
  }

  #operand(): Operand | undefined {
    const text = this.#take("text")
    if (text !== undefined) return { kind: "text", value: text.value.slice(1, -1) }
    const variable = this.#take("variable")
    const name = FORMER[variable?.value ?? ""] ?? variable?.value ?? ""
    return VARIABLES.has(name) ? { kind: "variable", value: name } : undefined
  }
}

/** Whether the condition holds. A variable that the environment does not know is empty, as `extra` is without one. */
export const evaluateMarker = (marker: Marker, environment: MarkerEnvironment): boolean => {
  switch (marker._tag) {
    case "and":
      return evaluateMarker(marker.left, environment) && evaluateMarker(marker.right, environment)
    case "or":
      return evaluateMarker(marker.left, environment) || evaluateMarker(marker.right, environment)
    case "compare":
      return compare(valueOf(marker.left, environment), marker.operator, valueOf(marker.right, environment))
  }
}

const valueOf = ({ kind, value }: Operand, environment: MarkerEnvironment): string =>
  kind === "text" ? value : (environment[value] ?? "")

/** As versions where both sides can be read as such, else as text. */
const compare = (left: string, operator: string, right: string): boolean => {
  const specifier = operator.endsWith("in") ? Option.none() : parsePythonSpecifier(`${operator}${right}`)
  const version = parsePythonVersion(left)
  if (Option.isSome(specifier) && Option.isSome(version) && right.trim() !== "" && !right.includes(",")) {
    return satisfies(version.value, specifier.value)
  }
  switch (operator) {
    case "in":
      return right.includes(left)
    case "not in":
      return !right.includes(left)
    case "<":
      return left < right
    case "<=":
      return left <= right
    case ">":
      return left > right
    case ">=":
      return left >= right
    case "!=":
      return left !== right
    default:
      return left === right
  }
}
