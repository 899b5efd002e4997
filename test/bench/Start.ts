/**
 * How long a command takes to start, how long the daemon takes until its API answers, and what they weigh, each as a
 * ratio to a bare Node of the same binary in the same run. The variants take turns, so that a machine that slows down
 * slows all of them. Linux only: memory is read from `/proc`.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process"
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { get } from "node:http"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { median, printTable } from "./Table.ts"

/** Rounds that count, after one that warms up the disk and the compile cache. */
const rounds = 9
/** How long a daemon may take until its API answers, and then to end, in ms. */
const patience = 20_000
/** How long a process idles before its memory is read, in ms. */
const idle = 3000

const node = pinnedNode()
const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

interface Sample {
  /** Wall time in ms. */
  readonly time: number
  /** The most memory it held (VmHWM), in MB. */
  readonly peak?: number
  /** The memory it holds after idling (VmRSS), in MB. */
  readonly idle?: number
}

type Variant = (home: string) => Promise<Sample>

const commands: Readonly<Record<string, Variant>> = {
  "node -e 0": command(["-e", "0"]),
  "holdfast --version": command([program, "--version"]),
  "holdfast status": command([program, "status"]),
  "holdfast daemon, first start": daemon,
  "holdfast daemon, later start": laterDaemon
}

/** Goals as ratios to the bare Node. */
const goals: Readonly<Record<string, { readonly time: number; readonly idle?: number }>> = {
  "holdfast --version": { time: 2 },
  "holdfast status": { time: 3 },
  "holdfast daemon, first start": { time: 5, idle: 1.8 },
  "holdfast daemon, later start": { time: 5, idle: 1.8 }
}

/** Measures and prints. */
export const run = async (): Promise<void> => {
  const samples = new Map<string, Array<Sample>>()
  const idleNode: Array<number> = []
  const failures = new Map<string, string>()
  for (let round = 0; round <= rounds; round++) {
    for (const [name, variant] of Object.entries(commands)) {
      if (failures.has(name)) continue
      const home = mkdtempSync(join(tmpdir(), "holdfast-bench-"))
      try {
        const sample = await variant(home)
        if (round > 0) samples.set(name, [...(samples.get(name) ?? []), sample])
      } catch (error) {
        failures.set(name, error instanceof Error ? error.message : String(error))
      } finally {
        rmSync(home, { recursive: true, force: true, maxRetries: 3 })
      }
    }
    const weight = await idleOf(spawn(node, ["-e", "setInterval(() => {}, 1e6)"], { stdio: "ignore" }))
    if (round > 0) idleNode.push(weight)
  }

  const medianOf = (name: string, field: keyof Sample): number =>
    median((samples.get(name) ?? []).flatMap((sample) => sample[field] ?? []))
  const bare = { time: medianOf("node -e 0", "time"), peak: medianOf("node -e 0", "peak"), idle: median(idleNode) }
  const version = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim()

  printTable(
    `Start: medians of ${rounds}, as ratios to a bare Node ${version}`,
    ["", "time ms", "ratio", "goal", "peak MB", "ratio", `idle MB`, "ratio", "goal"],
    Object.keys(commands).map((name) => {
      if (failures.has(name)) return [name, "failed", "", "", "", "", "", "", ""]
      const time = medianOf(name, "time")
      const peak = medianOf(name, "peak")
      const rest = name === "node -e 0" ? bare.idle : medianOf(name, "idle")
      const goal = goals[name]
      return [
        name,
        number(time),
        ratio(time / bare.time),
        goal === undefined ? "" : `≤ ${goal.time}×`,
        number(peak),
        ratio(peak / bare.peak),
        number(rest),
        ratio(rest / bare.idle),
        goal?.idle === undefined ? "" : `≤ ${goal.idle}×`
      ]
    })
  )
  for (const [name, message] of failures) console.log(`${name}: ${message}`)
}

const number = (value: number): string => (Number.isNaN(value) ? "" : value.toFixed(1))

const ratio = (value: number): string => (Number.isNaN(value) ? "" : `${value.toFixed(2)}×`)

/** The real path, because a start through a link or a wrapper is not what a service unit does. */
function pinnedNode(): string {
  try {
    const resolve = createRequire(import.meta.url).resolve
    return realpathSync(resolve(`node-${process.platform}-${process.arch}/bin/node`))
  } catch {
    return process.execPath
  }
}

function environment(home: string): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...rest } = process.env
  return { ...rest, HOLDFAST_HOME: home, HOLDFAST_PORT: "0", NO_COLOR: "1" }
}

/** A command that ends by itself. Time and memory come from two runs: watching memory costs time. */
function command(args: ReadonlyArray<string>): Variant {
  return async (home) => {
    const begin = performance.now()
    const { error, stderr } = spawnSync(node, args, { env: environment(home), stdio: ["ignore", "ignore", "pipe"] })
    const time = performance.now() - begin
    if (error !== undefined) throw error
    if (/^\s+at .*\(node:internal/m.test(stderr.toString())) throw new Error(stderr.toString().trim())

    const child = spawn(node, args, { env: environment(home), stdio: "ignore" })
    const ended = endOf(child)
    let peak = 0
    while (child.exitCode === null && child.signalCode === null) {
      peak = Math.max(peak, memory(child, "VmHWM") ?? 0)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await ended
    return { time, peak }
  }
}

/** As `daemon`, in a home that one has run in before: what a restart costs. */
async function laterDaemon(home: string): Promise<Sample> {
  await daemon(home, false)
  return await daemon(home)
}

/** The daemon, from its start until `GET /version` answers 200 at the address that it wrote down. */
async function daemon(home: string, weigh = true): Promise<Sample> {
  const begin = performance.now()
  const child = spawn(node, [program, "daemon"], { env: environment(home), stdio: ["ignore", "ignore", "pipe"] })
  let complaint = ""
  child.stderr?.on("data", (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2000)))
  const ended = endOf(child)
  try {
    while (!(await isListening(home))) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`it ended with ${child.exitCode ?? child.signalCode}. ${complaint.trim()}`)
      }
      if (performance.now() - begin > patience) throw new Error(`its API did not answer within ${patience} ms`)
      await sleep(1)
    }
    const time = performance.now() - begin
    if (weigh) await sleep(idle)
    return sampleOf(child, time)
  } finally {
    child.kill("SIGTERM")
    const giveUp = setTimeout(() => child.kill("SIGKILL"), patience)
    await ended
    clearTimeout(giveUp)
  }
}

function sampleOf(child: ChildProcess, time: number): Sample {
  return { time, peak: memory(child, "VmHWM") ?? Number.NaN, idle: memory(child, "VmRSS") ?? Number.NaN }
}

async function isListening(home: string): Promise<boolean> {
  let url: unknown
  try {
    url = JSON.parse(readFileSync(join(home, "state/run/status.json"), "utf8")).daemon?.api_url
  } catch {
    // Not written yet.
    return false
  }
  if (typeof url !== "string") return false
  return new Promise((resolve) => {
    get(new URL("/version", url), { agent: false }, (response) => {
      response.resume()
      response.on("end", () => resolve(response.statusCode === 200))
    }).on("error", () => resolve(false))
  })
}

async function idleOf(child: ChildProcess): Promise<number> {
  const ended = endOf(child)
  await sleep(idle)
  const weight = memory(child, "VmRSS") ?? Number.NaN
  child.kill("SIGKILL")
  await ended
  return weight
}

function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("exit", () => resolve())
    child.once("error", reject)
  })
}

/** A line of `/proc/PID/status` in MB, or undefined once the process is gone. */
function memory(child: ChildProcess, field: "VmHWM" | "VmRSS"): number | undefined {
  try {
    const [, kilobytes] =
      new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${child.pid}/status`, "utf8")) ?? []
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1024
  } catch {
    return undefined
  }
}
