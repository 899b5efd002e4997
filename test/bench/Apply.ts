/**
 * How long a machine is between two configurations: from central's 200 to the first poll of the new revision's process,
 * and from a rollback's verdict to the first poll of last-known-good's process. Real processes, sockets and disk; only
 * the waiting for the verdict itself runs in simulated time.
 */
import { rmSync } from "node:fs"
import { documentFor, eventually, Gateway, scratch, startCentral } from "../e2e/Processes.ts"
import { openWire } from "../e2e/Wire.ts"
import { printTable } from "./Table.ts"

/** Applies, and rollbacks, that count. */
const rounds = 20
const GOAL_MS = 1_000

const percentile = (numbers: ReadonlyArray<number>, share: number): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

export const run = async (): Promise<void> => {
  const wire = await openWire()
  const data = scratch()
  const central = await startCentral(data, { externalUrl: wire.url })
  wire.target = central.url
  const gateway = new Gateway({ HOLDFAST_TEST_TIME_SCALE: "100" })
  const applies: Array<number> = []
  const rollbacks: Array<number> = []
  const firstPoll = (etag: string, after: number) =>
    eventually(
      `a poll of ${etag}`,
      () => wire.log.find((one) => one.ifNoneMatch === etag && one.at >= after)?.at,
      60_000
    )
  try {
    let good = await central.put(documentFor(wire.url))
    const joining = await gateway.run("join", wire.url, await central.token(), "--no-daemon")
    if (joining.code !== 0) throw new Error(joining.stderr)
    gateway.start()
    await gateway.promoted(good)
    for (let round = 0; round < rounds; round++) {
      const started = Date.now()
      good = await central.put(documentFor(wire.url, {}, { poll_interval_seconds: 6 + round }))
      const served = await eventually(
        "the revision is served",
        () => wire.log.find((one) => one.etag === good && one.status === 200 && one.at >= started)?.at,
        60_000
      )
      applies.push((await firstPoll(good, served)) - served)
      await gateway.promoted(good, 60_000)
    }
    for (let round = 0; round < rounds; round++) {
      const bad = await central.put(documentFor(`http://127.0.0.1:${round + 1}`), { force: true })
      const status = await gateway.until(
        "the rollback",
        ({ remote_config }) => remote_config?.last_rollback?.etag === bad && remote_config.running_etag === good,
        60_000
      )
      const verdict = Date.parse(status.remote_config?.last_rollback?.at ?? "")
      rollbacks.push((await firstPoll(good, verdict)) - verdict)
    }
  } finally {
    await gateway.remove()
    await central.stop()
    await wire.close()
    rmSync(data, { recursive: true, force: true })
  }
  const row = (name: string, numbers: ReadonlyArray<number>) => [
    name,
    String(numbers.length),
    `${percentile(numbers, 0.5)} ms`,
    `${percentile(numbers, 0.99)} ms`,
    `≤ ${GOAL_MS} ms`
  ]
  printTable(
    "Between two configurations",
    ["from … to its process's first poll", "rounds", "p50", "p99", "goal p99"],
    [row("200 → new revision", applies), row("rollback verdict → last-known-good", rollbacks)]
  )
}
