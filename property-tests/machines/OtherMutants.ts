/** Wrong versions of ConfigPull, Join and Daemon, and the properties that tell them from the right ones. */
import { assign, type AnyStateMachine } from "xstate"
import type { ConfigPullContext } from "../../machines/index.ts"
import { mutantOf, withDelay, withGuards, withState, type Written } from "./Edit.ts"
import type { Mutant } from "./Mutant.ts"

const pull = mutantOf("configPull")
const join = mutantOf("join")
const daemon = mutantOf("daemon")

/** Rewrites the transitions of the poll's answer, by guard (`""`: the last one, which has none). */
const answers = (machine: AnyStateMachine, change: (transition: Written) => Written): AnyStateMachine =>
  withState(machine, "pull.polling", (state) => ({
    ...state,
    invoke: { ...state["invoke"], onDone: state["invoke"].onDone.map(change) }
  }))

const withoutAction = (transition: Written, type: string): Written => ({
  ...transition,
  actions: [transition["actions"]].flat().filter((action: any) => action !== type && action.type !== type)
})
const withAction = (transition: Written, type: string): Written => ({
  ...transition,
  actions: [transition["actions"]].flat().concat({ type })
})
const forget =
  (fields: (context: any) => object): ((transition: Written) => Written) =>
  (transition) => ({
    ...transition,
    actions: [transition["actions"]].flat().concat(assign(({ context }: any) => fields(context)))
  })
const onAnswer = (guard: string, change: (transition: Written) => Written) => (transition: Written) =>
  (transition["guard"] ?? "") === guard ? change(transition) : transition

export const CONFIG_PULL_MUTANTS: ReadonlyArray<Mutant> = [
  pull("a 304 does not reset the ladder", ["delaysByTheTable"], (machine) => {
    let before = 0
    return withState(
      answers(
        machine,
        onAnswer(
          "unchanged",
          forget(() => ({ failures: before }))
        )
      ),
      "pull.waiting",
      (state) => ({
        ...state,
        entry: [
          state["entry"],
          assign(({ context }: any) => {
            before = (context as ConfigPullContext).failures
            return {}
          })
        ]
      })
    )
  }),
  pull("machines that began together march in step", ["delaysByTheTable", "partsAtOnce"], (machine) =>
    withDelay(machine, "pollDelay", ({ context }) =>
      context.apart && context.problem === null ? context.intervalMs : context.delayMs
    )
  ),
  pull("machines that waited for central together march in step", ["delaysByTheTable"], (machine) =>
    answers(
      machine,
      onAnswer(
        "",
        forget(() => ({ apart: true }))
      )
    )
  ),
  pull("Retry-After is ignored", ["retryAfterHonoured"], (machine) =>
    answers(
      machine,
      onAnswer(
        "throttled",
        forget(() => ({ delayMs: 30_000, held: false }))
      )
    )
  ),
  pull("a poll that was asked for overrides Retry-After", ["retryAfterHonoured"], (machine) =>
    withGuards(machine, { mayAsk: () => true })
  ),
  pull("a Retry-After of a year is honoured", ["retryAfterHonoured"], (machine) =>
    answers(
      machine,
      onAnswer(
        "throttled",
        forget((context) => (context.held ? { delayMs: 31_536_000_000 } : {}))
      )
    )
  ),
  pull("a 401 is retried for ever", ["unauthorizedOnce"], (machine) =>
    withState(machine, "pull.polling", (state) => ({
      ...state,
      entry: [state["entry"], assign({ retried: false })]
    }))
  ),
  pull("a 401 is polled again without a new identity", ["noSpin"], (machine) =>
    withState(machine, "pull.refreshing", (state) => ({ ...state, always: "polling" }))
  ),
  pull("a defect is polled again at once", ["noSpin", "delaysByTheTable"], (machine) =>
    withDelay(machine, "pollDelay", ({ context }) => (context.problem === "Defect" ? 0 : context.delayMs))
  ),
  pull("a 404 confirms", ["confirmsByTheTable"], (machine) =>
    answers(
      machine,
      onAnswer("notFound", (transition) => withAction(transition, "confirmPoll"))
    )
  ),
  pull("a 429 confirms", ["confirmsByTheTable"], (machine) =>
    answers(
      machine,
      onAnswer("throttled", (transition) => withAction(transition, "confirmPoll"))
    )
  ),
  pull("a good 200 does not confirm", ["confirmsByTheTable"], (machine) =>
    answers(
      machine,
      onAnswer("good", (transition) => withoutAction(transition, "confirmPoll"))
    )
  ),
  pull("a good 200 is not staged", ["stagesByTheTable"], (machine) =>
    answers(
      machine,
      onAnswer("good", (transition) => withoutAction(transition, "offerRevision"))
    )
  ),
  pull("a 404 is asked again by the ladder", ["delaysByTheTable"], (machine) =>
    answers(
      machine,
      onAnswer(
        "notFound",
        forget(() => ({ delayMs: 30_000 }))
      )
    )
  ),
  pull("the ladder has no end", ["delaysByTheTable"], (machine) =>
    withDelay(machine, "pollDelay", ({ context }) =>
      context.failures >= 4 && !context.held ? context.delayMs * 10 : context.delayMs
    )
  ),
  pull("an error does not settle the poll", ["settlesOnce"], (machine) =>
    answers(
      machine,
      onAnswer("", (transition) => withoutAction(transition, "pollSettled"))
    )
  ),
  pull("a gap during a poll is not noticed", ["settlesOnce"], (machine) =>
    withState(machine, "pull", (state) => ({ ...state, on: { ...state["on"], GAP: {} } }))
  ),
  pull("stopping waits for the poll", ["stopsInTime"], (machine) => withDelay(machine, "stopGrace", () => 30_000)),
  pull("stopping cuts the poll", ["stopsInTime"], (machine) =>
    withState(machine, "pull.polling", (state) => ({ ...state, on: {} }))
  )
]

export const JOIN_MUTANTS: ReadonlyArray<Mutant> = [
  join("an identity that was found resets the ladder", ["joinClimbs"], (machine) =>
    withState(machine, "enrolled", (state) => ({
      ...state,
      entry: [state["entry"], assign({ attempt: 0 })]
    }))
  ),
  join("the ladder has one rung", ["joinClimbs"], (machine) => withDelay(machine, "retry", () => 5_000)),
  join("a refused refresh is tried again at once", ["joinIsCalm"], (machine) =>
    withState(machine, "retrying", (state) => ({ ...state, always: "refreshing" }))
  ),
  join("tokens of no life are refreshed per breath", ["joinIsCalm"], (machine) =>
    withDelay(machine, "refreshDue", () => 0)
  ),
  join("a dead credential is given up", ["joinNeverStuck"], (machine) =>
    withState(machine, "credentialDead", (state) => ({ ...state, after: {} }))
  ),
  join("a failed enrolment is given up", ["joinNeverStuck"], (machine) =>
    withState(machine, "seeded", (state) => ({ ...state, after: {} }))
  ),
  join("a token that came back is not seen", ["joinNeverStuck"], (machine) =>
    withGuards(machine, { tokenFound: () => false })
  ),
  join("a failed refresh is not told", ["joinAnswers"], (machine) =>
    withState(machine, "retrying", (state) => ({ ...state, entry: [], on: {} }))
  ),
  join("a dead credential is not told", ["joinAnswers"], (machine) =>
    withState(machine, "credentialDead", (state) => ({ ...state, entry: [], on: {} }))
  ),
  join("an unknown expiry is refreshed at every 401", ["joinUnknownExpiry"], (machine) =>
    withGuards(machine, { refreshSpent: () => false })
  ),
  join("a known identity is enrolled again at every start", ["recovers"], (machine) =>
    withGuards(machine, { identityFound: () => false })
  )
]

export const DAEMON_MUTANTS: ReadonlyArray<Mutant> = [
  daemon("plugins load before the line to central is up", ["daemonStarts"], (machine) =>
    withState(
      withState(
        withState(machine, "booting.evaluated", () => ({ always: "loading" })),
        "booting.loading",
        (state) => ({ ...state, invoke: { ...state["invoke"], onDone: "connecting", onError: "connecting" } })
      ),
      "booting.opening",
      (state) => ({ ...state, invoke: { ...state["invoke"], onDone: "#daemon.running", onError: "#daemon.running" } })
    )
  ),
  daemon("the identity is asked for before the poll loop listens", ["daemonStarts"], (machine) =>
    withState(machine, "booting.connecting", (state) => ({ ...state, entry: state["entry"].toReversed() }))
  ),
  daemon("a taken port ends the boot", ["daemonStarts"], (machine) =>
    withState(machine, "booting.opening", (state) => ({
      ...state,
      invoke: { ...state["invoke"], onError: "#daemon.stopping" }
    }))
  ),
  daemon("a broken plugin host ends the boot", ["daemonStarts"], (machine) =>
    withState(machine, "booting.loading", (state) => ({
      ...state,
      invoke: { ...state["invoke"], onError: "#daemon.stopping" }
    }))
  ),
  daemon("a crash loop is not slowed down", ["daemonBacksOff"], (machine) =>
    withGuards(machine, { mustBackOff: () => false })
  ),
  daemon("every start waits", ["daemonBacksOff"], (machine) => withGuards(machine, { mustBackOff: () => true })),
  daemon("back-off has no bound", ["daemonBacksOff"], (machine) =>
    withDelay(machine, "backOff", ({ context }) => 1_000 * 2 ** (context.boot?.unexplained ?? 0))
  ),
  daemon("a plugin that hangs at the end holds the process", ["daemonStops"], (machine) =>
    withState(machine, "stopping", (state) => ({ ...state, after: {} }))
  ),
  daemon("a config engine that does not answer holds the process", ["daemonStops"], (machine) =>
    withState(
      withState(machine, "stopping", (state) => ({ ...state, after: {} })),
      "stopping.recording",
      (state) => ({
        ...state,
        after: {}
      })
    )
  ),
  daemon("a stop after a restart exits with 75", ["daemonStops"], (machine) =>
    withState(machine, "", (state) => ({
      ...state,
      on: { ...state["on"], STOP_REQUESTED: {} },
      states: { ...state["states"], booting: { ...state["states"].booting, on: {} } }
    }))
  ),
  daemon("a restart asked for during boot is forgotten", ["daemonRestarts"], (machine) =>
    withState(machine, "booting", (state) => ({ ...state, on: { ...state["on"], RESTART_REQUESTED: {} } }))
  ),
  daemon("a restart cuts the boot", ["daemonRestarts"], (machine) =>
    withState(machine, "booting", (state) => ({
      ...state,
      on: {
        ...state["on"],
        RESTART_REQUESTED: { target: "stopping", actions: assign(({ event }: any) => ({ restart: event.reason })) }
      }
    }))
  ),
  daemon("polling ends before the exit is recorded", ["daemonShutsInOrder"], (machine) =>
    withState(
      withState(
        withState(machine, "stopping", (state) => ({ ...state, initial: "endingPull" })),
        "stopping.endingPull",
        (state) => ({ ...state, on: { PULL_STOPPED: "recording" }, after: { stopPullBound: "recording" } })
      ),
      "stopping.recording",
      (state) => ({ ...state, on: { CONFIG_CLOSED: "endingJoin" }, after: { closeConfigBound: "endingJoin" } })
    )
  ),
  daemon("leaving is not told", ["daemonShutsInOrder"], (machine) => withGuards(machine, { leaving: () => false })),
  daemon("a safe start is forgiven like another", ["daemonForgives"], (machine) =>
    withGuards(machine, { safeStart: () => false })
  ),
  daemon("running time of earlier processes does not count", ["daemonForgives"], (machine) =>
    withDelay(machine, "stable", () => 600_000)
  ),
  daemon("plugins never settle", ["recovers"], (machine) =>
    withState(machine, "running", (state) => ({ ...state, entry: [] }))
  )
]
