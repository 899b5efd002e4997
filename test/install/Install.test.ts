/** Installing and upgrading a small program that stands in for Holdfast, with real git, npm and Node. */
import { createHash } from "node:crypto"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { hindrance, installer, shells, Site } from "./Site.ts"

const missing = hindrance("git", "curl", "npm")

/** Every file and link below a folder, with its content. */
const digest = (folder: string): string => {
  const hash = createHash("sha256")
  for (const each of readdirSync(folder, { recursive: true, withFileTypes: true }).toSorted((a, b) =>
    `${a.parentPath}/${a.name}` < `${b.parentPath}/${b.name}` ? -1 : 1
  )) {
    const path = join(each.parentPath, each.name)
    hash.update(
      `${path}\0${each.isFile() ? readFileSync(path, "base64") : each.isSymbolicLink() ? readlinkSync(path) : ""}\0`
    )
  }
  return hash.digest("hex")
}

const partials = (site: Site) => readdirSync(join(site.prefix, "versions")).filter((name) => name.endsWith(".partial"))

/** A build that a test ends. */
const BUILDS_FOR_EVER = 'import fs from "node:fs"\nfs.writeFileSync("begun", "")\nsetTimeout(() => {}, 60_000)\n'

/** Waits until that build runs. */
const builds = async (site: Site, version: string) => {
  const begun = join(site.prefix, "versions", `${version}.partial`, "begun")
  while (!existsSync(begun)) await new Promise((resolve) => setTimeout(resolve, 10))
}

describe.skipIf(missing !== null)("install.sh", { concurrent: true }, () => {
  for (const shell of shells) {
    it(`installs, says what is up to date, and upgrades, in ${shell.join(" ")}`, async () => {
      const site = await Site.open()
      try {
        site.publishStandIn("0.1.0")
        const home = join(site.person, ".holdfast")
        mkdirSync(join(home, "state"), { recursive: true })
        writeFileSync(join(home, "state", "api-token"), "a-token")
        const state = digest(home)

        const fresh = await site.install([], {}, shell)
        expect(fresh).toMatchObject({ code: 0, stdout: expect.stringContaining("Installed: 0.1.0 in ") })
        expect(site.versions.asked).toEqual(["GET /VERSION"])
        expect(site.current()).toBe("versions/0.1.0")
        expect(await site.installed()).toBe("0.1.0")
        const linked = join(site.person, ".local", "bin", "holdfast")
        expect((await site.run([linked, "--version"])).stdout).toBe("0.1.0\n")
        expect(fresh.stderr).toContain(`export PATH=${join(site.person, ".local", "bin")}:"$PATH"`)

        const before = { disk: digest(site.prefix), git: site.asked.git }
        const again = await site.install([], { HOLDFAST_SOURCE: "" }, shell)
        expect(again).toMatchObject({ code: 0, stdout: "Already up to date (0.1.0)\n" })
        expect({ disk: digest(site.prefix), git: site.asked.git }).toEqual(before)

        site.publishStandIn("0.2.0-rc.1")
        // The source is known by now.
        const upgrade = await site.install([], { HOLDFAST_SOURCE: "" }, shell)
        expect(upgrade).toMatchObject({ code: 0, stdout: expect.stringContaining("Upgraded: 0.1.0 → 0.2.0-rc.1\n") })
        expect(upgrade.stdout).toContain("holdfast daemon restart")
        expect((await site.run([linked, "--version"])).stdout).toBe("0.2.0-rc.1\n")
        expect(site.versions.asked).toHaveLength(3)
        expect(digest(home)).toBe(state)
        expect(readdirSync(site.prefix).toSorted()).toEqual(["current", "versions"])
        expect(readdirSync(join(site.prefix, "versions")).toSorted()).toEqual(["0.1.0", "0.2.0-rc.1"])

        // What it printed for going back works, and the way forward needs no second build.
        const [, back = ""] = /^To go back: (.+)$/m.exec(upgrade.stdout) ?? []
        expect(await site.run(["sh", "-c", back])).toMatchObject({ code: 0 })
        expect(await site.installed()).toBe("0.1.0")
        const git = site.asked.git
        expect(await site.install([], {}, shell)).toMatchObject({
          code: 0,
          stdout: expect.stringContaining("Upgraded: 0.1.0 → 0.2.0-rc.1\n")
        })
        expect(site.asked.git).toBe(git)
      } finally {
        await site.close()
      }
    })
  }

  it("takes the default branch where there is no tag, and folders with any name", async () => {
    const site = await Site.open()
    try {
      site.publishStandIn("0.1.0", {}, null)
      const prefix = join(site.person, "it's $(touch pwned) here")
      const { code, stderr } = await site.install(["--prefix", "it's $(touch pwned) here"])
      expect({ code, stderr }).toMatchObject({ code: 0 })
      expect(await site.installed(prefix)).toBe("0.1.0")
      const [, line = ""] = /profile: (.+)$/m.exec(stderr) ?? []
      const found = await site.run(["sh", "-c", `${line}; holdfast --version`])
      expect(found).toMatchObject({ code: 0, stdout: "0.1.0\n" })
      expect(readdirSync(site.person)).toEqual(expect.not.arrayContaining(["pwned", ".local"]))
    } finally {
      await site.close()
    }
  })
})

describe.skipIf(missing !== null)("an install that fails", () => {
  let site: Site
  beforeAll(async () => {
    site = await Site.open()
    site.publishStandIn("0.1.0")
    expect(await site.install()).toMatchObject({ code: 0 })
  })
  afterAll(() => site.close())

  let before: string
  beforeEach(() => {
    before = digest(site.prefix)
  })
  /** Whatever failed: the same bytes, and a program that works. */
  const untouched = async () => {
    expect(digest(site.prefix)).toBe(before)
    expect(await site.installed()).toBe("0.1.0")
  }
  afterEach(untouched)

  const failures: ReadonlyArray<
    readonly [what: string, version: string, changes: Readonly<Record<string, string>>, said: RegExp]
  > = [
    [
      "a build that fails",
      "1.0.1",
      { "build.js": 'console.error("no such luck"); process.exit(1)' },
      /no such luck[^]*could not build it/
    ],
    ["packages that cannot be installed", "1.0.2", { "package.json": "{" }, /could not install its packages/],
    ["a program that does not start", "1.0.3", { "program.js": "throw 1" }, /does not run, or is not 1\.0\.3/],
    [
      "a program of another version",
      "1.0.4",
      { "program.js": 'console.log("1.0.9")' },
      /does not run, or is not 1\.0\.4/
    ],
    [
      "a program whose command line does not start",
      "1.0.5",
      { "program.js": 'if (process.argv.length > 3) throw 1\nconsole.log("1.0.5")' },
      /does not run/
    ],
    ["a tag of another version", "1.0.6", { VERSION: "1.0.9\n" }, /the source has no 1\.0\.6: there is 1\.0\.9/],
    [
      "a tag without a version",
      "1.0.7",
      { VERSION: "a[$(touch pwned)]\n" },
      /the source has no 1\.0\.7: there is no version/
    ]
  ]
  for (const [what, version, changes, said] of failures) {
    it(`by ${what} leaves what was there`, async () => {
      site.publishStandIn(version, changes)
      const { code, stderr, stdout } = await site.install()
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
      expect(stderr).toMatch(said)
    })
  }

  it("by a version that the source does not have leaves what was there", async () => {
    site.versions.offer = "7.0.0"
    const { code, stderr } = await site.install()
    expect(code).toBe(1)
    expect(stderr).toMatch(/the source has no 7\.0\.0: there is .+ default branch/)
  })

  it("by an offer that is older leaves what was there, and is no failure", async () => {
    site.versions.offer = "0.1.0-rc.9"
    const said = "This is newer than what the source offers: 0.1.0, 0.1.0-rc.9\n"
    expect(await site.install()).toMatchObject({ code: 0, stdout: said })
  })

  it("by a source that is away leaves what was there, and tells no password", async () => {
    site.versions.offer = "7.0.0"
    const { code, stderr } = await site.install(["--source", "http://me:secret@127.0.0.1:1/holdfast.git"])
    expect(code).toBe(1)
    expect(stderr).toContain("could not ask the source for the tag v7.0.0")
    expect(stderr).not.toContain("secret")
  })

  it("by a tool that is not there says which", async () => {
    site.versions.offer = "7.0.0"
    const tools = join(site.root, "tools")
    mkdirSync(tools)
    const names = ["cat", "curl", "git", "head", "ln", "mkdir", "mktemp", "node", "readlink", "rm", "sh", "tr", "wc"]
    for (const name of names) {
      const at = (process.env["PATH"] ?? "").split(":").find((each) => existsSync(join(each, name)))
      symlinkSync(join(at ?? "", name), join(tools, name))
    }
    const { code, stderr } = await site.install([], { PATH: tools })
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("this needs npm") })
  })

  it("by a signal leaves what was there", async () => {
    site.publishStandIn("1.1.0", { "build.js": BUILDS_FOR_EVER })
    const running = site.start(["sh", installer])
    await builds(site, "1.1.0")
    // As a terminal does it: to the whole group.
    process.kill(-running.pid, "SIGINT")
    expect(await running.ended).toMatchObject({ code: 130, stdout: "" })
  })
})

describe.skipIf(missing !== null)("an install beside others", () => {
  let site: Site
  beforeEach(async () => {
    site = await Site.open()
  })
  afterEach(() => site.close())

  it("clears up after one that was killed, and waits for none that lives", async () => {
    site.publishStandIn("0.1.0", { "build.js": BUILDS_FOR_EVER })
    const first = site.start(["sh", installer])
    await builds(site, "0.1.0")
    const second = await site.install()
    expect(second).toMatchObject({ code: 1, stdout: "" })
    expect(second.stderr).toContain(`another install runs (process ${first.pid})`)
    first.killAll()
    await first.ended
    expect(partials(site)).toEqual(["0.1.0.partial"])

    site.publishStandIn("0.1.1")
    expect(await site.install()).toMatchObject({ code: 0, stdout: expect.stringContaining("Installed: 0.1.1") })
    expect(await site.installed()).toBe("0.1.1")
    expect(readdirSync(site.prefix).toSorted()).toEqual(["current", "versions"])
    expect(partials(site)).toEqual([])
  })

  it("ends what one began that was killed between its name and the flip", async () => {
    site.publishStandIn("0.1.0")
    expect(await site.install()).toMatchObject({ code: 0 })
    rmSync(join(site.prefix, "current"))
    symlinkSync("versions/0.1.0", join(site.prefix, ".current.1"))
    const { git } = site.asked
    expect(await site.install()).toMatchObject({ code: 0 })
    expect(site.asked.git).toBe(git)
    expect(await site.installed()).toBe("0.1.0")
    expect(readdirSync(site.prefix).toSorted()).toEqual(["current", "versions"])
  })

  it("builds a version again that was damaged", async () => {
    site.publishStandIn("0.1.0")
    expect(await site.install()).toMatchObject({ code: 0 })
    writeFileSync(join(site.prefix, "versions", "0.1.0", "VERSION"), "")
    expect(await site.install()).toMatchObject({ code: 0, stdout: expect.stringContaining("Installed: 0.1.0") })
    expect(await site.installed()).toBe("0.1.0")
  })

  it("leaves a program of that name alone that is somebody else's", async () => {
    site.publishStandIn("0.1.0")
    const bin = join(site.person, ".local", "bin")
    mkdirSync(bin, { recursive: true })
    writeFileSync(join(bin, "holdfast"), "#!/bin/sh\necho mine\n")
    chmodSync(join(bin, "holdfast"), 0o755)
    const { code, stderr } = await site.install()
    expect(code).toBe(0)
    expect(stderr).toContain("is something else, and stays")
    expect((await site.run([join(bin, "holdfast")])).stdout).toBe("mine\n")
  })
})
