/** Small machines for the tests of the shell. */
import { assign, setup } from "xstate"
import { action, failureOf, type TaskFailure, task } from "../../machines/index.ts"

/** Asks a question, remembers the answer or the failure, and tells about it. */
export const Asker = setup({
  types: {
    context: {} as { readonly answer: number; readonly failure: TaskFailure | null; readonly secret: string },
    events: {} as
      | { readonly type: "ASK"; readonly question: string }
      | { readonly type: "STOP" }
      | { readonly type: "FINISH" },
    tags: {} as "busy"
  },
  actors: { ask: task<{ readonly question: string }, number>() },
  actions: { tell: action<{ readonly answer: number }>(), left: action() }
}).createMachine({
  id: "asker",
  context: { answer: 0, failure: null, secret: "s3cret" },
  initial: "idle",
  states: {
    idle: { on: { ASK: "asking", FINISH: "finished" } },
    asking: {
      tags: "busy",
      exit: "left",
      invoke: {
        src: "ask",
        input: ({ event }) => ({ question: event.type === "ASK" ? event.question : "" }),
        onDone: {
          target: "idle",
          actions: [
            assign({ answer: ({ event }) => event.output }),
            { type: "tell", params: ({ event }) => ({ answer: event.output }) }
          ]
        },
        onError: { target: "idle", actions: assign({ failure: ({ event }) => failureOf(event) }) }
      },
      after: { 10_000: "idle" },
      on: { STOP: "idle", ASK: { target: "asking", reenter: true } }
    },
    finished: { type: "final" }
  }
})

/** Says what it hears. */
export const Listener = setup({
  types: {
    context: {} as { readonly heard: ReadonlyArray<number> },
    events: {} as { readonly type: "HEARD"; readonly answer: number }
  }
}).createMachine({
  id: "listener",
  context: { heard: [] },
  on: { HEARD: { actions: assign({ heard: ({ context, event }) => [...context.heard, event.answer] }) } }
})
