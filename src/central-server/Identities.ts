/** Gateways' identities: JWTs signed with this central's Ed25519 key. */
import { Clock, Context, DateTime, Effect, Layer, Option, Predicate, Redacted, Schema } from "effect"
import * as Jose from "jose"
import type { IdentityResponse } from "../domain/index.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { CredentialRefused } from "./Refused.ts"
import { Settings } from "./Settings.ts"

/** How long identities live. */
export interface IdentityPolicy {
  /** Seconds until a JWT expires. */
  readonly lifetimeSeconds: number
  /** Seconds after its expiry in which it may still be refreshed. */
  readonly refreshGraceSeconds: number
}

/** 30 days, refreshable for another 365: a machine that was switched off for a month comes back by itself. */
export const DEFAULT_IDENTITY_POLICY: IdentityPolicy = {
  lifetimeSeconds: 30 * 86_400,
  refreshGraceSeconds: 365 * 86_400
}

/** A gateway, and what it joined by. */
export interface KnownGateway {
  readonly id: string
  readonly config: string
  readonly tokenId: string
}

/** What an authentic JWT says. `exp` and `iat` in Unix seconds. */
export interface VerifiedIdentity {
  readonly gatewayId: string
  readonly exp: number
  readonly iat: number
  /** From what the gateway can be known again by a central that has lost it; absent in those of old versions. */
  readonly gateway: Option.Option<KnownGateway>
}

/** The signing key that is stored cannot be used. */
export class SigningKeyUnusable extends Schema.TaggedError<SigningKeyUnusable>()("SigningKeyUnusable", {
  message: Schema.String
}) {}

/** Issues and verifies JWTs. Whether the gateway is still welcome is not its matter. */
export class Identities extends Context.Service<
  Identities,
  {
    readonly issue: (gateway: KnownGateway) => Effect.Effect<IdentityResponse>
    /** Checks signature and expiry; with `forRefresh` the grace counts. */
    readonly verify: (
      jwt: Redacted.Redacted<string>,
      options: { readonly forRefresh: boolean }
    ) => Effect.Effect<VerifiedIdentity, CredentialRefused>
  }
>()("holdfast/central-server/Identities") {
  static readonly layer = (policy: IdentityPolicy) =>
    Layer.effect(
      Identities,
      Effect.gen(function* () {
        const { privateKey, publicKey } = yield* loadKeys
        return Identities.of({
          issue: Effect.fn("Identities.issue")(function* ({ config, id, tokenId }) {
            const issued = Math.floor((yield* Clock.currentTimeMillis) / 1000)
            const expires_at = issued + policy.lifetimeSeconds
            const jwt = new Jose.SignJWT({ [CONFIG_CLAIM]: config, [TOKEN_CLAIM]: tokenId })
              .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
              .setSubject(id)
              .setIssuedAt(issued)
              .setExpirationTime(expires_at)
            return { jwt: yield* Effect.promise(() => jwt.sign(privateKey)), expires_at }
          }),
          verify: Effect.fn("Identities.verify")(function* (jwt, { forRefresh }) {
            const currentDate = DateTime.toDateUtc(yield* DateTime.now)
            const { payload } = yield* Effect.tryPromise({
              try: () =>
                Jose.jwtVerify(Redacted.value(jwt), publicKey, {
                  algorithms: [ALGORITHM],
                  currentDate,
                  clockTolerance: forRefresh ? policy.refreshGraceSeconds : 0,
                  requiredClaims: ["sub", "exp"]
                }),
              catch: refusal
            })
            const { exp = 0, iat = 0, sub = "", [CONFIG_CLAIM]: config, [TOKEN_CLAIM]: tokenId } = payload
            const gateway =
              Predicate.isString(config) && Predicate.isString(tokenId)
                ? Option.some({ id: sub, config, tokenId })
                : Option.none()
            return { gatewayId: sub, exp, iat, gateway }
          })
        })
      })
    )
}

const ALGORITHM = "EdDSA"

/** Private claims: the config's name, and the id of the policy token. */
const CONFIG_CLAIM = "holdfast_config"
const TOKEN_CLAIM = "holdfast_token"

const KeyPair = Schema.fromJsonString(
  Schema.Struct({
    kty: Schema.Literal("OKP"),
    crv: Schema.Literal("Ed25519"),
    x: Schema.NonEmptyString,
    d: Schema.NonEmptyString
  })
)

const loadKeys: Effect.Effect<
  { readonly privateKey: Jose.CryptoKey; readonly publicKey: Jose.CryptoKey },
  DatabaseError | SigningKeyUnusable,
  Settings
> = Effect.gen(function* () {
  const settings = yield* Settings
  const stored = yield* settings.get("signing_key")
  const text = Option.isSome(stored) ? stored.value : yield* settings.initialise("signing_key", yield* makeKey)
  const { d, ...open } = yield* Effect.mapError(Schema.decodeEffect(KeyPair)(text), () => unusable)
  const load = (jwk: Jose.JWK_OKP_Private | Jose.JWK_OKP_Public) =>
    Effect.filterOrFail(
      Effect.tryPromise({ try: () => Jose.importJWK(jwk, ALGORITHM), catch: () => unusable }),
      (key): key is Jose.CryptoKey => !(key instanceof Uint8Array),
      () => unusable
    )
  return { privateKey: yield* load({ ...open, d }), publicKey: yield* load(open) }
})

const makeKey = Effect.promise(() => Jose.generateKeyPair(ALGORITHM, { crv: "Ed25519", extractable: true })).pipe(
  Effect.flatMap(({ privateKey }) => Effect.promise(() => Jose.exportJWK(privateKey))),
  Effect.map((jwk) => JSON.stringify(jwk))
)

const unusable = new SigningKeyUnusable({
  message:
    "The signing key in central's database is not an Ed25519 key: put a backup of the database in its place. " +
    "With a new key every gateway has to join again."
})

const refusal = (cause: unknown): CredentialRefused =>
  cause instanceof Jose.errors.JWTExpired
    ? new CredentialRefused({
        error: "identity_expired",
        message: "The identity has expired: refresh it, or join again."
      })
    : new CredentialRefused({
        error: "identity_invalid",
        message: "The identity was not issued by this central, or was changed: join again."
      })
