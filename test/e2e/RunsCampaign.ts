/**
 * Many runs at once over restarts of the daemon: `node test/e2e/RunsCampaign.ts [RUNS] [SECONDS] [KILLS] [BACKEND]`, by
 * default 144 runs for five minutes, and three times `kill -9`, on the backend `local`; with `kubernetes` as Jobs of a
 * stand-in cluster.
 *
 * Each run is a light writer, a line a second, with a burst of 50 lines a second for five seconds; every line says when it
 * was written. A client follows each run over the API, over as many connections as it takes. At the end every byte is
 * looked for: delivered, or told as a gap; and every verdict is held against the exit code that the writer had.
 */
import { createHash } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { RunView } from "../../src/domain/index.ts"
import { KubernetesStandIn } from "../runs/kubernetes/KubernetesStandIn.ts"
import { node } from "../support/Program.ts"
import { eventually, sleep } from "./Processes.ts"
import { LogReader, RunMachine } from "./RunMachine.ts"

const [runs = 144, seconds = 300, kills = 3] = process.argv.slice(2, 5).map(Number)
const onCluster = process.argv[5] === "kubernetes"

const WRITER = `
const [seconds, burstAt, code] = process.argv.slice(2).map(Number)
const { writeSync } = require("node:fs")
const begin = Date.now()
let count = 0
const line = () => writeSync(1, JSON.stringify({ n: ++count, at: Date.now(), text: "wörld 漢字 " + "x".repeat(count % 80) }) + "\\n")
const tick = () => {
  const elapsed = (Date.now() - begin) / 1000
  if (elapsed >= seconds) return process.exit(code)
  line()
  const inBurst = elapsed >= burstAt && elapsed < burstAt + 5
  setTimeout(tick, inBurst ? 20 : 1000)
}
tick()
`

/** A reader that knows how long each line was under way, ms. */
class TimedReader extends LogReader {
  readonly lags: Array<{ readonly at: number; readonly lag: number }> = []
  private seen = 0

  /** Looks at what came since the last time. */
  note(): void {
    const now = Date.now()
    for (; this.seen < this.lines.length; this.seen++) {
      const { at } = JSON.parse(this.lines[this.seen] ?? "{}") as { readonly at: number }
      this.lags.push({ at, lag: now - at })
    }
  }
}

const quantile = (sorted: ReadonlyArray<number>, part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN

const directory = mkdtempSync(join(tmpdir(), "holdfast-campaign-"))
const cluster = onCluster ? await KubernetesStandIn.start({ directory: join(directory, "cluster") }) : null
const volume = join(directory, "volume")
cluster?.addClaim("shared", volume)
const machine = await RunMachine.start(
  {},
  cluster === null
    ? undefined
    : {
        version: 2,
        plugins: [
          {
            name: "@holdfast/runs",
            config: {
              kubernetes: {
                kubeconfig: cluster.kubeconfig,
                image: "stand-in/agent",
                pvc: { claim: "shared", mountPath: "/holdfast-shared" },
                root: volume
              }
            }
          }
        ]
      }
)
const { gateway } = machine
const root = onCluster ? volume : join(gateway.home, "state", "runs")
const script = join(gateway.home, "writer.cjs")
writeFileSync(script, WRITER)

const plan = Array.from({ length: runs }, (_, index) => ({
  id: `run-${index}`,
  code: index % 5 === 0 ? (index % 100) + 1 : 0,
  burstAt: Math.floor((index / runs) * Math.max(1, seconds - 10))
}))
const readers = new Map(plan.map(({ id }) => [id, new TimedReader()]))
const began = Date.now()
for (const { burstAt, code, id } of plan) {
  const { body, status } = await machine.submit({
    runId: id,
    agentId: `agent-${id}`,
    command: { kind: "exec", argv: [node, script, String(seconds), String(burstAt), String(code)] },
    retain: true
  })
  if (status !== 201) throw new Error(`${id}: ${status} ${body}`)
}
console.log(`${runs} runs submitted in ${((Date.now() - began) / 1_000).toFixed(1)} s`)
const following = plan.map(({ id }) => machine.follow(id, readers.get(id)))
const noting = setInterval(() => {
  for (const reader of readers.values()) reader.note()
}, 10)

/** When the daemon was away, and a little longer: what was written then waited for it. */
const away: Array<readonly [from: number, to: number]> = []
for (let count = 1; count <= kills; count++) {
  await sleep(Math.max(0, began + (seconds * 1_000 * count) / (kills + 1) - Date.now()))
  const from = Date.now()
  await machine.kill()
  away.push([from - 1_000, Date.now() + 2_000])
  console.log(
    `kill -9 number ${count} after ${((from - began) / 1_000).toFixed(0)} s; back after ${Date.now() - from} ms`
  )
}
const views = new Map<string, RunView>()
for (const { id } of plan) views.set(id, await machine.ended(id, (seconds + 180) * 1_000))
await eventually(
  "every reader is at its end",
  () => ([...readers.values()].every(({ end }) => end !== null) ? true : undefined),
  120_000
)
await Promise.all(following)
clearInterval(noting)
for (const reader of readers.values()) reader.note()

const wrong: Array<string> = []
let bytes = 0
let lines = 0
for (const { code, id } of plan) {
  const view = views.get(id)
  const reader = readers.get(id)
  if (view === undefined || reader === undefined) continue
  const output = join(root, "run-logs", "c1", `agent-${id}`)
  const file = readFileSync(join(output, `${id}.pod.ndjson`))
  const record = JSON.parse(readFileSync(join(output, `${id}.pod.exit`), "utf8")) as { readonly sha256: string }
  const written = createHash("sha256").update(file).digest("hex")
  bytes += file.length
  lines += reader.lines.length
  if (view.verdict !== (code === 0 ? "succeeded" : "failed") || view.exit_code !== code) {
    wrong.push(`${id}: verdict ${view.verdict}, exit code ${view.exit_code} instead of ${code}`)
  }
  if (reader.gaps.length > 0 || reader.sha256 !== written)
    wrong.push(`${id}: what was delivered is not what was written`)
  if (record.sha256 !== written) wrong.push(`${id}: the record is of other bytes`)
  const first = reader.lines.filter((text) => text.startsWith('{"n":1,')).length
  if (first !== 1) wrong.push(`${id}: started ${first} times`)
}
const adopted = gateway.log.split("\n").filter((text) => text.includes("run_adopted")).length
const all = [...readers.values()].flatMap(({ lags }) => lags)
const up = all.filter(({ at }) => !away.some(([from, to]) => at >= from && at <= to))
const sorted = (some: typeof all) => some.map(({ lag }) => lag).toSorted((a, b) => a - b)
const [everything, whileUp] = [sorted(all), sorted(up)]
console.log(
  [
    `runs ${runs}, ${seconds} s, kills ${kills}: ${lines} lines, ${bytes} bytes, connections ${[...readers.values()].reduce((sum, { connections }) => sum + connections, 0)}`,
    `adopted ${adopted} times (${runs} runs × ${kills} restarts = ${runs * kills})`,
    `lag while the daemon was up: p50 ${quantile(whileUp, 0.5)} ms, p99 ${quantile(whileUp, 0.99)} ms; all lines: p50 ${quantile(everything, 0.5)} ms, p99 ${quantile(everything, 0.99)} ms`,
    wrong.length === 0 ? "every byte delivered once, every verdict right" : wrong.join("\n")
  ].join("\n")
)
if (cluster !== null) console.log(`Jobs made: ${cluster.objects.created.jobs}`)
await gateway.remove()
await cluster?.close()
rmSync(directory, { recursive: true, force: true })
process.exit(wrong.length === 0 && adopted === runs * kills ? 0 : 1)
