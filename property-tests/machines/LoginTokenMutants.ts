/** Wrong versions of DeviceLogin that lose tokens, spend them, or say of the disk what is not so. */
import { assign } from "xstate"
import { invokes, withDelay, withGuards, withState, type Written } from "./Edit.ts"
import { and, answersOf, begins, type In, instead, login, onAnswer, skipped, to, type WithAnswer } from "./LoginEdit.ts"
import type { Mutant } from "./Mutant.ts"

const TOKENS: ReadonlyArray<Mutant> = [
  login("no access spends a refresh", ["loginRefreshes"], (machine) =>
    onAnswer(machine, "exchange.asking", "noAccess", (answer) => ({
      ...answer,
      target: "#deviceLogin.exchange.refreshing",
      actions: []
    }))
  ),
  login("a passing reason spends a refresh", ["loginRefreshes"], (machine) =>
    onAnswer(machine, "exchange.asking", "worthAnother", (answer) => ({ ...answer, target: "refreshing", actions: [] }))
  ),
  login("every 401 is worth a refresh", ["loginRefreshes"], (machine) =>
    withGuards(machine, {
      mayRefresh: ({ context, event }: any) =>
        event.output?.kind === "unauthorized" && (context.candidate ?? context.account)?.refreshable === true
    })
  ),
  login("a passing reason ends in nothing", ["loginLosesNothing"], (machine) =>
    onAnswer(
      machine,
      "exchange.asking",
      "",
      instead(({ context: { flow } }: In) => ({
        flow: flow === null ? null : { ...flow, phase: "error" as const, code: "provider_unavailable" },
        candidate: null,
        session: false,
        problem: "503"
      }))
    )
  ),
  login("a refresh that did not come through drops the token", ["loginLosesNothing"], (machine) =>
    onAnswer(
      machine,
      "exchange.refreshing",
      "",
      and(() => ({ account: null, candidate: null }))
    )
  ),
  login("a bug of a service drops the token", ["loginLosesNothing"], (machine) =>
    withState(machine, "exchange.asking", (state) =>
      invokes(state, { onError: and(() => ({ account: null }))(answersOf(state, "onError")[0] as Written) })
    )
  ),
  login("a passing reason drops a valid session", ["loginLosesNothing"], (machine) =>
    onAnswer(
      machine,
      "exchange.asking",
      "",
      and(() => ({ session: false }))
    )
  ),
  login("a flow whose token is refused drops the account before it", ["loginLosesNothing"], (machine) =>
    onAnswer(
      machine,
      "exchange.asking",
      "unauthorizedOfFlow",
      and(() => ({ account: null }))
    )
  ),
  login("cancelling a flow drops the account before it", ["loginLosesNothing"], (machine) =>
    withState(machine, "flow", (state) => ({
      ...state,
      on: { ...state["on"], CANCEL: and(() => ({ account: null }))(state["on"].CANCEL) }
    }))
  )
]

const DISK: ReadonlyArray<Mutant> = [
  login("a code is shown before it is written", ["loginDisk", "loginOneUserAction"], (machine) =>
    skipped(machine, "flow.pending.keeping", "waiting", [
      assign(({ context: { flow } }: In) => ({ flow: flow === null ? null : { ...flow, phase: "waiting" as const } }))
    ])
  ),
  login("a token is used before it is written", ["loginDisk", "loginOneUserAction"], (machine) =>
    skipped(machine, "exchange.keeping", "asking")
  ),
  login("how it ended is not written", ["loginDisk"], (machine) => skipped(machine, "settling", "choosing")),
  login("a token that was refused is not remembered as refused", ["loginDisk"], (machine) =>
    onAnswer(machine, "exchange.asking", "unauthorized", to("#deviceLogin.choosing"))
  ),
  login("a login that is loaded counts as signed in", ["loginDisk"], (machine) =>
    withState(machine, "loading", (state) =>
      invokes(state, {
        onDone: and(({ context }: In) => ({ session: context.account !== null }))(
          answersOf(state, "onDone")[0] as Written
        )
      })
    )
  ),
  login("a logout is not written", ["loginDisk"], (machine) => skipped(machine, "forgetting", "signedOut")),
  login(
    "a code that waited is not waited for after a restart",
    ["loginOneUserAction", "loginStartsAlways"],
    (machine) => withGuards(machine, { isWaiting: () => false, cutShort: () => false })
  ),
  login("a token that a flow brought is left after a restart", ["loginOneUserAction"], (machine) =>
    withState(machine, "resuming", (state) => ({ ...state, always: state["always"].slice(1) }))
  ),
  login("a flow that died before its code is live for ever", ["loginStartsAlways"], (machine) =>
    withGuards(machine, { cutShort: () => false })
  )
]

const PLACES: ReadonlyArray<Mutant> = [
  login("the session before stays while another account signs in", ["loginSessions"], (machine) =>
    begins(machine, ({ context }: In) => ({ session: context.account?.access === "granted" }))
  ),
  login("the session before stays on the disk", ["loginSessions"], (machine) =>
    skipped(machine, "flow.beginning", "requesting")
  ),
  login("a session goes to the account before", ["loginSessions", "loginFlowOwns"], (machine) =>
    onAnswer(
      machine,
      "exchange.asking",
      "session",
      instead(({ context: { account, candidate, flow } }: WithAnswer) => ({
        account: account ?? candidate,
        candidate: null,
        session: true,
        flow: flow === null || candidate === null ? flow : { ...flow, phase: "ok" as const }
      }))
    )
  ),
  login("a start is taken with a token of the environment", ["loginElsewhere"], (machine) =>
    withGuards(machine, { mayBegin: ({ event }: any) => event.type === "START" })
  ),
  login("a logout forgets the token of the environment", ["loginElsewhere"], (machine) =>
    withGuards(machine, { mayForget: () => true })
  ),
  login("a request for a code that failed is not tried again", ["loginSettles"], (machine) =>
    withState(machine, "flow.requestingAgain", (state) => ({ ...state, after: {} }))
  ),
  login("an exchange that failed is not tried again", ["loginSettles"], (machine) =>
    withState(machine, "exchange.waiting", (state) => ({ ...state, after: {} }))
  ),
  login("a code lives for ever", ["loginSettles"], (machine) => withDelay(machine, "codeLife", () => 1e12))
]

export const LOGIN_TOKEN_MUTANTS: ReadonlyArray<Mutant> = [...TOKENS, ...DISK, ...PLACES]
