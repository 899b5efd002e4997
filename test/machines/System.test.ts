import { describe, expect, it } from "vitest"
import { catalogue, wiring, type Wiring } from "../../machines/index.ts"
import type { ActionOf, WiredActionOf } from "../../src/statechart/index.ts"
import { definitionOf } from "../coverage/Definition.ts"
import type { AnyStateMachine } from "xstate"

type Entry = (typeof catalogue)[number]
type MachineOf<Id> = Extract<Entry, { readonly id: Id }>["machine"]

/** Exactly the actions that no wire carries: a new action must be wired, or be listed here. */
type Unwired = {
  readonly [Id in Entry["id"]]: ReadonlyArray<Exclude<ActionOf<MachineOf<Id>>["type"], WiredActionOf<MachineOf<Id>>>>
}

/** What the shell's handlers carry out: words for people, and the end of the process. */
const unwired: Unwired = {
  join: [],
  configPull: ["pollNoted"],
  configApply: ["note"],
  daemon: ["announce", "exit"],
  deviceLogin: [],
  tailer: ["restart"],
  run: ["drainTail"],
  agentHost: ["perform", "deliver", "refuse", "endHost"],
  ingest: ["forgetRows", "sendNoted"]
}

const WIRING: Wiring = wiring
const machineOf = (id: string): AnyStateMachine => {
  const found = catalogue.find((entry) => entry.id === id)
  if (found === undefined) throw new Error(`the wiring names ${id}, and the catalogue does not`)
  return found.machine as AnyStateMachine
}
const wires = Object.entries(WIRING).flatMap(([from, actions]) =>
  Object.entries(actions).map(([action, [to, event]]) => ({ from, action, to, event }))
)
const eventsOf = (id: string): ReadonlySet<string> =>
  new Set(
    definitionOf(machineOf(id))
      .transitions.filter(({ kind }) => kind === "on")
      .map(({ event }) => event)
  )

describe("the wiring between the machines", () => {
  it.each(wires)(
    "$from.$action, which $to hears as $event, starts at an action that $from declares",
    ({ action, from }) => {
      expect(Object.keys(machineOf(from).implementations.actions)).toContain(action)
    }
  )

  it.each(wires)("$from.$action is heard: $to handles $event somewhere", ({ event, to }) => {
    expect([...eventsOf(to)]).toContain(event)
  })

  it.each(catalogue.map(({ id }) => id))(
    "carries each action of %s, or leaves it to the shell, and never both",
    (id) => {
      const declared = Object.keys(machineOf(id).implementations.actions).toSorted()
      const wired = Object.keys(WIRING[id] ?? {})
      expect([...wired, ...unwired[id]].toSorted()).toEqual(declared)
    }
  )

  it("has no two wires for one action and no wire back to the same machine", () => {
    expect(wires.filter(({ from, to }) => from === to)).toEqual([])
    expect(new Set(wires.map(({ action, from }) => `${from}.${action}`)).size).toBe(wires.length)
  })

  it("leaves to the outside exactly the events that operators, signals and the clock bring", () => {
    const fromWires = new Set(wires.map(({ event, to }) => `${to}.${event}`))
    const outside = catalogue.flatMap(({ id }) =>
      [...eventsOf(id)].map((event) => `${id}.${event}`).filter((name) => !fromWires.has(name))
    )
    expect(outside.toSorted()).toEqual([
      "agentHost.ANSWERED",
      "agentHost.CALL",
      "agentHost.CANCEL",
      "agentHost.FAULT",
      "agentHost.LOADED",
      "agentHost.RETIRE",
      "configApply.GAP",
      "configApply.NORMAL_ASKED",
      "configApply.RETRY",
      "configPull.GAP",
      "daemon.INTERRUPTED_AGAIN",
      "daemon.STOP_REQUESTED",
      "deviceLogin.CANCEL",
      "deviceLogin.LOGOUT",
      "deviceLogin.RETRY",
      "deviceLogin.START",
      "deviceLogin.USE",
      "ingest.BEGIN",
      "ingest.END",
      "ingest.IDENTITY_READY",
      "ingest.RECORDED",
      "run.ALIVE",
      "run.CANCEL",
      "tailer.DRAIN",
      "tailer.FLUSHED",
      "tailer.FOUND",
      "tailer.GREW",
      "tailer.QUIET",
      "tailer.REACHED",
      "tailer.RECORD",
      "tailer.REPLACED",
      "tailer.SHRUNK",
      "tailer.SOUND",
      "tailer.TROUBLE",
      "tailer.VERIFIED"
    ])
  })
})
