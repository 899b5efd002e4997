/**
 * Acquires and keeps the identity of this machine: the tasks of `Join`.
 *
 * @ref LLP 0002#tasks [implements]: bootstrap, refresh, one identity per central URL
 */
import { Clock, Context, DateTime, Effect, Layer, Option, Random, Redacted, Ref, Result, Schema } from "effect"
import {
  type AcquiredIdentity,
  CREDENTIAL_REFUSED,
  type Join,
  type LoadedIdentity,
  REFRESH_MAX_MS
} from "../../machines/index.ts"
import {
  ConfigControl,
  CREDENTIAL_NOT_ACCEPTED,
  type IdentityEntry,
  IdentityResponse,
  type IdentityStatus,
  normaliseUrl,
  readJwt,
  routeUrl
} from "../domain/index.ts"
import type { Handlers } from "../statechart/index.ts"
import { IdentityStore, sha256Hex } from "../storage/index.ts"
import { type CentralAnswer, CentralHttp, describeAnswer } from "./CentralHttp.ts"

const DAY_S = 86_400
const TEN_YEARS_S = 10 * 365 * DAY_S

/** Central refused the credential itself: another try with it makes no sense. */
export class CredentialRefused extends Schema.TaggedError<CredentialRefused>()(CREDENTIAL_REFUSED, {
  message: Schema.String
}) {}

/** No identity could be had for another reason; the chart tries again on its ladder. */
export class IdentityFailed extends Schema.TaggedError<IdentityFailed>()("IdentityFailed", {
  message: Schema.String
}) {}

/** How an identity came about: the attribute of `central.identity.acquired`. */
export type Acquisition = "loaded" | "refreshed" | "bootstrapped"

export class Identity extends Context.Service<
  Identity,
  {
    readonly tasks: Handlers<typeof Join, never>["tasks"]
    /** The credential for the central that runs, once there is one. */
    readonly current: Effect.Effect<Option.Option<IdentityEntry>>
    readonly status: Effect.Effect<Pick<IdentityStatus, "gateway_id" | "expires_at">>
    /** What kept a fresh identity from being stored, if anything: it is used from memory meanwhile. */
    readonly storageProblem: Effect.Effect<string | null>
    /** Stores what could not be stored before, if anything: a restart would lose it. */
    readonly storeAgain: Effect.Effect<void>
  }
>()("holdfast/central/Identity") {
  static readonly layer = Layer.effect(
    Identity,
    Effect.gen(function* () {
      const http = yield* CentralHttp
      const store = yield* IdentityStore
      const config = yield* ConfigControl
      const current = yield* Ref.make(Option.none<IdentityEntry>())
      const storageProblem = yield* Ref.make<string | null>(null)

      const jitter = Effect.map(Random.next, (draw) => draw * 2 - 1)
      const nowSeconds = Effect.map(Clock.currentTimeMillis, (now) => Math.floor(now / 1_000))

      const centralUrl = Effect.flatMap(config.central, (sink) =>
        Option.isNone(sink)
          ? Effect.fail(new IdentityFailed({ message: "the running configuration names no central" }))
          : Effect.succeed(normaliseUrl(sink.value.url))
      )

      const fingerprint = (token: Redacted.Redacted<string>) =>
        sha256Hex(new TextEncoder().encode(Redacted.value(token)))

      const put = (url: string, entry: IdentityEntry) =>
        store.put(url, entry).pipe(
          Effect.matchEffect({
            onSuccess: () => Ref.set(storageProblem, null),
            onFailure: (error) =>
              Effect.andThen(Ref.set(storageProblem, error.message), Effect.logWarning(error.message))
          })
        )

      const storeAgain = Effect.gen(function* () {
        const entry = yield* Ref.get(current)
        if (Option.isNone(entry) || (yield* Ref.get(storageProblem)) === null) return
        const sink = yield* config.central
        if (Option.isSome(sink)) yield* put(normaliseUrl(sink.value.url), entry.value)
      })

      // In use from memory at once: a disk that is full must not cut the line to central.
      const keep = Effect.fnUntraced(function* (url: string, entry: IdentityEntry, how: Acquisition) {
        yield* Ref.set(current, Option.some(entry))
        yield* put(url, entry)
        yield* acquiredEvent(how, entry.gateway_id)
      })

      const outcome = Effect.fnUntraced(function* (entry: IdentityEntry) {
        const now = yield* nowSeconds
        const answer: AcquiredIdentity = {
          refreshInMs: refreshInMs(entry, now),
          expiryUnknown: entry.expires_at === 0,
          jitter: yield* jitter
        }
        return answer
      })

      const loadIdentity = Effect.fn("Identity.load")(function* () {
        const url = yield* centralUrl
        const token = yield* config.policyToken(url)
        const { file } = yield* store.read
        const entry = file.identities[url]
        const fp = Option.isSome(token) ? yield* fingerprint(token.value) : undefined
        // A configured token that is another one means: enrol again.
        const stale = fp !== undefined && entry?.bootstrap_token_fp !== undefined && entry.bootstrap_token_fp !== fp
        const found: LoadedIdentity = {
          kind: entry === undefined || stale ? "none" : "ready",
          refreshInMs: entry === undefined ? 0 : refreshInMs(entry, yield* nowSeconds),
          token: Option.isSome(token),
          jitter: yield* jitter
        }
        if (entry !== undefined && !stale) {
          yield* Ref.set(current, Option.some(entry))
          yield* acquiredEvent("loaded", entry.gateway_id)
        }
        return found
      })

      const readIdentity = Effect.fnUntraced(function* (
        answer: CentralAnswer,
        known: string,
        sent: Redacted.Redacted<string>
      ) {
        const said = () => describeAnswer(answer, [sent])
        if (answer.status === 401 || answer.status === 403) {
          return yield* new CredentialRefused({ message: `${said().replace(/\.+$/, "")}. ${CREDENTIAL_NOT_ACCEPTED}` })
        }
        if (answer.status < 200 || answer.status > 299) {
          return yield* new IdentityFailed({ message: said() })
        }
        const text = answer.body === null ? "" : new TextDecoder().decode(answer.body)
        const decoded = Schema.decodeUnknownResult(Schema.fromJsonString(IdentityResponse))(text)
        if (Result.isFailure(decoded)) {
          return yield* new IdentityFailed({ message: "central's answer is not an identity ({jwt, expires_at})" })
        }
        const claims = readJwt(decoded.success.jwt)
        if (Result.isFailure(claims)) return yield* new IdentityFailed({ message: claims.failure.message })
        const gateway = claims.success.sub ?? known
        if (gateway === "") {
          return yield* new IdentityFailed({ message: "the identity that central sent names no gateway (no `sub`)" })
        }
        const now = yield* nowSeconds
        const { expires_at, jwt } = decoded.success
        return {
          jwt: Redacted.make(jwt),
          expires_at: expires_at > now && expires_at < now + TEN_YEARS_S ? expires_at : 0,
          obtained_at: now,
          gateway_id: gateway
        }
      })

      const bootstrap = Effect.fn("Identity.bootstrap")(function* () {
        const url = yield* centralUrl
        const token = yield* config.policyToken(url)
        if (Option.isNone(token)) {
          return yield* new CredentialRefused({
            message: "there is no policy token any more. Join this machine again: holdfast join URL."
          })
        }
        const answer = yield* http.request({
          method: "POST",
          url: routeUrl(url, "/v1/identity/bootstrap"),
          json: { bootstrap_token: Redacted.value(token.value) }
        })
        const identity = yield* readIdentity(answer, "", token.value)
        const entry = { ...identity, bootstrap_token_fp: yield* fingerprint(token.value) }
        yield* keep(url, entry, "bootstrapped")
        return yield* outcome(entry)
      })

      const refresh = Effect.fn("Identity.refresh")(function* () {
        const url = yield* centralUrl
        const known = yield* Ref.get(current)
        if (Option.isNone(known)) {
          return yield* new CredentialRefused({ message: "there is no identity to refresh" })
        }
        const answer = yield* http.request({
          method: "POST",
          url: routeUrl(url, "/v1/identity/refresh"),
          bearer: known.value.jwt
        })
        const identity = yield* readIdentity(answer, known.value.gateway_id, known.value.jwt)
        const entry: IdentityEntry = { ...known.value, ...identity }
        yield* keep(url, entry, "refreshed")
        return yield* outcome(entry)
      })

      const status = Effect.map(Ref.get(current), (known) => ({
        gateway_id: Option.isSome(known) ? known.value.gateway_id : null,
        expires_at:
          Option.isSome(known) && known.value.expires_at > 0
            ? DateTime.formatIso(DateTime.makeUnsafe(known.value.expires_at * 1_000))
            : null
      }))

      return Identity.of({
        tasks: { loadIdentity, bootstrap, refresh },
        current: Ref.get(current),
        status,
        storageProblem: Ref.get(storageProblem),
        storeAgain
      })
    })
  )
}

const acquiredEvent = (how: Acquisition, gateway: string) =>
  Effect.logInfo("central.identity.acquired").pipe(Effect.annotateLogs({ how, gateway_id: gateway }))

/** Elapsed ms until a refresh is due: 24 h before the end, or half of the life, whichever leaves less. */
export const refreshInMs = (entry: Pick<IdentityEntry, "expires_at" | "obtained_at">, nowSeconds: number): number => {
  if (entry.expires_at === 0) return REFRESH_MAX_MS
  const life = Math.max(0, entry.expires_at - entry.obtained_at)
  const left = entry.expires_at - nowSeconds - Math.min(DAY_S, life / 2)
  return Math.min(Math.max(0, left * 1_000), REFRESH_MAX_MS)
}
