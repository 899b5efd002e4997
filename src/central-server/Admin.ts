/** What an operator does with a central, in the same directory, whether or not a server runs on it. */
import { Clock, Context, Effect, Layer, Option, type Redacted } from "effect"
import {
  type CheckAnswer,
  type ConfigView,
  diffDocuments,
  type DocumentDiff,
  type GatewayDetail,
  type GatewayView,
  isoTime,
  type RevisionView,
  type SavedAnswer,
  type TokenView
} from "../domain/index.ts"
import { checkName, ConfigStore, type Document, etagOf, type SavedBy } from "./ConfigStore.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { factsOf, viewConfigs, viewGateways, viewRevisions } from "./FleetView.ts"
import { Gateways } from "./Gateways.ts"
import { viewGateway } from "./GatewayView.ts"
import { IngestLedger } from "./IngestLedger.ts"
import { AdminRefused, ConfigRefused, type RevisionChanged } from "./Refused.ts"
import { type Objection, reviewDocument } from "./SavePipeline.ts"
import { Settings } from "./Settings.ts"
import { storesLayer } from "./Stores.ts"
import { Tokens } from "./Tokens.ts"

/** How a revision is saved. */
export interface SaveOptions {
  /** Against every objection. */
  readonly force: boolean
  /** The newest etag that the admin has seen, with its quotes; "none": there must be no revision yet. */
  readonly expect?: string | undefined
  /** A command, if nobody else. */
  readonly savedBy?: SavedBy | undefined
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

/** A fleet at a moment. */
export interface Fleet {
  /** ISO 8601. */
  readonly now: string
  readonly configs: ReadonlyArray<ConfigView>
  readonly gateways: ReadonlyArray<GatewayView>
  /** What an admin should know of what is stored. */
  readonly warnings: ReadonlyArray<string>
}

type Save = Effect.Effect<SavedAnswer, AdminRefused | ConfigRefused | DatabaseError | RevisionChanged>

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
    readonly listTokens: Effect.Effect<ReadonlyArray<TokenView>, DatabaseError>
    readonly revokeToken: (id: string) => Effect.Effect<void, AdminRefused | DatabaseError>
    /** What the save pipeline has against a document, and whether it is what is saved already. Writes nothing. */
    readonly check: (name: string, bytes: Uint8Array) => Effect.Effect<CheckAnswer, AdminRefused | DatabaseError>
    /**
     * Saves a document as a new revision, if the save pipeline has no objection or `force` overrides them, and nobody
     * else has saved since `expect`. The bytes of the newest revision again are saved already, whatever `expect` says.
     */
    readonly putConfig: (name: string, bytes: Uint8Array, options: SaveOptions) => Save
    /**
     * Saves the bytes of an earlier revision as a new one: of number `seq`, else of the newest one whose bytes are not
     * those of the newest. Fails as a save does.
     */
    readonly rollback: (name: string, options: SaveOptions & { readonly seq?: number | undefined }) => Save
    /** The newest document, byte for byte. */
    readonly getConfig: (name: string) => Effect.Effect<Document, AdminRefused | DatabaseError>
    /** One document of the history, byte for byte. */
    readonly revision: (name: string, seq: number) => Effect.Effect<Document, AdminRefused | DatabaseError>
    /** Revisions before number `before` and how they do in the fleet; the newest first, 50 unless told. */
    readonly history: (
      name: string,
      page?: { readonly before?: number | undefined; readonly limit?: number | undefined }
    ) => Effect.Effect<ReadonlyArray<RevisionView>, AdminRefused | DatabaseError>
    /** How revision `b` differs from revision `a`. */
    readonly diff: (name: string, a: number, b: number) => Effect.Effect<DocumentDiff, AdminRefused | DatabaseError>
    readonly listConfigs: Effect.Effect<ReadonlyArray<ConfigInfo>, DatabaseError>
    readonly listGateways: Effect.Effect<ReadonlyArray<GatewayView>, DatabaseError>
    readonly gatewayDetail: (id: string) => Effect.Effect<GatewayDetail, AdminRefused | DatabaseError>
    readonly revokeGateway: (id: string) => Effect.Effect<void, AdminRefused | DatabaseError>
    readonly fleet: Effect.Effect<Fleet, DatabaseError>
    /** What gateways told, the newest first. */
    readonly listRows: IngestLedger["Service"]["list"]
  }
>()("holdfast/central-server/Admin") {
  /** Over the stores of a directory. A server checks documents against its own URL, all others against the stored one. */
  static readonly layerOver = (ownUrl?: string) =>
    Layer.effect(
      Admin,
      Effect.gen(function* () {
        const tokens = yield* Tokens
        const store = yield* ConfigStore
        const gateways = yield* Gateways
        const ledger = yield* IngestLedger
        const settings = yield* Settings

        const objectionsTo = Effect.fnUntraced(function* (bytes: Uint8Array) {
          const externalUrl = ownUrl === undefined ? yield* settings.get("external_url") : Option.some(ownUrl)
          return reviewDocument(bytes, externalUrl)
        })

        const save = Effect.fnUntraced(function* (
          name: string,
          bytes: Uint8Array,
          { expect, force, restores, savedBy = "command" }: SaveOptions & { readonly restores?: number }
        ) {
          const objections = yield* objectionsTo(bytes)
          if (objections.length > 0 && !force) return yield* new ConfigRefused({ objections })
          const forced = objections.length > 0
          const saved = yield* store.put(name, bytes, { forced, savedBy, expect, restores })
          return { ...saved, forced, warnings: objections.map(warningOf) }
        })

        const getConfig = Effect.fn("Admin.getConfig")((name: string) =>
          Effect.flatMap(store.document(name), Option.match({ onNone: () => noDocument(name), onSome: Effect.succeed }))
        )

        const revision = Effect.fn("Admin.revision")((name: string, seq: number) =>
          Effect.flatMap(
            store.revision(name, seq),
            Option.match({ onNone: () => noRevision(name, seq), onSome: Effect.succeed })
          )
        )

        const earlier = Effect.fnUntraced(function* (name: string) {
          // The document itself may be damaged, which is a reason to go back.
          const newest = yield* store.etag(name)
          if (Option.isNone(newest)) return yield* noDocument(name)
          const seq = yield* store.previous(name)
          if (Option.isSome(seq)) return { seq: seq.value, newest: newest.value }
          return yield* new AdminRefused({
            reason: "invalid",
            message: `${name} has never had another document, so there is nothing to go back to.`
          })
        })

        return Admin.of({
          listRows: ledger.list,
          createToken: tokens.create,
          listTokens: tokens.list,
          revokeToken: tokens.revoke,
          check: Effect.fn("Admin.check")(function* (name, bytes) {
            yield* checkName(name)
            const newest = yield* store.etag(name)
            const etag = yield* etagOf(bytes)
            return { objections: yield* objectionsTo(bytes), unchanged: Option.contains(newest, etag) }
          }),
          putConfig: Effect.fn("Admin.putConfig")(save),
          rollback: Effect.fn("Admin.rollback")(function* (name, { seq, ...options }) {
            // What "the one before" is depends on the newest: another save in between must not make it something else.
            const chosen = seq === undefined ? yield* earlier(name) : { seq, newest: undefined }
            const { bytes } = yield* revision(name, chosen.seq)
            return yield* save(name, bytes, {
              ...options,
              expect: options.expect ?? chosen.newest,
              restores: chosen.seq
            })
          }),
          getConfig,
          revision,
          history: Effect.fn("Admin.history")(function* (name, { before = Number.MAX_SAFE_INTEGER, limit = 50 } = {}) {
            const revisions = (yield* store.history).filter(({ config }) => config === name)
            if (revisions.length === 0) return yield* noDocument(name)
            const views = viewRevisions(
              revisions,
              (yield* gateways.list).filter(({ config }) => config === name)
            )
            return views.filter(({ seq }) => seq < before).slice(0, limit)
          }),
          diff: Effect.fn("Admin.diff")(function* (name, a, b) {
            return diffDocuments((yield* revision(name, a)).bytes, (yield* revision(name, b)).bytes)
          }),
          listConfigs: Effect.map(store.history, (history) => {
            const infos = history.map(({ config, created_at, etag, forced, seq }) => ({
              name: config,
              etag,
              forced: forced === 1,
              revisions: seq,
              saved_at: isoTime(created_at)
            }))
            return [...new Map(infos.map((info) => [info.name, info])).values()]
          }),
          listGateways: Effect.map(Effect.all([gateways.list, store.history]), ([all, history]) =>
            viewGateways(all, history)
          ),
          gatewayDetail: Effect.fn("Admin.gatewayDetail")(function* (id) {
            const found = yield* gateways.find(id)
            return {
              gateway: viewGateway(found, factsOf(yield* store.history)(found.config)),
              tenures: yield* gateways.tenures(id),
              events: yield* ledger.list({ gatewayId: id, signal: "events", limit: 100 }),
              runs: yield* ledger.list({ gatewayId: id, signal: "runs", limit: 100 })
            }
          }),
          revokeGateway: gateways.revoke,
          fleet: Effect.gen(function* () {
            const history = yield* store.history
            const all = yield* gateways.list
            const views = viewGateways(all, history)
            const now = yield* Clock.currentTimeMillis
            return {
              now: isoTime(now),
              configs: viewConfigs(all, views, history),
              gateways: views,
              warnings: yield* gateways.losses(now)
            }
          }).pipe(Effect.withSpan("Admin.fleet"))
        })
      })
    )

  /** Administration of the central in a directory; creates it when it is not there. */
  static readonly layer = (data: string) => Layer.fresh(Admin.layerOver().pipe(Layer.provide(storesLayer(data))))
}

const warningOf = ({ consequence, message, pointer }: Objection): string =>
  `${pointer === "" ? "the document" : pointer} ${message}${/[.?!]$/.test(message) ? "" : "."} ${consequence}`

const noDocument = (name: string) =>
  Effect.fail(
    new AdminRefused({
      reason: "not_found",
      message: `There is no document with this name, ${name}: \`central config list\` shows them.`
    })
  )

const noRevision = (name: string, seq: number) =>
  Effect.fail(
    new AdminRefused({
      reason: "not_found",
      message: `There is no revision ${seq} of ${name}: \`central config history ${name}\` shows them.`
    })
  )
