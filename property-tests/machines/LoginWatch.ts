/** Looks at everything that happens to a login, and holds the sentences of its design against it. */
import {
  type DeviceLoginContext,
  type HeldToken,
  isLive,
  POLL_MARGIN_MS,
  RETRY_AFTER_LONGEST_MS,
  type SavedLogin,
  tokenOf
} from "../../machines/index.ts"
import { type Answer, asksProvider, type Cause, type LoginRoom, type LoginTask, type Watcher } from "./LoginRoom.ts"
import type { Token } from "./LoginProvider.ts"

/** What holds whatever happens; each of them by name. */
export const LOGIN_INVARIANTS = {
  loginOneRequest: "at most one request to the provider is under way, whatever readers and users do",
  loginPollsCalmly:
    "no poll comes sooner than the interval or Retry-After asks for, or after the deadline, and no interval shrinks",
  loginNoFalseExpiry: "no flow expires whose token is on its way, or that could have been asked about once more",
  loginFlowOwns: "nothing of an older flow is adopted, shown or saved once a newer one has begun",
  loginTokenIsAnswered: "a flow that has brought a token is pending until it ends as the exchange of that token ended",
  loginRefreshes: "a refresh is asked with the refresh token of the very record that was refused, and brings one token",
  loginLosesNothing: "no token and no valid session is lost for a passing reason",
  loginDisk: "code and token are on the disk before they count, what is loaded is what was saved, and rest is written",
  loginSessions: "a session belongs to the account beside it, and is gone before another login asks for a code",
  loginSingleFlight: "a start begins a flow with its own id, unless one is live and not to be superseded"
} as const
export type LoginInvariant = keyof typeof LOGIN_INVARIANTS

export interface Violation {
  readonly invariant: LoginInvariant
  readonly detail: string
}

/** What the watch knows of the flow by answers alone, independent of the machine. */
interface Known {
  readonly flow: string
  intervalMs: number
  deadline: number
  /** The interval that a write of this flow has put on the disk. */
  keptIntervalMs: number
}

const sane = (ms: number, unsaid: number, min: number, max: number): number =>
  Number.isFinite(ms) && ms > 0 ? Math.min(max, Math.max(min, ms)) : unsaid
const retryOf = (answer: Answer): number => sane(answer.retryAfterMs ?? 0, 0, 0, RETRY_AFTER_LONGEST_MS)
const isPerson = (cause: Cause): boolean => cause._tag === "event" && cause.event.type !== "USE"
const isCertain = (answer: Answer): boolean => answer.kind === "unauthorized" || answer.kind === "refused"

export class LoginWatch implements Watcher {
  readonly violations: Array<Violation> = []
  /** Polls that were started. */
  polls = 0
  private readonly flows = new Set<string>()
  private readonly codes = new Map<string, Known>()
  /** Of the flow that is live. */
  private known: Known | null = null
  /** Earliest time of the next poll. */
  private nextPollAt = 0
  private waitsFrom = 0
  private retryMs = 0
  /** The flow whose token the provider has given to this process. */
  private given: string | null = null
  private refused: { readonly handle: number; readonly access: string } | null = null
  private renewals = 0

  private found(invariant: LoginInvariant, detail: string): void {
    this.violations.push({ invariant, detail })
  }

  // -------------------------------------------------------------------------------------------- requests

  asked(room: LoginRoom, task: LoginTask): void {
    const { context } = room
    if (asksProvider(task)) {
      const others = room.tasks.filter((other) => other !== task && asksProvider(other))
      if (others.length > 0) this.found("loginOneRequest", `${task.src} beside ${others.map(({ src }) => src).join()}`)
    }
    if (task.src === "pollToken") this.pollAsked(room)
    if (task.src === "refresh") this.refreshAsked(room, (task.input as { readonly handle: number }).handle)
    if (task.src === "save") this.saveAsked(room, task.input as SavedLogin)
    const isWritten = context.storageProblem === null
    if (task.src === "requestCode" && isWritten && room.file.session !== null) {
      this.found("loginSessions", "a code is asked for, and the session of the account before is on the disk")
    }
    const candidate = room.tokenOf(context.candidate)
    if (task.src === "exchange" && candidate !== null && isWritten) {
      const kept = room.file.candidate?.token.access
      if (kept !== candidate.access) this.found("loginDisk", `${candidate.access} is used, and the disk has ${kept}`)
    }
  }

  private pollAsked({ context, now }: LoginRoom): void {
    this.polls++
    const { known } = this
    if (known === null || known.flow !== context.flow?.id) return this.found("loginFlowOwns", "a poll for no code")
    if (now < this.nextPollAt) this.found("loginPollsCalmly", `a poll ${this.nextPollAt - now} ms too soon`)
    if (now >= known.deadline) this.found("loginPollsCalmly", `a poll ${now - known.deadline} ms after the deadline`)
  }

  private refreshAsked(room: LoginRoom, handle: number): void {
    const token = room.tokenUnder(handle)
    const { refused } = this
    if (refused === null) return this.found("loginRefreshes", "nothing was refused")
    if (refused.handle !== handle || refused.access !== token?.access) {
      this.found("loginRefreshes", `${refused.access} was refused, and ${token?.access} is renewed`)
    }
    if (this.renewals > 0) this.found("loginRefreshes", "a second renewal in one exchange")
  }

  private saveAsked(room: LoginRoom, saved: SavedLogin): void {
    if (saved.session && room.session?.handle !== saved.account?.handle) {
      this.found("loginSessions", "the session of another token is saved")
    }
    const candidate = room.tokenOf(saved.candidate)
    if (candidate !== null && candidate.flow !== saved.flow?.id) {
      this.found("loginFlowOwns", `the token of ${candidate.flow} is saved with ${saved.flow?.id}`)
    }
  }

  landed({ context }: LoginRoom, task: LoginTask, answer: Answer): void {
    if (task.src === "pollToken" && answer.kind === "token") this.given = context.flow?.id ?? null
    const saved = task.input as SavedLogin | undefined
    const { known } = this
    if (task.src === "save" && answer.failed === undefined && known !== null && saved?.flow?.id === known.flow) {
      known.keptIntervalMs = known.intervalMs
    }
  }

  // -------------------------------------------------------------------------------------------- moves

  moved(room: LoginRoom, before: DeviceLoginContext, from: string, cause: Cause): void {
    if (cause._tag === "start") return
    if (cause._tag === "answer" && cause.src === "load") return this.loaded(room)
    if (cause._tag === "event" && before.flow?.id !== room.context.flow?.id) this.nextPollAt = 0
    if (cause._tag === "answer" && cause.src === "pollToken" && cause.answer.kind === "token") {
      const brought = room.tokenOf(room.context.candidate)?.flow
      if (brought !== before.flow?.id) {
        this.found("loginTokenIsAnswered", `the token of ${before.flow?.id} is thrown away in ${room.state}`)
      }
    }
    this.flowMoved(room, before, from, cause)
    this.tokensMoved(room, before, cause)
    this.ended(room, before, from, cause)
    if (room.isSettled) this.rests(room)
    const { context, state } = room
    if (state.startsWith("flow.pending.waiting") && !from.startsWith("flow.pending.waiting")) this.waitsFrom = room.now
    if (state.startsWith("exchange") && !from.startsWith("exchange")) this.renewals = 0
    if (context.session && (context.account === null || room.session?.handle !== context.account.handle)) {
      this.found("loginSessions", `a session of ${room.session?.access ?? "nothing"} in the place of the account's`)
    }
  }

  died(room: LoginRoom): void {
    if (room.tasks.some(({ src }) => src === "pollToken")) this.polled(room, 0)
    this.given = null
    this.refused = null
    // Taken up again it is another exchange.
    this.renewals = 0
  }

  /** A poll is over: the next one has to wait. */
  private polled({ now }: LoginRoom, retryMs: number): void {
    this.retryMs = retryMs
    this.nextPollAt = now + Math.max(this.known?.intervalMs ?? 0, retryMs)
  }

  /** An answer, before the machine hears of it; what it says is learnt by rules of the watch's own. */
  answered(room: LoginRoom, { src }: LoginTask, answer: Answer): void {
    const { context, now } = room
    if (src === "requestCode" && answer.kind === "code" && context.flow !== null) {
      const intervalMs = sane(answer.intervalMs ?? 0, 5_000, 1_000, 60_000)
      const deadline = now + sane(answer.lifeMs ?? 0, 900_000, 0, 3_600_000)
      this.known = { flow: context.flow.id, intervalMs, deadline, keptIntervalMs: 0 }
      this.codes.set(this.known.flow, this.known)
      this.polled(room, 0)
    }
    if (src === "pollToken") {
      if (answer.kind === "slow_down" && this.known !== null) {
        this.known.intervalMs = Math.max(this.known.intervalMs + 5_000, sane(answer.intervalMs ?? 0, 0, 0, 60_000))
      }
      this.polled(room, retryOf(answer))
    }
    if (src === "exchange") {
      const token = tokenOf(context)
      const known = room.tokenOf(token)
      const isRefused = answer.kind === "unauthorized" && token !== null && known !== null
      this.refused = isRefused ? { handle: token.handle, access: known.access } : null
    }
    if (src === "refresh" && answer.kind === "refreshed") this.renewals++
  }

  private flowMoved(room: LoginRoom, before: DeviceLoginContext, from: string, cause: Cause): void {
    const { candidate, flow } = room.context
    const owner = room.tokenOf(candidate)?.flow
    if (candidate !== null && owner !== flow?.id) this.found("loginFlowOwns", `${flow?.id} has the token of ${owner}`)
    const isForgotten = flow === null && !isLive(before.flow) && said(cause) === "LOGOUT"
    if (flow?.id !== before.flow?.id && !isForgotten) {
      const isStart = cause._tag === "event" && cause.event.type === "START" && cause.event.id === flow?.id
      if (!isStart || flow === null || this.flows.has(flow.id)) {
        this.found("loginFlowOwns", `${before.flow?.id} became ${flow?.id}`)
      } else {
        if (flow.phase !== "requesting" || flow.code !== null || flow.message !== null) {
          this.found("loginFlowOwns", `${flow.id} begins as ${flow.phase} ${flow.code ?? ""}`)
        }
        this.flows.add(flow.id)
      }
    }
    if (cause._tag === "event" && cause.event.type === "START") {
      const may = before.flow === null || !isLive(before.flow) || cause.event.force
      const begins = may && room.source === "login" && from !== "loading"
      const began = flow?.id === cause.event.id
      if (begins !== began) this.found("loginSingleFlight", `${cause.event.id} in ${from}: ${began}`)
      const isUntouched = room.state === from && JSON.stringify(room.context) === JSON.stringify(before)
      if (!begins && !isUntouched) this.found("loginSingleFlight", `${from} became ${room.state}`)
    }
    if (flow !== null && this.known?.flow === flow.id) {
      if (flow.intervalMs < this.known.intervalMs) {
        this.found(
          "loginPollsCalmly",
          `an interval of ${flow.intervalMs} ms where ${this.known.intervalMs} was asked for`
        )
      }
      const isShown = flow.phase === "waiting" && before.flow?.phase !== "waiting"
      if (isShown && room.context.storageProblem === null && room.file.deviceCode !== room.code) {
        this.found("loginDisk", "a code is shown that is not on the disk")
      }
    }
  }

  /** How a flow ends, and why. */
  private ended(room: LoginRoom, before: DeviceLoginContext, from: string, cause: Cause): void {
    const { context, now } = room
    const { flow } = context
    if (flow === null || flow.id !== before.flow?.id || !isLive(before.flow) || isLive(flow)) return
    const told = `${flow.phase} ${flow.code ?? ""}`.trim()
    if (flow.phase === "ok" && (!context.session || room.tokenOf(context.account)?.flow !== flow.id)) {
      this.found("loginFlowOwns", `${flow.id} is ok with the token of ${room.tokenOf(context.account)?.flow}`)
    }
    if (this.given === flow.id) {
      const expected = endOf(cause)
      if (told !== expected) this.found("loginTokenIsAnswered", `${told} instead of ${expected ?? "going on"}`)
      if (flow.phase === "expired") this.found("loginNoFalseExpiry", "the token was given")
    }
    const isLocal = flow.phase === "expired" && !(cause._tag === "answer" && cause.answer.kind === "expired")
    if (!isLocal || this.known === null) return
    const { deadline, intervalMs } = this.known
    if (now < deadline) this.found("loginNoFalseExpiry", `${deadline - now} ms before the deadline`)
    const wait = Math.max(intervalMs, this.retryMs) + POLL_MARGIN_MS
    if (from === "flow.pending.waiting" && this.waitsFrom + wait < deadline) {
      this.found(
        "loginNoFalseExpiry",
        `not asked in its last ${deadline - this.waitsFrom} ms, though after ${wait} it could`
      )
    }
  }

  private tokensMoved(room: LoginRoom, before: DeviceLoginContext, cause: Cause): void {
    const { context } = room
    const answer = cause._tag === "answer" ? cause.answer : {}
    const isEvent = cause._tag === "event" && context !== before
    const has = (held: HeldToken): boolean =>
      [context.account, context.candidate].some((other) => other?.handle === held.handle)
    const { account, candidate, session } = before
    if (candidate !== null && !has(candidate) && !(isEvent && isPerson(cause)) && !isCertain(answer)) {
      this.found("loginLosesNothing", `the token of ${before.flow?.id}, by ${said(cause)}`)
    }
    const isReplaced = candidate !== null && context.account?.handle === candidate.handle && !isCertain(answer)
    const isForgotten = cause._tag === "event" && cause.event.type === "LOGOUT" && room.source === "login"
    if (account !== null && !has(account) && !isReplaced && !isForgotten) {
      this.found("loginLosesNothing", `the account, by ${said(cause)}`)
    }
    const mayEnd = cause._tag === "event" || isCertain(answer) || answer.kind === "no_access"
    if (session && !context.session && !mayEnd) this.found("loginLosesNothing", `the session, by ${said(cause)}`)
    if (context.account !== null && account?.handle !== context.account.handle && !isReplaced) {
      this.found("loginFlowOwns", `an account from nowhere, by ${said(cause)}`)
    }
  }

  // -------------------------------------------------------------------------------------------- the disk

  private loaded(room: LoginRoom): void {
    const { context, file } = room
    if (room.source !== "login") return
    const same = (token: Token | null, kept: Token | undefined): boolean => token?.access === kept?.access
    if (!same(room.tokenOf(context.account), file.account?.token)) this.found("loginDisk", "another account is loaded")
    if (!same(room.tokenOf(context.candidate), file.candidate?.token)) {
      this.found("loginDisk", "another token of a flow is loaded")
    }
    if (context.account !== null && context.account.access !== file.account?.access) {
      this.found("loginDisk", `${file.account?.access} is loaded as ${context.account.access}`)
    }
    if (context.session && file.session === null) this.found("loginDisk", "a session is loaded that was not saved")
    const { flow } = context
    if (flow?.id !== file.flow?.id) this.found("loginDisk", "another flow is loaded")
    if (flow === null) return
    this.flows.add(flow.id)
    if (!isLive(flow) && flow.phase !== file.flow?.phase)
      this.found("loginDisk", `${file.flow?.phase} as ${flow.phase}`)
    this.known = this.codes.get(flow.id) ?? null
    const { known } = this
    if (known === null) return
    if (flow.intervalMs < known.keptIntervalMs) this.found("loginPollsCalmly", "a restart forgets an interval")
    known.intervalMs = flow.intervalMs
    known.deadline = room.now + flow.lifeMs
    this.retryMs = 0
    this.waitsFrom = room.now
    this.nextPollAt = Math.min(this.nextPollAt, room.now + flow.intervalMs)
  }

  /** Nothing is under way: the disk says what is so. */
  private rests(room: LoginRoom): void {
    const { context, file, source } = room
    if (source !== "login" || context.storageProblem !== null) return
    const { account, candidate, flow, session } = context
    const told = [
      room.tokenOf(account)?.access,
      account?.access,
      account?.name,
      candidate,
      session,
      flow?.id,
      flow?.phase
    ]
    const kept = file.account
    const written = [
      kept?.token.access,
      kept?.access,
      kept?.name,
      file.candidate,
      file.session !== null,
      file.flow?.id,
      file.flow?.phase
    ]
    if (told.join() !== written.join()) {
      this.found("loginDisk", `the disk says ${written.join()} where ${told.join()} is so`)
    }
  }
}

const said = (cause: Cause): string =>
  cause._tag === "event"
    ? cause.event.type
    : cause._tag === "answer"
      ? `${cause.src} ${cause.answer.kind ?? cause.answer.failed ?? "done"}`
      : cause._tag

/** How a flow that has brought a token may end: as a person wants, or as its exchange did. */
const endOf = (cause: Cause): string | null => {
  if (cause._tag === "event") return cause.event.type === "CANCEL" || cause.event.type === "LOGOUT" ? "cancelled" : null
  if (cause._tag !== "answer" || (cause.src !== "exchange" && cause.src !== "refresh")) return null
  const { code, failed, kind } = cause.answer
  if (failed !== undefined) return "error internal"
  if (kind === "session") return "ok"
  if (kind === "no_access") return "error no_access"
  if (kind === "unauthorized" || kind === "refused") return "error unauthorized"
  return kind === "passing" ? `error ${code}` : null
}
