import { parseSync, type Comment, type Program } from "oxc-parser"

/** Any node of the syntax tree; what a visitor needs of it is narrowed by `type`. */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

/** A parsed file. */
export interface Parsed {
  readonly program: Program
  readonly comments: ReadonlyArray<Comment>
}

/** Parses one TypeScript file; throws with its path if it does not parse, as nothing said about it would hold. */
export const parse = (path: string, source: string): Parsed => {
  const { comments, errors, program } = parseSync(path, source, { lang: "ts", sourceType: "module" })
  const error = errors.find(({ severity }) => severity === "Error")
  if (error !== undefined) throw new Error(`${path}: ${error.message}`)
  return { comments, program }
}

/** Is it a node of the syntax tree? */
export const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string"

/** Calls `visit` on each node below and including `node`, parents first, with the parent and the key it hangs at. */
export const walk = (
  node: Node,
  visit: (node: Node, parent: Node | undefined, key: string | undefined) => void,
  parent?: Node,
  at?: string
): void => {
  visit(node, parent, at)
  for (const [key, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, visit, node, key)
    }
  }
}

/** The text of a string literal or of a template without holes. */
export const literal = (node: unknown): string | undefined => {
  if (!isNode(node)) return undefined
  if (node.type === "Literal") return typeof node["value"] === "string" ? node["value"] : undefined
  if (node.type === "TSLiteralType") return literal(node["literal"])
  if (node.type !== "TemplateLiteral") return undefined
  const quasis = node["quasis"] as ReadonlyArray<{ readonly value: { readonly cooked: string | null } }>
  return quasis.length === 1 ? (quasis[0]?.value.cooked ?? undefined) : undefined
}
