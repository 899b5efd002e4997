/**
 * The secrets of the login by handle, and the one file that holds them.
 *
 * Every write is the whole of what the machine says, so that account, session and flow on the disk always belong together
 * and nothing of an older flow outlives a newer one.
 *
 * @ref LLP 0015#services [implements]: one file, whole writes, records replaced whole
 */
import { Clock, Context, Effect, Layer, Option, Path, Redacted, Ref, Schema } from "effect"
import { type HeldToken, isLive, type LoadedLogin, type LoginFlow, type SavedLogin } from "../../machines/index.ts"
import {
  Home,
  type LoginFile,
  LoginFileJson,
  type ProviderSession,
  type SavedFlow,
  type TokenRecord
} from "../domain/index.ts"
import { DurableFiles, isDamage, sealed, unsealed, unreadableName } from "../storage/index.ts"

const NAME = "login.json"
/** A session is used until so long before its end, ms. */
const SESSION_MARGIN_MS = 60_000
/** The handle of the token of the environment, which is never written. */
export const ENVIRONMENT = 0

/** The codes of a flow. Times are milliseconds of the wall clock. */
export interface FlowCodes {
  readonly deviceCode: Redacted.Redacted<string>
  readonly userCode: string
  readonly verificationUri: string
  readonly deadline: number
  readonly provider: string
}

interface HeldSession {
  readonly handle: number
  readonly session: ProviderSession
}

interface Memory {
  readonly tokens: ReadonlyMap<number, TokenRecord>
  readonly codes: ReadonlyMap<string, FlowCodes>
  readonly session: HeldSession | null
  readonly next: number
}

const EMPTY: Memory = { tokens: new Map(), codes: new Map(), session: null, next: ENVIRONMENT + 1 }

/** What a login knows beyond what its machine may. */
export class LoginStore extends Context.Service<
  LoginStore,
  {
    /** What the file says for this provider; what it says of another one is left where it is. */
    readonly load: (provider: string) => Effect.Effect<Omit<LoadedLogin, "source">>
    /** Replaces the file by what the machine says, and drops every secret that it names no more. */
    readonly save: (saved: SavedLogin) => Effect.Effect<void, { readonly _tag: string; readonly message: string }>
    /** A token under a new handle. */
    readonly hold: (record: TokenRecord) => Effect.Effect<HeldToken>
    /** The token of the environment. */
    readonly holdEnvironment: (record: TokenRecord) => Effect.Effect<HeldToken>
    readonly token: (handle: number) => Effect.Effect<Option.Option<TokenRecord>>
    /** Replaces the record under a handle whole. */
    readonly replace: (handle: number, record: TokenRecord) => Effect.Effect<void>
    readonly keepCodes: (flow: string, codes: FlowCodes) => Effect.Effect<void>
    readonly codes: (flow: string) => Effect.Effect<Option.Option<FlowCodes>>
    readonly keepSession: (handle: number, session: ProviderSession) => Effect.Effect<void>
    /** The session of this token, if it is still valid. */
    readonly session: (handle: number) => Effect.Effect<Option.Option<ProviderSession>>
  }
>()("holdfast/login/LoginStore") {
  static readonly layer = Layer.effect(
    LoginStore,
    Effect.gen(function* () {
      const home = yield* Home
      const files = yield* DurableFiles
      const path = yield* Path.Path
      const memory = yield* Ref.make(EMPTY)

      const change = (update: (before: Memory) => Partial<Memory>) =>
        Ref.update(memory, (before) => ({ ...before, ...update(before) }))

      const hold = (record: TokenRecord) =>
        Ref.modify(memory, (before) => [
          heldOf(before.next, record),
          { ...before, next: before.next + 1, tokens: new Map(before.tokens).set(before.next, record) }
        ])

      const replace = (handle: number, record: TokenRecord) =>
        change(({ tokens }) => ({ tokens: new Map(tokens).set(handle, record) }))

      const keepSession = (handle: number, fresh: ProviderSession) =>
        change(() => ({ session: { handle, session: fresh } }))

      const token = (handle: number) =>
        Effect.map(Ref.get(memory), ({ tokens }) => Option.fromUndefinedOr(tokens.get(handle)))

      const session = Effect.fnUntraced(function* (handle: number) {
        const { session: held } = yield* Ref.get(memory)
        const now = yield* Clock.currentTimeMillis
        return held !== null && held.handle === handle && now < held.session.expires_at - SESSION_MARGIN_MS
          ? Option.some(held.session)
          : Option.none<ProviderSession>()
      })

      const readFile = Effect.gen(function* () {
        const bytes = yield* files.read(home.login).pipe(
          // A bad sector, or a directory of that name: it is there, and it is nothing.
          Effect.catchIf(isDamage, () => Effect.succeedSome(new Uint8Array(0)))
        )
        if (Option.isNone(bytes)) return { file: NOTHING, problem: null }
        const text = yield* unsealed(new TextDecoder().decode(bytes.value))
        const file = Option.flatMap(text, Schema.decodeUnknownOption(LoginFileJson))
        if (Option.isSome(file)) return { file: file.value, problem: null }
        yield* files.remove(path.join(home.state, unreadableName(NAME)))
        yield* files.rename(home.state, NAME, unreadableName(NAME))
        return {
          file: NOTHING,
          problem: `${home.login} could not be understood; it is kept as ${unreadableName(NAME)}. Sign in again: holdfast login.`
        }
      }).pipe(Effect.catchTag("StorageError", ({ message }) => Effect.succeed({ file: NOTHING, problem: message })))

      const load = Effect.fn("LoginStore.load")(function* (provider: string) {
        const { file, problem } = yield* readFile
        const now = yield* Clock.currentTimeMillis
        const isOurs = file.account?.provider === provider
        const account = file.account !== undefined && isOurs ? yield* hold(recordOf(file.account)) : null
        if (account !== null && file.session !== undefined) yield* keepSession(account.handle, file.session)
        const flow = file.flow === undefined ? null : yield* loadFlow(file.flow, provider, now)
        return {
          account:
            account === null || file.account === undefined
              ? null
              : { ...account, name: file.account.account, access: file.account.access },
          candidate: flow?.candidate ?? null,
          flow: flow?.flow ?? null,
          session: account !== null && Option.isSome(yield* session(account.handle)),
          problem
        }
      })

      const loadFlow = Effect.fnUntraced(function* (saved: SavedFlow, provider: string, now: number) {
        const flow: LoginFlow = {
          id: saved.id,
          phase: saved.phase,
          intervalMs: saved.interval_ms,
          // A wall clock that went back must not make the code live longer than it ever could.
          lifeMs: Math.max(0, Math.min(saved.life_ms, (saved.shown?.deadline ?? 0) - now)),
          code: saved.code,
          message: saved.message
        }
        if (saved.provider !== undefined && saved.provider !== provider) {
          return { flow: { ...flow, phase: "error" as const, ...PROVIDER_CHANGED }, candidate: null }
        }
        if (saved.shown !== undefined && saved.provider !== undefined) {
          yield* keepCodes(saved.id, {
            deviceCode: saved.device_code ?? Redacted.make(""),
            userCode: saved.shown.user_code,
            verificationUri: saved.shown.verification_uri,
            deadline: saved.shown.deadline,
            provider
          })
        }
        const candidate = saved.token === undefined ? null : yield* hold(recordOf(saved.token))
        return { flow, candidate }
      })

      const keepCodes = (flow: string, codes: FlowCodes) =>
        change((before) => ({ codes: new Map(before.codes).set(flow, codes) }))

      const fileOf = ({ codes, session: held, tokens }: Memory, saved: SavedLogin): LoginFile => {
        const accountOf = (token: HeldToken | null) => {
          const record = token === null || token.handle === ENVIRONMENT ? undefined : tokens.get(token.handle)
          return record === undefined || token === null
            ? undefined
            : { ...record, account: token.name, access: token.access }
        }
        const account = accountOf(saved.account)
        const session = saved.session && held?.handle === saved.account?.handle ? held?.session : undefined
        const { flow } = saved
        const known = flow === null ? undefined : codes.get(flow.id)
        const token = accountOf(saved.candidate)
        const isOpen = flow?.phase === "waiting" || flow?.phase === "exchanging"
        return {
          version: 1,
          ...(account === undefined ? {} : { account }),
          ...(account === undefined || session === undefined ? {} : { session }),
          ...(flow === null || flow.phase === "requesting"
            ? {}
            : {
                flow: {
                  id: flow.id,
                  phase: flow.phase,
                  interval_ms: flow.intervalMs,
                  life_ms: flow.lifeMs,
                  code: flow.code,
                  message: flow.message,
                  ...(isOpen && known !== undefined
                    ? {
                        provider: known.provider,
                        shown: {
                          user_code: known.userCode,
                          verification_uri: known.verificationUri,
                          deadline: known.deadline
                        }
                      }
                    : {}),
                  ...(flow.phase === "waiting" && known !== undefined ? { device_code: known.deviceCode } : {}),
                  ...(flow.phase === "exchanging" && token !== undefined ? { token } : {})
                }
              })
        }
      }

      const save = Effect.fn("LoginStore.save")(function* (saved: SavedLogin) {
        const named = new Set([saved.account?.handle, saved.candidate?.handle])
        yield* change(({ codes, session: held, tokens }) => ({
          tokens: new Map([...tokens].filter(([handle]) => named.has(handle))),
          codes: new Map([...codes].filter(([flow]) => flow === saved.flow?.id && isLive(saved.flow))),
          session: saved.session ? held : null
        }))
        // The login of the file sleeps while the environment has a token.
        if (saved.account?.handle === ENVIRONMENT) return
        const file = fileOf(yield* Ref.get(memory), saved)
        if (file.account === undefined && file.flow === undefined) {
          if (!(yield* files.exists(home.login))) return
          yield* files.remove(home.login)
          return yield* files.syncDirectory(home.state)
        }
        const text = yield* Schema.encodeEffect(LoginFileJson)(file).pipe(Effect.orDie)
        yield* files.makeDirectory(home.state)
        yield* files.write(home.state, NAME, yield* sealed(text))
      })

      return LoginStore.of({
        load,
        save,
        hold,
        holdEnvironment: (record) => Effect.as(replace(ENVIRONMENT, record), heldOf(ENVIRONMENT, record)),
        token,
        replace,
        keepCodes,
        codes: (flow) => Effect.map(Ref.get(memory), ({ codes }) => Option.fromUndefinedOr(codes.get(flow))),
        keepSession,
        session
      })
    })
  )
}

const NOTHING: LoginFile = { version: 1 }

const PROVIDER_CHANGED = {
  code: "provider_changed",
  message: "The provider was changed while the login was under way: sign in again."
}

const recordOf = ({ access: _access, account: _account, ...record }: NonNullable<LoginFile["account"]>): TokenRecord =>
  record

const heldOf = (handle: number, record: TokenRecord): HeldToken => ({
  handle,
  refreshable: record.refresh_token !== undefined,
  name: null,
  access: "unknown"
})
