/** Tailing: catching up beside its peers, 10,000 idle files, 144 live ones, and a burst of 1 GiB over 1,000. */
import { execFileSync } from "node:child_process"
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { build } from "rolldown"
import { median, printTable } from "./Table.ts"

const ROOT = resolve(import.meta.dirname, "../..")
const BYTES = 400_000_000
const LIVE_SECONDS = 20
/** Bursts of each kind: how much of one is resident depends on when V8 happens to collect. */
const BURSTS = 3

/** NDJSON as the agents write it. */
const writeLog = (path: string): void => {
  const file = openSync(path, "w")
  let written = 0
  for (let id = 0; written < BYTES;) {
    let text = ""
    for (let count = 0; count < 2_000; count++, id++) {
      const part = { id: `prt_${id}`, type: "text", text: "some words of output, ".repeat(3 + (id % 7)) }
      text += `${JSON.stringify({ type: "text", timestamp: 1_700_000_000_000 + id, sessionID: "ses_1", part })}\n`
    }
    written += writeSync(file, text)
  }
  closeSync(file)
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
const mib = (bytes: number): string => `${(bytes / 1_048_576).toFixed(0)} MiB`

export const run = async (): Promise<void> => {
  const scratch = mkdtempSync(join(tmpdir(), "holdfast-bench-tail-"))
  try {
    const script = join(scratch, "TailChild.mjs")
    await build({
      input: join(import.meta.dirname, "TailChild.ts"),
      platform: "node",
      logLevel: "silent",
      output: { file: script, format: "esm", codeSplitting: false }
    })
    const child = <Result>(...args: ReadonlyArray<string>): Result =>
      JSON.parse(execFileSync(process.execPath, [script, ...args], { encoding: "utf8" })) as Result
    const bursts = (mode: string): ReadonlyArray<Burst> =>
      Array.from({ length: BURSTS }, () => {
        const directory = join(scratch, "burst")
        const one = child<Burst>(mode, directory)
        rmSync(directory, { recursive: true })
        return one
      })

    const log = join(scratch, "run.ndjson")
    writeLog(log)
    catchUp(child("catch-up", log, ROOT))
    rmSync(log)
    idle(child("idle", join(scratch, "idle")))
    live(child("live", join(scratch, "live"), String(LIVE_SECONDS)))
    burst(bursts("burst"), bursts("burst in a host"))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const catchUp = ({
  bytes,
  lines,
  taken
}: {
  bytes: number
  lines: number
  taken: Record<string, Array<number>>
}): void => {
  const ms = (name: string): number => median(taken[name] ?? [])
  const row = (title: string, name: string, goal = "") => [
    title,
    `${ms(name).toFixed(0)} ms`,
    `${(bytes / ms(name) / 1_000).toFixed(0)} MB/s`,
    (ms("limit") / ms(name)).toFixed(2),
    (ms("npm tail") / ms(name)).toFixed(2),
    (ms("tail -F") / ms(name)).toFixed(2),
    goal
  ]
  printTable(
    `Catching up with ${(bytes / 1e6).toFixed(0)} MB, ${lines} lines; medians of ${taken["limit"]?.length}`,
    ["", "time", "speed", "× limit", "× tail (npm)", "× tail -F", "goal"],
    [
      row("limit: read 1 MiB, split, decode each line", "limit"),
      row("the same, decoded and then split", "limit, whole chunks"),
      row("lines delivered", "lines", "≥ 0.8 × limit, ≥ 2 × tail (npm)"),
      row("… and read again for SHA-256", "lines, hashed"),
      row("byte batches delivered", "bytes", "≥ 1 × tail -F"),
      row("tail -n +1 -F, bytes counted", "tail -F"),
      row("tail (npm), lines", "npm tail"),
      row("@logdna/tail-file with readline, lines", "logdna")
    ]
  )
}

const idle = (one: { bareMs: Array<number>; atIdle: number; atDormant: number; memory: number }): void => {
  const bare = median(one.bareMs) / 1_000
  printTable(
    "10,000 idle files",
    ["", "measured", "goal"],
    [
      ["of a core, every 1,000 ms", percent(one.atIdle), "≤ 25 %"],
      ["of a core, dormant, every 5,000 ms", percent(one.atDormant), "≤ 6 %"],
      ["a bare fs.promises.stat loop, once a second", percent(bare), ""],
      ["memory each", `${one.memory.toFixed(0)} bytes`, "≤ 4,096"]
    ]
  )
}

const live = (one: { lines: number; p50: number; p99: number; max: number; usage: number }): void =>
  printTable(
    `144 live files, 50 lines a second each in one burst, ${LIVE_SECONDS} s: ${one.lines} lines after the start`,
    ["", "measured", "goal"],
    [
      ["lag p50", `${one.p50} ms`, ""],
      ["lag p99", `${one.p99} ms`, "≤ 300 ms"],
      ["lag max", `${one.max} ms`, ""],
      ["of a core", percent(one.usage), ""]
    ]
  )

interface Burst {
  readonly bytes: number
  readonly ms: number
  readonly before: number
  readonly peak: number
}

const burst = (daemon: ReadonlyArray<Burst>, host: ReadonlyArray<Burst>): void => {
  const row = (name: string, of: (one: Burst) => number, show: (value: number) => string, goal = "") => [
    name,
    show(median(daemon.map(of))),
    show(median(host.map(of))),
    goal
  ]
  printTable(
    `A burst of ${mib(daemon[0]?.bytes ?? 0)} over 1,000 files; medians of ${BURSTS}`,
    ["", "as the daemon runs", "as V8 runs by itself", "goal"],
    [
      row("resident before", ({ before }) => before, mib),
      row("resident at most", ({ peak }) => peak, mib, "≤ 150 MB"),
      row(
        "until all was delivered",
        ({ ms }) => ms,
        (ms) => `${ms.toFixed(0)} ms`
      )
    ]
  )
}
