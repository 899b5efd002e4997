/** The core lock in the health of a real daemon, and the packages of agents that it finds when it starts. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, describe, expect, it } from "vitest"
import { type Environment, eventually, Gateway, scratch } from "./Processes.ts"

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const LOCK = JSON.stringify({
  distributions: [{ name: "modelkit", top_level_modules: ["modelkit"], version: "1.4.0" }],
  version: 1
})

/** The long form, of which a program reads what it wants. */
interface Health {
  readonly core_lock?: object
  readonly reasons: ReadonlyArray<object>
}

/** The long health as soon as it says something of the lock, and so many reasons. */
const healthOf = (gateway: Gateway, reasons = 0) =>
  eventually("the core lock in the health", async () => {
    const { code, stdout } = await gateway.run("health")
    // Nothing listens yet.
    if (stdout === "") return undefined
    const health = JSON.parse(stdout) as Health
    return health.core_lock === undefined || health.reasons.length < reasons ? undefined : { code, ...health }
  })

const gatewayWith = (env: Environment = {}): Gateway => {
  const gateway = new Gateway(env)
  cleanups.push(() => gateway.remove())
  return gateway
}

describe("the core lock of a running daemon", () => {
  it("is missing in the health of a machine that has none, which is healthy", async () => {
    const gateway = gatewayWith()
    gateway.start()
    expect(await healthOf(gateway)).toMatchObject({ code: 0, core_lock: { state: "missing" }, reasons: [] })
  })

  it.each([
    ["points nowhere", "nowhere.json", "missing", "core_lock_missing"],
    ["is null", "null.json", "unreadable", "core_lock_unreadable"]
  ])("is a reason, and no degradation, when what the environment names %s", async (_, name, state, kind) => {
    const place = scratch()
    cleanups.push(() => rmSync(place, { recursive: true, force: true }))
    writeFileSync(join(place, "null.json"), "null\n")
    const path = join(place, name)
    const gateway = gatewayWith({ HOLDFAST_CORE_LOCK_PATH: path })
    gateway.start()
    expect(await healthOf(gateway)).toMatchObject({
      code: 0,
      core_lock: { state, path, message: expect.stringContaining(path) },
      reasons: [{ kind, message: expect.stringContaining(path) }]
    })
    const { stdout } = await gateway.run("status")
    expect(stdout).toMatch(/^Holdfast \S+: healthy$/m)
    expect(stdout).toMatch(new RegExp(`^core lock +${state}: .*${name}`, "m"))
  })

  it("has the copies moved that lie among the packages of agents, and says so", async () => {
    const gateway = gatewayWith()
    const packages = join(gateway.home, "state", "packages")
    writeFileSync(join(gateway.home, "core-lock.json"), LOCK)
    mkdirSync(join(packages, "weather", "modelkit"), { recursive: true })
    writeFileSync(join(packages, "weather", "own.py"), "")
    gateway.start()
    const words = `${packages}/weather/modelkit would be imported as modelkit, which belongs to modelkit 1.4.0 of the core`
    const message = `${words}: it was moved to ${packages}/weather.quarantine/modelkit`
    expect(await healthOf(gateway, 1)).toMatchObject({
      core_lock: { state: "ready", distributions: 1 },
      reasons: [{ kind: "core_copy_quarantined", message: expect.stringContaining(message) }]
    })
    expect(readdirSync(join(packages, "weather"))).toEqual(["own.py"])
    expect(readdirSync(join(packages, "weather.quarantine"))).toEqual(["modelkit"])
    const { stdout } = await gateway.run("status")
    expect(stdout).toMatch(/^core lock +1 package protected, /m)
    expect(stdout).toContain(message)
    expect(readFileSync(join(gateway.home, "logs", "daemon.log"), "utf8")).toContain(message)
  })
})
