/** Properties of one process: the order of its start and of its end, and that it comes to both. */
import type { AnyEventObject } from "xstate"
import * as fc from "fast-check"
import { SHUTDOWN_MS, type BootOutcome } from "../../machines/index.ts"
import { counterexample, type Check } from "./Check.ts"
import { Trace } from "./Trace.ts"
import type { Charts } from "./World.ts"

const boots: fc.Arbitrary<BootOutcome> = fc.record({
  running: fc.constant({
    source: "slot" as const,
    slot: "a" as const,
    etag: "G1",
    digest: "d",
    central: true,
    intervalMs: 30_000
  }),
  start: fc.constantFrom("first" as const, "explained" as const, "unexplained" as const, "indeterminate" as const),
  probation: fc.boolean(),
  bundledOnly: fc.boolean(),
  safeStart: fc.boolean(),
  unexplained: fc.integer({ min: 0, max: 1_000 }),
  ranMs: fc.constantFrom(0, 599_000, 1e12),
  safeHoldMs: fc.constantFrom(0, 3_600_000, 604_800_000),
  impaired: fc.constantFrom(null, "the disk is read-only")
})

/** What happens at each turn: the task at hand ends well or badly, or hangs while time passes. */
const courses = fc.array(fc.constantFrom("ends" as const, "ends" as const, "fails" as const, "hangs" as const), {
  minLength: 12,
  maxLength: 12
})
type Course = ReadonlyArray<"ends" | "fails" | "hangs">

const process = (charts: Charts): Trace => {
  const chart = charts.daemon
  if (chart === undefined) throw new Error("there is no daemon")
  return new Trace(chart, { jitter: 0 })
}

const evaluated = (trace: Trace, boot: BootOutcome): Trace => trace.send({ type: "BOOT_EVALUATED", ...boot })

const turn = (trace: Trace, what: Course[number]): void => {
  const [task] = trace.tasks
  if (task === undefined || what === "hangs") {
    trace.tick()
    return
  }
  if (what === "fails") trace.fail(task, "StorageError")
  else trace.succeed(task, task === "loadPlugins" ? { problems: [] } : undefined)
}

/** The names of what was asked for, in order: actions and started tasks. */
const names = (trace: Trace): ReadonlyArray<string> =>
  trace.asked.flatMap(({ command }) =>
    command._tag === "Perform" ? [command.action.type] : command._tag === "Start" ? [command.src] : []
  )

const inOrder = (found: ReadonlyArray<string>, expected: ReadonlyArray<string>): string | null => {
  const places = expected.map((name) => found.indexOf(name))
  const wrong = places.findIndex((place, index) => place < 0 || (index > 0 && place < (places[index - 1] ?? 0)))
  return wrong < 0 ? null : `${expected[wrong]} is out of order in ${found.join()}`
}

const judged = (wrong: string | null): void => {
  if (wrong !== null) throw new Error(wrong)
}

/** Whatever its tasks do, a process that hangs nowhere for ever runs. */
const running = (trace: Trace, course: Course): void => {
  for (const what of course) {
    if (trace.performed().includes("pluginsSettled")) return
    turn(trace, what === "hangs" ? "fails" : what)
  }
}

const daemonStarts: Check = {
  title: "the line to central comes up first, and nothing that fails after it keeps plugins from settling",
  find: (charts, sample) =>
    counterexample(
      fc.property(boots, courses, (boot, course) => {
        const trace = evaluated(process(charts), boot)
        running(trace, course)
        judged(inOrder(names(trace), ["beginPull", "beginJoin", "openApi", "loadPlugins", "pluginsSettled"]))
      }),
      sample
    )
}

const daemonBacksOff: Check = {
  title: "a start that is unexplained, or could not be counted, waits 1 to 33 s before it runs anything; others do not",
  find: (charts, sample) =>
    counterexample(
      fc.property(boots, (boot) => {
        const trace = evaluated(process(charts), boot)
        const isUnexplained = boot.start === "unexplained" || boot.start === "indeterminate"
        const waits = boot.impaired !== null || (isUnexplained && boot.unexplained > 0)
        if (waits && names(trace).includes("openApi")) throw new Error("it does not wait")
        if (waits) trace.tick()
        if (!names(trace).includes("openApi") || trace.now > 33_000 || (waits && trace.now < 900))
          throw new Error(`it waits ${trace.now} ms`)
      }),
      sample
    )
}

/** A stop at any moment, then whatever happens: how the process ended, and when. */
const ended = (trace: Trace, course: Course, speaks: boolean): { readonly code: number; readonly after: number } => {
  const at = trace.now
  for (const what of [...course, ...course]) {
    const exit = trace.asked.find(({ command }) => command._tag === "Perform" && command.action.type === "exit")
    if (exit !== undefined && exit.command._tag === "Perform") {
      return { code: (exit.command.action.params as { readonly code: number }).code, after: exit.at - at }
    }
    if (speaks && trace.state === "stopping.recording") trace.send({ type: "CONFIG_CLOSED" })
    else if (speaks && trace.state === "stopping.endingPull") trace.send({ type: "PULL_STOPPED" })
    else {
      if (what === "hangs" && !trace.hasTimer) throw new Error(`it hangs for ever in ${trace.state}`)
      turn(trace, what)
    }
  }
  throw new Error(`it never ends: ${trace.state}`)
}

const stop: AnyEventObject & { readonly leave: boolean } = { type: "STOP_REQUESTED", leave: false }

const daemonStops: Check = {
  title:
    "a stop at any moment ends the process with 0 within the bound, whatever hangs; a restart asked before does not change that",
  find: (charts, sample) =>
    counterexample(
      fc.property(boots, courses, fc.nat(8), fc.boolean(), fc.boolean(), (boot, course, when, speaks, restarts) => {
        const trace = process(charts)
        if (when > 0) evaluated(trace, boot)
        for (let count = 1; count < when; count++) turn(trace, "ends")
        if (restarts) trace.send({ type: "RESTART_REQUESTED", reason: "config_applied" })
        const { after, code } = ended(trace.send(stop), course, speaks)
        if (code !== 0) throw new Error(`exit ${code}`)
        if (after > SHUTDOWN_MS) throw new Error(`it took ${after} ms`)
      }),
      sample
    )
}

const daemonRestarts: Check = {
  title: "a restart asked for at any moment is carried out with 75, once plugins have settled",
  find: (charts, sample) =>
    counterexample(
      fc.property(boots, courses, fc.nat(6), (boot, course, when) => {
        const trace = process(charts)
        const ask = { type: "RESTART_REQUESTED", reason: "config_applied" }
        if (when === 0) trace.send(ask)
        evaluated(trace, boot)
        for (let count = 1; count < when; count++) turn(trace, "ends")
        if (when > 0) trace.send(ask)
        running(trace, course)
        const { code } = ended(trace, course, true)
        if (code !== 75) throw new Error(`exit ${code}`)
        judged(inOrder(names(trace), ["pluginsSettled", "closeConfig", "exit"]))
      }),
      sample
    )
}

const daemonShutsInOrder: Check = {
  title: "the exit is recorded first, then polling ends, the identity, plugins, the API and the logs; leaving says so",
  find: (charts, sample) =>
    counterexample(
      fc.property(boots, courses, fc.boolean(), (boot, course, leave) => {
        const trace = evaluated(process(charts), boot)
        running(trace, course)
        ended(
          trace.send({ ...stop, leave }),
          course.map((what) => (what === "hangs" ? "fails" : what)),
          true
        )
        const life = leave ? "leaveFleet" : "endJoin"
        judged(inOrder(names(trace), ["closeConfig", "endPull", life, "closePlugins", "closeApi", "flush", "exit"]))
        if (names(trace).filter((name) => name === "exit").length !== 1) throw new Error("it exits more than once")
      }),
      sample
    )
}

const daemonForgives: Check = {
  title: "running for ten minutes is told as stable, and a safe start is never told so",
  find: (charts, sample) =>
    counterexample(
      fc.property(boots, courses, (boot, course) => {
        const trace = evaluated(process(charts), boot)
        running(trace, course)
        const at = trace.now
        trace.tick()
        const told = trace.performed()
        if (told.includes(boot.safeStart ? "provenStable" : "holdOver")) throw new Error("told the wrong thing")
        if (!told.includes(boot.safeStart ? "holdOver" : "provenStable")) throw new Error("told nothing")
        const left = boot.safeStart ? boot.safeHoldMs - boot.ranMs : 600_000 - boot.ranMs
        if (Math.abs(trace.now - at - Math.max(1_000, left)) > 1) throw new Error(`told after ${trace.now - at} ms`)
      }),
      sample
    )
}

export const DAEMON_CHECKS = {
  daemonStarts,
  daemonBacksOff,
  daemonStops,
  daemonRestarts,
  daemonShutsInOrder,
  daemonForgives
} as const satisfies Readonly<Record<string, Check>>
