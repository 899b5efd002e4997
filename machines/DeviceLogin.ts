/**
 * Signing in to a model provider by device code, and the account that comes of it: the one writer of both.
 *
 * One region, so that a flow, an exchange and a refresh can never be under way beside each other; whoever reads only
 * looks at the context. A flow that is superseded leaves its states, and with them its requests and their results.
 *
 * @ref LLP 0015#the-chart [implements]: states, what supersedes what, and which failure ends what
 */
import { assign } from "xstate"
import {
  begun,
  begunAnew,
  broken,
  cancelled,
  codeReceived,
  denied,
  dropped,
  expired,
  forgotten,
  givenUp,
  granted,
  noCode,
  passed,
  pollAnswered,
  pollPassed,
  refusedByProvider,
  renewed,
  savedOf,
  slowedDown,
  tokenReceived,
  used,
  waitingForPerson,
  withoutAccess
} from "./DeviceLoginFacts.ts"
import { type DeviceLoginContext, deviceLoginSetup, tokenOf } from "./DeviceLoginSetup.ts"
import { failureOf } from "./Task.ts"

const flowOf = ({ flow }: DeviceLoginContext) => ({ flow: flow?.id ?? "" })
const handleOf = (context: DeviceLoginContext) => ({ handle: tokenOf(context)?.handle ?? 0 })

/** A write never stops a login: what could not be written is told, and used from memory. */
const written = (): Partial<DeviceLoginContext> => ({ storageProblem: null })
const notWritten = ({ event }: { readonly event: unknown }): Partial<DeviceLoginContext> => ({
  storageProblem: failureOf(event).message
})

export const DeviceLogin = deviceLoginSetup.createMachine({
  id: "deviceLogin",
  description: "Who is signed in to the model provider, and how does one sign in?",
  context: {
    source: "none",
    flow: null,
    account: null,
    candidate: null,
    session: false,
    failures: 0,
    delayMs: 0,
    overdue: false,
    lastMinute: false,
    refreshed: false,
    problem: null,
    storageProblem: null
  },
  initial: "loading",
  on: {
    START: { guard: "mayBegin", target: ".flow", actions: assign(({ event }) => begun(event.id)) },
    LOGOUT: { guard: "mayForget", target: ".forgetting", actions: assign(forgotten) }
  },
  states: {
    loading: {
      description: "What the environment and the login's file say; waits until boot evaluation is over.",
      tags: "loading",
      on: { START: undefined, LOGOUT: undefined },
      invoke: {
        src: "load",
        onDone: {
          target: "resuming",
          actions: assign(({ event }) => {
            const { problem, ...loaded } = event.output
            return { ...loaded, storageProblem: problem }
          })
        },
        onError: { target: "resuming", actions: assign(notWritten) }
      }
    },
    resuming: {
      always: [
        { guard: "ofFlow", target: "exchange.asking" },
        { guard: "isWaiting", target: "flow.pending.waiting" },
        { guard: "cutShort", target: "flow", actions: assign(begunAnew) },
        { target: "choosing" }
      ]
    },
    choosing: {
      always: [
        { guard: "signedOut", target: "signedOut" },
        { guard: "hasSession", target: "account.ready" },
        { guard: "hasNoAccess", target: "account.noAccess" },
        { guard: "isRefused", target: "account.refused" },
        { guard: "isFailing", target: "account.resting" },
        { target: "account.unused" }
      ]
    },
    signedOut: {
      description: "There is no token; a flow brings one. Or nobody needs to sign in here.",
      tags: "settled"
    },
    account: {
      description: "There is a token; whether it opens the provider, the last exchange says.",
      tags: "settled",
      initial: "unused",
      on: {
        USE: { target: "exchange", actions: assign(used) },
        RETRY: "exchange"
      },
      states: {
        unused: { description: "No session: the next use makes an exchange." },
        ready: { description: "A session is held; USE says that it is not valid any more." },
        noAccess: {
          description: "The account has no subscription. The token stays: each use asks again, so that access heals it."
        },
        refused: {
          description: "The token is not taken any more: only a person can help, by signing in or asking again.",
          tags: "degraded",
          on: { USE: undefined }
        },
        resting: {
          description: "The exchange failed for a passing reason: nobody asks again for a moment, but a person may.",
          tags: "degraded",
          on: { USE: undefined },
          after: { rest: "unused" }
        }
      }
    },
    flow: {
      description: "One device-code login attempt, from its start to its token or its end.",
      initial: "beginning",
      on: { CANCEL: { target: "settling", actions: assign(cancelled) } },
      states: {
        beginning: {
          description:
            "The session of the account before is dropped, in memory and on the disk, before the first request.",
          invoke: {
            src: "save",
            input: savedOf,
            onDone: { target: "requesting", actions: assign(written) },
            onError: { target: "requesting", actions: assign(notWritten) }
          }
        },
        requesting: {
          description: "Asks the provider for a code.",
          invoke: {
            src: "requestCode",
            input: ({ context }) => flowOf(context),
            onDone: [
              {
                guard: "codeGiven",
                target: "pending",
                actions: assign(codeReceived)
              },
              { guard: "worthAnother", target: "requestingAgain", actions: assign(passed) },
              {
                target: "#deviceLogin.settling",
                actions: assign(refusedByProvider)
              }
            ],
            onError: {
              target: "#deviceLogin.settling",
              actions: assign(noCode)
            }
          }
        },
        requestingAgain: {
          description: "The request failed for a passing reason.",
          after: { ladder: "requesting" }
        },
        pending: {
          description: "There is a code; its life runs from the moment when it was given.",
          initial: "keeping",
          entry: [assign({ overdue: false, lastMinute: false }), assign(pollAnswered)],
          // Noted, not acted upon: a poll under way may still bring the token.
          after: {
            codeLife: { actions: assign({ overdue: true }) },
            lastMinute: { actions: assign({ lastMinute: true }) }
          },
          states: {
            keeping: {
              description:
                "The code is on the disk before anybody sees it: a person types it once, whatever happens here.",
              invoke: {
                src: "save",
                input: ({ context }) => savedOf({ context: { ...context, ...waitingForPerson({ context }) } }),
                onDone: { target: "waiting", actions: [assign(written), assign(waitingForPerson)] },
                onError: { target: "waiting", actions: [assign(notWritten), assign(waitingForPerson)] }
              }
            },
            waiting: {
              description: "The code is shown. No poll is sooner than the interval after the one before.",
              always: {
                guard: "overdue",
                target: "#deviceLogin.settling",
                actions: assign(expired)
              },
              after: { pollDelay: "polling" }
            },
            polling: {
              description: "Has the person entered the code?",
              invoke: {
                src: "pollToken",
                input: ({ context }) => flowOf(context),
                onDone: [
                  { guard: "pending", target: "waiting", actions: assign(pollAnswered) },
                  { guard: "slowDown", target: "slowing", actions: assign(slowedDown) },
                  {
                    guard: "token",
                    target: "#deviceLogin.exchange.keeping",
                    actions: assign(tokenReceived)
                  },
                  {
                    guard: "expired",
                    target: "#deviceLogin.settling",
                    actions: assign(expired)
                  },
                  {
                    guard: "refused",
                    target: "#deviceLogin.settling",
                    actions: assign(refusedByProvider)
                  },
                  { target: "waiting", actions: assign(pollPassed) }
                ],
                onError: {
                  target: "waiting",
                  actions: assign(pollAnswered)
                }
              }
            },
            slowing: {
              description: "The longer interval outlives a restart.",
              invoke: {
                src: "save",
                input: savedOf,
                onDone: { target: "waiting", actions: assign(written) },
                onError: { target: "waiting", actions: assign(notWritten) }
              }
            }
          }
        }
      }
    },
    exchange: {
      description: "The token is traded for a session with the provider; one exchange at a time.",
      tags: "asking",
      initial: "asking",
      entry: assign({ failures: 0, refreshed: false }),
      on: { CANCEL: { guard: "ofFlow", target: "settling", actions: assign(cancelled) } },
      states: {
        keeping: {
          description: "The token is on the disk before it is used: the code that brought it is spent.",
          invoke: {
            src: "save",
            input: savedOf,
            onDone: { target: "asking", actions: assign(written) },
            onError: { target: "asking", actions: assign(notWritten) }
          }
        },
        asking: {
          description: "The class of a failure is decided before any refresh is spent.",
          invoke: {
            src: "exchange",
            input: ({ context }) => handleOf(context),
            onDone: [
              { guard: "session", target: "#deviceLogin.settling", actions: assign(granted) },
              { guard: "noAccess", target: "#deviceLogin.settling", actions: assign(withoutAccess) },
              { guard: "mayRefresh", target: "refreshing" },
              { guard: "unauthorizedOfFlow", target: "#deviceLogin.settling", actions: assign(dropped) },
              { guard: "unauthorized", target: "#deviceLogin.settling", actions: assign(denied) },
              { guard: "worthAnother", target: "waiting", actions: assign(passed) },
              { target: "#deviceLogin.settling", actions: assign(givenUp) }
            ],
            onError: { target: "#deviceLogin.settling", actions: assign(broken) }
          }
        },
        waiting: {
          description: "A passing reason: everything is kept, and tried again.",
          after: { ladder: "asking" }
        },
        refreshing: {
          description: "401: the token is renewed with its own refresh token, once.",
          invoke: {
            src: "refresh",
            input: ({ context }) => handleOf(context),
            onDone: [
              { guard: "refreshed", target: "keeping", actions: assign(renewed) },
              { guard: "refusedOfFlow", target: "#deviceLogin.settling", actions: assign(dropped) },
              { guard: "refused", target: "#deviceLogin.settling", actions: assign(denied) },
              { guard: "worthAnother", target: "waiting", actions: assign(passed) },
              { target: "#deviceLogin.settling", actions: assign(givenUp) }
            ],
            onError: { target: "#deviceLogin.settling", actions: assign(broken) }
          }
        }
      }
    },
    settling: {
      description: "How it ended is on the disk before it counts.",
      tags: "asking",
      invoke: {
        src: "save",
        input: savedOf,
        onDone: { target: "choosing", actions: assign(written) },
        onError: { target: "choosing", actions: assign(notWritten) }
      }
    },
    forgetting: {
      description:
        "Token, session and what the last flow came to go, in memory and on the disk; a live flow is cancelled.",
      tags: "asking",
      on: { LOGOUT: undefined },
      invoke: {
        src: "save",
        input: savedOf,
        onDone: { target: "signedOut", actions: assign(written) },
        onError: { target: "signedOut", actions: assign(notWritten) }
      }
    }
  }
})
