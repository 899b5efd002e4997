/**
 * A fleet against one central: `npm run test:fleet [SECONDS]`. 20 real gateways (the built program, each a process with a
 * home of its own) and 2,000 simulated ones (FleetClients.ts), which all begin at the same moment, poll every 10 s for two
 * minutes; a revision spreads at their beginning; then central is killed, is away for a while, and comes back to all of them at
 * once. Prints what happened, and exits 1 if a poll failed while central was there, or if after three intervals (of the
 * start, and of the outage) a window of 100 ms had more than four times its mean share of the polls.
 */
import { spawn } from "node:child_process"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { environment, node } from "../support/Program.ts"
import { type Central, documentFor, eventually, Gateway, scratch, sleep, startCentral } from "./Processes.ts"

const REAL = 20
const SIMULATED = 2_000
const INTERVAL_MS = 10_000
const WINDOW_MS = 100
const OUTAGE_MS = 20_000

interface Poll {
  readonly at: number
  readonly ms: number
  readonly answer: string
  readonly message: string
}

const seconds = Number(process.argv[2] ?? 120)
const started = Date.now()
const say = (what: string): void => console.log(`${((Date.now() - started) / 1_000).toFixed(1).padStart(6)} s  ${what}`)

const simulated = (url: string, token: string) => {
  const child = spawn(
    node,
    [join(import.meta.dirname, "FleetClients.ts"), url, String(SIMULATED), String(INTERVAL_MS)],
    { env: environment({ FLEET_TOKEN: token }), stdio: ["ignore", "pipe", "inherit", "ipc"] }
  )
  const polls: Array<Poll> = []
  let joined: { readonly joined: number; readonly ms: number } | undefined
  let rest = ""
  child.stdout?.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines) {
      const said = JSON.parse(line)
      if ("joined" in said) joined = said
      else polls.push(said)
    }
  })
  return { child, polls, joined: () => joined }
}

/** Polls in the windows of a stretch of time: the fullest one, and the mean. */
const share = (polls: ReadonlyArray<Poll>, from: number, to: number) => {
  const windows = Array.from({ length: Math.floor((to - from) / WINDOW_MS) }, () => 0)
  for (const { at } of polls) {
    const window = Math.floor((at - from) / WINDOW_MS)
    if (window >= 0 && window < windows.length) windows[window] = (windows[window] ?? 0) + 1
  }
  const mean = windows.reduce((sum, count) => sum + count, 0) / windows.length
  const most = Math.max(...windows)
  return { mean, most, times: most / mean }
}

const quantile = (sorted: ReadonlyArray<number>, q: number): number => sorted[Math.floor((sorted.length - 1) * q)] ?? 0

const failures: Array<string> = []
const check = (holds: boolean, what: string): void => {
  say(`${holds ? "✓" : "✗"} ${what}`)
  if (!holds) failures.push(what)
}

const failed = (polls: ReadonlyArray<Poll>) => polls.filter(({ answer }) => answer !== "unchanged" && answer !== "good")

const tell = (name: string, polls: ReadonlyArray<Poll>, from: number, to: number): void => {
  const there = polls.filter(({ at }) => at >= from && at < to)
  const times = there.map(({ ms }) => ms).toSorted((a, b) => a - b)
  const bad = failed(there)
  say(
    `${name}: ${there.length} polls, p50 ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms, max ${times.at(-1) ?? 0} ms`
  )
  check(
    bad.length === 0,
    `${name}: ${bad.length} polls failed${bad.length === 0 ? "" : ` (${bad[0]?.answer}: ${bad[0]?.message})`}`
  )
}

const even = (name: string, polls: ReadonlyArray<Poll>, from: number, to: number): void => {
  const { mean, most, times } = share(polls, from, to)
  check(
    times <= 4,
    `${name}: the fullest 100 ms had ${most} polls, ${times.toFixed(1)} × the mean of ${mean.toFixed(1)}`
  )
}

/** Polls of a real gateway's present process that were answered otherwise than a gateway hopes for. */
const troubled = async (gateway: Gateway): Promise<number> => {
  const url = gateway.quickStatus()?.daemon.api_url
  const token = gateway.apiToken()
  if (url == null) throw new Error("a gateway has no API")
  const text = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
  return [...text.matchAll(/^holdfast_polls_total\{answer="(\w+)"[^}]*\} (\d+)$/gm)]
    .filter(([, answer]) => answer !== "unchanged" && answer !== "good")
    .reduce((sum, [, , count]) => sum + Number(count), 0)
}

const play = async (central: Central, data: string, gateways: ReadonlyArray<Gateway>): Promise<void> => {
  const port = Number(new URL(central.url).port)
  const interval = { poll_interval_seconds: INTERVAL_MS / 1_000 }
  const first = await central.put(documentFor(central.url, {}, interval))
  const token = await central.token()
  for (const gateway of gateways) {
    const joined = await gateway.run("join", central.url, token, "--no-daemon")
    if (joined.code !== 0) throw new Error(joined.stderr)
    gateway.start()
  }
  await Promise.all(gateways.map((gateway) => gateway.promoted(first, 120_000)))
  say(`${REAL} real gateways run the first revision, promoted`)

  const clients = simulated(central.url, token)
  try {
    const { joined, ms } = await eventually("every simulated gateway joins", clients.joined, 120_000)
    say(`${joined} simulated gateways joined in ${ms} ms, and begin at once`)
    const began = Date.now()
    // In the intervals that are not judged: on few cores restarts of 20 daemons keep everybody else from the time of day.
    const second = await central.put(documentFor(central.url, { plugins: [] }, interval))
    const saved = Date.now()
    await Promise.all(gateways.map((gateway) => gateway.promoted(second, 60_000)))
    say(
      `a second revision was promoted by all ${REAL} real gateways ${((Date.now() - saved) / 1_000).toFixed(1)} s after it was saved`
    )
    await sleep(Math.max(0, began + seconds * 1_000 - Date.now()))
    const ended = Date.now()
    tell("the first three intervals", clients.polls, began, began + 3 * INTERVAL_MS)
    tell("then", clients.polls, began + 3 * INTERVAL_MS, ended)
    even("after three intervals", clients.polls, began + 3 * INTERVAL_MS, ended)
    check(
      (await Promise.all(gateways.map(troubled))).every((count) => count === 0),
      "no poll of a real gateway failed"
    )

    await central.kill()
    say(`central is killed (SIGKILL), and away for ${OUTAGE_MS / 1_000} s`)
    await sleep(OUTAGE_MS)
    const back = await startCentral(data, { port })
    const came = Date.now()
    try {
      // The ladder's first rung is 30 s ± 10 %: all but those who failed twice have polled by then.
      await sleep(40_000 + 3 * INTERVAL_MS)
      const over = Date.now()
      await sleep(40_000)
      tell("after the outage", clients.polls, came, Date.now())
      even("three intervals after the last came back", clients.polls, over, Date.now())
      await Promise.all(
        gateways.map((gateway) => gateway.until("a healthy gateway", ({ overall }) => overall === "healthy", 60_000))
      )
      say(`all ${REAL} real gateways are healthy again`)
    } finally {
      await back.stop()
    }
  } finally {
    clients.child.kill("SIGKILL")
  }
}

const data = scratch()
const central = await startCentral(data)
const gateways = Array.from({ length: REAL }, () => new Gateway())
try {
  await play(central, data, gateways)
} catch (error) {
  failures.push(String(error))
  console.error(error)
} finally {
  await Promise.all(gateways.map((gateway) => gateway.remove()))
  await central.stop()
  rmSync(data, { recursive: true, force: true })
}
say(failures.length === 0 ? "as it must be" : `NOT as it must be: ${failures.join("; ")}`)
process.exitCode = failures.length === 0 ? 0 : 1
