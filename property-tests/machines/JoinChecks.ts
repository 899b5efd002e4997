/** Properties of the life in a fleet: it never gives up, never hammers, and always answers who asks. */
import * as fc from "fast-check"
import { CREDENTIAL_REFUSED, ENROL_LADDER_MS } from "../../machines/index.ts"
import { counterexample, type Check } from "./Check.ts"
import { Trace } from "./Trace.ts"
import type { Charts } from "./World.ts"

/** What the next task comes back with, whichever it is; and whether somebody asks for a refresh before it. */
interface Turn {
  readonly identity: boolean
  readonly token: boolean
  readonly outcome: "acquired" | "refused" | "unreachable"
  readonly expiryUnknown: boolean
  readonly refreshInMs: number
  readonly asks: boolean
}

const turns = (outcomes: ReadonlyArray<Turn["outcome"]>) =>
  fc.array(
    fc.record({
      identity: fc.boolean(),
      token: fc.boolean(),
      outcome: fc.constantFrom(...outcomes),
      expiryUnknown: fc.boolean(),
      refreshInMs: fc.constantFrom(-5, 0, 1_000, 3_600_000, 1e15, Number.NaN),
      asks: fc.boolean()
    }),
    { minLength: 1, maxLength: 40 }
  )

const started = (charts: Charts): Trace => {
  const chart = charts.join
  if (chart === undefined) throw new Error("there is no join")
  return new Trace(chart).send({ type: "BEGIN", central: true })
}

/** Ends the task that is under way, or lets time pass until something happens. */
const played = (trace: Trace, turn: Turn): void => {
  if (turn.asks) trace.send({ type: "REFRESH_NEEDED" })
  const [task] = trace.tasks
  if (task === undefined) {
    if (!trace.tick()) throw new Error(`nothing will ever happen again in ${trace.state}`)
  } else if (task === "loadIdentity") {
    const { identity, refreshInMs, token } = turn
    trace.succeed(task, { kind: identity ? "ready" : "none", refreshInMs, token, jitter: 0 })
  } else if (turn.outcome === "acquired") {
    trace.succeed(task, { refreshInMs: turn.refreshInMs, expiryUnknown: turn.expiryUnknown, jitter: 0 })
  } else trace.fail(task, turn.outcome === "refused" ? CREDENTIAL_REFUSED : "NetworkError")
}

/** When bootstrap and refresh were started; a bootstrap right after a refused refresh belongs to the same round. */
const rounds = (trace: Trace): ReadonlyArray<number> => {
  const starts = trace.asked.flatMap(({ at, command }) =>
    command._tag === "Start" && (command.src === "bootstrap" || command.src === "refresh") ? [at] : []
  )
  return starts.filter((at, index) => index === 0 || at !== starts[index - 1])
}

const climbs: Check = {
  title: "tries to acquire an identity that keep failing are 5, 15, 30, 60, 120, 300 s apart",
  find: (charts, sample) =>
    counterexample(
      fc.property(turns(["refused", "unreachable"]), (script) => {
        const trace = started(charts)
        for (const turn of script) played(trace, { ...turn, asks: false, refreshInMs: 0 })
        const tries = rounds(trace)
        for (const [index, at] of tries.entries()) {
          const last = tries[index - 1]
          const rung = ENROL_LADDER_MS[Math.min(index - 1, ENROL_LADDER_MS.length - 1)]
          if (last === undefined || rung === undefined) continue
          if (at - last < rung * 0.89) throw new Error(`try ${index + 1} came ${at - last} ms after the one before`)
        }
      }),
      sample
    )
}

const calm: Check = {
  title: "no two tries are less than five seconds apart, but for the one bootstrap after a refused refresh",
  find: (charts, sample) =>
    counterexample(
      fc.property(turns(["acquired", "acquired", "refused", "unreachable"]), (script) => {
        const trace = started(charts)
        for (const turn of script) played(trace, { ...turn, asks: false })
        const starts = trace.asked.flatMap(({ at, command }) =>
          command._tag === "Start" && (command.src === "bootstrap" || command.src === "refresh")
            ? [{ at, src: command.src }]
            : []
        )
        for (const [index, { at, src }] of starts.entries()) {
          const last = starts[index - 1]
          if (last === undefined || at - last.at >= 4_450) continue
          if (last.src === "refresh" && src === "bootstrap") continue
          throw new Error(`${src} ${at - last.at} ms after ${last.src}`)
        }
      }),
      sample
    )
}

const answers: Check = {
  title: "whoever asks for a refresh hears of its end, from every state, without a wait of more than one rung",
  find: (charts, sample) =>
    counterexample(
      fc.property(turns(["acquired", "refused", "unreachable"]), (script) => {
        const trace = started(charts)
        for (const turn of script) played(trace, { ...turn, asks: false })
        const mark = trace.asked.length
        const at = trace.now
        trace.send({ type: "REFRESH_NEEDED" })
        const heard = (): boolean => trace.performed(mark).some((type) => type.startsWith("identity"))
        for (let count = 0; count < 5 && !heard() && trace.now - at <= 330_000; count++) {
          played(trace, { ...script[0]!, asks: false, outcome: "unreachable" })
        }
        if (!heard() || trace.now - at > 330_000) throw new Error(`no answer in ${trace.state}`)
      }),
      sample
    )
}

const neverStuck: Check = {
  title: "no sequence of failures ends the trying, and an identity that can be had is had",
  find: (charts, sample) =>
    counterexample(
      fc.property(turns(["acquired", "refused", "unreachable"]), (script) => {
        const trace = started(charts)
        for (const turn of script) played(trace, turn)
        const mark = trace.asked.length
        const good: Turn = {
          identity: false,
          token: true,
          outcome: "acquired",
          expiryUnknown: false,
          refreshInMs: 3_600_000,
          asks: false
        }
        for (let count = 0; count < 12 && !trace.performed(mark).includes("identityReady"); count++) played(trace, good)
        if (!trace.performed(mark).includes("identityReady")) throw new Error(`no identity in ${trace.state}`)
      }),
      sample
    )
}

const unknownExpiry: Check = {
  title: "an identity of unknown expiry is refreshed at most once an hour, however often it is refused",
  find: (charts, sample) =>
    counterexample(
      fc.property(fc.integer({ min: 1, max: 20 }), (asks) => {
        const trace = started(charts)
        trace.succeed("loadIdentity", { kind: "none", refreshInMs: 0, token: true, jitter: 0 })
        trace.succeed("bootstrap", { refreshInMs: 1e9, expiryUnknown: true, jitter: 0 })
        for (let count = 0; count < asks; count++) trace.send({ type: "REFRESH_NEEDED" })
        if (trace.tasks.includes("refresh")) throw new Error(`refreshed after ${trace.now} ms`)
        trace.tick()
        trace.send({ type: "REFRESH_NEEDED" })
        if (!trace.tasks.includes("refresh")) throw new Error("not refreshed after an hour")
      }),
      sample
    )
}

export const JOIN_CHECKS = {
  joinClimbs: climbs,
  joinIsCalm: calm,
  joinAnswers: answers,
  joinNeverStuck: neverStuck,
  joinUnknownExpiry: unknownExpiry
} as const satisfies Readonly<Record<string, Check>>
