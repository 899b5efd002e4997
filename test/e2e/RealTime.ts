/**
 * What the suite shows in simulated time, once in real time: `npm run test:realtime`, about nine minutes, in parallel.
 * Prints what happened when; exits 1 if it was not what must happen.
 */
import { rmSync } from "node:fs"
import { type Central, documentFor, eventually, Gateway, scratch, sleep, startCentral } from "./Processes.ts"
import { openWire, type Wire } from "./Wire.ts"

const MINUTE = 60_000

type Say = (what: string) => void

interface Stage {
  readonly wire: Wire
  readonly central: Central
  readonly gateway: Gateway
  readonly say: Say
}

const check = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`not so: ${what}`)
}

const scenario = async (name: string, play: (stage: Stage) => Promise<void>): Promise<boolean> => {
  const started = Date.now()
  const say: Say = (what) =>
    console.log(`[${name} ${((Date.now() - started) / 1_000).toFixed(1).padStart(6)} s] ${what}`)
  const data = scratch()
  const wire = await openWire()
  const central = await startCentral(data, { externalUrl: wire.url })
  wire.target = central.url
  const gateway = new Gateway()
  try {
    await play({ wire, central, gateway, say })
    say("as it must be")
    return true
  } catch (error) {
    say(`FAILED: ${String(error)}`)
    return false
  } finally {
    await gateway.remove()
    await central.stop()
    await wire.close()
    rmSync(data, { recursive: true, force: true })
  }
}

const joinAndPromote = async ({ central, gateway, say, wire }: Stage): Promise<string> => {
  const good = await central.put(documentFor(wire.url))
  const joining = await gateway.run("join", wire.url, await central.token(), "--no-daemon")
  check(joining.code === 0, joining.stderr)
  gateway.start()
  await gateway.promoted(good)
  say(`promoted ${good.slice(0, 10)}…`)
  return good
}

const rollback = scenario("rollback", async (stage) => {
  const { central, gateway, say, wire } = stage
  const good = await joinAndPromote(stage)
  const bad = await central.put(documentFor("http://127.0.0.1:1"), { force: true })
  await gateway.until("probation", ({ remote_config }) => remote_config?.probation?.etag === bad, MINUTE)
  say(`on probation: ${bad.slice(0, 10)}…, which names a central that is not there`)
  const back = await gateway.until(
    "the rollback",
    ({ daemon, remote_config }) => daemon.state === "running" && remote_config?.last_rollback?.etag === bad,
    4 * MINUTE
  )
  check(back.remote_config?.running_etag === good, "last-known-good runs")
  check(back.remote_config?.last_rollback?.reason === "probation_expired", "reason probation_expired")
  say(`rolled back: ${JSON.stringify(back.remote_config?.last_rollback)}`)
  say(`quarantined: ${JSON.stringify(back.remote_config?.bad_etag)}`)
  const exits = gateway.exits.length
  await sleep(MINUTE)
  check(gateway.exits.length === exits, "not applied again within a minute of polls")
  const fixed = await central.put(documentFor(wire.url, {}, { poll_interval_seconds: 6 }))
  await gateway.promoted(fixed, MINUTE)
  say(`the fixed revision is promoted; exit codes: ${gateway.exits.map(({ code }) => code).join(", ")}`)
})

const away = scenario("away", async ({ central, gateway, say, wire }) => {
  const good = await central.put(documentFor(wire.url))
  const joining = await gateway.run("join", wire.url, await central.token(), "--no-daemon")
  check(joining.code === 0, joining.stderr)
  wire.target = null
  gateway.start()
  const alone = await gateway.until("degraded", ({ overall }) => overall === "degraded")
  say(`degraded: ${alone.diagnostics[0]?.message ?? ""}`)
  await sleep(5 * MINUTE)
  check(gateway.exits.length === 0, "the daemon never exits")
  say(`still there after 5 minutes: ${gateway.quickStatus()?.overall ?? "?"}`)
  wire.target = central.url
  const status = await gateway.promoted(good, 6 * MINUTE)
  say(`recovered by itself and promoted: ${status.overall}`)
})

const stopped = scenario("sigstop", async (stage) => {
  const { central, gateway, say, wire } = stage
  await joinAndPromote(stage)
  const next = await central.put(documentFor(wire.url, {}, { poll_interval_seconds: 7 }))
  await eventually("it is served", () =>
    wire.log.some((one) => one.etag === next && one.status === 200) ? true : undefined
  )
  wire.target = null
  const before = await gateway.until(
    "probation",
    ({ daemon, remote_config }) => daemon.state === "running" && remote_config?.probation?.etag === next,
    MINUTE
  )
  say(`on probation with ${before.remote_config?.probation?.remaining_seconds} s left; SIGSTOP for 3 minutes`)
  gateway.signal("SIGSTOP")
  await sleep(3 * MINUTE)
  gateway.signal("SIGCONT")
  await sleep(2_000)
  const after = await gateway.status()
  check(after.remote_config?.probation?.etag === next, "still on probation")
  say(`SIGCONT: still on probation with ${after.remote_config?.probation?.remaining_seconds} s left`)
  wire.target = central.url
  const status = await gateway.promoted(next, 2 * MINUTE)
  check(status.remote_config?.last_rollback === null, "no rollback")
  say("central is back: promoted, no rollback")
})

const results = await Promise.all([rollback, away, stopped])
process.exitCode = results.every(Boolean) ? 0 : 1
