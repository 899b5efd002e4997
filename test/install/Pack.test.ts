/** What `npm pack` makes of this repository, installed globally as a user would. */
import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { environment } from "../support/Program.ts"
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

describe("the package", { timeout: 240_000 }, () => {
  it("holds the program and what it shows, and nothing that it was made of", () => {
    const [made] = JSON.parse(
      run("npm", "pack", repository, "--ignore-scripts", "--json", "--pack-destination", folder)
    )
    const files: ReadonlyArray<string> = made.files.map(({ path }: { readonly path: string }) => path)
    const top = [...new Set(files.map((path) => path.split("/")[0]))].toSorted()
    expect(top).toEqual(["LICENSE", "README.md", "VERSION", "dist", "examples", "install.sh", "package.json"])
    expect(files).toEqual(
      expect.arrayContaining(["dist/main.js", "dist/handler.js", "dist/chunks/daemon.js", "dist/web/app.html"])
    )
    expect(files.filter((path) => path.startsWith("dist/.cache"))).toEqual([])
    expect(made.unpackedSize).toBeLessThan(12_000_000)
  })

  it("is installed by npm install --global, and runs with the packages that it names alone", () => {
    const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "none"
    run(
      "npm",
      "install",
      "--global",
      "--prefix",
      folder,
      "--prefer-offline",
      "--no-audit",
      "--no-fund",
      join(folder, tarball)
    )
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
