import { describe, expect, it } from "vitest"
import { check, daemonLines, ranks, render, rules, type Rule } from "./Imports.ts"
import { readTree, type Tree } from "./Tree.ts"

/** A small house that keeps every rule, in each way that a rule allows. */
const clean: Tree = {
  "machines/Join.ts": `import { setup } from "xstate"\nimport type { Task } from "./Task.ts"\nexport const join = setup({}) as Task\n`,
  "machines/Task.ts": `export interface Task {}\n`,
  "machines/index.ts": `export * from "./Join.ts"\n`,
  "src/domain/Document.ts": `import { join } from "../../machines/Join.ts"\nexport const a = join\n`,
  "src/domain/index.ts": `export * from "./Document.ts"\nexport { a as b } from "./Document.ts"\n`,
  "src/storage/AtomicFile.ts": `import { a } from "../domain/index.ts"\nexport const b = a\n`,
  "src/storage/index.ts": `export * from "./AtomicFile.ts"\n`,
  "src/statechart/Core.ts": `import { join } from "../../machines/index.ts"\nimport { svg } from "./render/Svg.ts"\nexport const c = [join, svg]\n`,
  "src/statechart/render/Svg.ts": `import type { c } from "../Core.ts"\nexport const svg = (_: typeof c) => import("elkjs")\n`,
  "src/config/ApplyEngine.ts": `import { Effect } from "effect"\nimport { b } from "../storage/index.ts"\nexport const d = Effect.succeed(b)\n`,
  "src/config/index.ts": `export * from "./ApplyEngine.ts"\n`,
  "src/daemon/Boot.ts": `import { d } from "../config/index.ts"\nexport const e = d\n`,
  "src/daemon/index.ts": `export * from "./Boot.ts"\n`,
  "src/web/Page.ts": `import type { a } from "../domain/index.ts"\nexport const page = (x: typeof a) => x\n`,
  "src/cli/Daemon.ts": `import type { d } from "../config/index.ts"\nexport const f = (_: typeof d) => import("../daemon/index.ts")\n`,
  "src/cli/index.ts": `import { f } from "./Daemon.ts"\nexport const run = f\n`,
  "src/main.ts": `const { run } = await import("./cli/index.ts")\nrun\n`,
  "test/config/ApplyEngine.test.ts": `import { d } from "../../src/config/ApplyEngine.ts"\nd\n`
}

const lines = (count: number): string => "// a line\n".repeat(count)

/** Small wrong changes, each with the one rule that must catch it. */
const mutants: ReadonlyArray<readonly [what: string, rule: Rule, path: string, source: string]> = [
  ["a machine that imports effect", "machines", "machines/Bad.ts", `import { Effect } from "effect"`],
  ["a machine that imports part of xstate's tools", "machines", "machines/Bad.ts", `import "xstate/graph"`],
  ["a machine that imports a Node module", "machines", "machines/Bad.ts", `import "node:fs"`],
  [
    "a machine that imports a type of the program",
    "machines",
    "machines/Bad.ts",
    `import type { a } from "../src/domain/index.ts"`
  ],
  [
    "a machine that names a type of the program in place",
    "machines",
    "machines/Bad.ts",
    `export type X = import("../src/domain/index.ts").a`
  ],
  ["an import of a higher rank", "rank", "src/storage/Bad.ts", `import { d } from "../config/index.ts"`],
  ["a type-only import of a higher rank", "rank", "src/storage/Bad.ts", `import type { d } from "../config/index.ts"`],
  ["a type in place of a higher rank", "rank", "src/storage/Bad.ts", `export type X = import("../config/index.ts").d`],
  [
    "a dynamic import of a higher rank",
    "rank",
    "src/domain/Bad.ts",
    `export const x = () => import("../config/index.ts")`
  ],
  [
    "a dynamic import spelled as a template",
    "rank",
    "src/domain/Bad.ts",
    "export const x = () => import(`../config/index.ts`)"
  ],
  ["a re-export of a higher rank", "rank", "src/domain/index.ts", `export * from "../config/index.ts"`],
  ["a required module of a higher rank", "rank", "src/domain/Bad.ts", `require("../config/index.ts")`],
  ["an area that imports another area", "rank", "src/login/Bad.ts", `import { d } from "../config/index.ts"`],
  [
    "an area that names a type of another area",
    "rank",
    "src/login/Bad.ts",
    `import type { d } from "../config/index.ts"`
  ],
  ["a root that imports another root", "rank", "src/up/Bad.ts", `import { e } from "../daemon/index.ts"`],
  ["http and telemetry, equal in rank", "rank", "src/http/Bad.ts", `import { x } from "../telemetry/index.ts"`],
  ["the command line importing pages", "rank", "src/cli/Bad.ts", `export const x = () => import("../web/index.ts")`],
  ["a root that imports the entry", "rank", "src/daemon/Bad.ts", `export const x = () => import("../main.ts")`],
  ["another folder's inside", "index", "src/config/Bad.ts", `import { b } from "../storage/AtomicFile.ts"`],
  [
    "another folder's inside, types only",
    "index",
    "src/config/Bad.ts",
    `import type { b } from "../storage/AtomicFile.ts"`
  ],
  ["another folder's inner index", "index", "src/config/Bad.ts", `import { x } from "../statechart/render/index.ts"`],
  ["another folder's inside, lazily", "index", "src/cli/Bad.ts", `export const x = () => import("../daemon/Boot.ts")`],
  ["the entry loading one command's file", "index", "src/main.ts", `const { f } = await import("./cli/Daemon.ts")\nf`],
  ["a command that loads a root at start", "lazy", "src/cli/Bad.ts", `import { e } from "../daemon/index.ts"`],
  ["a command that loads an area at start", "lazy", "src/cli/Bad.ts", `import { type d } from "../config/index.ts"`],
  ["a page that imports a value of the domain", "web", "src/web/Bad.ts", `import { a } from "../domain/index.ts"`],
  ["a page that imports a type of an area", "web", "src/web/Bad.ts", `import type { d } from "../config/index.ts"`],
  ["a page that imports a machine", "web", "src/web/Bad.ts", `import type { join } from "../../machines/index.ts"`],
  ["a program file that imports a test", "outside", "src/config/Bad.ts", `import { x } from "../../test/Fake.ts"`],
  [
    "a program file that imports package.json",
    "outside",
    "src/cli/Bad.ts",
    `import x from "../../package.json" with { type: "json" }`
  ],
  ["a folder that the table does not name", "folder", "src/helpers/Strings.ts", `export const x = 1`],
  ["a second file at the top of src", "folder", "src/Other.ts", `export const x = 1`],
  ["a root's file that grows", "daemon-size", "src/daemon/Bad.ts", lines(daemonLines + 1)],
  ["a file in lower case", "name", "src/config/applyEngine.ts", `export const x = 1`],
  ["a file in kebab case", "name", "machines/config-pull.ts", `export const x = 1`],
  ["a test in lower case", "name", "test/config/apply.test.ts", `export const x = 1`],
  ["a main.ts elsewhere", "name", "src/daemon/main.ts", `export const x = 1`],
  ["a default export", "default-export", "src/config/Bad.ts", `export default 1`],
  ["a default export by another name", "default-export", "src/config/Bad.ts", `const x = 1\nexport { x as default }`],
  ["a default export in an index", "default-export", "src/config/index.ts", `export default 1`],
  ["a barrel that is no index", "barrel", "src/config/All.ts", `export * from "./ApplyEngine.ts"`],
  ["a barrel of single names", "barrel", "src/config/All.ts", `export { d } from "./ApplyEngine.ts"`],
  ["a barrel of types", "barrel", "src/config/All.ts", `export type { d } from "./ApplyEngine.ts"`],
  ["a barrel in two steps", "barrel", "src/config/All.ts", `import { d } from "./ApplyEngine.ts"\nexport { d }`]
]

describe("the checker of imports", () => {
  it("finds nothing in a house that keeps the rules", () => {
    expect(check(clean).map(render)).toEqual([])
  })

  it.each(mutants)("catches %s", (_, rule, path, source) => {
    expect(check({ ...clean, [path]: source }).map((violation) => [violation.path, violation.rule])).toEqual([
      [path, rule]
    ])
  })

  it("has a mutant for every rule", () => {
    expect([...new Set(mutants.map(([, rule]) => rule))].toSorted()).toEqual(Object.keys(rules).toSorted())
  })

  it("allows a file of exactly the greatest length in the daemon", () => {
    expect(check({ ...clean, "src/daemon/Full.ts": lines(daemonLines) })).toEqual([])
  })

  it("names the line", () => {
    expect(check({ ...clean, "src/login/Bad.ts": `\n\nimport { d } from "../config/index.ts"` }).map(render)).toEqual([
      `src/login/Bad.ts:3 ${rules.rank} (rank: src/login (5) imports src/config (5))`
    ])
  })

  it("keeps equal ranks apart for every pair of folders", () => {
    const folders = Object.keys(ranks).filter((folder) => folder !== "machines" && folder !== "src/main.ts")
    for (const from of folders) {
      for (const to of folders) {
        if (from === to) continue
        const path = `${from}/Probe.ts`
        const found = check({ [path]: `import type { X } from "../${to.slice("src/".length)}/index.ts"` })
        const allowed = from === "src/web" ? to === "src/domain" : (ranks[to] ?? 0) < (ranks[from] ?? 0)
        expect([from, to, found.length === 0]).toEqual([from, to, allowed])
      }
    }
  })
})

describe("this house", () => {
  it("keeps the rules of imports, names and exports", () => {
    expect(check(readTree()).map(render)).toEqual([])
  })
})
