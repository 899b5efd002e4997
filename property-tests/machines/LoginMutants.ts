/** Wrong versions of DeviceLogin, the historic failures by their names, and the properties that tell them from it. */
import { assign } from "xstate"
import { invokes, withDelay, withGuards, withState, type Written } from "./Edit.ts"
import { and, answersOf, begun, begunInPlace, type In, login, onAnswer, savedOf, to, withInput } from "./LoginEdit.ts"
import { LOGIN_TOKEN_MUTANTS } from "./LoginTokenMutants.ts"
import type { Mutant } from "./Mutant.ts"

const HISTORIC: ReadonlyArray<Mutant> = [
  login("poller and reader race for one token", ["loginOneRequest", "loginTokenIsAnswered"], (machine) =>
    withState(machine, "flow.pending.polling", (state) => ({
      ...state,
      // The reader's request polls by itself, and what it learns is lost on the poller.
      invoke: [
        state["invoke"],
        {
          id: "reader",
          src: "pollToken",
          input: state["invoke"].input,
          onDone: { actions: assign({}) },
          onError: { actions: assign({}) }
        }
      ]
    }))
  ),
  login("expired during a slow exchange", ["loginNoFalseExpiry", "loginTokenIsAnswered"], (machine) =>
    withState(machine, "exchange", (state) => ({
      ...state,
      after: {
        // As long as the last wait for a poll: by then the code's life may be over.
        rest: {
          guard: "ofFlow",
          target: "settling",
          actions: assign(({ context: { flow } }: In) => ({
            flow: flow === null ? null : { ...flow, phase: "expired" as const },
            candidate: null
          }))
        }
      }
    }))
  ),
  login("a poll in flight undoes a switch", ["loginFlowOwns"], (machine) =>
    withState(machine, "flow.pending.polling", (state) => ({ ...state, on: { START: begunInPlace } }))
  ),
  login("an old result leaks into the new flow", ["loginFlowOwns"], (machine) =>
    withState(machine, "exchange.asking", (state) => ({
      ...invokes(state, {
        onDone: answersOf(state, "onDone").map((answer) =>
          answer["guard"] === "session"
            ? and(({ context }: In) => ({
                flow: context.flow === null ? null : { ...context.flow, phase: "ok" as const }
              }))(answer)
            : answer
        )
      }),
      on: { START: begunInPlace }
    }))
  ),
  login("the refresh token of A is used for B", ["loginRefreshes"], (machine) =>
    withInput(machine, "exchange.refreshing", ({ context: { account, candidate } }) => ({
      handle: (account ?? candidate)?.handle ?? 0
    }))
  )
]

const POLLS: ReadonlyArray<Mutant> = [
  login("a new flow asks for its code while the old one is polled", ["loginOneRequest"], (machine) =>
    withState(machine, "flow.requesting", (state) => ({
      ...state,
      invoke: [
        state["invoke"],
        { id: "old", src: "pollToken", input: { flow: "" }, onDone: { actions: [] }, onError: { actions: [] } }
      ]
    }))
  ),
  login("polls come every five seconds, whatever the interval", ["loginPollsCalmly", "loginPollSpacing"], (machine) =>
    withDelay(machine, "pollDelay", () => 5_000)
  ),
  login("an answer is followed by a poll at once", ["loginPollsCalmly", "loginPollSpacing"], (machine) =>
    onAnswer(machine, "flow.pending.polling", "pending", (answer) => ({ ...answer, target: "polling", reenter: true }))
  ),
  login("slow_down is an answer like pending", ["loginPollsCalmly", "loginPollSpacing"], (machine) =>
    onAnswer(machine, "flow.pending.polling", "slowDown", ({ actions: _actions, ...answer }) => answer)
  ),
  login("slow_down takes the provider's interval, be it shorter", ["loginPollsCalmly", "loginPollSpacing"], (machine) =>
    onAnswer(
      machine,
      "flow.pending.polling",
      "slowDown",
      and(({ context: { flow }, event }: any) => {
        const wanted: number = event.output.intervalMs
        return flow !== null && wanted > 0 ? { flow: { ...flow, intervalMs: Math.min(wanted, flow.intervalMs) } } : {}
      })
    )
  ),
  login("a longer interval is not written", ["loginPollsCalmly", "loginPollSpacing"], (machine) =>
    withInput(machine, "flow.pending.slowing", ({ context }) => ({
      ...savedOf(context),
      flow: context.flow === null ? null : { ...context.flow, intervalMs: 1_000 }
    }))
  ),
  login("Retry-After of a poll is ignored", ["loginPollsCalmly", "loginPollSpacing"], (machine) =>
    onAnswer(
      machine,
      "flow.pending.polling",
      "",
      and(({ context: { flow } }: In) => ({ delayMs: (flow?.intervalMs ?? 0) + 100 }))
    )
  ),
  login("a poll comes after the deadline", ["loginPollsCalmly", "loginPollSpacing"], (machine) =>
    withGuards(machine, { overdue: () => false })
  ),
  login("the life of a code begins when it is on the disk", ["loginPollsCalmly", "loginPollSpacing"], (machine) =>
    onAnswer(
      withState(machine, "flow", (state) => {
        const { invoke } = state["states"].pending.states.keeping
        const shown = (answer: Written): Written => ({ ...answer, target: "pending.waiting" })
        const writing = { invoke: { ...invoke, onDone: shown(invoke.onDone), onError: shown(invoke.onError) } }
        return { ...state, states: { ...state["states"], writing } }
      }),
      "flow.requesting",
      "codeGiven",
      to("writing")
    )
  ),
  login("the deadline ends the flow with a poll in flight", ["loginNoFalseExpiry", "loginTokenIsAnswered"], (machine) =>
    withState(machine, "flow.pending", (state) => ({
      ...state,
      after: {
        codeLife: {
          target: "#deviceLogin.settling",
          actions: assign(({ context: { flow } }: In) => ({
            flow: flow === null ? null : { ...flow, phase: "expired" as const }
          }))
        }
      }
    }))
  ),
  login("back-off outlasts the deadline", ["loginNoFalseExpiry"], (machine) =>
    withState(machine, "flow.pending", (state) => ({ ...state, after: { codeLife: state["after"].codeLife } }))
  ),
  login("back-off has no bound", ["loginNoFalseExpiry"], (machine) =>
    onAnswer(
      machine,
      "flow.pending.polling",
      "",
      and(({ context }: In) => ({ delayMs: context.delayMs * 2 ** context.failures }))
    )
  )
]

const OWNERS: ReadonlyArray<Mutant> = [
  login("a new flow begins as the old one ended", ["loginFlowOwns"], (machine) =>
    withState(machine, "", (root) => ({
      ...root,
      on: {
        ...root["on"],
        START: {
          ...root["on"].START,
          actions: assign(({ context, event }: any) => ({
            ...begun(event.id, null),
            ...(context.flow === null ? {} : { flow: { ...context.flow, id: event.id } })
          }))
        }
      }
    }))
  ),
  login("a flow keeps the token of the one before", ["loginFlowOwns"], (machine) =>
    withState(machine, "exchange", (state) => ({
      ...state,
      on: {
        ...state["on"],
        START: {
          guard: "mayBegin",
          target: "#deviceLogin.flow",
          actions: assign(({ context: { flow }, event }: any) => {
            const { candidate: _candidate, ...facts } = begun(event.id, flow)
            return facts
          })
        }
      }
    }))
  ),
  login("a start always begins another flow", ["loginSingleFlight", "loginStartsAlways"], (machine) =>
    withGuards(machine, { mayBegin: ({ context, event }: any) => event.type === "START" && context.source === "login" })
  ),
  login("force supersedes nothing", ["loginSingleFlight", "loginStartsAlways"], (machine) =>
    withState(machine, "flow", (state) => ({ ...state, on: { ...state["on"], START: {} } }))
  ),
  login(
    "the token of a poll is kept by the flow, and not exchanged",
    ["loginTokenIsAnswered", "loginOneUserAction"],
    (machine) =>
      onAnswer(machine, "flow.pending.polling", "token", (answer) => ({ ...answer, target: "waiting", actions: [] }))
  ),
  login("an account without access counts as signed in", ["loginTokenIsAnswered"], (machine) =>
    onAnswer(
      machine,
      "exchange.asking",
      "noAccess",
      and(({ context: { flow } }: In) => ({
        flow: flow === null ? null : { ...flow, phase: "ok" as const, code: null }
      }))
    )
  ),
  login("a passing reason counts as no access", ["loginTokenIsAnswered"], (machine) =>
    onAnswer(
      machine,
      "exchange.asking",
      "",
      and(({ context: { flow } }: In) => ({
        flow: flow?.phase === "error" ? { ...flow, code: "no_access" } : flow
      }))
    )
  )
]

export const LOGIN_MUTANTS: ReadonlyArray<Mutant> = [...HISTORIC, ...POLLS, ...OWNERS, ...LOGIN_TOKEN_MUTANTS]
