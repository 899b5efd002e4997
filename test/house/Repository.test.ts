import { describe, expect, it } from "vitest"
import { impurities } from "./Purity.ts"
import { parse } from "./Syntax.ts"
import { countLines, isOurs, pick, readTree } from "./Tree.ts"

const tree = readTree()

const json = (path: string): any => JSON.parse(tree[path] ?? "null")

/** The longest file allowed in `src/` and `machines/`, in lines. */
const longest = 400

/**
 * What would name the machine that a file was written on instead of what the file is for: folders of a working copy or
 * of a user, logs of a session, a host that only some network knows. Each is spelled in parts so that this file does not
 * match itself.
 */
const places: ReadonlyArray<readonly [what: string, pattern: RegExp]> = [
  ["a folder of a working copy", new RegExp(["(?<![\\w.~-])/wo", "rk/"].join(""))],
  ["a person's home", new RegExp(["(?<![\\w.~-])/(ro", "ot|ho", "me/[a-z]+|Us", "ers/[a-z]+)/"].join(""))],
  ["a session's logs", new RegExp(["bash_", "jobs"].join(""))],
  [
    "a private registry",
    new RegExp(
      ["(npm|pypi|registry|artifactory|nexus|mirror)[\\w.-]*\\.(in", "ternal|lo", "cal|corp)\\b"].join(""),
      "i"
    )
  ]
]

describe("this repository", () => {
  it.each(places)("names nowhere %s", (_, pattern) => {
    expect(Object.keys(tree).filter((path) => pattern.test(tree[path] ?? ""))).toEqual([])
  })

  it("recognises such places", () => {
    const samples = [
      ["/wo", "rk/main/src"],
      ["file:///ro", "ot/.npmrc"],
      ["/tmp/bash_", "jobs.0"],
      ["https://npm.example.in", "ternal/effect"]
    ].map((parts) => parts.join(""))
    expect(samples.map((sample) => places.findIndex(([, pattern]) => pattern.test(sample)))).toEqual([0, 1, 2, 3])
    expect(places.some(([, pattern]) => pattern.test("import './work/Queue.ts' from https://registry.npmjs.org"))).toBe(
      false
    )
  })

  it("locks packages by content, and records no download address", () => {
    const lock = tree["package-lock.json"] ?? ""
    expect(lock).not.toContain('"resolved"')
    expect(tree[".npmrc"]).toContain("omit-lockfile-registry-resolved=true")
    const packages: Record<string, { readonly integrity?: string; readonly inBundle?: true }> =
      json("package-lock.json").packages
    // What lies in the bundle of a package is part of that package's content.
    const isLocked = (path: string): boolean =>
      packages[path]?.inBundle === true
        ? isLocked(path.slice(0, path.lastIndexOf("/node_modules/")))
        : packages[path]?.integrity !== undefined
    expect(Object.keys(packages).filter((path) => path !== "" && !isLocked(path))).toEqual([])
  })

  it("pins every dependency to one exact version, and the lock agrees", () => {
    const manifest = json("package.json")
    const locked = json("package-lock.json").packages[""]
    for (const group of ["dependencies", "devDependencies", "optionalDependencies"]) {
      const loose = Object.entries<string>(manifest[group] ?? {}).filter(
        ([, range]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(range)
      )
      expect(loose).toEqual([])
      expect(locked[group]).toEqual(manifest[group])
    }
  })

  it("has one version", () => {
    expect(tree["VERSION"]).toBe(`${json("package.json").version}\n`)
    expect(json("package-lock.json").version).toBe(json("package.json").version)
  })

  it(`has no file of more than ${longest} lines in src/ and machines/`, () => {
    const long = Object.entries(pick(tree, (path) => /^(src|machines)\/.*\.ts$/.test(path)))
      .map(([path, source]) => [path, countLines(source)] as const)
      .filter(([, lines]) => lines > longest)
      .map(([path, lines]) => `${path} has ${lines} lines: split it by concept`)
    expect(long).toEqual([])
  })

  it("says why wherever a file opts out of a diagnostic or of a lint rule", () => {
    const bare = Object.keys(tree)
      .filter(isOurs)
      .flatMap((path) =>
        parse(path, tree[path] ?? "")
          .comments.map(({ value }) => value.split("\n"))
          .flat()
          .filter((line) => /@effect-diagnostics|(ox|es)lint-disable|@ts-/.test(line))
          .filter((line) => /\*:/.test(line) || !/\s(-|--|:)\s+\S/.test(line))
          .map((line) => `${path}: ${line.trim()}`)
      )
    expect(bare).toEqual([])
  })
})

describe("machines", () => {
  it("name neither time nor chance nor the world", () => {
    const machines = pick(tree, (path) => /^machines\/.*\.ts$/.test(path))
    expect(Object.entries(machines).flatMap(([path, source]) => impurities(path, source))).toEqual([])
  })

  it.each([
    "const now = Date.now()",
    "const now = new Date(0)",
    "const lot = Math.random()",
    'const lot = Math["random"]()',
    "const now = performance.now()",
    "setTimeout(() => {}, 1)",
    "const later = globalThis.setTimeout",
    "const x = { Date }",
    "const x = async () => 1",
    "await 1",
    "const home = process.env.HOME"
  ])("would be caught by this checker writing %s", (source) => {
    expect(impurities("machines/Bad.ts", source)).toHaveLength(1)
  })

  it.each([
    "const x = Math.max(1, 2)",
    "const x = (event: { Date: number }) => event.Date",
    '// Date.now() in a comment\nconst x = "Math.random()"',
    "const x = { process: 1, fetch: 2 }"
  ])("may write %s", (source) => {
    expect(impurities("machines/Good.ts", source)).toEqual([])
  })
})
