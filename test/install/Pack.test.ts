/** What `npm pack` makes of this repository, installed globally as a user would. */
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { environment, node } from "../support/Program.ts"
import { repository } from "./Site.ts"

/** Settings of an `npm test` that runs this would reach the npm of the user. */
const env = Object.fromEntries(
  Object.entries(environment({})).filter(([name]) => !/^(npm_|NODE_OPTIONS|VITEST)/i.test(name))
)

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-pack-"))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const run = (program: string, ...args: ReadonlyArray<string>): string =>
  execFileSync(program, args, { cwd: folder, env: { ...env, HOLDFAST_HOME: join(folder, "home") }, encoding: "utf8" })

/** The file that `npm pack` made. */
const packed = (): string => join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "none")

/** The blocks of TypeScript in the README that import from this package. */
const examples = [...readFileSync(join(repository, "README.md"), "utf8").matchAll(/^```ts\n(.*?)^```$/gms)].flatMap(
  ([, block = ""]) => (block.includes('from "holdfast') ? [block] : [])
)

describe("the package", { timeout: 240_000 }, () => {
  it("holds the program and what it shows, and nothing that it was made of", () => {
    const [made] = JSON.parse(
      run("npm", "pack", repository, "--ignore-scripts", "--json", "--pack-destination", folder)
    )
    const files: ReadonlyArray<string> = made.files.map(({ path }: { readonly path: string }) => path)
    const top = [...new Set(files.map((path) => path.split("/")[0]))].toSorted()
    expect(top).toEqual(["LICENSE", "README.md", "VERSION", "dist", "examples", "install.sh", "package.json"])
    expect(files).toEqual(
      expect.arrayContaining([
        "dist/main.js",
        "dist/handler.js",
        "dist/handler.d.ts",
        "dist/chunks/daemon.js",
        "dist/web/app.html"
      ])
    )
    expect(files.filter((path) => path.startsWith("dist/.cache"))).toEqual([])
    expect(made.unpackedSize).toBeLessThan(12_000_000)
  })

  it("has types of its own for what the README imports, and they name no package", () => {
    const user = join(folder, "user")
    const installed = join(user, "node_modules", "holdfast")
    mkdirSync(installed, { recursive: true })
    run("tar", "-xzf", packed(), "--strip-components=1", "-C", installed)
    const complaints = (file: string, source: string): string => {
      writeFileSync(join(user, file), source)
      const compiler = join(repository, "node_modules", "typescript", "bin", "tsc")
      const flags = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext"]
      return spawnSync(node, [compiler, ...flags, file], { cwd: user, env, encoding: "utf8" }).stdout
    }
    expect(examples).toHaveLength(1)
    for (const [number, example] of examples.entries()) expect(complaints(`example-${number}.mts`, example)).toBe("")
    const named = `import { agentServer, type AgentHandler, type AgentServerOptions } from "holdfast/handler"
      const options: AgentServerOptions = { baseUrl: "https://api.example/v1", token: null, fallbackModels: ["a"] }
      export const server: AgentHandler = agentServer(options)
      export const answer: Promise<Response> = server.handler(new Request("https://a.example/chat"))
      export const ended: Promise<void> = server.dispose()`
    expect(complaints("named.mts", named)).toBe("")
    const wrong = named.replace("token: null", "token: 7")
    expect(complaints("wrong.mts", wrong)).toMatch(/^wrong\.mts\(2,.*TS2322[^\n]*\n$/)
  })

  it("is installed by npm install --global, and runs with the packages that it names alone", () => {
    run("npm", "install", "--global", "--prefix", folder, "--prefer-offline", "--no-audit", "--no-fund", packed())
    const program = join(folder, "bin", "holdfast")
    const version = readFileSync(join(repository, "VERSION"), "utf8").trim()
    expect(run(program, "--version")).toBe(`${version}\n`)
    expect(JSON.parse(run(program, "status", "--json"))).toMatchObject({ overall: "healthy", daemon: { version } })
    expect(run(program, "doctor")).toMatch(/^✓ node .*\n[^]*\n0 wrong/)
    expect(run(program, "machines")).toContain("configApply")
    expect(run(program, "agent", "new", "weather", "--language", "typescript")).toContain("weather")
    const packages = join(folder, "lib", "node_modules", "holdfast", "node_modules")
    expect(existsSync(join(packages, "@kubernetes", "client-node"))).toBe(true)
    for (const name of ["effect", "vitest", "typescript"]) expect(existsSync(join(packages, name))).toBe(false)
  })
})
