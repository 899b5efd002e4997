/** What install.sh makes of an offer, in every shell that is here; nothing is installed. */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:https"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { certificate, key } from "../central/SelfSigned.ts"
import { listening, type Offer } from "./Servers.ts"
import { hindrance, installer, shells, Site } from "./Site.ts"
import { ascending, refused } from "./Versions.ts"

const missing = hindrance("git", "curl")
const withoutWget = hindrance("wget", "timeout")

let site: Site
beforeEach(async () => {
  site = await Site.open()
})
afterEach(() => site.close())

/** A version that is there, as far as install.sh looks. */
const pretend = (version: string, name = "prefix"): string => {
  const prefix = join(site.root, name)
  mkdirSync(join(prefix, "versions", "x"), { recursive: true })
  writeFileSync(join(prefix, "versions", "x", "VERSION"), `${version}\n`)
  symlinkSync("versions/x", join(prefix, "current"))
  return prefix
}

/** A folder of programs that holds these and no others. */
const onlyTools = (...names: ReadonlyArray<string>): string => {
  const folder = join(site.root, "tools")
  mkdirSync(folder)
  for (const name of names) {
    const at = (process.env["PATH"] ?? "").split(":").find((each) => existsSync(join(each, name)))
    if (at !== undefined) symlinkSync(join(at, name), join(folder, name))
  }
  return folder
}

const basics = ["cat", "expr", "grep", "head", "mktemp", "readlink", "rm", "sed", "timeout", "tr", "wc"]

describe.skipIf(missing !== null)("install.sh --check", () => {
  for (const shell of shells) {
    it(`orders versions as semver does, in ${shell.join(" ")}`, async () => {
      const pairs = ascending.slice(1).map((newer, at) => [ascending[at] ?? "", newer] as const)
      for (const [at, [older, newer]] of pairs.entries()) {
        site.versions.offer = `  ${newer}\r\n\n`
        const up = await site.install(["--check", "--prefix", pretend(older, `up${at}`)], {}, shell)
        expect(up).toMatchObject({ code: 0, stdout: `Upgrade available: ${older} → ${newer}\n`, stderr: "" })
        site.versions.offer = older
        const down = await site.install(["--check", "--prefix", pretend(newer, `down${at}`)], {}, shell)
        expect(down.stdout).toBe(`This is newer than what the source offers: ${newer}, ${older}\n`)
      }
      site.versions.offer = "0.1.0-rc.1"
      const same = await site.install(["--check", "--prefix", pretend("0.1.0-rc.1")], {}, shell)
      expect(same).toMatchObject({ code: 0, stdout: "Already up to date (0.1.0-rc.1)\n", stderr: "" })
      expect(site.asked).toEqual({ versions: 2 * pairs.length + 1, git: 0 })
    })

    it(`refuses what is no version, and runs none of it, in ${shell.join(" ")}`, async () => {
      for (const [what, body, said] of refused) {
        site.versions.offer = body
        const { code, stderr, stdout } = await site.install([], {}, shell)
        expect({ what, code, stdout }).toEqual({ what, code: 1, stdout: "" })
        expect(stderr).toMatch(
          /^install\.sh: \S+\/VERSION is no VERSION file: it answered with .+; nothing was changed\n$/
        )
        expect(stderr).toMatch(said)
        expect(stderr).not.toMatch(/pwned|[^\n\x20-\x7e]/)
      }
      expect(site.asked).toEqual({ versions: refused.length, git: 0 })
      expect(readdirSync(site.person)).toEqual([])
    })
  }

  it("says that nothing is installed, and makes nothing", async () => {
    expect(await site.install(["--check"])).toMatchObject({ code: 0, stdout: "Not installed; 0.1.0 is offered\n" })
    expect(readdirSync(site.person)).toEqual([])
  })

  it("does not trust the VERSION file that is installed either", async () => {
    const prefix = pretend("1.0.0; touch pwned")
    expect((await site.install(["--check", "--prefix", prefix])).stdout).toBe("Not installed; 0.1.0 is offered\n")
  })

  const bad: ReadonlyArray<readonly [what: string, offer: Offer, said: RegExp]> = [
    ["404", (_, response) => void response.writeHead(404).end("1.2.3"), /404/],
    ["503", (_, response) => void response.writeHead(503).end("1.2.3"), /503/],
    ["a closed connection", (request) => void request.socket.destroy(), /no version could be learned/],
    [
      "fewer bytes than it said",
      (request) => void request.socket.end("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n1.2.3"),
      /no version/
    ],
    ["circles", (_, response) => void response.writeHead(302, { location: "/VERSION" }).end(), /redirects/],
    [
      "another scheme",
      (_, response) => void response.writeHead(302, { location: "file:///etc/hostname" }).end(),
      /no version/
    ]
  ]
  it("explains a server that does not answer with a file", async () => {
    for (const [what, offer, said] of bad) {
      site.versions.offer = offer
      const { code, stderr, stdout } = await site.install([])
      expect({ what, code, stdout }).toEqual({ what, code: 1, stdout: "" })
      expect(stderr).toMatch(said)
      expect(stderr).toContain("nothing was changed")
    }
    expect(readdirSync(site.person)).toEqual([])
  })

  it("gives up after 5 s, with curl and, where it is, with wget", async () => {
    const slow: Record<string, Offer> = {
      "/silent": () => {},
      "/dripping": (_, response) => {
        const drip = setInterval(() => response.write("1"), 100)
        response.on("close", () => clearInterval(drip))
      }
    }
    site.versions.offer = (request, response) => {
      const offer = slow[request.url ?? ""]
      if (typeof offer === "function") offer(request, response)
    }
    const withWget = onlyTools(...basics, "wget", "sh")
    const begin = Date.now()
    const runs = Object.keys(slow).flatMap((path) =>
      [{}, ...(withoutWget === null ? [{ PATH: withWget }] : [])].map((env) =>
        site.install(["--check", "--version-url", `${site.versions.url}${path}`], env)
      )
    )
    for (const { code, stderr } of await Promise.all(runs)) {
      expect(code).toBe(1)
      expect(stderr).toContain("no answer within 5 s")
    }
    expect(Date.now() - begin).toBeLessThan(9_000)
  })

  it.skipIf(withoutWget !== null)("takes wget where there is no curl, and follows nothing with it", async () => {
    const env = { PATH: onlyTools(...basics, "wget", "sh") }
    expect((await site.install(["--check"], env)).stdout).toBe("Not installed; 0.1.0 is offered\n")
    site.versions.offer = new Uint8Array(10_000_000).fill(0x31)
    expect((await site.install(["--check"], env)).stderr).toContain("more than 64 KiB")
    site.versions.offer = (_, response) => void response.writeHead(302, { location: "/elsewhere" }).end()
    const { code, stderr } = await site.install(["--check"], env)
    expect({ code, asked: site.asked.versions }).toEqual({ code: 1, asked: 3 })
    expect(stderr).toContain("redirected")
  })

  it("says what to install where there is neither", async () => {
    const { code, stderr } = await site.install(["--check"], { PATH: onlyTools(...basics, "sh") })
    expect(code).toBe(1)
    expect(stderr).toContain("Install curl")
  })

  it("follows a redirect, from https to https only", async () => {
    const authority = join(site.root, "ca.pem")
    writeFileSync(authority, certificate)
    const asked: Array<string> = []
    const secure = await listening(
      createServer({ cert: certificate, key }, (request, response) => {
        asked.push(request.url ?? "")
        if (request.url === "/VERSION") return void response.end("0.3.0")
        response.writeHead(302, { location: request.url === "/up" ? "/VERSION" : `${site.versions.url}/VERSION` }).end()
      }),
      "https",
      asked
    )
    try {
      const check = (url: string) => site.install(["--check", "--version-url", url], { CURL_CA_BUNDLE: authority })
      expect(await check(`${secure.url}/up`)).toMatchObject({ code: 0, stdout: "Not installed; 0.3.0 is offered\n" })
      expect(await check(`${secure.url}/down`)).toMatchObject({ code: 1, stdout: "" })
      expect(site.asked.versions).toBe(0)
      site.versions.offer = (_, response) => void response.writeHead(301, { location: `${secure.url}/VERSION` }).end()
      expect(await check(site.versions.url)).toMatchObject({ code: 0, stdout: "Not installed; 0.3.0 is offered\n" })
    } finally {
      await secure.close()
    }
  })
})

describe.skipIf(missing !== null)("the command line of install.sh", () => {
  it("asks once, whatever a URL holds that curl would take for several", async () => {
    const url = `${site.versions.url}/{a,b}[1-3]`
    expect((await site.install(["--check", "--version-url", url])).code).toBe(0)
    expect(site.asked.versions).toBe(1)
  })

  const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, said: RegExp]> = [
    [["--bogus"], 2, /no option: --bogus/],
    [["--prefix"], 2, /--prefix needs a value/],
    [["--version-url", ""], 2, /--version-url needs a value/],
    [["--version-url", "file:///etc/hostname"], 1, /must begin with http/],
    [["--version-url", "-o/tmp/x"], 1, /must begin with http/],
    [["--version-url", "http://127.0.0.1:1/a b"], 1, /space/],
    [["--version-url", "http://me:secret@127.0.0.1:1/"], 1, /must not hold a user name/],
    [["--source", "--upload-pack=touch"], 1, /no git URL/],
    [["--prefix", "/"], 1, /cannot be \//]
  ]
  for (const [args, code, said] of wrong) {
    it(`${args.join(" ")}: exit code ${code}, before any request`, async () => {
      const ended = await site.install(args)
      expect(ended).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(said) })
      expect(ended.stderr).not.toContain("secret")
      expect(site.asked).toEqual({ versions: 0, git: 0 })
    })
  }

  it("wants to be told whom to ask", async () => {
    const { code, stderr } = await site.install([], { HOLDFAST_VERSION_URL: "" })
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("HOLDFAST_VERSION_URL") })
  })

  it("does nothing when its download was cut short", async () => {
    const lines = readFileSync(installer, "utf8").trimEnd().split("\n")
    for (const length of [5, 60, 150, 300, lines.length - 1]) {
      await site.run(["sh"], {}, lines.slice(0, length).join("\n"))
    }
    expect(site.asked).toEqual({ versions: 0, git: 0 })
    expect(readdirSync(site.person)).toEqual([])
    expect((await site.run(["sh", "-s", "--", "--check"], {}, `${lines.join("\n")}\n`)).stdout).toContain(
      "0.1.0 is offered"
    )
  })
})
