/** What this machine has joined so far, by its files. */
import { Effect, Option, Redacted, Result } from "effect"
import { centralSink, checkShape, Home, normaliseUrl } from "../domain/index.ts"
import { IdentityStore, sha256Hex, Slots } from "../storage/index.ts"

/** What a person asks to join, with what they vouch for. */
export interface Joined {
  /** Normalised. */
  readonly url: string
  readonly token: Redacted.Redacted<string>
  /** PEM. */
  readonly ca: string | undefined
  readonly allowInsecureHttp: boolean
}

/** What is joined already. */
export interface KnownJoin {
  /** Normalised; null when the files that name it cannot be read. */
  readonly url: string | null
  /** The active revision. */
  readonly etag: string | null
  /** SHA-256, hex, of the token that this join was or will be made with. */
  readonly fingerprint: string | null
  readonly ca: string | undefined
  readonly insecureUrl: string | undefined
  /** The intent waits for the daemon to start. */
  readonly pending: boolean
  /** leave.json waits: the machine is joined for as long as nobody carries it out. */
  readonly leaving: boolean
}

/** Whether joining again would change nothing. */
export const sameJoin = (known: KnownJoin, { allowInsecureHttp, ca, token, url }: Joined) =>
  Effect.map(
    fingerprintOf(Redacted.value(token)),
    (fingerprint) =>
      known.url === url &&
      known.fingerprint === fingerprint &&
      known.ca === ca &&
      (!allowInsecureHttp || known.insecureUrl === url)
  )

/** `None` on a machine that never joined. */
export const knownJoin = Effect.gen(function* () {
  const home = yield* Home
  const slots = yield* Slots
  const { ControlFiles } = yield* Effect.promise(() => import("../config/index.ts"))
  const control = yield* ControlFiles
  const active = yield* slots.readActive(home.control)
  const slot = active === "absent" || !("slot" in active) ? undefined : yield* slots.readSlot(home.control, active.slot)
  const etag = slot?.record?.etag ?? null
  const leaving = yield* control.leaveFound

  const intent = yield* control.readJoin
  if (Option.isSome(intent)) {
    const { seed, trust } = intent.value
    const named = yield* centralIn(new TextEncoder().encode(seed))
    const pending: KnownJoin = {
      ...named,
      etag,
      ca: trust.ca,
      insecureUrl: trust.insecure_url,
      pending: true,
      leaving
    }
    return Option.some(pending)
  }

  const seed = Option.getOrUndefined(yield* control.readSeed)
  const bytes = slot?.document ?? seed
  if (bytes === undefined && active === "absent") return Option.none<KnownJoin>()
  const named = bytes === undefined ? NOTHING : yield* centralIn(bytes)
  const seeded = seed === undefined ? NOTHING : yield* centralIn(seed)
  const { file } = yield* (yield* IdentityStore).read
  const trust = yield* control.readTrust
  const stored = named.url === null ? undefined : file.identities[named.url]?.bootstrap_token_fp
  const known: KnownJoin = {
    url: named.url,
    etag,
    fingerprint: (seeded.url === named.url ? seeded.fingerprint : null) ?? stored ?? null,
    ca: trust.ca,
    insecureUrl: trust.insecure_url,
    pending: false,
    leaving
  }
  return Option.some(known)
})

const NOTHING = { url: null, fingerprint: null }

const fingerprintOf = (token: string) => sha256Hex(new TextEncoder().encode(token))

const centralIn = Effect.fnUntraced(function* (bytes: Uint8Array) {
  const document = checkShape(bytes)
  const sink = Result.isSuccess(document) ? centralSink(document.success) : Option.none()
  if (Option.isNone(sink)) return NOTHING
  const { token, url } = sink.value
  return {
    url: normaliseUrl(url),
    fingerprint: Option.isNone(token) ? null : yield* fingerprintOf(Redacted.value(token.value))
  }
})
