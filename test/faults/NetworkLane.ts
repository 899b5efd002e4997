/** One wire, a gateway that runs and one that joins: each fault in turn is let loose on both, and healed. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Status } from "../../src/domain/index.ts"
import { certificate } from "../central/SelfSigned.ts"
import { type Central, documentFor, Gateway, holdfast } from "../e2e/Processes.ts"
import type { Trial } from "./NetworkFaults.ts"
import { type Resolver, resolveBy } from "./NetworkHosts.ts"
import { openFaultyWire, type RequestName } from "./NetworkWire.ts"

/** What was seen of one request while the fault lasted. */
interface Suffered {
  readonly fault: string
  readonly request: RequestName
  /** What the status said under the fault; null: the request was done in spite of it. */
  readonly kind: string | null
  readonly message: string | null
  readonly overall: Status["overall"]
  /** What ran, and what was known to be good, were the same before and under the fault. */
  readonly unchanged: boolean
  /** The most resident memory in MB that was seen under the fault. */
  readonly peak: number
}

/** What was seen of one request under one fault, and after it. */
export interface Observation extends Suffered {
  /** After healing the same request came through, and the next revision was promoted. */
  readonly recovered: boolean
  /** Exit codes of the gateway's processes from the start of the fault to its promotion. */
  readonly exits: ReadonlyArray<number | null>
}

export interface LaneReport {
  /** Resident memory of the gateway that runs, in MB, before and after each fault. */
  readonly memory: ReadonlyArray<readonly [before: number, after: number]>
  readonly observations: ReadonlyArray<Observation>
  readonly resolver: Resolver["kind"]
  /** Why the lane ended before its last fault; null: it did not. */
  readonly failure: string | null
}

/** Elapsed time runs so many times as fast. */
const SCALE = 100
/** 0.8 s between polls, 2.4 s of probation. */
const INTERVAL_S = 80
/** The deadline of a request is real time: 30 s, and what a busy machine adds. */
const PATIENCE_MS = 50_000

const KINDS = {
  bootstrap: "identity_failing",
  poll: "poll_failing",
  refresh: "identity_failing",
  report: "report_failing"
} as const

const residentMb = (pid: number): number => {
  try {
    const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))
    return Math.round(Number(found?.[1] ?? 0) / 1_024)
  } catch {
    return 0
  }
}

/** What a status claims to have: an identity, what runs, what is known to be good, what happened. */
const claims = ({ identity, remote_config: config }: Status): string =>
  JSON.stringify(
    [
      identity.gateway_id,
      config?.running_etag,
      config?.last_known_good,
      config?.probation,
      config?.last_rollback,
      config?.bad_etag
    ].map((claim) => claim ?? null)
  )

/** The claims of a machine that has not reached its fleet yet. */
const NOTHING = JSON.stringify([null, null, null, null, null, null])

const messageOf = (status: Status, request: RequestName): string | null =>
  status.diagnostics.find(({ kind }) => kind === KINDS[request])?.message ?? null

/**
 * Waits until the status says what the fault is, for every request, and answers what was then seen: in the file that the
 * daemon writes, and by `status --json` when asked as people do.
 */
const suffer = async (
  gateway: Gateway,
  trial: Trial,
  requests: ReadonlyArray<RequestName>,
  before: string,
  asPeopleDo = true
): Promise<ReadonlyArray<Suffered>> => {
  let peak = 0
  const told = await gateway.until(
    `${trial.name}: a diagnosis`,
    (status) => {
      peak = Math.max(peak, residentMb(gateway.pid))
      return requests.every((request) => trial.says[request]?.test(messageOf(status, request) ?? "") ?? true)
    },
    PATIENCE_MS
  )
  const status = asPeopleDo ? await gateway.status() : told
  return requests.map((request) => {
    const message = messageOf(told, request)
    return {
      fault: trial.name,
      request,
      kind: message === null ? null : KINDS[request],
      message,
      overall: status.overall,
      unchanged: claims(told) === before && claims(status) === before,
      peak: Math.max(peak, residentMb(gateway.pid))
    }
  })
}

/** Runs the trials one after another on a wire and a config of their own. */
export const runLane = async (central: Central, name: string, trials: ReadonlyArray<Trial>): Promise<LaneReport> => {
  const folder = join(central.data, name)
  mkdirSync(folder)
  const hosts = join(folder, "hosts")
  const resolver = resolveBy(hosts, folder)
  const wire = await openFaultyWire(central.url, hosts)
  const env = { HOLDFAST_TEST_TIME_SCALE: String(SCALE), ...resolver.env }
  const settled = new Gateway(env, resolver.wrapper)
  const gateways = new Set([settled])
  const observations: Array<Observation> = []
  /** Seen under a fault that is not over yet. */
  const pending = new Set<Suffered>()
  const memory: Array<readonly [number, number]> = []
  let failure: string | null = null

  const put = async (round: number): Promise<string> => {
    const file = join(folder, "document.json")
    writeFileSync(file, JSON.stringify(documentFor(wire.url, {}, { poll_interval_seconds: INTERVAL_S + round })))
    const run = await holdfast(["central", "config", "put", name, file, "--data", central.data, "--force", "--json"])
    if (run.code !== 0) throw new Error(`config put: ${run.stderr}`)
    return (JSON.parse(run.stdout) as { readonly etag: string }).etag
  }

  const enrol = async (gateway: Gateway) => {
    const authority = join(folder, "ca.pem")
    writeFileSync(authority, certificate)
    const run = await gateway.run("join", wire.url, await central.token(name), "--ca", authority, "--no-daemon")
    if (run.code !== 0) throw new Error(`join: ${run.stderr}`)
  }

  const recover = (seen: ReadonlyArray<Suffered>, ends: Gateway["exits"]): void => {
    const exits = ends.map(({ code }) => code)
    for (const one of seen) {
      pending.delete(one)
      observations.push({ ...one, recovered: true, exits })
    }
  }

  /** A machine that joins while the network is broken. */
  const joining = async (trial: Trial, template: string, etag: string): Promise<() => Promise<void>> => {
    const gateway = new Gateway(env, resolver.wrapper)
    gateways.add(gateway)
    cpSync(template, gateway.home, { recursive: true })
    gateway.start()
    const seen = await suffer(gateway, trial, ["bootstrap"], NOTHING, trial === trials[0])
    for (const one of seen) pending.add(one)
    return async () => {
      await gateway.promoted(etag)
      recover(seen, gateway.exits)
      gateways.delete(gateway)
      await gateway.remove()
    }
  }

  const cameThrough = (mark: number, request: RequestName, status: number): boolean =>
    wire.log.slice(mark).some((seen) => seen.request === request && seen.status === status)

  try {
    let etag = await put(0)
    await enrol(settled)
    const template = join(folder, "home")
    cpSync(settled.home, template, { recursive: true })
    const [first] = trials
    let broken = first === undefined ? Promise.resolve() : wire.injectAfterConfirmed(etag, first)
    settled.start()
    for (const [index, trial] of trials.entries()) {
      const before = claims(await settled.promoted(etag))
      await broken
      const exits = settled.exits.length
      const resident = residentMb(settled.pid)
      const [seen, arrive] = await Promise.all([
        suffer(settled, trial, ["poll", "refresh", "report"], before),
        joining(trial, template, etag)
      ])
      for (const one of seen) pending.add(one)
      const mark = wire.log.length
      await wire.heal()
      await Promise.all([
        arrive(),
        settled.until(
          `${trial.name}: health`,
          ({ overall }) =>
            overall === "healthy" &&
            cameThrough(mark, "poll", 304) &&
            cameThrough(mark, "refresh", 200) &&
            (trial.says.report === null || cameThrough(mark, "report", 204))
        )
      ])
      memory.push([resident, residentMb(settled.pid)])
      etag = await put(index + 1)
      const next = trials[index + 1]
      broken = next === undefined ? Promise.resolve() : wire.injectAfterConfirmed(etag, next)
      await settled.promoted(etag)
      recover(seen, settled.exits.slice(exits))
    }
  } catch (error) {
    failure = String(error)
    for (const one of pending) observations.push({ ...one, recovered: false, exits: [] })
  }
  await Promise.all([...gateways].map((gateway) => gateway.remove()))
  await wire.close()
  return { observations, memory, resolver: resolver.kind, failure }
}
