/** The built program as the shell sees it: exit codes, streams, signals. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import type { Command } from "effect/cli"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { loadCommands } from "../../src/cli/Commands.ts"
import { eventually } from "../e2e/Processes.ts"
import { node, Programs, script } from "../support/Program.ts"

let programs: Programs
beforeEach(() => {
  programs = new Programs()
})
afterEach(() => programs.close())

describe("the program", () => {
  it("says its version, and nothing else", async () => {
    const version = readFileSync(new URL("../../VERSION", import.meta.url), "utf8")
    expect(await programs.run("--version")).toMatchObject({ code: 0, stdout: version, stderr: "" })
    expect(await programs.run("status", "--version")).toMatchObject({ code: 0, stdout: version, stderr: "" })
  })

  it("shows every command with --help, on stdout, with examples", async () => {
    const { code, stderr, stdout } = await programs.run("--help")
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    for (const command of [
      "up",
      "join",
      "leave",
      "daemon",
      "status",
      "open",
      "health",
      "config",
      "agent",
      "chat",
      "upgrade",
      "central"
    ]) {
      expect(stdout).toMatch(new RegExp(`^ +${command} `, "m"))
      expect((await programs.run(command, "--help")).stdout).toContain("EXAMPLES")
    }
    expect(stdout).toContain("EXAMPLES")
    expect(stdout).not.toContain("\u001b")
  })

  it("has examples for every command and every one below it", async () => {
    const silentOf = (command: Command.Command.Any, path: string): ReadonlyArray<string> => {
      const name = `${path} ${command.name}`.trim()
      const below = command.subcommands.flatMap(({ commands }) => commands).flatMap((each) => silentOf(each, name))
      return command.examples.length === 0 ? [name, ...below] : below
    }
    expect((await loadCommands([])).flatMap((command) => silentOf(command, ""))).toEqual([])
  })

  const wrong: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
    [[], /holdfast <subcommand>/],
    [["statsu"], /Did you mean this\? +status/],
    [["status", "--jsn"], /--json/],
    [["status", "extra"], /extra/],
    [["config"], /config <subcommand>/],
    [["config", "retry"], /etag/],
    [["join", "https://c.example.com", "--bogus"], /--bogus/],
    [["central", "--data", "d", "--port", "many"], /port/],
    [["daemon", "--bogus"], /--bogus/]
  ]
  for (const [argv, message] of wrong) {
    it(`holdfast ${argv.join(" ")}: exit code 2, explained on stderr`, async () => {
      const { code, stderr, stdout } = await programs.run(...argv)
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
      expect(stderr).toMatch(message)
      expect(stderr).not.toMatch(/^\s+at /m)
      expect(existsSync(programs.path("home"))).toBe(false)
    })
  }

  it("prints exactly one JSON document with --json", async () => {
    const { code, stderr, stdout } = await programs.run("status", "--json")
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(JSON.parse(stdout)).toMatchObject({ overall: "healthy", daemon: { state: "stopped" } })
  })

  it("takes the token from a pipe", async () => {
    const { code, stdout } = await programs.start(["join", "http://127.0.0.1:1", "--json"], { stdin: "hf_t\n" }).ended
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ daemon: "stopped" })
    expect(await programs.run("status")).toMatchObject({ code: 0, stdout: expect.stringContaining("holdfast daemon") })
  })
})

// A device that is as full as any disk.
describe.skipIf(!existsSync("/dev/full"))("output that cannot be written", () => {
  const below = (redirection: string, args: ReadonlyArray<string>) =>
    programs.started("sh", ["-c", `exec "$0" "$@" ${redirection}`, node, script, ...args])

  it("makes a command fail, which says so", async () => {
    expect(await below(">/dev/full", ["--help"]).ended).toMatchObject({
      code: 1,
      stderr: "holdfast: standard output cannot be written (ENOSPC): what it was to hold is lost.\n"
    })
    expect(await below(">/dev/full 2>/dev/full", ["--help"]).ended).toMatchObject({ code: 1 })
  })

  it("ends neither a daemon nor a central", async () => {
    const daemon = below(">/dev/full 2>/dev/full", ["daemon"])
    const central = below("2>/dev/full", ["central", "--data", programs.path("central"), "--json"])
    const [, url] = await central.until(/"listening":"([^"]+)"/)
    for (let count = 0; count < 3; count++) {
      const answer = await fetch(`${url}/v1/bootstrap`, { method: "POST", body: "{}" })
      expect(answer.status).toBeGreaterThanOrEqual(400)
    }
    await eventually("a running daemon", async () => {
      const { daemon: told } = JSON.parse((await programs.run("status", "--json")).stdout)
      return told.state === "running" && told.pid === daemon.pid ? true : undefined
    })
    for (const program of [daemon, central]) {
      program.kill("SIGTERM")
      expect(await program.ended).toMatchObject({ code: 0, signal: null })
    }
  })
})

describe("central", () => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    it(`says first where it listens, and ends with 0 on ${signal}`, async () => {
      const central = programs.start(["central", "--data", programs.path("central"), "--json"])
      const [line, url] = await central.until(/^\{"listening":"(http:\/\/127\.0\.0\.1:\d+)"\}\n/)
      expect(central.stdout()).toBe(line)
      expect((await fetch(`${url}/v1/config`)).status).toBe(401)
      central.kill(signal)
      expect(await central.ended).toMatchObject({ code: 0, signal: null })
    })
  }

  it("is explained when its port is taken: exit code 1", async () => {
    const first = programs.start(["central", "--data", programs.path("a"), "--json"])
    const [, port = ""] = await first.until(/:(\d+)"/)
    const second = await programs.run("central", "--data", programs.path("b"), "--port", port)
    expect(second).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("another program has this port")
    })
  })

  it("gives a document back byte for byte", async () => {
    const document = '{ "version": 2,\t"sinks": {} }\n\n'
    writeFileSync(programs.path("d.json"), document)
    const data = ["--data", programs.path("central")]
    expect((await programs.run("central", "config", "put", "x", "d.json", "--force", ...data)).code).toBe(0)
    expect((await programs.run("central", "config", "get", "x", ...data)).stdout).toBe(document)
  })
})

describe("daemon", () => {
  it("ends with 0 when it is asked to stop, and leave finds the lock free", async () => {
    const daemon = programs.start(["daemon"])
    const status = async () => JSON.parse((await programs.run("status", "--json")).stdout)
    const end = Date.now() + 20_000
    while ((await status()).daemon.state !== "running" && Date.now() < end);
    expect(await programs.run("health")).toMatchObject({ code: 0 })
    const second = await programs.run("daemon")
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining(String(daemon.pid)) })
    daemon.kill("SIGINT")
    expect(await daemon.ended).toMatchObject({ code: 0 })
    expect((await status()).daemon.state).toBe("stopped")
    expect(await programs.run("leave")).toMatchObject({ code: 0 })
  })
})
