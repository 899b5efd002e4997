/** A chart with everything that the core and the shell must get right: chains, tasks, guards, nesting, parallel parts. */
import { assign, setup } from "xstate"
import { action, failureOf, outputOf, task } from "../../machines/index.ts"
import type { Chart } from "../../src/statechart/index.ts"

export interface SampleFacts {
  readonly attempts: number
  readonly watching: boolean
}

export const ATTEMPTS_MAX = 3
export const CHAIN_MS = 1_500

const sampleSetup = setup({
  types: {
    context: {} as { readonly attempts: number; readonly last: string; readonly watching: boolean },
    events: {} as
      | { readonly type: "GO" }
      | { readonly type: "AGAIN" }
      | { readonly type: "RESET" }
      | { readonly type: "TOGGLE" }
      | { readonly type: "CHAIN" },
    input: {} as SampleFacts,
    tags: {} as "busy"
  },
  actors: {
    fetch: task<{ readonly attempt: number }, { readonly good: boolean; readonly text: string }>(),
    listen: task(),
    race: task<undefined, string>()
  },
  actions: {
    noted: action<{ readonly what: string; readonly attempts: number }>(),
    entered: action<{ readonly state: string }>(),
    left: action<{ readonly state: string }>(),
    expired: action<{ readonly early: boolean }>()
  },
  guards: {
    good: ({ event }) => outputOf<{ readonly good: boolean }>(event).good,
    exhausted: ({ context }) => context.attempts >= ATTEMPTS_MAX,
    retryable: ({ event }) => failureOf(event).retryable,
    watching: ({ context }) => context.watching
  },
  delays: {
    timeout: 5_000,
    backoff: ({ context }) => 1_000 * context.attempts,
    chain: CHAIN_MS,
    expiry: 60_000
  }
})

export const Sample = sampleSetup.createMachine({
  id: "sample",
  context: ({ input }) => ({ attempts: input.attempts, last: "", watching: input.watching }),
  type: "parallel",
  on: { RESET: { target: [".work.idle", ".watch.off"], actions: assign({ attempts: 0, last: "reset" }) } },
  states: {
    work: {
      initial: "idle",
      states: {
        idle: { on: { GO: "fetching", CHAIN: "chained" } },
        fetching: {
          tags: "busy",
          entry: { type: "entered", params: { state: "fetching" } },
          exit: { type: "left", params: { state: "fetching" } },
          invoke: {
            id: "fetch",
            src: "fetch",
            input: ({ context }) => ({ attempt: context.attempts }),
            onDone: [
              {
                guard: "good",
                target: "chained",
                actions: [
                  assign({ last: ({ event }) => event.output.text, attempts: 0 }),
                  {
                    type: "noted",
                    params: ({ context, event }) => ({ what: event.output.text, attempts: context.attempts })
                  }
                ]
              },
              { target: "backoff", actions: assign({ last: ({ event }) => event.output.text }) }
            ],
            onError: [
              {
                guard: "retryable",
                target: "backoff",
                actions: assign({ last: ({ event }) => failureOf(event).message })
              },
              { target: "broken", actions: assign({ last: ({ event }) => failureOf(event)._tag }) }
            ]
          },
          after: {
            timeout: { target: "backoff", actions: { type: "noted", params: { what: "timeout", attempts: -1 } } }
          },
          on: { AGAIN: { target: "fetching", reenter: true } }
        },
        backoff: {
          entry: assign({ attempts: ({ context }) => Math.min(context.attempts + 1, ATTEMPTS_MAX) }),
          always: { guard: "exhausted", target: "broken" },
          after: { backoff: "fetching" }
        },
        chained: {
          initial: "first",
          invoke: { id: "race", src: "race", onDone: "idle", onError: "idle" },
          states: {
            first: { after: { chain: "second" }, exit: { type: "left", params: { state: "first" } } },
            second: { after: { chain: "third" }, exit: { type: "left", params: { state: "second" } } },
            third: {
              after: {
                chain: {
                  target: "#sample.work.idle",
                  actions: { type: "noted", params: { what: "chain", attempts: 0 } }
                }
              }
            }
          }
        },
        broken: { entry: { type: "entered", params: { state: "broken" } }, on: { GO: "idle" } }
      }
    },
    watch: {
      initial: "off",
      states: {
        off: { always: { guard: "watching", target: "on" }, on: { TOGGLE: "on" } },
        on: {
          entry: assign({ watching: false }),
          invoke: { id: "listen", src: "listen", onDone: "off", onError: "off" },
          after: { expiry: { target: "off", actions: { type: "expired", params: { early: false } } } },
          on: { TOGGLE: { target: "off", actions: { type: "expired", params: { early: true } } } }
        }
      }
    }
  }
})

export const sample: Chart<typeof Sample> = { machine: Sample, calendarDelays: ["expiry"] }
