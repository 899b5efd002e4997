/** The digest that names documents. */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Effect } from "effect"
import { Digest } from "effect/crypto"

/**
 * SHA-256 of `bytes` as 64 lower-case hex digits.
 *
 * It brings its own implementation: the result depends on the bytes alone, so there is no world to exchange.
 */
export const sha256Hex = (bytes: Uint8Array): Effect.Effect<string> =>
  Digest.Digest.use((digest) => digest.digestHex(Digest.sha256, bytes)).pipe(Effect.provide(NodeCrypto.layerDigest))
