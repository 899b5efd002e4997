import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import type { AnyStateMachine, AnyStateNode } from "xstate"
import { catalogue } from "../../machines/index.ts"
import { interpret, Journal, Switchboard, transitionName } from "../../src/statechart/index.ts"
import { TestTime } from "../../src/statechart/TestTime.ts"
import { Asker, Listener } from "./Machines.ts"

const coverage: Readonly<Record<string, { readonly paths: Readonly<Record<string, unknown>> }>> = JSON.parse(
  readFileSync(new URL("../../llp/machines/coverage.json", import.meta.url), "utf8")
)

const namesIn = (node: AnyStateNode): ReadonlyArray<string> => [
  ...[...node.transitions.values(), node.always ?? []].flat().map(transitionName),
  ...Object.values(node.states).flatMap(namesIn)
]

describe("the name of a transition", () => {
  it.each(catalogue.map(({ id }) => id))("is the one that coverage knows it by, all over %s", (id) => {
    const machine: AnyStateMachine = catalogue.find((one) => one.id === id)!.machine
    expect([...namesIn(machine.root)].toSorted()).toEqual(Object.keys(coverage[id]?.paths ?? {}).toSorted())
  })
})

describe("the journal", () => {
  const wiring = { asker: { tell: ["listener", "HEARD"] } } as const
  const shell = Layer.mergeAll(Journal.layer, Switchboard.layer(wiring), TestTime.layer)

  it.effect("says of each entry who sent the event, and which transitions were taken", () =>
    Effect.gen(function* () {
      const time = yield* TestTime
      const journal = yield* Journal
      let answers = 0
      const machine = yield* interpret({ machine: Asker }, undefined, {
        tasks: { ask: () => (answers++ === 0 ? Effect.succeed(42) : Effect.never) },
        actions: { tell: () => Effect.void, left: () => Effect.void }
      })
      yield* interpret({ machine: Listener }, undefined, { tasks: {}, actions: {} })
      yield* machine.send({ type: "ASK", question: "why?" })
      yield* time.adjust(0)
      yield* machine.send({ type: "ASK", question: "again?" }, "signal")
      yield* time.adjust(60_000)
      yield* machine.send({ type: "STOP" })
      yield* time.adjust(0)
      const told = (yield* journal.entries()).map(({ cause, changed, machine: of, transitions }) => [
        of,
        cause,
        changed,
        ...transitions()
      ])
      expect(told.filter(([of]) => of === "asker")).toEqual([
        ["asker", "start", true],
        ["asker", "operator", true, "idle · ASK"],
        ["asker", "task ask", true, "asking · ask done"],
        ["asker", "signal", true, "idle · ASK"],
        ["asker", "timer", true, "asking · after 10000"],
        ["asker", "operator", false]
      ])
      expect(told.filter(([of]) => of === "listener")).toEqual([
        ["listener", "start", true],
        ["listener", "machine asker", true, "(root) · HEARD"]
      ])
    }).pipe(Effect.provide(shell))
  )

  it.effect("gives a follower every entry once, wherever it begins", () =>
    Effect.gen(function* () {
      const time = yield* TestTime
      const journal = yield* Journal
      const machine = yield* interpret({ machine: Asker }, undefined, {
        tasks: { ask: () => Effect.never },
        actions: { tell: () => Effect.void, left: () => Effect.void }
      })
      yield* machine.send({ type: "ASK", question: "why?" })
      yield* time.adjust(0)
      const { entries, live, states } = yield* journal.follow
      expect(states).toMatchObject([{ machine: "asker", state: "asking" }])
      const seen = entries.map(({ event }) => event)
      yield* live.pipe(
        Stream.runForEach(({ event }) => Effect.sync(() => void seen.push(event))),
        Effect.forkChild
      )
      yield* machine.send({ type: "STOP" })
      yield* time.adjust(0)
      yield* machine.send({ type: "ASK", question: "why?" })
      yield* time.adjust(0)
      expect(seen).toEqual(["xstate.init", "ASK", "STOP", "ASK"])
    }).pipe(Effect.scoped, Effect.provide(shell))
  )
})
