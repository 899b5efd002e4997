import { parse, walk, type Node } from "./Syntax.ts"
import { lineAt } from "./Tree.ts"

/** What tells the time, draws lots, waits, or touches the world. A machine names none of them. */
export const impure: ReadonlySet<string> = new Set([
  "Atomics",
  "Date",
  "Intl",
  "Temporal",
  "clearInterval",
  "clearTimeout",
  "console",
  "crypto",
  "fetch",
  "global",
  "globalThis",
  "performance",
  "process",
  "queueMicrotask",
  "require",
  "setImmediate",
  "setInterval",
  "setTimeout"
])

/** Where a source names the world: `line: name`. A property or key of the same name is no use of it. */
export const impurities = (path: string, source: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  const report = (node: Node, name: string): void => {
    found.push(`${path}:${lineAt(source, node.start)} ${name}`)
  }
  walk(parse(path, source).program as unknown as Node, (node, parent, key) => {
    if (node.type === "AwaitExpression") report(node, "await")
    if (node.type.includes("Function") && node["async"] === true) report(node, "async")
    if (node.type === "MemberExpression" && isMathRandom(node)) report(node, "Math.random")
    if (node.type !== "Identifier" || !impure.has(String(node["name"]))) return
    const isName = (key === "property" || key === "key") && parent?.["computed"] !== true
    if (!isName) report(node, String(node["name"]))
  })
  return found
}

const isMathRandom = (node: Node): boolean => {
  const object = node["object"] as Node
  const property = node["property"] as Node
  return object["name"] === "Math" && (property["name"] === "random" || property["value"] === "random")
}
