/** Plugin trees of an unbundled Node host, built by the real npm, and the host that loads them. */
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { atDesk } from "../cli/InProcess.ts"
import { node } from "../support/Program.ts"
import { type NodePackage, startRegistry, writeFiles } from "./Registry.ts"

const root = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-node-")))
const host = join(root, "host")
const lock = join(root, "core-lock.json")
const command = (...argv: ReadonlyArray<string>) =>
  Effect.runPromise(atDesk((desk) => desk.run(["core-lock", ...argv])))

const shape = (version: string): NodePackage => ({
  name: "shape",
  version,
  type: "module",
  exports: { import: "./index.js", require: "./index.cjs" },
  files: {
    "index.cjs": "exports.Shape = class Shape {}\n",
    "index.js": 'import shapes from "./index.cjs"\nexport const Shape = shapes.Shape\n'
  }
})
const simple = (name: string, version: string, fields: Readonly<Record<string, unknown>> = {}): NodePackage => ({
  name,
  version,
  main: "index.cjs",
  ...fields,
  files: { "index.cjs": 'exports.Shape = require("shape").Shape\n' }
})

const PACKAGES: ReadonlyArray<NodePackage> = [
  shape("1.4.0"),
  shape("2.0.0"),
  { name: "tool", version: "1.0.0" },
  simple("uses-range", "1.0.0", { dependencies: { shape: "^1.0.0" } }),
  simple("uses-two", "1.0.0", { dependencies: { shape: "^2.0.0" } }),
  simple("peer-one", "1.0.0", { peerDependencies: { shape: "^1.2.0" } }),
  simple("peer-two", "1.0.0", { peerDependencies: { shape: ">=2" } }),
  simple("maybe-two", "1.0.0", {
    peerDependencies: { shape: "~2.0" },
    peerDependenciesMeta: { shape: { optional: true } }
  }),
  simple("renamed", "1.0.0", { dependencies: { "old-shape": "npm:shape@^1.0.0" } }),
  simple("through-middle", "1.0.0", { dependencies: { "uses-two": "1.0.0" } })
]

let registry: Awaited<ReturnType<typeof startRegistry>>

/** A plugin in the host's folder of plugins, installed by npm. */
const plugin = async (name: string, manifest: Readonly<Record<string, unknown>>, ...args: ReadonlyArray<string>) => {
  const directory = join(host, "plugins", name)
  writeFiles(directory, {
    "package.json": JSON.stringify({ name, version: "0.1.0", main: "index.cjs", ...manifest }),
    "index.cjs": 'const { Shape } = require("shape")\nexports.takes = (it) => it instanceof Shape\n',
    "index.mjs": 'import { Shape } from "shape"\nexport const takes = (it) => it instanceof Shape\n'
  })
  await registry.npm(directory, "install", ...args)
  return directory
}

const judge = async (directory: string, ...args: ReadonlyArray<string>) => {
  const said = await command("check", "--lock", lock, "--json", ...args, directory)
  const { problems } = JSON.parse(said.out)
  expect(said.code).toBe(problems.length === 0 ? 0 : 1)
  return problems as ReadonlyArray<{
    verdict: string
    name: string
    has: string
    asker: string
    at: string
    message: string
  }>
}

/** Whether the plugin takes an object of the host's own class: loaded by `require`, and by `import`. */
const load = (name: string): string => execFileSync(node, ["host.mjs", name], { cwd: host, encoding: "utf8" }).trim()

beforeAll(async () => {
  registry = await startRegistry(root, PACKAGES)
  writeFiles(host, {
    "package.json": JSON.stringify({
      name: "the-host",
      version: "5.0.0",
      peerDependencies: { shape: "1.4.0" },
      dependencies: { tool: "1.0.0" }
    }),
    "host.mjs": [
      'import { createRequire } from "node:module"',
      'import { Shape } from "shape"',
      "const require = createRequire(import.meta.url)",
      'const own = require("shape").Shape === Shape',
      "const name = process.argv[2]",
      "const required = require(`./plugins/${name}/index.cjs`).takes(new Shape())",
      "const imported = (await import(`./plugins/${name}/index.mjs`)).takes(new Shape())",
      "console.log(`own ${own}, require ${required}, import ${imported}`)"
    ].join("\n")
  })
  await registry.npm(host, "install")
  expect(await command("generate", "--node", host, "--output", lock)).toMatchObject({ code: 0 })
}, 180_000)
afterAll(async () => {
  await registry.close()
  rmSync(root, { recursive: true, force: true })
})

describe("the lock of a Node host", () => {
  it("names its peer API packages and itself, at the versions that are there", () => {
    expect(JSON.parse(readFileSync(lock, "utf8"))).toEqual({
      distributions: [
        { name: "shape", top_level_modules: ["shape"], version: "1.4.0" },
        { name: "the-host", top_level_modules: ["the-host"], version: "5.0.0" }
      ],
      host: { name: "the-host", version: "5.0.0" },
      shared_packages: ["shape", "the-host"],
      version: 1
    })
  })

  it("names what --shared says instead", async () => {
    const file = join(root, "shared.json")
    expect(await command("generate", "--node", host, "--shared", "tool", "--output", file)).toMatchObject({ code: 0 })
    expect(JSON.parse(readFileSync(file, "utf8")).shared_packages).toEqual(["the-host", "tool"])
    const unknown = await command("generate", "--node", host, "--shared", "unknown", "--output", file)
    expect(unknown).toMatchObject({ code: 1 })
    expect(unknown.err).toContain("has no package unknown: install it there first")
  })

  it("is refused to a directory that shares nothing, and removed where one was", async () => {
    const file = join(root, "nothing.json")
    writeFiles(join(root, "loner"), { "package.json": JSON.stringify({ name: "loner" }) })
    writeFileSync(file, "the lock of yesterday")
    const said = await command("generate", "--node", join(root, "loner"), "--output", file)
    expect(said).toMatchObject({ code: 1 })
    expect(said.err).toContain("Name them: --shared NAME")
    expect(() => readFileSync(file)).toThrow("ENOENT")
  })
})

describe("a plugin of a Node host", { timeout: 120_000 }, () => {
  it("is accepted when it only adds packages, and shares the host's classes by import and by require", async () => {
    const directory = await plugin(
      "adds",
      { dependencies: { tool: "^1.0.0", "peer-one": "1.0.0" }, peerDependencies: { shape: "^1.0.0" } },
      "--omit=peer"
    )
    expect(await judge(directory)).toEqual([])
    expect(load("adds")).toBe("own true, require true, import true")
  })

  it("is refused with a copy of its own, which would break class identity by import and by require", async () => {
    const directory = await plugin("copies", { dependencies: { shape: "2.0.0" } })
    expect(await judge(directory)).toMatchObject([
      { verdict: "core_conflict", name: "shape", has: "1.4.0", asker: "copies 0.1.0", at: "." },
      { verdict: "nested_copy", name: "shape", has: "1.4.0", at: "node_modules/shape" }
    ])
    expect(load("copies")).toBe("own true, require false, import false")
    const said = await command("check", "--lock", lock, directory)
    expect(said.out.split("\n")[0]).toBe(
      "copies 0.1.0 asks for shape 2.0.0 (dependencies in package.json), and the host has shape 1.4.0. Use a version of it that fits the host."
    )
    console.log(said.out)
  })

  it("is refused with a copy of the very same version: it is another copy all the same", async () => {
    const directory = await plugin("twin", { dependencies: { "uses-range": "1.0.0" } })
    expect(await judge(directory)).toMatchObject([
      { verdict: "nested_copy", at: "node_modules/shape", asker: "shape 1.4.0" }
    ])
    expect(load("twin")).toBe("own true, require false, import false")
  })

  it("is refused with the edge named, however deep it lies", async () => {
    const directory = await plugin("deep", { dependencies: { "through-middle": "1.0.0", shape: "1.4.0" } })
    const verdicts = await judge(directory)
    expect(verdicts.filter(({ verdict }) => verdict === "core_conflict")).toMatchObject([
      { asker: "uses-two 1.0.0", at: "node_modules/uses-two", has: "1.4.0" }
    ])
    expect(verdicts.filter(({ verdict }) => verdict === "nested_copy").map(({ at }) => at)).toEqual([
      "node_modules/shape",
      "node_modules/uses-two/node_modules/shape"
    ])
  })

  it.each([
    ["peer-two", ">=2"],
    ["maybe-two", "~2.0"]
  ])("is refused for the peer range of %s, which does not contain the host's version", async (name, range) => {
    const directory = await plugin(
      `with-${name}`,
      { dependencies: { [name]: "1.0.0" } },
      "--omit=peer",
      "--legacy-peer-deps"
    )
    expect(await judge(directory)).toMatchObject([
      {
        verdict: "core_conflict",
        message: expect.stringContaining(`${name} 1.0.0 asks for shape ${range} (peerDependencies in`)
      }
    ])
  })

  it("is refused with an alias, in both directions", async () => {
    const hidden = await judge(await plugin("hides", { dependencies: { renamed: "1.0.0" } }))
    expect(hidden.map(({ verdict, at }) => [verdict, at])).toEqual([
      ["nested_copy", "node_modules/old-shape"],
      ["alias", "node_modules/renamed"]
    ])
    const replaced = await judge(await plugin("replaces", { dependencies: { shape: "npm:tool@1.0.0" } }))
    expect(replaced.map(({ verdict, at }) => [verdict, at])).toEqual([
      ["alias", "."],
      ["nested_copy", "node_modules/shape"]
    ])
  })

  it("is refused with a bundled copy", async () => {
    const directory = await plugin(
      "bundles",
      { peerDependencies: { shape: "^1.0.0" }, bundleDependencies: ["shape"] },
      "--omit=peer",
      "--legacy-peer-deps"
    )
    expect(await judge(directory)).toMatchObject([{ verdict: "bundled_copy", asker: "bundles 0.1.0", at: "." }])
    cpSync(join(host, "node_modules", "shape"), join(directory, "vendor", "its-own"), { recursive: true })
    expect((await judge(directory)).map(({ verdict, at }) => [verdict, at])).toEqual([
      ["bundled_copy", "."],
      ["nested_copy", "vendor/its-own"]
    ])
  })

  it("may link to the host's own copy and to no other", async () => {
    const directory = await plugin("links", { peerDependencies: { shape: "^1.0.0" } }, "--omit=peer")
    const link = join(directory, "node_modules", "shape")
    mkdirSync(join(directory, "node_modules"), { recursive: true })
    symlinkSync(join(host, "node_modules", "shape"), link)
    expect(await judge(directory, "--host", host)).toEqual([])
    expect(load("links")).toBe("own true, require true, import true")
    expect(await judge(directory)).toMatchObject([
      { message: expect.stringContaining("name the host's directory with --host") }
    ])
    rmSync(link)
    symlinkSync(join(host, "plugins", "twin", "node_modules", "shape"), link)
    expect(await judge(directory, "--host", host)).toMatchObject([{ verdict: "nested_copy", at: "node_modules/shape" }])
    expect(load("links")).toBe("own true, require false, import false")
    rmSync(link)
    // A linked package has its own node_modules beside it.
    symlinkSync(join(host, "plugins", "twin"), join(directory, "node_modules", "helper"))
    expect(await judge(directory, "--host", host)).toMatchObject([{ verdict: "nested_copy" }])
  })

  it.each([
    ["a tag", "latest"],
    ["an address", "git+https://example.com/shape.git"],
    ["a path", "file:../shape"]
  ])("is refused when it asks by %s, which nobody can compare", async (_, range) => {
    const directory = join(root, "unreadable")
    writeFiles(directory, {
      "package.json": JSON.stringify({ name: "odd", version: "1.0.0", dependencies: { shape: range } })
    })
    expect(await judge(directory)).toMatchObject([{ verdict: "range_unreadable", asker: "odd 1.0.0" }])
  })

  it("is not judged when a package.json in it cannot be read", async () => {
    const directory = join(root, "broken")
    writeFiles(directory, { "package.json": "{}", "node_modules/half/package.json": '{"name": "ha' })
    const said = await command("check", "--lock", lock, directory)
    expect(said).toMatchObject({ code: 1, out: "" })
    expect(said.err).toContain("node_modules/half/package.json is no package.json")
  })

  it("is judged by no lock that is null, and no directory that is not there", async () => {
    const file = join(root, "null.json")
    writeFileSync(file, "null\n")
    expect((await command("check", "--lock", file, root)).err).toContain("has not the form of a core lock")
    expect((await command("check", "--lock", lock, join(root, "nowhere"))).err).toContain("is no directory")
  })
})
