/** Properties of the poll loop: the table of answers, row by row, under any sequence of answers. */
import * as fc from "fast-check"
import {
  clampInterval,
  POLL_ANSWERS,
  POLL_LADDER_MS,
  RETRY_AFTER_MAX_MS,
  type PollAnswerKind
} from "../../machines/index.ts"
import { counterexample, type Check } from "./Check.ts"
import { Trace } from "./Trace.ts"
import type { Charts } from "./World.ts"

/** One poll of a script: its answer, and what happens around it. */
interface Turn {
  readonly kind: PollAnswerKind
  readonly retryAfterSeconds: number
  readonly jitter: number
  /** Whether central gives a fresh identity when the answer was 401. */
  readonly refreshes: boolean
  /** Somebody asks for a poll before it is time. */
  readonly pollNow: boolean
  readonly gap: boolean
  /** The task itself fails. */
  readonly defect: boolean
}

/** What a turn led to. */
interface Row extends Turn {
  readonly confirms: boolean
  readonly stages: boolean
  readonly refreshAsked: boolean
  readonly delayMs: number
  /** Every poll settles, but for the 401 that is about to be retried. */
  readonly settledAs: ReadonlyArray<boolean>
}

const turns = fc.array(
  fc.record({
    kind: fc.constantFrom(...POLL_ANSWERS),
    retryAfterSeconds: fc.oneof(
      fc.constantFrom(0, -1, Number.NaN, 1e12, Number.POSITIVE_INFINITY),
      fc.integer({ min: 1, max: 7_200 })
    ),
    jitter: fc.integer({ min: -100, max: 100 }).map((percent) => percent / 100),
    refreshes: fc.boolean(),
    pollNow: fc.boolean(),
    gap: fc.boolean(),
    defect: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0)
  }),
  { minLength: 1, maxLength: 25 }
)
const intervals = fc.oneof(
  fc.integer({ min: 5, max: 3_600 }).map((seconds) => seconds * 1_000),
  fc.constantFrom(0, 1e12, Number.NaN)
)

const started = (charts: Charts, intervalMs: number): Trace => {
  const chart = charts.configPull
  if (chart === undefined) throw new Error("there is no configPull")
  const trace = new Trace(chart)
  return trace.send({ type: "BEGIN", central: true, intervalMs }).send({ type: "IDENTITY_READY" })
}

const answerOf = (turn: Turn) => ({
  kind: turn.kind,
  etag: turn.kind === "good" ? "G1" : "",
  offer: 1,
  retryAfterSeconds: turn.retryAfterSeconds,
  message: turn.kind,
  wall: 0,
  jitter: turn.jitter
})

/** Answers the poll that is under way, and lets time pass until the next one starts. */
const played = (trace: Trace, turn: Turn): Row => {
  if (!trace.tasks.includes("poll")) throw new Error(`no poll is under way in ${trace.state}`)
  const mark = trace.asked.length
  const at = trace.now
  if (turn.gap) trace.send({ type: "GAP" })
  if (turn.defect) trace.fail("poll", "Defect")
  else trace.succeed("poll", answerOf(turn))
  const refreshAsked = trace.performed(mark).includes("refreshIdentity")
  if (refreshAsked) trace.send({ type: turn.refreshes ? "IDENTITY_READY" : "IDENTITY_FAILED" })
  const answered = trace.performed(mark)
  const settledAs = trace.asked
    .slice(mark)
    .flatMap(({ command }) =>
      command._tag === "Perform" && command.action.type === "pollSettled"
        ? [(command.action.params as { readonly stale: boolean }).stale]
        : []
    )
  if (turn.pollNow) trace.send({ type: "POLL_NOW" })
  for (let count = 0; count < 5 && !trace.tasks.includes("poll"); count++) {
    if (trace.tasks.includes("sendReport")) trace.succeed("sendReport", { supported: true })
    if (!trace.tick()) throw new Error(`nothing will ever happen again in ${trace.state}`)
  }
  return {
    ...turn,
    confirms: answered.includes("confirmPoll"),
    stages: answered.includes("offerRevision"),
    refreshAsked,
    delayMs: trace.now - at,
    settledAs
  }
}

const rows = (charts: Charts, intervalMs: number, script: ReadonlyArray<Turn>): ReadonlyArray<Row> => {
  const trace = started(charts, intervalMs)
  return script.map((turn) => played(trace, turn))
}

const isHeld = (row: Row): boolean => row.kind === "throttled" && row.retryAfterSeconds > 0 && !row.defect
const retriesAtOnce = (row: Row): boolean => row.refreshAsked && row.refreshes
const confirming = (row: Row): boolean => !row.defect && (row.kind === "unchanged" || row.kind === "good")
const about = (ms: number, row: Row): boolean => row.delayMs >= ms * 0.89 - 1 && row.delayMs <= ms * 1.11 + 1

/** The delay that the table asks for, by an oracle of its own. */
const expectedDelays = (intervalMs: number, table: ReadonlyArray<Row>): ReadonlyArray<number> => {
  const interval = clampInterval(intervalMs)
  let failures = 0
  let apart = false
  return table.map((row) => {
    if (retriesAtOnce(row)) return 0
    if (confirming(row)) {
      failures = 0
      // The first one parts from whoever began, or came back, at the same moment: a tenth to all of the interval.
      const first = Math.max(1_000, interval * (0.1 + (0.9 * (1 + row.jitter)) / 2))
      const wait = apart ? interval : first
      apart = true
      return wait
    }
    if (!row.defect && row.kind === "not_found") return Math.max(300_000, interval)
    apart = false
    const rung = POLL_LADDER_MS[Math.min(failures, POLL_LADDER_MS.length - 1)] ?? 0
    failures++
    return isHeld(row) ? Math.min(row.retryAfterSeconds * 1_000, RETRY_AFTER_MAX_MS) : rung
  })
}

const property = (title: string, judge: (table: ReadonlyArray<Row>, intervalMs: number) => string | null): Check => ({
  title,
  find: (charts, sample) =>
    counterexample(
      fc.property(intervals, turns, (intervalMs, script) => {
        const wrong = judge(rows(charts, intervalMs, script), intervalMs)
        if (wrong !== null) throw new Error(wrong)
      }),
      sample
    )
})

const firstWrong = (
  table: ReadonlyArray<Row>,
  isRight: (row: Row, index: number) => boolean,
  say: (row: Row) => string
): string | null => {
  const index = table.findIndex((row, place) => !isRight(row, place))
  const row = table[index]
  return row === undefined ? null : `poll ${index + 1}, ${row.kind}: ${say(row)}`
}

/** Machines of one fleet, and how long central is away once they have begun, in intervals. */
const fleets = fc.record({
  intervalMs: fc.constantFrom(10_000, 60_000, 300_000),
  away: fc.constantFrom(0, 2, 20),
  seed: fc.integer()
})
const FLEET = 400
/** Windows per interval: ten machines each, if they are spread evenly. */
const WINDOWS = 40
const LOOKED_AT = 8

/** Numbers of -1 to 1, from a seed: linear congruential, and good enough to tell machines apart. */
const jittersFrom = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state / 0xffff_ffff) * 2 - 1
  }
}

/** When one machine polls until `until`; central answers nothing from the first poll on for `awayMs`. */
const pollsOf = (charts: Charts, intervalMs: number, awayMs: number, until: number, jitter: () => number) => {
  const trace = started(charts, intervalMs)
  const times: Array<number> = []
  while (trace.now < until) {
    times.push(trace.now)
    const kind = trace.now > 0 && trace.now < awayMs ? "network_error" : "unchanged"
    played(trace, {
      kind,
      retryAfterSeconds: 0,
      jitter: jitter(),
      refreshes: false,
      pollNow: false,
      gap: false,
      defect: false
    })
  }
  return times
}

export const PULL_CHECKS = {
  partsAtOnce: {
    title: "machines that begin, or come back, at the same moment are spread over the interval when three have passed",
    find: (charts, sample) =>
      counterexample(
        fc.property(fleets, ({ away, intervalMs, seed }) => {
          const jitter = jittersFrom(seed)
          const awayMs = away * intervalMs
          // Whoever failed last just before central came back waits for the longest rung.
          const from = awayMs + (away === 0 ? 0 : 330_000) + 3 * intervalMs
          const windows = Array.from({ length: LOOKED_AT * WINDOWS }, () => 0)
          for (let count = 0; count < FLEET; count++) {
            for (const at of pollsOf(charts, intervalMs, awayMs, from + LOOKED_AT * intervalMs, jitter)) {
              const window = Math.floor(((at - from) / intervalMs) * WINDOWS)
              if (window >= 0) windows[window] = (windows[window] ?? 0) + 1
            }
          }
          const mean = windows.reduce((sum, each) => sum + each, 0) / windows.length
          const most = Math.max(...windows)
          if (most > 4 * mean) throw new Error(`${most} polls in one window, where the mean is ${mean.toFixed(1)}`)
        }),
        { ...sample, numRuns: Math.min(sample.numRuns, 4) }
      )
  },
  confirmsByTheTable: property("a 304 and a good 200 confirm a poll, and nothing else does", (table) =>
    firstWrong(
      table,
      (row) => row.confirms === confirming(row),
      (row) => `confirms: ${row.confirms}`
    )
  ),
  stagesByTheTable: property("a good 200 is staged, after it has confirmed, and nothing else is", (table) =>
    firstWrong(
      table,
      (row) => row.stages === (confirming(row) && row.kind === "good"),
      (row) => `stages: ${row.stages}`
    )
  ),
  delaysByTheTable: property("the next poll comes when the table of answers says", (table, intervalMs) => {
    const expected = expectedDelays(intervalMs, table)
    return firstWrong(
      table,
      (row, index) => (row.pollNow && !isHeld(row)) || isHeld(row) || about(expected[index] ?? 0, row),
      (row) => `after ${row.delayMs} ms instead of ${expected[table.indexOf(row)]} ms`
    )
  }),
  retryAfterHonoured: property(
    "a Retry-After is honoured to the second, up to an hour, whoever asks for a poll",
    (table) =>
      firstWrong(
        table,
        (row) => {
          const asked = Math.min(row.retryAfterSeconds * 1_000, RETRY_AFTER_MAX_MS)
          return !isHeld(row) || (row.delayMs >= asked && row.delayMs <= asked * 1.11 + 1_000)
        },
        (row) => `asked for ${row.retryAfterSeconds} s, polled after ${row.delayMs} ms`
      )
  ),
  noSpin: property("no answer of central ever causes a zero-delay loop", (table) =>
    firstWrong(
      table,
      (row, index) => {
        const before = table[index - 1]
        const isOneRetry = retriesAtOnce(row) && (before === undefined || !retriesAtOnce(before))
        return row.delayMs >= 900 || isOneRetry || (row.pollNow && !isHeld(row))
      },
      (row) => `polled again after ${row.delayMs} ms`
    )
  ),
  unauthorizedOnce: property("a 401 is refreshed and retried once, then it is an error like others", (table) =>
    firstWrong(
      table,
      (row, index) => {
        const before = table[index - 1]
        const isRetry = before !== undefined && retriesAtOnce(before)
        return row.refreshAsked === (!row.defect && row.kind === "unauthorized" && !isRetry)
      },
      (row) => `refreshes: ${row.refreshAsked}`
    )
  ),
  settlesOnce: property("every poll settles once, as stale if the process stood still meanwhile", (table) =>
    firstWrong(
      table,
      (row) => (retriesAtOnce(row) ? row.settledAs.length === 0 : row.settledAs.join() === String(row.gap)),
      (row) => `settled ${row.settledAs.length} times, stale: ${row.settledAs.join()}`
    )
  ),
  stopsInTime: {
    title: "stopping lets a poll in flight end for a second, and ends everywhere else at once",
    find: (charts, sample) =>
      counterexample(
        fc.property(turns, fc.boolean(), (script, inFlight) => {
          const trace = started(charts, 30_000)
          for (const turn of script.slice(1)) played(trace, turn)
          if (!inFlight) trace.succeed("poll", { ...answerOf({ ...script[0]!, kind: "unchanged" }) })
          const mark = trace.asked.length
          const at = trace.now
          trace.send({ type: "END" })
          const expected = inFlight ? 1_000 : 0
          for (let count = 0; count < 3 && !trace.performed(mark).includes("pullStopped"); count++) trace.tick()
          const took = trace.now - at
          const times = trace.performed(mark).filter((type) => type === "pullStopped").length
          if (times !== 1 || took !== expected) throw new Error(`stopped ${times} times, after ${took} ms`)
          if (trace.tasks.includes("poll")) throw new Error("the poll goes on")
        }),
        sample
      )
  }
} as const satisfies Readonly<Record<string, Check>>
