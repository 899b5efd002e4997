/**
 * What AgentHost knows, hears and asks for; its bounds.
 *
 * A call is a number; what it is about, and what came of it, stays with the service.
 */
import { setup } from "xstate"
import { rung } from "./ConfigFacts.ts"
import { action, task } from "./Task.ts"

/** What a host may take to load its file, in milliseconds. */
export const HOST_START_MS = 30_000
/** What one call may take. */
export const HOST_CALL_MS = 60_000
/** A host that nobody has called for so long is ended. */
export const HOST_IDLE_MS = 60_000
/** A host that was asked to end is killed after so long. */
export const HOST_END_MS = 2_000
/** A file that could not be loaded is not tried again for so long, each time longer; the last one repeats. */
export const HOST_LADDER_MS = [10_000, 60_000, 300_000] as const

/** Why a call has no answer of its agent's. */
export const HOST_FAILURES = [
  /** The file could not be loaded, or its host said what is no answer. */
  "failed",
  /** The process ended. */
  "exited",
  "deadline",
  "memory",
  "output",
  /** The file is another one by now: the call belongs to the host of that. */
  "changed"
] as const
export type HostFailure = (typeof HOST_FAILURES)[number]

/** How long things may take, in elapsed milliseconds. */
export interface HostLimits {
  readonly startMs: number
  readonly callMs: number
  readonly idleMs: number
}

/** Why, for the model and for people. */
export interface HostTrouble {
  readonly failure: HostFailure
  readonly message: string
}

export interface AgentHostContext extends HostLimits {
  /** Which process it is: what an earlier one has said may come late. */
  readonly process: number
  /** Calls that wait for their turn, the first to come first. */
  readonly waiting: ReadonlyArray<number>
  /** The call that the process performs. */
  readonly current: number | null
  /** The process has loaded the file. */
  readonly loaded: boolean
  /** The file has changed, or is gone: nothing new is begun. */
  readonly retiring: boolean
  /** Loads in vain, one after another. */
  readonly failures: number
  /** Why the last one was in vain. */
  readonly trouble: HostTrouble | null
}

/** What of its context may be shown. */
export const AGENT_HOST_VISIBLE = [
  "process",
  "waiting",
  "current",
  "retiring",
  "failures",
  "trouble"
] as const satisfies ReadonlyArray<keyof AgentHostContext>

export type AgentHostEvent =
  | { readonly type: "CALL"; readonly call: number }
  /** Nobody waits for it any more. */
  | { readonly type: "CANCEL"; readonly call: number }
  | { readonly type: "LOADED"; readonly process: number }
  | { readonly type: "ANSWERED"; readonly process: number; readonly call: number }
  /** The file cannot be loaded; or the process says what is no answer, or takes more than it may. */
  | ({ readonly type: "FAULT"; readonly process: number } & HostTrouble)
  /** The file has changed, or is gone. */
  | { readonly type: "RETIRE" }

interface Args {
  readonly context: AgentHostContext
  readonly event: AgentHostEvent
}

const isLate = ({ context, event }: Args): boolean => "process" in event && event.process !== context.process

export const agentHostSetup = setup({
  types: {
    context: {} as AgentHostContext,
    events: {} as AgentHostEvent,
    input: {} as HostLimits,
    tags: {} as "closed"
  },
  actors: {
    /** Runs the process, and ends with it; whoever interrupts it has killed the process and all that it started. */
    host: task<{ readonly process: number }, HostTrouble>()
  },
  actions: {
    /** The call is given to the process. */
    perform: action<{ readonly call: number }>(),
    /** What the process answered is handed to whoever asked. */
    deliver: action<{ readonly call: number }>(),
    /** Whoever asked is told why there is no answer. */
    refuse: action<{ readonly calls: ReadonlyArray<number> } & HostTrouble>(),
    /** The process is asked to end. */
    endHost: action()
  },
  guards: {
    hasWaiting: ({ context }) => context.waiting.length > 0,
    isCurrent: (args: Args) => "call" in args.event && args.event.call === args.context.current && !isLate(args),
    isLate,
    isLoading: ({ context }) => !context.loaded,
    isRetiring: ({ context }) => context.retiring
  },
  delays: {
    startBound: ({ context }) => context.startMs,
    callBound: ({ context }) => context.callMs,
    idle: ({ context }) => context.idleMs,
    endBound: HOST_END_MS,
    ladder: ({ context }) => rung(HOST_LADDER_MS, Math.max(0, context.failures - 1))
  }
})
