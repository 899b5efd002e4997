/** `core-lock exec`: the environment of a host, and a program that ends as its command ends. */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { environment, node, script } from "../support/Program.ts"

const root = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-exec-")))
const lock = join(root, "core-lock.json")
const other = join(root, "other-lock.json")
for (const file of [lock, other]) writeFileSync(file, '{"distributions": [], "version": 1}\n')
writeFileSync(join(root, "null.json"), "null\n")
execFileSync("mkfifo", [join(root, "pipe")])
writeFileSync(join(root, "large"), "")
truncateSync(join(root, "large"), 50_000_000)

const exec = (argv: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}, input = "") =>
  spawnSync(node, [script, "core-lock", "exec", ...argv], {
    encoding: "utf8",
    input,
    env: environment({ HOLDFAST_HOME: join(root, "home"), ...env })
  })
const PRINT = 'echo "$HOLDFAST_CORE_LOCK_PATH,$ASTRBOT_DESKTOP_CORE_LOCK_PATH"'
const print = (...argv: ReadonlyArray<string>) => [...argv, "--", "sh", "-c", PRINT]
const ASTRBOT = ["--env", "ASTRBOT_DESKTOP_CORE_LOCK_PATH"]

describe("core-lock exec", () => {
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  it("names the lock in its own variable and in those that are asked for", () => {
    expect(exec(print("--lock", lock, ...ASTRBOT))).toMatchObject({
      status: 0,
      stdout: `${lock},${lock}\n`,
      stderr: ""
    })
  })

  it("leaves a value that is there already, and says nothing when that is a lock", () => {
    const said = exec(print("--lock", lock, ...ASTRBOT), { ASTRBOT_DESKTOP_CORE_LOCK_PATH: other })
    expect(said).toMatchObject({ status: 0, stdout: `${lock},${other}\n`, stderr: "" })
  })

  it("leaves a value that points nowhere as well, and says so", () => {
    const nowhere = join(root, "nowhere.json")
    const said = exec(print("--lock", lock, ...ASTRBOT), { ASTRBOT_DESKTOP_CORE_LOCK_PATH: nowhere })
    expect(said).toMatchObject({ status: 0, stdout: `${lock},${nowhere}\n` })
    expect(said.stderr).toContain(
      "ASTRBOT_DESKTOP_CORE_LOCK_PATH is set already, and stays as it is, though it names no lock"
    )
    expect(said.stderr).toContain(`There is no core lock ${nowhere}`)
  })

  it.each([
    ["missing", join(root, "missing.json"), "There is no core lock"],
    ["null", join(root, "null.json"), "has not the form of a core lock"],
    ["a directory", root, "is no regular file"],
    ["a pipe that nobody writes to", join(root, "pipe"), "is no regular file"],
    ["50 MB of nothing", join(root, "large"), "is larger than 4 MiB"]
  ])("starts the host with a warning and without the variable when the lock is %s", (_, file, words) => {
    const said = exec(print("--lock", file))
    expect(said).toMatchObject({ status: 0, stdout: ",\n" })
    expect(said.stderr).toContain("HOLDFAST_CORE_LOCK_PATH is not set")
    expect(said.stderr).toContain(words)
  })

  it("takes the lock of the home when nothing names one", () => {
    expect(exec(print()).stderr).toContain(join(root, "home", "core-lock.json"))
  })

  it("scans directories of plugins before the host starts, and says on stderr what was moved where", () => {
    const core = join(root, "core.json")
    const distributions = [{ name: "modelkit", top_level_modules: ["modelkit"], version: "1.4.0" }]
    writeFileSync(core, JSON.stringify({ distributions, version: 1 }))
    const [first, second] = [join(root, "first"), join(root, "second")]
    for (const each of [first, second]) mkdirSync(join(each, "modelkit"), { recursive: true })
    writeFileSync(join(second, "own.py"), "")
    const said = exec(["--lock", core, "--scan", first, "--scan", second, "--", "ls", first, second])
    expect(said).toMatchObject({ status: 0, stdout: `${first}:\n\n${second}:\nown.py\n` })
    expect(said.stderr).toBe(
      [first, second]
        .map(
          (each) =>
            `holdfast: warning: ${each}/modelkit would be imported as modelkit, which belongs to modelkit 1.4.0 of the core: ` +
            `it was moved to ${each}.quarantine/modelkit\n`
        )
        .join("")
    )
    expect(existsSync(join(`${first}.quarantine`, "modelkit"))).toBe(true)
    expect(exec(["--lock", core, "--scan", first, "--scan", second, "--", "true"])).toMatchObject({
      status: 0,
      stderr: ""
    })
  })

  it("starts the host with a warning when a directory cannot be scanned, and moves nothing without a lock", () => {
    const there = join(root, "unjudged")
    mkdirSync(join(there, "modelkit"), { recursive: true })
    const said = exec(["--lock", join(root, "null.json"), "--scan", there, "--", "echo", "started"])
    expect(said).toMatchObject({ status: 0, stdout: "started\n" })
    expect(said.stderr).toContain(`warning: ${there} was not looked through for copies of the core's packages`)
    expect(readdirSync(there)).toEqual(["modelkit"])
    const nowhere = exec(["--lock", lock, "--scan", join(root, "nowhere"), "--", "echo", "started"])
    expect(nowhere).toMatchObject({ status: 0, stdout: "started\n" })
    expect(nowhere.stderr).toContain("nowhere was not looked through")
  })

  it("judges by the lock that is asked for, also where the host has another in its environment", () => {
    const said = exec(["--lock", join(root, "null.json"), "--scan", root, "--", "true"], {
      HOLDFAST_CORE_LOCK_PATH: lock
    })
    expect(said).toMatchObject({ status: 0 })
    expect(said.stderr).toContain("null.json cannot be used")
  })

  it("hands on input, output, arguments and the exit code", () => {
    const said = exec(
      ["--lock", lock, "--", "sh", "-c", 'cat; echo "$1" >&2; exit 42', "sh", "two words"],
      {},
      "from stdin"
    )
    expect(said).toMatchObject({ status: 42, stdout: "from stdin", stderr: "two words\n" })
  })

  it("ends by the signal that ended the command", () => {
    for (const signal of ["SIGTERM", "SIGKILL", "SIGUSR2"] as const) {
      const said = exec(["--lock", lock, "--", "sh", "-c", `kill -${signal.slice(3)} $$`])
      expect(said).toMatchObject({ status: null, signal })
    }
  })

  it.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"] as const)(
    "passes %s on, and waits for the end",
    async (signal) => {
      const trap = `trap 'sleep 0.2; echo got it; exit 7' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`
      const child = spawn(node, [script, "core-lock", "exec", "--lock", lock, "--", "sh", "-c", trap], {
        env: environment({ HOLDFAST_HOME: join(root, "home") }),
        stdio: ["ignore", "pipe", "inherit"]
      })
      let said = ""
      child.stdout.on("data", (chunk: Buffer) => {
        said += chunk.toString()
        if (said === "ready\n") child.kill(signal)
      })
      const code = await new Promise((resolve) => child.on("close", resolve))
      expect({ code, said }).toEqual({ code: 7, said: "ready\ngot it\n" })
    }
  )

  it("says as a shell does that there is no such command", () => {
    expect(exec(["--lock", lock, "--", "no-such-program"])).toMatchObject({ status: 127 })
    expect(exec(["--lock", lock, "--", lock])).toMatchObject({ status: 126 })
    expect(exec(["--lock", lock])).toMatchObject({ status: 2 })
    expect(exec(["--env", "A=B", "--", "true"])).toMatchObject({ status: 2 })
  })
})
