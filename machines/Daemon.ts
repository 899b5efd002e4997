/**
 * The life of one process: boot, back-off, safe start, running, and an orderly end with a bound.
 *
 * The line to central comes up first, and nothing after it may take it down; a restart asked for during boot is parked
 * and replayed as the last step.
 *
 * @ref LLP 0005#the-chart [implements]: boot order, shutdown order, exit codes
 */
import { assign, setup } from "xstate"
import type { BootOutcome } from "./ConfigApplySetup.ts"
import { SAFE_HOLD_MS, STABLE_MS } from "./ConfigFacts.ts"
import { action, failureOf, task } from "./Task.ts"
import type { RestartReason } from "./Vocabulary.ts"

/** After an unexplained start the daemon waits 1, 2, 4 … s, at most this long. */
export const BACK_OFF_MAX_MS = 30_000
export const BACK_OFF_BASE_MS = 1_000
/** Bounds of the steps of a shutdown, in ms. */
export const CLOSE_CONFIG_MS = 5_000
export const STOP_PULL_MS = 2_000
export const SHUTDOWN_MS = 20_000
/** Exit codes: stopped in order, restart (EX_TEMPFAIL). */
export const EXIT_STOPPED = 0
export const EXIT_RESTART = 75

/** A plugin that did not start, and why. */
export interface PluginProblem {
  readonly plugin: string
  readonly message: string
}

export interface DaemonContext {
  readonly boot: BootOutcome | null
  /** -1..1, given at the start: the machine's only source of chance. */
  readonly jitter: number
  readonly apiProblem: string | null
  readonly pluginProblems: ReadonlyArray<PluginProblem>
  readonly restart: RestartReason | null
  readonly stopping: boolean
  readonly leaving: boolean
  /** What a forced end left undone. */
  readonly cut: string | null
}

/** What of its context may be shown; nothing in it is secret. */
export const DAEMON_VISIBLE = ["restart", "stopping", "leaving", "apiProblem", "cut"] as const satisfies ReadonlyArray<
  keyof DaemonContext
>

export type DaemonEvent =
  | ({ readonly type: "BOOT_EVALUATED" } & BootOutcome)
  | { readonly type: "RESTART_REQUESTED"; readonly reason: RestartReason }
  | { readonly type: "STOP_REQUESTED"; readonly leave: boolean }
  | { readonly type: "INTERRUPTED_AGAIN" }
  | { readonly type: "CONFIG_CLOSED" }
  | { readonly type: "PULL_STOPPED" }

export const backOffMs = (unexplained: number, jitter: number): number =>
  Math.round(
    Math.min(BACK_OFF_BASE_MS * 2 ** Math.min(Math.max(unexplained - 1, 0), 10), BACK_OFF_MAX_MS) * (1 + 0.1 * jitter)
  )

/** Elapsed time until a normal run counts as stable, or a safe one has held long enough; what ran before counts. */
const remaining = (total: number, ran: number): number => Math.max(1_000, total - ran)

const daemonSetup = setup({
  types: {
    context: {} as DaemonContext,
    events: {} as DaemonEvent,
    input: {} as { readonly jitter: number },
    tags: {} as "booting" | "running" | "stopping" | "settled"
  },
  actors: {
    openApi: task(),
    loadPlugins: task<{ readonly bundledOnly: boolean }, { readonly problems: ReadonlyArray<PluginProblem> }>(),
    closePlugins: task(),
    closeApi: task(),
    flush: task()
  },
  actions: {
    beginJoin: action<{ readonly central: boolean }>(),
    beginPull: action<{ readonly central: boolean; readonly intervalMs: number }>(),
    endJoin: action(),
    leaveFleet: action(),
    endPull: action(),
    closeConfig: action(),
    pluginsSettled: action(),
    provenStable: action(),
    holdOver: action(),
    announce: action<{ readonly phase: string; readonly detail?: string }>(),
    exit: action<{ readonly code: number; readonly reason: string; readonly cut: string | null }>()
  },
  guards: {
    mustBackOff: ({ context: { boot } }) =>
      boot !== null &&
      // A start that nothing could count may be one of many: only this wait keeps them apart.
      (boot.impaired !== null ||
        ((boot.start === "unexplained" || boot.start === "indeterminate") && boot.unexplained > 0)),
    endAsked: ({ context }) => context.restart !== null || context.stopping,
    safeStart: ({ context }) => context.boot?.safeStart === true,
    leaving: ({ context }) => context.leaving
  },
  delays: {
    backOff: ({ context }) => backOffMs(context.boot?.unexplained ?? 1, context.jitter),
    stable: ({ context }) => remaining(STABLE_MS, context.boot?.ranMs ?? 0),
    safeHold: ({ context }) => remaining(context.boot?.safeHoldMs ?? SAFE_HOLD_MS, context.boot?.ranMs ?? 0),
    closeConfigBound: CLOSE_CONFIG_MS,
    stopPullBound: STOP_PULL_MS,
    shutdownBound: SHUTDOWN_MS
  }
})

const exitOf = (context: DaemonContext) => ({
  code: context.stopping ? EXIT_STOPPED : EXIT_RESTART,
  reason: context.stopping ? (context.leaving ? "leave" : "stopped") : (context.restart ?? "operator"),
  cut: context.cut
})

const hasCentral = (context: DaemonContext): boolean => context.boot !== null && context.boot.running.central

export const Daemon = daemonSetup.createMachine({
  id: "daemon",
  description: "One process from its lock to its exit code.",
  context: ({ input }) => ({
    boot: null,
    jitter: input.jitter,
    apiProblem: null,
    pluginProblems: [],
    restart: null,
    stopping: false,
    leaving: false,
    cut: null
  }),
  initial: "booting",
  on: {
    RESTART_REQUESTED: { actions: assign(({ context, event }) => ({ restart: context.restart ?? event.reason })) },
    STOP_REQUESTED: {
      actions: assign(({ context, event }) => ({ stopping: true, leaving: context.leaving || event.leave }))
    }
  },
  states: {
    booting: {
      description: "From the lock to plugins that have settled.",
      tags: "booting",
      initial: "evaluating",
      on: {
        STOP_REQUESTED: {
          target: "stopping",
          actions: assign(({ context, event }) => ({ stopping: true, leaving: context.leaving || event.leave }))
        }
      },
      states: {
        evaluating: {
          description: "Boot evaluation decides what runs, before anything else.",
          on: {
            BOOT_EVALUATED: {
              target: "evaluated",
              actions: assign(({ event }) => {
                const { type: _type, ...boot } = event
                return { boot }
              })
            }
          }
        },
        evaluated: { always: [{ guard: "mustBackOff", target: "backingOff" }, { target: "connecting" }] },
        backingOff: {
          description:
            "The last start ended without a reason, or this one could not be counted: a crash loop must not burn the machine.",
          tags: "settled",
          entry: {
            type: "announce",
            params: ({ context }) => ({
              phase: "backing-off",
              detail: `${Math.round(backOffMs(context.boot?.unexplained ?? 1, context.jitter) / 1_000)} s after ${context.boot?.impaired == null ? "an unexplained start" : "a start that could not be counted"}`
            })
          },
          after: { backOff: "connecting" }
        },
        connecting: {
          description: "The line to central comes up first.",
          entry: [
            // The poll loop listens before an identity can be announced to it.
            {
              type: "beginPull",
              params: ({ context }) => ({
                central: hasCentral(context),
                intervalMs: context.boot?.running.intervalMs ?? 0
              })
            },
            { type: "beginJoin", params: ({ context }) => ({ central: hasCentral(context) }) }
          ],
          always: "opening"
        },
        opening: {
          description: "The daemon's own API; a taken port degrades health and stops nothing.",
          invoke: {
            src: "openApi",
            onDone: "loading",
            onError: { target: "loading", actions: assign(({ event }) => ({ apiProblem: failureOf(event).message })) }
          }
        },
        loading: {
          description: "Plugins, each in a Scope with a deadline; a failing one is skipped and named.",
          invoke: {
            src: "loadPlugins",
            input: ({ context }) => ({ bundledOnly: context.boot?.bundledOnly ?? false }),
            onDone: {
              target: "#daemon.running",
              actions: assign(({ event }) => ({ pluginProblems: event.output.problems }))
            },
            onError: {
              target: "#daemon.running",
              actions: assign(({ event }) => ({
                pluginProblems: [{ plugin: "plugin host", message: failureOf(event).message }]
              }))
            }
          }
        }
      }
    },
    running: {
      description: "Everything has started or failed in a contained way.",
      tags: ["running", "settled"],
      initial: "deciding",
      entry: ["pluginsSettled", { type: "announce", params: { phase: "running" } }],
      always: { guard: "endAsked", target: "stopping" },
      states: {
        deciding: { always: [{ guard: "safeStart", target: "safe" }, { target: "normal" }] },
        normal: {
          description: "Ten minutes of running forgive the unexplained starts before them.",
          after: { stable: { target: "stable", actions: "provenStable" } }
        },
        stable: { description: "What it runs has proved itself." },
        safe: {
          description: "First-party plugins only, no local layer; after its hold one normal attempt is made.",
          after: { safeHold: { target: "safe", reenter: true, actions: "holdOver" } }
        }
      }
    },
    stopping: {
      description: "The exit is recorded first; everything else is bounded.",
      tags: "stopping",
      initial: "recording",
      entry: { type: "announce", params: ({ context }) => ({ phase: "stopping", detail: exitOf(context).reason }) },
      on: {
        INTERRUPTED_AGAIN: {
          target: "ended",
          actions: assign({ cut: "a second interrupt ended the process at once" })
        }
      },
      after: {
        shutdownBound: {
          target: "ended",
          actions: assign({ cut: `the shutdown took longer than ${SHUTDOWN_MS / 1_000} s` })
        }
      },
      states: {
        recording: {
          description: "The exit and the unused budget are written before anything ends.",
          entry: "closeConfig",
          on: { CONFIG_CLOSED: "endingPull" },
          after: { closeConfigBound: "endingPull" }
        },
        endingPull: {
          description: "A poll in flight may end by itself, for a second.",
          entry: "endPull",
          on: { PULL_STOPPED: "endingJoin" },
          after: { stopPullBound: "endingJoin" }
        },
        endingJoin: {
          always: [
            { guard: "leaving", target: "closingPlugins", actions: "leaveFleet" },
            { target: "closingPlugins", actions: "endJoin" }
          ]
        },
        closingPlugins: {
          description: "Plugins and sinks, in reverse.",
          invoke: { src: "closePlugins", onDone: "closingApi", onError: "closingApi" }
        },
        closingApi: {
          description: "Requests in flight may end.",
          invoke: { src: "closeApi", onDone: "flushing", onError: "flushing" }
        },
        flushing: {
          description: "Logs and the last status reach the disk.",
          invoke: { src: "flush", onDone: "#daemon.ended", onError: "#daemon.ended" }
        }
      }
    },
    ended: {
      description: "The root lets go of the lock and exits with this code.",
      tags: "settled",
      entry: { type: "exit", params: ({ context }) => exitOf(context) }
    }
  }
})
