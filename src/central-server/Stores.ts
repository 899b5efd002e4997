/** Everything that central stores, over one database. */
import { Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { ConfigStore } from "./ConfigStore.ts"
import { Database } from "./Database.ts"
import { Gateways } from "./Gateways.ts"
import { IngestLedger } from "./IngestLedger.ts"
import { Settings } from "./Settings.ts"
import { Tokens } from "./Tokens.ts"

/** The stores of the central in a directory. */
export const storesLayer = (data: string) =>
  Layer.mergeAll(Tokens.layer, ConfigStore.layer, Gateways.layer, Settings.layer, IngestLedger.layer).pipe(
    Layer.provide(SecureRandom.layerWebCrypto),
    Layer.provideMerge(Database.layer(data))
  )
