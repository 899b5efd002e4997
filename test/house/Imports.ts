import { posix } from "node:path"
import { literal, parse, walk, type Node } from "./Syntax.ts"
import { countLines, isOurs, lineAt, type Tree } from "./Tree.ts"

/**
 * Who may import whom: a folder imports folders of lower rank only. Areas (5) do not know each other; roots (6) are the
 * only ones that put layers together; the command line and the pages (7) sit on top.
 */
export const ranks: Readonly<Record<string, number>> = {
  machines: 0,
  "src/domain": 1,
  "src/storage": 2,
  "src/statechart": 3,
  "src/telemetry": 4,
  "src/http": 4,
  "src/process": 4,
  "src/config": 5,
  "src/central": 5,
  "src/central-server": 5,
  "src/plugins": 5,
  "src/boundary": 5,
  "src/login": 5,
  "src/agents": 5,
  "src/runs": 5,
  "src/service": 5,
  "src/daemon": 6,
  "src/up": 6,
  "src/handler": 6,
  "src/paperclip": 6,
  "src/cli": 7,
  "src/web": 7,
  "src/main.ts": 8
}

/** The longest file allowed in `src/daemon`, in lines: a root that grows is deciding something. */
export const daemonLines = 250

/** The rules, each with the sentence that a violation quotes. */
export const rules = {
  barrel: "only a folder's index.ts re-exports",
  "daemon-size": `a file in src/daemon has at most ${daemonLines} lines`,
  "default-export": "only config files have a default export",
  folder: "a file of src/ lies in a folder that the table of ranks names",
  index: "another folder is imported through its index.ts",
  lazy: "the command line loads areas and roots by import(), so that each command starts fast",
  machines: "machines import xstate and machines only",
  name: "a file is named in PascalCase after what it holds",
  outside: "the program imports nothing of the clone outside src/ and machines/",
  rank: "imports go down: lower ranks only, an equal rank never",
  web: "pages import types of the domain only"
} as const

/** The name of a rule. */
export type Rule = keyof typeof rules

/** One broken rule at one place. */
export interface Violation {
  readonly path: string
  readonly line: number
  readonly rule: Rule
  readonly detail: string
}

/** One line for a person. */
export const render = ({ detail, line, path, rule }: Violation): string =>
  `${path}:${line} ${rules[rule]} (${rule}: ${detail})`

interface Import {
  readonly specifier: string
  readonly start: number
  readonly kind: "type" | "static" | "lazy"
}

interface Exports {
  readonly defaults: ReadonlyArray<number>
  readonly reexports: ReadonlyArray<number>
}

/** Checks a whole tree. Pure: what is wrong follows from paths and sources alone. */
export const check = (tree: Tree): ReadonlyArray<Violation> =>
  Object.keys(tree)
    .filter(isOurs)
    .toSorted()
    .flatMap((path) => checkFile(path, tree[path] ?? ""))

const checkFile = (path: string, source: string): ReadonlyArray<Violation> => {
  const violations: Array<Violation> = []
  const report = (rule: Rule, offset: number, detail: string): void => {
    violations.push({ path, line: lineAt(source, offset), rule, detail })
  }
  const { exports, imports } = read(path, source)
  const base = posix.basename(path)

  if (!isNamedWell(path)) report("name", 0, base)
  for (const start of exports.defaults) report("default-export", start, base)
  if (base !== "index.ts") for (const start of exports.reexports) report("barrel", start, base)
  if (path.startsWith("src/daemon/") && countLines(source) > daemonLines) {
    report("daemon-size", 0, `${countLines(source)} lines`)
  }

  const unit = unitOf(path)
  if (unit === undefined) {
    if (path.startsWith("src/")) report("folder", 0, path)
    return violations
  }
  for (const { kind, specifier, start } of imports) {
    if (!specifier.startsWith(".")) {
      if (unit === "machines" && specifier !== "xstate") report("machines", start, specifier)
      continue
    }
    const target = posix.join(posix.dirname(path), specifier)
    const targetUnit = unitOf(target)
    if (targetUnit === unit) continue
    if (unit === "machines") {
      report("machines", start, specifier)
      continue
    }
    if (targetUnit === undefined) {
      report("outside", start, specifier)
      continue
    }
    if (unit === "src/web" && (targetUnit !== "src/domain" || kind !== "type")) report("web", start, specifier)
    else if (rankOf(targetUnit) >= rankOf(unit)) {
      report("rank", start, `${unit} (${rankOf(unit)}) imports ${targetUnit} (${rankOf(targetUnit)})`)
    } else if (unit === "src/cli" && kind === "static" && rankOf(targetUnit) >= 5) report("lazy", start, specifier)
    if (targetUnit !== "machines" && target !== targetUnit && target !== `${targetUnit}/index.ts`) {
      report("index", start, specifier)
    }
  }
  return violations
}

const rankOf = (unit: string): number => ranks[unit] ?? Number.NaN

/** The folder of the table that a file belongs to, subfolders included; undefined outside the program. */
const unitOf = (path: string): string | undefined => {
  const [first = "", second = ""] = path.split("/")
  const unit = first === "machines" ? "machines" : `${first}/${second}`
  return unit in ranks && (unit === "src/main.ts" || path.startsWith(`${unit}/`)) ? unit : undefined
}

/** `main.ts` is the program's entry and an index is the face of its folder; all others are named after what they hold. */
const isNamedWell = (path: string): boolean =>
  path === "src/main.ts" || /\/(index|[A-Z][A-Za-z0-9]*(\.test)?)\.ts$/.test(path)

const read = (path: string, source: string): { readonly exports: Exports; readonly imports: ReadonlyArray<Import> } => {
  const imports: Array<Import> = []
  const defaults: Array<number> = []
  const reexports: Array<number> = []
  const imported = new Set<string>()
  const named: Array<Node> = []

  const add = (node: Node, from: unknown, kind: Import["kind"]): void => {
    const specifier = literal(from)
    if (specifier !== undefined) imports.push({ specifier, start: node.start, kind })
  }
  walk(parse(path, source).program as unknown as Node, (node) => {
    switch (node.type) {
      case "ImportDeclaration": {
        // `import { type X }` still loads the module (verbatimModuleSyntax), so only `import type` counts as a type.
        add(node, node["source"], node["importKind"] === "type" ? "type" : "static")
        for (const { local } of node["specifiers"] as ReadonlyArray<{ local: { name: string } }>) {
          imported.add(local.name)
        }
        break
      }
      case "ExportAllDeclaration":
      case "ExportNamedDeclaration": {
        if (node["source"] != null) {
          add(node, node["source"], node["exportKind"] === "type" ? "type" : "static")
          reexports.push(node.start)
        } else named.push(node)
        const specifiers = (node["specifiers"] ?? []) as ReadonlyArray<{ exported: { name?: string } }>
        if (specifiers.some(({ exported }) => exported.name === "default")) defaults.push(node.start)
        break
      }
      case "ExportDefaultDeclaration":
      case "TSExportAssignment":
        defaults.push(node.start)
        break
      case "ImportExpression":
        add(node, node["source"], "lazy")
        break
      case "TSImportType":
        add(node, node["source"] ?? node["argument"], "type")
        break
      case "TSExternalModuleReference":
        add(node, node["expression"], "static")
        break
      case "CallExpression": {
        const callee = node["callee"] as Node
        if (callee.type === "Identifier" && callee["name"] === "require") {
          add(node, (node["arguments"] as ReadonlyArray<unknown>)[0], "static")
        }
        break
      }
    }
  })
  // Importing a name and exporting it again is a barrel spelled in two steps.
  for (const node of named) {
    const specifiers = (node["specifiers"] ?? []) as ReadonlyArray<{ local: { name?: string } }>
    if (specifiers.some(({ local }) => local.name !== undefined && imported.has(local.name))) reexports.push(node.start)
  }
  return { exports: { defaults, reexports }, imports }
}
