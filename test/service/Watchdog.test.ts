import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, describe, expect, it } from "vitest"
import { eventually } from "../e2e/Processes.ts"
import { missing } from "./Needs.ts"
import { Supervised } from "./Supervised.ts"

const what = "tests with a supervisor that honours NOTIFY_SOCKET"
const hindered = missing("systemd-notify", "systemd", what) ?? missing("python3", "python3", what)

const solo = { version: 2 }

const SCRIPT = 'echo $$; echo "socket: ${NOTIFY_SOCKET-none}"; sleep 6; echo survived'

let supervised: Supervised
afterEach(() => supervised.remove())

describe.skipIf(hindered !== null)("a daemon under the tests' own supervisor", { timeout: 90_000 }, () => {
  it("says that it is ready, how it is, that it lives, and that it stops", async () => {
    supervised = new Supervised(solo)
    const pid = await supervised.ready()
    await supervised.until("two pings after READY", () => {
      const said = supervised.said(pid)
      return said.slice(said.indexOf("READY=1")).filter((line) => line === "WATCHDOG=1").length >= 2
    })
    expect(await supervised.stop()).toBe(0)
    const said = supervised.said(pid)
    expect(said.filter((line) => !/^(WATCHDOG|EXTEND)/.test(line))).toEqual([
      "STATUS=starting",
      "READY=1",
      "STATUS=healthy: no revision of a fleet",
      "STOPPING=1",
      "STATUS=stopping: asked to"
    ])
    // Only while it starts may it take longer than the manager waits.
    expect(said.slice(said.indexOf("READY=1")).some((line) => line.startsWith("EXTEND"))).toBe(false)
    expect(supervised.events.at(-1)).toMatchObject({ event: "ended", code: 0 })
  })

  it("whose event loop is blocked misses its pings, and is restarted", async () => {
    const file = () => join(supervised.home, "block")
    supervised = new Supervised({ version: 2, plugins: [] })
    writeFileSync(
      join(supervised.home, "config.json"),
      JSON.stringify({ version: 2, plugins: [{ name: "test/blocks-if-file", config: { path: file() } }] })
    )
    const first = await supervised.ready()
    writeFileSync(file(), "")
    const second = await supervised.ready(first)
    const ofFirst = supervised.events.filter(({ pid }) => pid === first).map(({ event }) => event)
    expect(ofFirst.slice(-2)).toEqual(["watchdog", "ended"])
    expect(supervised.events.find(({ event, pid }) => event === "ended" && pid === first)?.code).toBe(-6)
    expect(second).not.toBe(first)
    // It was no orderly end, and is told so.
    expect(supervised.said(first)).not.toContain("STOPPING=1")
    const { daemon } = await supervised.gateway.until("running again", ({ daemon }) => daemon.pid === second)
    expect(daemon.last_start).toBe("unexplained")
  })

  it("that is killed leaves its runs alone, and the next one takes them up", async () => {
    supervised = new Supervised(solo)
    const { gateway } = supervised
    const first = await supervised.ready()
    await gateway.until("the API", ({ daemon }) => daemon.pid === first && daemon.api_url !== null)
    const started = await gateway.run("run", "start", "--json", "--", "sh", "-c", SCRIPT)
    expect([started.code, started.stderr]).toEqual([0, ""])
    const run = JSON.parse(started.stdout.trim().split("\n")[0] ?? "") as { readonly run_id: string }
    const log = async () => (await gateway.run("run", "logs", run.run_id)).stdout
    const pid = await eventually("the run's own line", async () => /^\d+$/m.exec(await log())?.[0])
    supervised.killMain()
    const second = await supervised.ready(first)
    expect(spawnSync("kill", ["-0", pid]).status).toBe(0)
    await gateway.until("the API", ({ daemon }) => daemon.pid === second && daemon.api_url !== null)
    const shown = await eventually("the verdict", async () => {
      const { stdout } = await gateway.run("run", "show", run.run_id, "--json")
      const view = JSON.parse(stdout) as { readonly verdict: string | null }
      return view.verdict === null ? undefined : view
    })
    expect(shown).toMatchObject({ run_id: run.run_id, verdict: "succeeded" })
    expect(await log()).toContain("survived")
    // A run has no say in whether the daemon lives.
    expect(await log()).toContain("socket: none")
  })

  it("is no worse off where systemd-notify cannot say anything: one warning", async () => {
    supervised = new Supervised(solo, { path: join(process.cwd(), "no-such-folder"), watchdogMicros: 400_000 })
    await supervised.gateway.until("running", ({ daemon }) => daemon.state === "running")
    await eventually("several pings", () => (supervised.log.includes("daemon running") ? true : undefined))
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    expect(supervised.log.match(/the service manager cannot be told anything/g)).toHaveLength(1)
    expect(supervised.events.map(({ event }) => event)).toEqual(["started"])
    expect(await supervised.stop()).toBe(0)
  })
})
