/** A daemon that may open no more files, and so no connection either: for real, by the limit of its process. */
import { spawnSync } from "node:child_process"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Central, documentFor, eventually, Gateway, scratch, startCentral } from "../e2e/Processes.ts"
import { openWire, type Wire } from "../e2e/Wire.ts"

const CAUSE = /too many files are open\. Raise the limit/
/** Only the standard streams: nothing more can be opened, and what is open stays. */
const NONE = "3"
/** From where Node itself cannot start to where the daemon lacks nothing, by one file each. */
const SCARCE = [23, 24, 25, 26, 27] as const

const hasLimits = spawnSync("prlimit", ["--version"]).status === 0
if (!hasLimits) {
  const missing = "the limit of a running process cannot be set: install prlimit (Debian: util-linux)"
  if (process.env["CI"] !== undefined) throw new Error(missing)
  console.log(`skipped: ${missing}`)
}

let central: Central
let wire: Wire
let token: string
let first: string

const limit = (gateway: Gateway, soft: string): void => {
  const run = spawnSync("prlimit", ["--pid", String(gateway.pid), `--nofile=${soft}:`])
  if (run.status !== 0) throw new Error(run.stderr.toString())
}

const enrol = async (gateway: Gateway): Promise<void> => {
  const run = await gateway.run("join", wire.url, token, "--no-daemon")
  expect(run.code, run.stderr).toBe(0)
}

const next = (seconds: number): Promise<string> =>
  central.put(documentFor(wire.url, {}, { poll_interval_seconds: seconds }))

const codes = (gateway: Gateway): ReadonlyArray<number | null> => [...new Set(gateway.exits.map(({ code }) => code))]

beforeAll(async () => {
  wire = await openWire()
  central = await startCentral(scratch(), { externalUrl: wire.url })
  wire.target = central.url
  first = await central.put(documentFor(wire.url))
  token = await central.token()
})

afterAll(async () => {
  await wire.close()
  await central.stop()
  rmSync(central.data, { recursive: true, force: true })
})

describe.skipIf(!hasLimits)("a daemon that runs out of files", () => {
  let gateway: Gateway

  beforeAll(async () => {
    gateway = new Gateway({ HOLDFAST_TEST_TIME_SCALE: "60" })
    await enrol(gateway)
    gateway.start()
    await gateway.promoted(first)
  })
  afterAll(() => gateway.remove())

  it("polls on over the connection that it has, stages nothing, says so, and applies when asked again", async () => {
    limit(gateway, NONE)
    const served = wire.log.length
    const wanted = await next(6)
    await eventually("the revision is served and polled again", () =>
      wire.log.slice(served).filter(({ etag, status }) => etag === wanted && status === 200).length > 1
        ? true
        : undefined
    )
    const starved = await gateway.status()
    expect(starved.overall).toBe("degraded")
    expect(starved.remote_config).toMatchObject({ running_etag: first, last_known_good: { etag: first } })
    limit(gateway, "1024")
    const healed = await gateway.until(
      "the failed apply",
      ({ remote_config }) => remote_config?.last_attempt?.etag === wanted
    )
    expect(healed.remote_config).toMatchObject({
      running_etag: first,
      last_attempt: { verdict: "apply_io_error" },
      bad_etag: null
    })
    expect(healed.diagnostics.find(({ kind }) => kind === "storage_failing")?.message).toMatch(CAUSE)
    expect((await gateway.run("config", "retry", wanted)).code).toBe(0)
    await gateway.promoted(wanted)
    expect(codes(gateway)).toEqual([75])
  })

  it("does not end when it can open no connection, logs why, and takes the next revision afterwards", async () => {
    limit(gateway, NONE)
    wire.target = null
    await eventually("a poll fails", () => (/config_poll_http_error/.test(gateway.log) ? true : undefined))
    wire.target = central.url
    await eventually("the log says why", () =>
      /cannot be reached \(EMFILE\)\. .*too many files open: raise the limit/.test(gateway.log) ? true : undefined
    )
    limit(gateway, "1024")
    const wanted = await next(7)
    await gateway.promoted(wanted)
    await gateway.until("health", ({ overall }) => overall === "healthy")
    expect(codes(gateway)).toEqual([75])
  })
})

describe("a daemon that starts with too few files", () => {
  const gateways: Array<Gateway> = []
  afterAll(() => Promise.all(gateways.map((gateway) => gateway.remove())))

  it("runs and promotes, or runs and says why; with more files it promotes after a restart", async () => {
    const wanted = await next(8)
    const outcomes = await Promise.all(
      SCARCE.map(async (files) => {
        const gateway = new Gateway({ HOLDFAST_TEST_TIME_SCALE: "60" }, [
          "sh",
          "-c",
          'ulimit -n "$(cat "$HOLDFAST_HOME/files")"; exec "$0" "$@"'
        ])
        gateways.push(gateway)
        writeFileSync(join(gateway.home, "files"), String(files))
        await enrol(gateway)
        gateway.start()
        const said = await eventually(`with ${files} files it promotes or says why`, () => {
          const { diagnostics, remote_config } = gateway.quickStatus() ?? {}
          if (remote_config?.last_known_good?.etag === wanted) return "promoted"
          // A signal before it is handled would end the process as any other.
          if (!gateway.log.includes("daemon running")) return undefined
          if (CAUSE.test(gateway.log)) return "the log says why"
          return CAUSE.test(JSON.stringify(diagnostics ?? [])) ? "the status says why" : undefined
        }).catch((error: unknown) => {
          throw new Error(`${String(error)}\n${JSON.stringify(gateway.quickStatus())}\n${gateway.log}`, {
            cause: error
          })
        })
        writeFileSync(join(gateway.home, "files"), "1024")
        const { pid } = gateway
        gateway.signal("SIGTERM")
        const { remote_config } = await gateway.until(
          "the restart",
          ({ daemon }) => daemon.state === "running" && daemon.pid !== pid
        )
        if (remote_config?.last_attempt?.verdict === "apply_io_error") {
          // It would be tried again by itself after a minute of the wall clock.
          const retry = await gateway.run("config", "retry", wanted)
          expect(retry.code, retry.stderr).toBe(0)
        }
        await gateway.promoted(wanted)
        return { files, said, ends: codes(gateway) }
      })
    )
    console.log(
      outcomes
        .map(({ ends, files, said }) => `${files} files: ${said}; with 1024: promoted; exit codes ${ends.join(", ")}`)
        .join("\n")
    )
    expect(outcomes.filter(({ ends }) => ends.some((code) => code !== 0 && code !== 75))).toEqual([])
  })
})
