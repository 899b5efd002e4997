/** The main job with real processes, sockets and disk: join, configure, prove, roll back. */
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, type TestContext } from "vitest"
import { certificate, key } from "../central/SelfSigned.ts"
import {
  type Central,
  documentFor,
  eventually,
  Gateway,
  holdfast,
  pluginFixtures,
  scratch,
  sleep,
  startCentral
} from "./Processes.ts"
import { openWire, type Wire } from "./Wire.ts"

/** Tells the test what to undo once it is over, the newest first. */
type AtEnd = Pick<TestContext, "onTestFinished">

interface Fleet {
  readonly wire: Wire
  readonly central: Central
}

const openFleet = async (
  { onTestFinished }: AtEnd,
  tls?: { readonly cert: string; readonly key: string }
): Promise<Fleet> => {
  const wire = await openWire(tls)
  const data = scratch()
  const central = await startCentral(data, { externalUrl: wire.url })
  wire.target = central.url
  onTestFinished(wire.close)
  onTestFinished(async () => void (await central.stop()))
  onTestFinished(() => rmSync(data, { recursive: true, force: true }))
  return { wire, central }
}

const machine = ({ onTestFinished }: AtEnd, env: Record<string, string> = {}): Gateway => {
  const gateway = new Gateway(env)
  onTestFinished(() => gateway.remove())
  return gateway
}

const joined = async ({ central, wire }: Fleet, gateway: Gateway): Promise<string> => {
  const token = await central.token()
  const join = await gateway.run("join", wire.url, token, "--no-daemon")
  expect(join.code, join.stderr).toBe(0)
  return token
}

/** One minute of elapsed time in a second. */
const fast = { HOLDFAST_TEST_TIME_SCALE: "60" }

describe("a machine that joins", () => {
  it("is configured, restarts with 75, confirms with If-None-Match and is promoted; the token is gone", async (context) => {
    const fleet = await openFleet(context)
    const etag = await fleet.central.put(documentFor(fleet.wire.url))
    const gateway = machine(context)
    const token = await joined(fleet, gateway)
    const before = await gateway.status()
    expect(before.remote_config?.last_known_good ?? null).toBeNull()
    expect(
      gateway
        .files(token)
        .filter(({ contains }) => contains)
        .map(({ path }) => path)
        .sort()
    ).toEqual(["state/config-control/join.bak.json", "state/config-control/join.json"])
    gateway.start()
    await gateway.promoted(etag)
    const status = await gateway.status()
    expect(status.overall).toBe("healthy")
    expect(status.remote_config).toMatchObject({
      running_etag: etag,
      last_known_good: { etag, slot: "b" },
      probation: null,
      last_rollback: null
    })
    await gateway.stop()
    expect(gateway.exits.map(({ code }) => code)).toEqual([75, 0])
    expect(gateway.files(token).filter(({ contains }) => contains)).toEqual([])
    const polls = fleet.wire.log.filter(({ path }) => path !== "/v1/gateway/status").slice(0, 3)
    expect(polls).toMatchObject([
      { method: "POST", path: "/v1/identity/bootstrap", status: 200 },
      { method: "GET", path: "/v1/config", ifNoneMatch: undefined, status: 200, etag },
      { method: "GET", path: "/v1/config", ifNoneMatch: etag, status: 304 }
    ])
  })

  it("trusts the private authority that it joined with, and none without", async (context) => {
    const fleet = await openFleet(context, { cert: certificate, key })
    const etag = await fleet.central.put(documentFor(fleet.wire.url))
    const authority = join(scratch(), "ca.pem")
    writeFileSync(authority, certificate)
    const token = await fleet.central.token()
    const stranger = machine(context, fast)
    expect((await stranger.run("join", fleet.wire.url, token, "--no-daemon")).code).toBe(0)
    stranger.start()
    await stranger.until("no trust", ({ diagnostics }) => diagnostics.some(({ kind }) => kind === "identity_failing"))
    const gateway = machine(context)
    const joining = await gateway.run("join", fleet.wire.url, token, "--ca", authority, "--no-daemon")
    expect(joining.code, joining.stderr).toBe(0)
    gateway.start()
    await gateway.promoted(etag)
    expect(stranger.quickStatus()?.remote_config?.last_known_good ?? null).toBeNull()
  })

  it("tells central what it runs and why", async (context) => {
    const fleet = await openFleet(context)
    const etag = await fleet.central.put(documentFor(fleet.wire.url))
    const gateway = machine(context)
    await joined(fleet, gateway)
    gateway.start()
    await gateway.promoted(etag)
    const listed = await eventually("central knows what runs", async () => {
      const run = await holdfast(["central", "gateways", "--data", fleet.central.data, "--json"])
      return run.stdout.includes(JSON.stringify(etag)) && run.stdout.includes("newest") ? run.stdout : undefined
    })
    expect(listed).toContain("why")
  })

  it("refuses a bad document, keeps what runs, and applies the next good one", async (context) => {
    const fleet = await openFleet(context)
    const first = await fleet.central.put(documentFor(fleet.wire.url))
    const gateway = machine(context, fast)
    await joined(fleet, gateway)
    gateway.start()
    await gateway.promoted(first)
    const bad = await fleet.central.put(documentFor(fleet.wire.url, {}, { poll_interval_seconds: 1e9 }), {
      force: true
    })
    const refused = await gateway.until("the refusal", ({ remote_config }) => remote_config?.bad_etag?.etag === bad)
    expect(refused.remote_config).toMatchObject({
      running_etag: first,
      bad_etag: { reason: "validation_failed" },
      last_attempt: { etag: bad, verdict: "config_invalid" }
    })
    expect(refused.diagnostics.map(({ kind }) => kind)).toContain("revision_refused")
    const unknown = await fleet.central.put(documentFor(fleet.wire.url, { plugins: [{ name: "acme/other" }] }), {
      force: true
    })
    const nameless = await gateway.until(
      "the refusal of a name that nobody brings",
      ({ remote_config }) => remote_config?.bad_etag?.etag === unknown
    )
    expect(nameless.remote_config?.last_attempt).toMatchObject({ verdict: "config_invalid" })
    expect(nameless.remote_config?.last_attempt?.reason).toContain("`acme/other` is not installed on this machine")
    const next = await fleet.central.put(documentFor(fleet.wire.url, {}, { poll_interval_seconds: 6 }))
    await gateway.promoted(next)
  })
})

describe("a revision that does not prove itself", () => {
  it("is rolled back when it kills its own line to central, is not applied again, and a fixed one is", async (context) => {
    const fleet = await openFleet(context)
    const good = await fleet.central.put(documentFor(fleet.wire.url))
    const gateway = machine(context, fast)
    await joined(fleet, gateway)
    gateway.start()
    await gateway.promoted(good)
    const cutOff = await fleet.central.put(documentFor("http://127.0.0.1:1"), { force: true })
    const back = await gateway.until(
      "the rollback",
      ({ daemon, remote_config }) =>
        daemon.state === "running" &&
        remote_config?.running_etag === good &&
        remote_config.last_rollback?.etag === cutOff
    )
    expect(back.remote_config).toMatchObject({
      last_rollback: { etag: cutOff, reason: "probation_expired" },
      last_known_good: { etag: good },
      bad_etag: { etag: cutOff, reason: "probation_expired" }
    })
    expect(Date.parse(back.remote_config?.bad_etag?.retry_at ?? "") - Date.now()).toBeGreaterThan(50 * 60_000)
    const exits = gateway.exits.length
    const served = fleet.wire.log.length
    await eventually("ten more polls", () => (fleet.wire.log.length > served + 10 ? true : undefined))
    expect(gateway.exits.length).toBe(exits)
    expect((await gateway.status()).remote_config?.running_etag).toBe(good)
    const fixed = await fleet.central.put(documentFor(fleet.wire.url, {}, { poll_interval_seconds: 7 }))
    await gateway.promoted(fixed)
  })

  it("is rolled back by its fifth unexplained start when a plugin ends the daemon, well before the window", async (context) => {
    const fleet = await openFleet(context)
    const good = await fleet.central.put(documentFor(fleet.wire.url))
    const gateway = machine(context, { HOLDFAST_TEST_TIME_SCALE: "20", HOLDFAST_TEST_PLUGINS: pluginFixtures })
    await joined(fleet, gateway)
    gateway.start()
    await gateway.promoted(good)
    // A window of 9,000 s: only the count of starts can end it in time.
    const crashing = await fleet.central.put(
      documentFor(fleet.wire.url, { plugins: [{ name: "test/crash-at-start" }] }, { poll_interval_seconds: 3_000 }),
      { force: true }
    )
    const back = await gateway.until(
      "the rollback",
      ({ daemon, remote_config }) => daemon.state === "running" && remote_config?.last_rollback?.etag === crashing
    )
    expect(back.remote_config).toMatchObject({
      running_etag: good,
      last_rollback: { reason: "crash_loop" },
      bad_etag: { reason: "crash_loop" }
    })
    expect(gateway.exits.filter(({ code }) => code === 1)).toHaveLength(5)
  })

  it("starts safely when a promoted one begins to crash, goes on polling, and takes the next revision", async (context) => {
    const fleet = await openFleet(context)
    const trigger = join(scratch(), "now")
    const gateway = machine(context, { HOLDFAST_TEST_TIME_SCALE: "20", HOLDFAST_TEST_PLUGINS: pluginFixtures })
    const fragile = await fleet.central.put(
      documentFor(fleet.wire.url, { plugins: [{ name: "test/crash-if-file", config: { path: trigger } }] }),
      { force: true }
    )
    await joined(fleet, gateway)
    gateway.start()
    await gateway.promoted(fragile)
    writeFileSync(trigger, "")
    gateway.signal("SIGKILL")
    const safe = await gateway.until("safe start", ({ daemon }) => daemon.safe_start && daemon.state === "running")
    expect(safe.overall).toBe("degraded")
    expect(safe.diagnostics.map(({ kind }) => kind)).toContain("safe_start")
    expect(safe.plugins).toContainEqual({ name: "test/crash-if-file", version: "1.0.0", state: "left out" })
    const polls = fleet.wire.log.length
    await eventually("it polls", () => (fleet.wire.log.length > polls + 1 ? true : undefined))
    const next = await fleet.central.put(documentFor(fleet.wire.url, {}, { poll_interval_seconds: 8 }))
    const healthy = await gateway.promoted(next)
    expect(healthy.daemon.safe_start).toBe(false)
  })
})

describe.concurrent("a machine whose central is away", () => {
  it("never exits at its first boot, says degraded with the reason, and recovers by itself", async (context) => {
    const fleet = await openFleet(context)
    const etag = await fleet.central.put(documentFor(fleet.wire.url))
    const gateway = machine(context, fast)
    await joined(fleet, gateway)
    fleet.wire.target = null
    gateway.start()
    const alone = await gateway.until("degraded", ({ overall }) => overall === "degraded")
    expect(alone.diagnostics.map(({ kind }) => kind)).toContain("identity_failing")
    expect(alone.diagnostics[0]?.message).toContain("cannot be reached")
    // Five minutes of elapsed time.
    await sleep(5_000)
    expect(gateway.exits).toEqual([])
    fleet.wire.target = fleet.central.url
    await gateway.promoted(etag, 30_000)
  })

  it("is not rolled back by a suspension during probation", async (context) => {
    const fleet = await openFleet(context)
    const good = await fleet.central.put(documentFor(fleet.wire.url))
    const gateway = machine(context, { HOLDFAST_TEST_TIME_SCALE: "10" })
    await joined(fleet, gateway)
    gateway.start()
    await gateway.promoted(good)
    // Central goes silent right after serving the next revision: probation cannot be confirmed yet.
    const next = await fleet.central.put(documentFor(fleet.wire.url, {}, { poll_interval_seconds: 9 }))
    await eventually("it is served", () =>
      fleet.wire.log.some((one) => one.etag === next && one.status === 200) ? true : undefined
    )
    fleet.wire.target = null
    await gateway.until(
      "probation",
      ({ daemon, remote_config }) => daemon.state === "running" && remote_config?.probation !== null
    )
    // Longer than the window of 12 s.
    gateway.signal("SIGSTOP")
    await sleep(15_000)
    fleet.wire.target = fleet.central.url
    gateway.signal("SIGCONT")
    const status = await gateway.promoted(next)
    expect(status.remote_config?.last_rollback).toBeNull()
  }, 60_000)
})

describe.concurrent("a machine that changes hands", () => {
  it("joins another central at a planned restart, and leaves without a trace of the fleet", async (context) => {
    const first = await openFleet(context)
    const second = await openFleet(context)
    const one = await first.central.put(documentFor(first.wire.url))
    const two = await second.central.put(documentFor(second.wire.url, {}, { poll_interval_seconds: 10 }))
    const gateway = machine(context)
    writeFileSync(join(gateway.home, "config.json"), '{"version":2,"query":{"mine":true}}')
    await joined(first, gateway)
    gateway.start()
    await gateway.promoted(one)
    const token = await second.central.token()
    const again = await gateway.run("join", second.wire.url, token)
    expect(again.code, again.stderr).toBe(0)
    await gateway.promoted(two)
    expect(readFileSync(join(gateway.home, "config.json"), "utf8")).toContain("mine")
    await gateway.stop()
    const left = await gateway.run("leave")
    expect(left.code, left.stderr).toBe(0)
    const status = await gateway.status()
    expect(status.remote_config).toBeNull()
    expect(status.identity.gateway_id).toBeNull()
    const traces = gateway.files(second.wire.url).filter(({ contains, path }) => contains && !path.startsWith("logs/"))
    expect(traces.filter(({ path }) => !path.endsWith("status.json"))).toEqual([])
  })
})
