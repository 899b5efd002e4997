/** This very repository: served, cloned, built, run, upgraded under a running daemon, with its state kept. */
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { hindrance, repository, Site } from "./Site.ts"

const missing = hindrance("git", "curl", "npm")

const published = [
  ".npmrc",
  "LICENSE",
  "VERSION",
  "install.sh",
  "llp",
  "machines",
  "package-lock.json",
  "package.json",
  "rolldown.config.ts",
  "src",
  "tsconfig.json",
  "tsconfig.web.json"
]

const newer = "99.1.0-rc.1"

let site: Site
/** The real npm, but for the packages, which are those of this repository. */
let PATH: string
beforeAll(async () => {
  site = await Site.open()
  for (const name of published) cpSync(join(repository, name), join(site.work, name), { recursive: true })
  const tools = join(site.root, "tools")
  mkdirSync(tools)
  const found = (process.env["PATH"] ?? "").split(":").find((folder) => existsSync(join(folder, "npm")))
  writeFileSync(
    join(tools, "npm"),
    `#!/bin/sh\n[ "$1" = install ] && exec ln -s '${repository}/node_modules' node_modules\nexec '${found}/npm' "$@"\n`
  )
  chmodSync(join(tools, "npm"), 0o755)
  PATH = `${tools}:${process.env["PATH"]}`
})
afterAll(() => site.close())

const publish = (version: string, more: Readonly<Record<string, unknown>> = {}) => {
  const manifest = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"))
  site.publish(version, {
    VERSION: `${version}\n`,
    "package.json": JSON.stringify({ ...manifest, version, ...more }, null, 2)
  })
}

const holdfast = (...args: ReadonlyArray<string>) => [join(site.person, ".local", "bin", "holdfast"), ...args]

/** Starts the installed daemon, and waits until it answers. */
const startDaemon = async () => {
  const daemon = site.start(holdfast("daemon"), { PATH, HOLDFAST_PORT: "0" })
  const file = join(site.person, ".holdfast", "state", "run", "status.json")
  const end = Date.now() + 20_000
  for (;;) {
    const { api_url, pid, state } = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).daemon : {}
    if (state === "running" && api_url !== null && (pid === daemon.pid || daemon.stderr().includes("running"))) {
      const ask = async (path: string) => (await fetch(`${api_url}${path}`)).json()
      return { ...daemon, ask }
    }
    if (Date.now() > end) throw new Error(daemon.stderr())
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe.skipIf(missing !== null)("Holdfast itself", () => {
  it("is installed, runs, and is upgraded under its running daemon, which keeps what is its own", async () => {
    publish("0.1.0")
    const fresh = await site.install([], { PATH })
    expect(fresh, fresh.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining("Installed: 0.1.0") })
    mkdirSync(join(site.person, ".holdfast"), { mode: 0o700 })
    writeFileSync(join(site.person, ".holdfast", "config.json"), '{ "version": 2 }\n')
    const first = await startDaemon()
    expect(await first.ask("/version")).toEqual({ version: "0.1.0" })
    const kept = () => [".holdfast/config.json", ".holdfast/state/api-token"].map((name) => site.read(name))
    const before = kept()
    expect(await site.install([], { PATH })).toMatchObject({ code: 0, stdout: "Already up to date (0.1.0)\n" })

    publish(newer, { homepage: `${site.versions.url}/page/?from=package#readme` })
    const check = await site.run(holdfast("upgrade", "--check"), { PATH })
    expect(check).toMatchObject({ code: 0, stdout: expect.stringContaining(`Upgrade available: 0.1.0 → ${newer}\n`) })
    const [, line = ""] = /^To upgrade: (.+)$/m.exec(check.stdout) ?? []
    const unsaid = { HOLDFAST_VERSION_URL: undefined, HOLDFAST_SOURCE: undefined }
    const upgrade = await site.run(["sh", "-c", line], { PATH, ...unsaid })
    expect(upgrade, upgrade.stderr).toMatchObject({ code: 0 })
    expect(upgrade.stdout).toContain(`Upgraded: 0.1.0 → ${newer}\n`)
    console.log(
      [
        ["install.sh", fresh],
        ["holdfast upgrade --check", check],
        [line, upgrade]
      ]
        .map(([command, { stdout }]: any) => `$ ${command}\n${stdout}`)
        .join("")
        .replaceAll(site.person, "~")
    )

    // Nobody restarted it, and it asked for no version.
    expect(await first.ask("/version")).toEqual({ version: "0.1.0" })
    expect(site.versions.asked).toEqual(Array(4).fill("GET /VERSION"))
    expect(await site.run(holdfast("daemon", "restart"), { PATH })).toMatchObject({ code: 0 })
    expect(await first.ended).toMatchObject({ code: 75 })
    expect(first.stderr()).toMatch(/"daemon starting".*"version":"0\.1\.0"/)

    const second = await startDaemon()
    expect(await second.ask("/version")).toEqual({ version: newer })
    expect(await second.ask("/health")).toMatchObject({ version: newer })
    expect(kept()).toEqual(before)
    for (const args of [["--version"], ["status", "--version"]]) {
      expect(await site.run(holdfast(...args), { PATH })).toMatchObject({ code: 0, stdout: `${newer}\n` })
    }
    const status = JSON.parse((await site.run(holdfast("status", "--json"), { PATH })).stdout)
    expect(status.daemon).toMatchObject({ state: "running", version: newer })
    second.signal("SIGTERM")
    expect(await second.ended).toMatchObject({ code: 0 })
    expect(second.stderr()).toMatch(new RegExp(`"daemon starting".*"version":"${newer}"`))

    // Without HOLDFAST_VERSION_URL, the page of the package says where.
    expect(await site.run(holdfast("upgrade", "--check"), { PATH, ...unsaid })).toMatchObject({
      code: 0,
      stdout: `Already up to date (${newer})\n`
    })
    expect(site.versions.asked.slice(4)).toEqual(["GET /page/VERSION"])
  })
})
