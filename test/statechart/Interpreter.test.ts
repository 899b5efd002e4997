import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer, References, Schema, Scope, Stream } from "effect"
import { interpret, Journal, stateName, Switchboard, type TaskError, Uptime } from "../../src/statechart/index.ts"
import { TestTime } from "../../src/statechart/TestTime.ts"
import { Asker, Listener } from "./Machines.ts"

const wiring = { asker: { tell: ["listener", "HEARD"] } } as const
const shell = (lines = {}) => Layer.mergeAll(Journal.layer, Switchboard.layer(lines), TestTime.layer)
const quiet = Effect.provideService(References.MinimumLogLevel, "None")

class Unanswered extends Schema.TaggedError<Unanswered>()("Unanswered", { message: Schema.String }) {}
class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", {
  message: Schema.String,
  retryable: Schema.Boolean
}) {}

const asker = (ask: (input: { readonly question: string }) => Effect.Effect<number, TaskError>, program = {}) =>
  interpret({ machine: Asker, ...program }, undefined, {
    tasks: { ask },
    actions: { tell: () => Effect.void, left: () => Effect.void }
  })

describe("the interpreter", () => {
  it.effect("gives a task its input and the machine its output", () =>
    Effect.gen(function* () {
      const machine = yield* asker(({ question }) => Effect.succeed(question.length))
      yield* machine.send({ type: "ASK", question: "why?" })
      const { context } = yield* machine.until((snapshot) => snapshot.context.answer > 0)
      expect(context.answer).toBe(4)
    }).pipe(Effect.provide(shell()))
  )

  it.effect("tells the machine of a failure as plain data, worth another try unless it says otherwise", () =>
    Effect.gen(function* () {
      const machine = yield* asker(({ question }) =>
        question === "who?"
          ? Effect.fail(new Forbidden({ message: "not you", retryable: false }))
          : Effect.fail(new Unanswered({ message: "nobody knows" }))
      )
      yield* machine.send({ type: "ASK", question: "why?" })
      const first = yield* machine.until((snapshot) => snapshot.context.failure !== null)
      expect(first.context.failure).toStrictEqual({ _tag: "Unanswered", message: "nobody knows", retryable: true })
      yield* machine.send({ type: "ASK", question: "who?" })
      const second = yield* machine.until((snapshot) => snapshot.context.failure?._tag === "Forbidden")
      expect(second.context.failure).toStrictEqual({ _tag: "Forbidden", message: "not you", retryable: false })
    }).pipe(Effect.provide(shell()))
  )

  it.effect("tells the machine of a bug in a task as a defect and goes on", () =>
    Effect.gen(function* () {
      const machine = yield* asker(() => {
        throw new Error("a bug")
      })
      yield* machine.send({ type: "ASK", question: "why?" })
      const { context, value } = yield* machine.until((snapshot) => snapshot.context.failure !== null)
      expect(context.failure).toStrictEqual({ _tag: "Defect", message: "a bug", retryable: false })
      expect(value).toBe("idle")
    }).pipe(Effect.provide(shell()), quiet)
  )

  it.effect("waits for the task that it stops", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const begun = yield* Deferred.make<void>()
      const machine = yield* asker(() =>
        Deferred.succeed(begun, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() =>
            Effect.andThen(
              Effect.sleep(100),
              Effect.sync(() => log.push("stopped"))
            )
          )
        )
      )
      yield* machine.send({ type: "ASK", question: "why?" })
      yield* Deferred.await(begun)
      yield* machine.send({ type: "STOP" })
      const idle = yield* machine
        .until((snapshot) => snapshot.value === "idle")
        .pipe(Effect.andThen(Effect.sync(() => log.push("idle"))), Effect.forkChild)
      const time = yield* TestTime
      yield* time.adjust(200)
      expect(idle.pollUnsafe()).toBeDefined()
      expect(log).toEqual(["stopped", "idle"])
    }).pipe(Effect.provide(shell()))
  )

  it.effect("fires a delay when its time has been credited, and not during a suspension", () =>
    Effect.gen(function* () {
      const time = yield* TestTime
      const machine = yield* asker(() => Effect.never)
      yield* machine.send({ type: "ASK", question: "why?" })
      yield* time.adjust(5_000)
      yield* time.suspend("1 hour")
      yield* time.jumpWall(86_400_000)
      yield* time.adjust(2_000)
      expect((yield* machine.current).value).toBe("asking")
      yield* time.adjust(3_000)
      expect((yield* machine.current).value).toBe("idle")
    }).pipe(Effect.provide(shell()))
  )

  it.effect("stops its task when its scope closes, and the machine does not take that for a failure", () =>
    Effect.gen(function* () {
      const time = yield* TestTime
      const scope = yield* Scope.make()
      let stopped = false
      const machine = yield* Scope.provide(
        asker(() => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (stopped = true)))),
        scope
      )
      yield* machine.send({ type: "ASK", question: "why?" })
      yield* time.adjust(0)
      yield* Scope.close(scope, Exit.void)
      expect(stopped).toBe(true)
      const { context, value } = yield* machine.current
      expect([value, context.failure]).toEqual(["asking", null])
    }).pipe(Effect.provide(shell()))
  )

  it.effect("carries a wired action to the other machine, whichever starts first", () =>
    Effect.gen(function* () {
      const machine = yield* asker(() => Effect.succeed(42))
      yield* machine.send({ type: "ASK", question: "why?" })
      yield* machine.until((snapshot) => snapshot.context.answer === 42)
      const listener = yield* interpret({ machine: Listener }, undefined, { tasks: {}, actions: {} })
      yield* listener.until((snapshot) => snapshot.context.heard.length === 1)
      yield* machine.send({ type: "ASK", question: "again?" })
      const { context } = yield* listener.until((snapshot) => snapshot.context.heard.length === 2)
      expect(context.heard).toEqual([42, 42])
    }).pipe(Effect.provide(shell(wiring)))
  )

  it.effect("writes every transition to the journal, with the fields that may be seen and no others", () =>
    Effect.gen(function* () {
      const time = yield* TestTime
      const machine = yield* asker(() => Effect.succeed(42), { visible: ["answer"], instance: "one" })
      yield* time.adjust(1_000)
      yield* machine.send({ type: "STOP" })
      yield* machine.send({ type: "ASK", question: "why?" })
      yield* machine.until((snapshot) => snapshot.context.answer === 42)
      const journal = yield* Journal
      const entries = yield* journal.entries("asker", "one")
      expect(entries.map(({ event, from, to, changed, uptime }) => [event, from, to, changed, uptime])).toEqual([
        ["xstate.init", "", "idle", true, 0],
        ["STOP", "idle", "idle", false, 1_000],
        ["ASK", "idle", "asking", true, 1_000],
        ["xstate.done.actor.0.asker.asking", "asking", "idle", true, 1_000]
      ])
      expect(entries.at(-1)?.visible).toEqual({ answer: 42 })
      expect(yield* journal.states).toEqual([
        { machine: "asker", instance: "one", state: "idle", visible: { answer: 42 } }
      ])
    }).pipe(Effect.provide(shell()))
  )

  it.effect("stops the daemon when a machine ends that must not, and says how it came to that", () =>
    Effect.gen(function* () {
      const machine = yield* asker(() => Effect.never)
      yield* machine.send({ type: "FINISH" })
      const broken = yield* Effect.flip((yield* Switchboard).fatal)
      expect(broken._tag).toBe("MachineBroke")
      expect(broken.message).toContain('reached the final state "finished"')
      expect(broken.trace).toEqual(["xstate.init:  -> idle", "FINISH: idle -> finished"])
    }).pipe(Effect.provide(shell()), quiet)
  )

  it.effect("lets a machine end that may", () =>
    Effect.gen(function* () {
      const time = yield* TestTime
      const machine = yield* asker(() => Effect.never, { mayEnd: true })
      yield* machine.send({ type: "FINISH" })
      const { value } = yield* machine.until((snapshot) => snapshot.status === "done")
      expect(value).toBe("finished")
      const fatal = yield* Effect.forkChild((yield* Switchboard).fatal)
      yield* time.adjust(1_000)
      expect(fatal.pollUnsafe()).toBeUndefined()
    }).pipe(Effect.provide(shell()))
  )

  it.effect("stops the daemon when an action has a bug", () =>
    Effect.gen(function* () {
      const machine = yield* interpret({ machine: Asker }, undefined, {
        tasks: { ask: () => Effect.succeed(1) },
        actions: { tell: () => Effect.die("a bug"), left: () => Effect.void }
      })
      yield* machine.send({ type: "ASK", question: "why?" })
      const broken = yield* Effect.flip((yield* Switchboard).fatal)
      expect(broken.message).toContain("a bug")
    }).pipe(Effect.provide(shell()), quiet)
  )

  it.effect("shows the current snapshot first and then each later one", () =>
    Effect.gen(function* () {
      const time = yield* TestTime
      const machine = yield* asker(() => Effect.never)
      yield* time.adjust(0)
      const seen: Array<string> = []
      yield* machine.changes.pipe(
        Stream.runForEach((snapshot) => Effect.sync(() => void seen.push(stateName(snapshot.value)))),
        Effect.forkChild
      )
      yield* time.adjust(0)
      yield* machine.send({ type: "ASK", question: "why?" })
      yield* machine.send({ type: "STOP" })
      yield* time.adjust(0)
      expect(seen).toEqual(["idle", "asking", "idle"])
    }).pipe(Effect.provide(shell()))
  )

  it.live("runs in real time too", () =>
    Effect.gen(function* () {
      const machine = yield* asker(() => Effect.delay(Effect.succeed(7), 20))
      yield* machine.send({ type: "ASK", question: "why?" })
      const { context } = yield* machine.until((snapshot) => snapshot.context.answer === 7)
      expect(context.answer).toBe(7)
    }).pipe(Effect.provide(Layer.mergeAll(Journal.layer, Switchboard.layer({}), Uptime.layer)), Effect.scoped)
  )
})
