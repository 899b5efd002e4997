/** Properties of time, restarts and requests that need more than one world to state. */
import * as fc from "fast-check"
import type { ConfigApplyContext, PollAnswerKind, StateFile } from "../../machines/index.ts"
import { counterexample, type Check } from "./Check.ts"
import { live } from "./Histories.ts"
import { settledOn, until } from "./Scenarios.ts"
import {
  contextIn,
  finish,
  jumpWall,
  kill,
  send,
  serve,
  stateIn,
  wait,
  WINDOWS,
  type Charts,
  type World
} from "./World.ts"

const fateOf = (world: World): string => {
  const state = stateIn(world, "configApply")
  if (world.ghost.promoted.includes("G2")) return "promoted"
  return state.startsWith("probation") ? "on probation" : "expired"
}

/** Polls of a probation, with what each comes to and how long the machine waits before it is answered, in s. */
const polls = fc.array(
  fc.record({
    answer: fc.constantFrom<PollAnswerKind>("unchanged", "http_error", "http_error", "throttled", "network_error"),
    afterSeconds: fc.integer({ min: 0, max: 60 }),
    jumpHours: fc.integer({ min: -24, max: 24 })
  }),
  { minLength: 1, maxLength: 12 }
)

/** Where a probation stands after each poll; with or without the jumps of the wall clock. */
const course = (
  charts: Charts,
  script: ReadonlyArray<{ answer: PollAnswerKind; afterSeconds: number; jumpHours: number }>,
  jumps: boolean
) => {
  let current = until(serve(settledOn(charts), "G2"), "probation.using")
  const fates: Array<string> = []
  for (const { afterSeconds, answer, jumpHours } of script) {
    if (jumps) current = jumpWall(current, jumpHours * 3_600_000)
    for (let left = afterSeconds; left > 0; left -= 5) current = settleWrites(wait(current, 5_000))
    const poll = current.process.tasks.findIndex((task) => task.src === "poll")
    current = poll >= 0 ? finish(current, poll, { answer }) : live(current, 1)
    fates.push(fateOf(current))
    if (fates.at(-1) !== "on probation") break
  }
  return fates
}

/** Everything but polls ends at once. */
const settleWrites = (world: World): World => {
  let current = world
  for (let count = 0; count < 40; count++) {
    const index = current.process.tasks.findIndex((task) => task.src !== "poll")
    if (index < 0) return current
    current = finish(current, index)
  }
  return current
}

const wallJumps: Check = {
  title: "jumps of the wall clock by up to a day change no verdict of probation",
  find: (charts, sample) =>
    counterexample(
      fc.property(polls, (script) => {
        const calm = course(charts, script, false).join()
        const jumpy = course(charts, script, true).join()
        if (calm !== jumpy) throw new Error(`${calm} without jumps, ${jumpy} with them`)
      }),
      { ...sample, numRuns: Math.ceil(sample.numRuns / 2) }
    )
}

/** What the next process goes on with: what runs, whether it is on probation, and what is remembered. */
const essenceOf = (world: World) => {
  const { running, state, part } = contextIn<ConfigApplyContext>(world, "configApply")
  return {
    where: stateIn(world, "configApply").split(".")[0],
    running,
    marker: state.marker?.etag,
    attempts: state.marker?.attempts_left,
    quarantine: state.quarantine.map(({ attempts, etag, reason }) => [etag, reason, attempts]),
    remaining: state.marker === undefined ? 0 : state.marker.budget_ms + part.ms
  }
}

const rests = (world: World): boolean => {
  const state = stateIn(world, "configApply")
  return state === "steady.idle" || state === "probation.using"
}

/** An orderly stop, and a start from what is on the disk. */
const restarted = (world: World): World => {
  const stopping = send(world, "daemon", { type: "STOP_REQUESTED", leave: false })
  return live(
    live(stopping, 60, (now) => stateIn(now, "configApply").startsWith("boot")),
    20,
    rests
  )
}

const restartIsInvisible: Check = {
  title: "an orderly restart is invisible: what runs, its probation and what is remembered stay as they were",
  find: (charts, sample) =>
    counterexample(
      fc.property(
        fc.constantFrom("G2", "B1", "I1", "V1", "X1"),
        fc.integer({ min: 0, max: 120 }),
        fc.integer({ min: 0, max: 4_000 }),
        (etag, steps, ms) => {
          const resting = wait(live(live(serve(settledOn(charts), etag), steps), 30, rests), ms)
          if (!rests(resting) || resting.process.boot === null) return
          const used = contextIn<ConfigApplyContext>(resting, "configApply").part
          const before = essenceOf(resting)
          const after = essenceOf(restarted(resting))
          const spent = before.remaining === 0 ? 0 : resting.now.uptime - used.since
          const expected = JSON.stringify({ ...before, remaining: before.remaining - spent })
          if (JSON.stringify(after) !== expected) throw new Error(`${expected} became ${JSON.stringify(after)}`)
        }
      ),
      { ...sample, numRuns: Math.ceil(sample.numRuns / 4) }
    )
}

const killIsNearlyInvisible: Check = {
  title: "a kill costs a probation at most one part and one attempt, and changes nothing else",
  find: (charts, sample) =>
    counterexample(
      fc.property(fc.constantFrom("G2", "B1", "I1", "V1"), fc.integer({ min: 0, max: 90 }), (etag, steps) => {
        const resting = live(live(serve(settledOn(charts), etag), steps), 30, rests)
        const before = essenceOf(resting)
        if (!rests(resting) || (before.attempts ?? 5) < 2 || before.remaining <= 5_000) return
        const after = essenceOf(live(kill(resting), 20, rests))
        const part = Math.ceil(WINDOWS.windowMs / 24)
        const attempts = before.attempts === undefined ? undefined : before.attempts - 1
        const remaining = before.remaining === 0 ? 0 : before.remaining - part
        const expected = JSON.stringify({ ...before, attempts, remaining })
        if (JSON.stringify(after) !== expected) throw new Error(`${expected} became ${JSON.stringify(after)}`)
      }),
      { ...sample, numRuns: Math.ceil(sample.numRuns / 4) }
    )
}

const retriesAreKept: Check = {
  title: "what an operator asks for is on the disk when the machine rests, whatever it was busy with",
  find: (charts) => {
    for (let steps = 0; steps < 12; steps++) {
      const refused = live(serve(settledOn(charts), "I1"), 30, (world) => rests(world) && knows(world, "I1"))
      const busy = live(serve(refused, "V1"), 3 + steps)
      const asked = send(busy, "configApply", { type: "RETRY", etag: "I1" })
      const resting = live(settleWrites(asked), 20, (world) => rests(world) && !isWriting(world))
      if (knows(resting, "I1")) return `asked ${steps} steps after the next offer: I1 is still quarantined`
    }
    return null
  }
}

/** How much elapsed time a probation is given whose polls all come to this, in ms; `Infinity` when it never ends. */
const givenTo = (charts: Charts, answers: ReadonlyArray<PollAnswerKind>): number => {
  let current = until(serve(settledOn(charts), "G2"), "probation.using")
  for (let count = 0; count < 600; count++) {
    if (stateIn(current, "configApply").startsWith("rollingBack")) return current.ghost.spentMs
    const poll = current.process.tasks.findIndex((task) => task.src === "poll")
    const answer = answers[count % answers.length] ?? "http_error"
    current = poll >= 0 ? finish(current, poll, { answer, retryAfterSeconds: 10 }) : live(current, 1)
  }
  return Number.POSITIVE_INFINITY
}

const extendsOnce: Check = {
  title: "a central that throttles gives a probation one more window, once; one that only fails or refuses gives none",
  find: (charts, sample) =>
    counterexample(
      fc.property(
        fc.constantFrom<PollAnswerKind>("http_error", "network_error", "throttled"),
        fc.constantFrom<PollAnswerKind>("http_error", "network_error", "throttled"),
        (first, second) => {
          const windows = [first, second].includes("throttled") ? 2 : 1
          const given = givenTo(charts, [first, second])
          const isRight = given > (windows - 0.1) * WINDOWS.windowMs && given < (windows + 0.1) * WINDOWS.windowMs
          if (!isRight) throw new Error(`${given} ms instead of ${windows} windows`)
        }
      ),
      { ...sample, numRuns: Math.ceil(sample.numRuns / 10) }
    )
}

const isWriting = (world: World): boolean => world.process.tasks.some((task) => task.machine === "configApply")

const knows = (world: World, etag: string): boolean => {
  const state: StateFile | string = world.disk.state
  return typeof state !== "string" && state.quarantine.some((entry) => entry.etag === etag)
}

export const PROBATION_CHECKS = {
  wallJumps,
  restartIsInvisible,
  killIsNearlyInvisible,
  retriesAreKept,
  extendsOnce
} as const
