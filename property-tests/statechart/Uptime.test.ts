import { Effect, Fiber, Layer, Stream } from "effect"
import * as fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { Uptime } from "../../src/statechart/index.ts"
import { TestTime } from "../../src/statechart/TestTime.ts"
import type * as RealUptime from "../../src/statechart/Uptime.ts"
import { loadMutant, removeMutants } from "../Mutants.ts"
import { describeFailure, hunt, options } from "../Options.ts"

type Move = { readonly do: "adjust" | "suspend" | "jump"; readonly ms: number }

const moves: fc.Arbitrary<ReadonlyArray<Move>> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("adjust" as const), ms: fc.integer({ min: 0, max: 6_000 }) }),
    fc.record({ do: fc.constant("suspend" as const), ms: fc.integer({ min: 0, max: 90_000_000 }) }),
    fc.record({ do: fc.constant("jump" as const), ms: fc.integer({ min: -90_000_000, max: 90_000_000 }) })
  ),
  { maxLength: 12 }
)

type UptimeModule = typeof RealUptime

/** Test time over an `Uptime` that may be a mutant. */
const timeOver = (module: UptimeModule, scale: number) =>
  Layer.provideMerge(module.Uptime.layerScaled(scale) as Layer.Layer<Uptime>, TestTime.layer)

const keepsItsPromises = (module: UptimeModule) =>
  fc.asyncProperty(moves, fc.constantFrom(1, 10, 100), (list, scale) =>
    Effect.gen(function* () {
      const time = yield* TestTime
      const uptime = yield* Uptime
      let before = yield* uptime.read
      for (const { do: what, ms } of list) {
        yield* what === "adjust" ? time.adjust(ms) : what === "suspend" ? time.suspend(ms) : time.jumpWall(ms)
        const after = yield* uptime.read
        const spent = after.uptime - before.uptime
        expect(spent, "never backwards").toBeGreaterThanOrEqual(0)
        expect(after.wall - before.wall, "the wall says what it is told").toBe(ms)
        if (what === "adjust") expect(spent, "elapsed time passes").toBe(ms * scale)
        if (what === "jump") expect(spent, "a jump spends nothing").toBe(0)
        if (what === "suspend") {
          // What had passed since the last tick counts towards the two seconds.
          expect(spent, "a suspension spends two seconds at most").toBeLessThanOrEqual(2_000 * scale)
          expect(spent, "a short one is not a suspension").toBeGreaterThanOrEqual(Math.min(ms, 1_000) * scale)
        }
        before = after
      }
    }).pipe(Effect.provide(timeOver(module, scale)), Effect.runPromise)
  )

const sleepsUntilCredited = (module: UptimeModule) =>
  fc.asyncProperty(moves, fc.integer({ min: 1, max: 20_000 }), (list, wait) =>
    Effect.gen(function* () {
      const time = yield* TestTime
      const uptime = yield* Uptime
      const began = yield* uptime.now
      const woken = yield* uptime
        .sleepUntil({ uptime: began + wait, wall: Infinity })
        .pipe(Effect.andThen(uptime.now), Effect.forkChild)
      for (const { do: what, ms } of list) {
        yield* what === "adjust" ? time.adjust(ms) : what === "suspend" ? time.suspend(ms) : time.jumpWall(ms)
        const now = yield* uptime.now
        expect(woken.pollUnsafe() !== undefined, "awake exactly when the time is up").toBe(now >= began + wait)
      }
      yield* time.adjust(wait)
      expect(yield* Fiber.join(woken)).toBeGreaterThanOrEqual(began + wait)
    }).pipe(Effect.provide(timeOver(module, 1)), Effect.runPromise)
  )

/** Too short to be a gap, or too long to be anything else, wherever between two ticks it begins. */
const suspension = fc.oneof(fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 3_000, max: 10_000 }))

const publishesGaps = (module: UptimeModule) =>
  fc.asyncProperty(fc.array(suspension, { maxLength: 6 }), (suspensions) =>
    Effect.gen(function* () {
      const time = yield* TestTime
      const uptime = yield* Uptime
      const seen: Array<number> = []
      yield* Stream.runForEach(uptime.gaps, (lost) => Effect.sync(() => void seen.push(lost))).pipe(Effect.forkChild)
      yield* time.adjust(1_000)
      for (const ms of suspensions) {
        yield* time.suspend(ms)
        yield* time.adjust(1_000)
      }
      const gaps = suspensions.filter((ms) => ms > 2_000)
      expect(seen.length).toBe(gaps.length)
      expect(gaps.every((ms, index) => Math.abs(ms - 1_500 - (seen[index] ?? 0)) <= 500)).toBe(true)
    }).pipe(Effect.provide(timeOver(module, 1)), Effect.runPromise)
  )

const properties = { keepsItsPromises, sleepsUntilCredited, publishesGaps } as const
const FILE = "src/statechart/Uptime.ts"
const real = await import("../../src/statechart/Uptime.ts")

const mutants: ReadonlyArray<
  readonly [what: string, killer: keyof typeof properties, search: string, replacement: string]
> = [
  [
    "credits all that has passed",
    "keepsItsPromises",
    "Math.min(passed, CREDIT_MAX_MS) * timeScale",
    "passed * timeScale"
  ],
  [
    "reads the wall clock",
    "keepsItsPromises",
    "  const nowUnsafe = (): number => {",
    "  const nowUnsafe = (): number => {\n    return clock.currentTimeMillisUnsafe()"
  ],
  ["forgets the scale", "keepsItsPromises", "settled + passed * timeScale", "settled + passed"],
  ["never settles", "keepsItsPromises", "Effect.andThen(Effect.sync(settle))", "Effect.andThen(Effect.void)"],
  ["sleeps once", "sleepsUntilCredited", "      yield* Effect.yieldNow", "      return"],
  ["keeps gaps to itself", "publishesGaps", "if (passed > CREDIT_MAX_MS) PubSub", "if (passed > Infinity) PubSub"]
]

afterAll(removeMutants)

describe("uptime", () => {
  it("never goes back, follows elapsed time, and spends two seconds at most on a suspension", () =>
    fc.assert(keepsItsPromises(real), options()))
  it("wakes a sleeper exactly when its time has been credited", () => fc.assert(sleepsUntilCredited(real), options()))
  it("tells of every gap and how long it was", () => fc.assert(publishesGaps(real), options()))

  it.each(mutants)("is told apart from one that %s (%s)", async (_what, killer, search, replacement) => {
    const mutant = await loadMutant<UptimeModule>(FILE, search, replacement)
    const details = await fc.check(properties[killer](mutant) as fc.IAsyncProperty<unknown>, hunt)
    expect(details.failed, describeFailure(details)).toBe(true)
  })
})
