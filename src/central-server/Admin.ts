/** What an operator does with a central, in the same directory, whether or not a server runs on it. */
import { Context, Effect, Layer, Option, type Redacted } from "effect"
import { ConfigStore } from "./ConfigStore.ts"
import type { DatabaseError } from "./Database.ts"
import { Gateways } from "./Gateways.ts"
import { type GatewayView, viewGateway } from "./GatewayView.ts"
import { AdminRefused, ConfigRefused } from "./Refused.ts"
import { reviewDocument } from "./SavePipeline.ts"
import { storesLayer } from "./Server.ts"
import { Settings } from "./Settings.ts"
import { isoOf, type TokenInfo, Tokens } from "./Tokens.ts"

/** A revision that was saved. */
export interface Saved {
  /** With its quotes, as gateways report it. */
  readonly etag: string
  /** Whether it was saved against objections. */
  readonly forced: boolean
  /** What a fleet may make of the objections that were overridden. */
  readonly warnings: ReadonlyArray<string>
}

/** A config name and its newest revision. */
export interface ConfigInfo {
  readonly name: string
  readonly etag: string
  readonly forced: boolean
  /** How many revisions it has had. */
  readonly revisions: number
  /** ISO 8601. */
  readonly saved_at: string
}

/** Administration of a central. */
export class Admin extends Context.Service<
  Admin,
  {
    readonly createToken: (options: {
      readonly config: string
      readonly expiresInSeconds?: number | undefined
    }) => Effect.Effect<
      { readonly id: string; readonly token: Redacted.Redacted<string> },
      AdminRefused | DatabaseError
    >
    readonly listTokens: Effect.Effect<ReadonlyArray<TokenInfo>, DatabaseError>
    readonly revokeToken: (id: string) => Effect.Effect<void, AdminRefused | DatabaseError>
    /** Saves a document as a new revision, if the save pipeline has no objection or `force` overrides them. */
    readonly putConfig: (
      name: string,
      bytes: Uint8Array,
      options: { readonly force: boolean }
    ) => Effect.Effect<Saved, AdminRefused | ConfigRefused | DatabaseError>
    /** The newest document, byte for byte. */
    readonly getConfig: (
      name: string
    ) => Effect.Effect<{ readonly etag: string; readonly bytes: Uint8Array }, AdminRefused | DatabaseError>
    readonly listConfigs: Effect.Effect<ReadonlyArray<ConfigInfo>, DatabaseError>
    readonly listGateways: Effect.Effect<ReadonlyArray<GatewayView>, DatabaseError>
    readonly revokeGateway: (id: string) => Effect.Effect<void, AdminRefused | DatabaseError>
  }
>()("holdfast/central-server/Admin") {
  static readonly layerStores = Layer.effect(
    Admin,
    Effect.gen(function* () {
      const tokens = yield* Tokens
      const store = yield* ConfigStore
      const gateways = yield* Gateways
      const settings = yield* Settings
      return Admin.of({
        createToken: tokens.create,
        listTokens: tokens.list,
        revokeToken: tokens.revoke,
        putConfig: Effect.fn("Admin.putConfig")(function* (name, bytes, { force }) {
          const objections = reviewDocument(bytes, yield* settings.get("external_url"))
          if (objections.length > 0 && !force) {
            const problems = objections.map(({ message, pointer }) => ({ pointer, message }))
            return yield* new ConfigRefused({ problems })
          }
          const forced = objections.length > 0
          const etag = yield* store.put(name, bytes, { forced })
          const warnings = objections.map(
            ({ consequence, message, pointer }) =>
              `${pointer === "" ? "the document" : pointer} ${message}. ${consequence}`
          )
          return { etag, forced, warnings }
        }),
        getConfig: Effect.fn("Admin.getConfig")((name) =>
          Effect.flatMap(
            store.document(name),
            Option.match({
              onNone: () =>
                Effect.fail(
                  new AdminRefused({ message: "There is no document with this name: `config list` shows them." })
                ),
              onSome: Effect.succeed
            })
          )
        ),
        listConfigs: Effect.map(store.history, (history) => {
          const infos = history.map(({ config, created_at, etag, forced, seq }) => ({
            name: config,
            etag,
            forced: forced === 1,
            revisions: seq,
            saved_at: isoOf(created_at)
          }))
          return [...new Map(infos.map((info) => [info.name, info])).values()]
        }),
        listGateways: Effect.map(Effect.all([gateways.list, store.history]), ([all, history]) =>
          all.map((gateway) => viewGateway(gateway, history))
        ),
        revokeGateway: gateways.revoke
      })
    })
  )

  /** Administration of the central in a directory; creates it when it is not there. */
  static readonly layer = (data: string) => Layer.fresh(Admin.layerStores.pipe(Layer.provide(storesLayer(data))))
}
