import { Predicate, Result } from "effect"
import { pointerOf, type Problem } from "./Problem.ts"

/** How deep objects and arrays of a document may nest. */
export const MAX_JSON_DEPTH = 64

/**
 * Parses JSON without the tolerance of `JSON.parse`: refuses invalid UTF-8, a byte order mark, duplicate keys and nesting
 * deeper than {@link MAX_JSON_DEPTH}. Messages name line and column but never quote the text, which may hold secrets.
 */
export const parseStrictJson = (
  bytes: Uint8Array | string
): Result.Result<unknown, readonly [Problem, ...Array<Problem>]> => {
  const decoded = Predicate.isString(bytes) ? Result.succeed(bytes) : decodeUtf8(bytes)
  if (Result.isFailure(decoded)) return Result.fail([decoded.failure])
  const text = decoded.success
  if (text.startsWith("\uFEFF")) {
    return Result.fail([{ pointer: "", message: "starts with a byte order mark: save it as UTF-8 without BOM" }])
  }
  if (text.trim() === "") return Result.fail([{ pointer: "", message: "is empty: a JSON object is expected" }])
  const scanner = new Scanner(text)
  const problem = scanner.scan()
  if (problem !== undefined) return Result.fail([problem])
  const [first, ...rest] = scanner.duplicates
  return first === undefined ? Result.succeed(JSON.parse(text)) : Result.fail([first, ...rest])
}

const decodeUtf8 = (bytes: Uint8Array): Result.Result<string, Problem> =>
  Result.try({
    try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
    catch: () => ({ pointer: "", message: "is not valid UTF-8: save the file as UTF-8" })
  })

const TOKEN = /[ \t\n\r]*(?:([{}[\]:,])|("[^"\\]*(?:\\[^][^"\\]*)*")|(-?\d[\d.eE+-]*|true|false|null))/y

interface Token {
  readonly kind: "punctuation" | "string" | "scalar" | "end" | "bad"
  readonly text: string
  readonly at: number
}

class Scanner {
  readonly duplicates: Array<Problem> = []
  private readonly text: string
  private position = 0

  constructor(text: string) {
    this.text = text
  }

  scan(): Problem | undefined {
    return this.value(this.next(), []) ?? this.expectEnd()
  }

  private next(): Token {
    TOKEN.lastIndex = this.position
    const match = TOKEN.exec(this.text)
    if (match === null) {
      const at = this.position + (/^[ \t\n\r]*/.exec(this.text.slice(this.position))?.[0].length ?? 0)
      return { kind: at === this.text.length ? "end" : "bad", text: "", at }
    }
    this.position = TOKEN.lastIndex
    const [, punctuation, string, scalar] = match
    const text = punctuation ?? string ?? scalar ?? ""
    const at = this.position - text.length
    if (punctuation !== undefined) return { kind: "punctuation", text, at }
    return isJson(text) ? { kind: string === undefined ? "scalar" : "string", text, at } : { kind: "bad", text, at }
  }

  private value(token: Token, path: ReadonlyArray<string | number>): Problem | undefined {
    if (token.kind === "string" || token.kind === "scalar") return undefined
    if (token.text !== "{" && token.text !== "[") return this.broken(token, "a value")
    if (path.length >= MAX_JSON_DEPTH) {
      return { pointer: pointerOf(path.slice(0, 8)), message: `nests deeper than ${MAX_JSON_DEPTH} levels` }
    }
    return token.text === "{" ? this.object(path) : this.array(path)
  }

  private object(path: ReadonlyArray<string | number>): Problem | undefined {
    const seen = new Set<string>()
    let token = this.next()
    if (token.text === "}" && token.kind === "punctuation") return undefined
    while (true) {
      if (token.kind !== "string") return this.broken(token, "a key in double quotes")
      const key = String(JSON.parse(token.text))
      if (seen.has(key)) {
        this.duplicates.push({
          pointer: pointerOf([...path, key]),
          message: "this key appears twice: keep one of them"
        })
      }
      seen.add(key)
      const colon = this.next()
      if (colon.text !== ":") return this.broken(colon, "a colon")
      const problem = this.value(this.next(), [...path, key])
      if (problem !== undefined) return problem
      const separator = this.next()
      if (separator.text === "}") return undefined
      if (separator.text !== ",") return this.broken(separator, "a comma or }")
      token = this.next()
    }
  }

  private array(path: ReadonlyArray<string | number>): Problem | undefined {
    let token = this.next()
    if (token.text === "]" && token.kind === "punctuation") return undefined
    for (let index = 0; ; index++) {
      const problem = this.value(token, [...path, index])
      if (problem !== undefined) return problem
      const separator = this.next()
      if (separator.text === "]") return undefined
      if (separator.text !== ",") return this.broken(separator, "a comma or ]")
      token = this.next()
    }
  }

  private expectEnd(): Problem | undefined {
    const token = this.next()
    return token.kind === "end" ? undefined : this.broken(token, "the end of the document")
  }

  private broken(token: Token, expected: string): Problem {
    if (token.kind === "end")
      return { pointer: "", message: `is not valid JSON: it ends where ${expected} is expected` }
    const before = this.text.slice(0, token.at)
    const line = before.split("\n").length
    const column = token.at - before.lastIndexOf("\n")
    return { pointer: "", message: `is not valid JSON: ${expected} is expected at line ${line}, column ${column}` }
  }
}

const isJson = (text: string): boolean => Result.isSuccess(Result.try(() => JSON.parse(text)))
