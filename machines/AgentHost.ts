/**
 * The process that runs one agent file, as the file was when it was loaded: when it starts, what it is given, when it is
 * ended, and what becomes of each call whatever the file does.
 *
 * @ref LLP 0024#the-chart [implements]: one call at a time, each with its own bound and its own end
 */
import { assign } from "xstate"
import { type AgentHostContext, agentHostSetup, HOST_LADDER_MS, type HostTrouble } from "./AgentHostSetup.ts"
import { failureOf, outputOf } from "./Task.ts"

interface Args {
  readonly context: AgentHostContext
  readonly event: unknown
}

type Reason = (args: Args) => HostTrouble

const because = (failure: HostTrouble["failure"], message: string) => (): HostTrouble => ({ failure, message })

const secondsOf = (ms: number): string => `${ms / 1_000} s`

const tooSlowToLoad: Reason = ({ context }) => ({
  failure: "deadline",
  message: `the file was not loaded within ${secondsOf(context.startMs)}: do at import only what takes no time`
})
const tooSlow: Reason = ({ context }) => ({
  failure: "deadline",
  message: `the call took longer than ${secondsOf(context.callMs)}, and its process was ended: ask for less at once`
})
const astray = because("failed", "its process answered what nobody asked, and was ended")
const changed = because("changed", "the file has changed")
const fault: Reason = ({ event }) => {
  const { failure, message } = event as HostTrouble
  return { failure, message }
}
const ended: Reason = ({ event }) => outputOf<HostTrouble>(event)
const defective: Reason = ({ event }) => ({ failure: "failed", message: failureOf(event).message })
const known: Reason = ({ context }) => context.trouble ?? { failure: "failed", message: "the file cannot be loaded" }

/** A load in vain, and why. */
const inVain =
  (reason: Reason) =>
  (args: Args): Partial<AgentHostContext> => ({
    trouble: reason(args),
    failures: Math.min(args.context.failures + 1, HOST_LADDER_MS.length)
  })

const refuse = (calls: (args: Args) => ReadonlyArray<number>, reason: Reason) =>
  ({ type: "refuse", params: (args: Args) => ({ calls: calls(args), ...reason(args) }) }) as const

const allWaiting = ({ context }: Args): ReadonlyArray<number> => context.waiting
const theNewOne = ({ event }: Args): ReadonlyArray<number> => [(event as { readonly call: number }).call]

/** The process is of no use any more, which costs the call that it performs, if any, and no other. */
const lost = (reason: Reason) =>
  ({
    target: "#agentHost.absent",
    actions: refuse(({ context: { current } }) => (current === null ? [] : [current]), reason)
  }) as const

export const AgentHost = agentHostSetup.createMachine({
  id: "agentHost",
  description: "When does an agent's process run, and what becomes of each call?",
  context: ({ input }) => ({
    ...input,
    process: 0,
    waiting: [],
    current: null,
    loaded: false,
    retiring: false,
    failures: 0,
    trouble: null
  }),
  initial: "absent",
  states: {
    absent: {
      description: "No process runs; the first call starts one.",
      entry: assign({ current: null, loaded: false }),
      always: [
        { guard: "isRetiring", target: "retired" },
        { guard: "hasWaiting", target: "alive" }
      ],
      on: {
        CALL: { target: "alive", actions: assign({ waiting: ({ event }) => [event.call] }) },
        RETIRE: "retired"
      }
    },
    alive: {
      description: "One process runs. Leaving this state kills it.",
      initial: "starting",
      entry: assign({ process: ({ context }) => context.process + 1 }),
      // What goes wrong before the file is loaded is wrong with the file.
      invoke: {
        src: "host",
        input: ({ context }) => ({ process: context.process }),
        onDone: [{ guard: "isLoading", target: "#agentHost.broken", actions: assign(inVain(ended)) }, lost(ended)],
        onError: [
          { guard: "isLoading", target: "#agentHost.broken", actions: assign(inVain(defective)) },
          lost(defective)
        ]
      },
      on: {
        CALL: [
          { guard: "isRetiring", actions: refuse(theNewOne, changed) },
          { actions: assign({ waiting: ({ context, event }) => [...context.waiting, event.call] }) }
        ],
        CANCEL: {
          actions: assign({ waiting: ({ context, event }) => context.waiting.filter((call) => call !== event.call) })
        },
        FAULT: [
          { guard: "isLate" },
          { guard: "isLoading", target: "#agentHost.broken", actions: assign(inVain(fault)) },
          lost(fault)
        ],
        // Of no call that is being performed.
        ANSWERED: [
          { guard: "isLate" },
          { guard: "isLoading", target: "#agentHost.broken", actions: assign(inVain(astray)) },
          lost(astray)
        ],
        RETIRE: { actions: [refuse(allWaiting, changed), assign({ waiting: [], retiring: true })] }
      },
      states: {
        starting: {
          description: "The file is being loaded.",
          always: { guard: "isRetiring", target: "#agentHost.absent" },
          on: {
            LOADED: [
              { guard: "isLate" },
              { target: "ready", actions: assign({ loaded: true, failures: 0, trouble: null }) }
            ]
          },
          after: { startBound: { target: "#agentHost.broken", actions: assign(inVain(tooSlowToLoad)) } }
        },
        ready: {
          description: "The file is loaded, and nobody asks for anything.",
          entry: assign({ current: null }),
          always: [
            { guard: "isRetiring", target: "ending" },
            { guard: "hasWaiting", target: "busy" }
          ],
          after: { idle: "ending" }
        },
        busy: {
          description: "One call is being performed; others wait.",
          entry: [
            assign({
              current: ({ context }) => context.waiting[0] ?? null,
              waiting: ({ context }) => context.waiting.slice(1)
            }),
            { type: "perform", params: ({ context }: Args) => ({ call: context.current ?? 0 }) }
          ],
          on: {
            ANSWERED: {
              guard: "isCurrent",
              target: "ready",
              actions: { type: "deliver", params: ({ event }) => ({ call: event.call }) }
            },
            // Nothing but its end stops a process that performs a call.
            CANCEL: { guard: "isCurrent", target: "#agentHost.absent" }
          },
          after: { callBound: lost(tooSlow) }
        },
        ending: {
          description: "It is asked to end, so that it can tidy up. Whoever calls meanwhile gets the next one.",
          entry: "endHost",
          after: { endBound: "#agentHost.absent" }
        }
      }
    },
    broken: {
      description: "The file could not be loaded. Whoever calls is told why; it is tried again later.",
      entry: [refuse(allWaiting, known), assign({ waiting: [] })],
      on: {
        CALL: { actions: refuse(theNewOne, known) },
        RETIRE: "retired"
      },
      after: { ladder: "absent" }
    },
    retired: {
      description: "The file has changed, or is gone: this host is never started again.",
      tags: "closed",
      on: { CALL: { actions: refuse(theNewOne, changed) } }
    }
  }
})
