/** Central's API for admins: what its page and its commands read and send. Times are ISO 8601. */
import { Schema } from "effect"
import { RemoteConfig } from "./CentralProtocol.ts"

/**
 * Where a gateway stands towards the newest revision of its config; exactly one of them is true of each gateway.
 *
 * `converged`: runs it, promoted. `unconfirmed`: runs it, and has not reported whether it is promoted. `probation`: runs
 * it on probation. `restarting`: has applied it and restarts into it. `rolled_back`: gave it up. `refused`: did not apply
 * it, or remembers it as bad. `waiting`: has not fetched it. `ahead`: runs a revision that this central does not know, as
 * after a backup was put back. `never_seen`: joined and never polled. `unconfigured`: nothing is registered under its
 * config's name. `revoked`: its identity was ended.
 */
export const STANDINGS = [
  "converged",
  "unconfirmed",
  "probation",
  "restarting",
  "rolled_back",
  "refused",
  "waiting",
  "ahead",
  "never_seen",
  "unconfigured",
  "revoked"
] as const
export const Standing = Schema.Literals(STANDINGS)
export type Standing = typeof Standing.Type

const NullableString = Schema.NullOr(Schema.String)
const Count = Schema.Int

/** A gateway as an admin sees it. */
export const GatewayView = Schema.Struct({
  id: Schema.String,
  config: Schema.String,
  joined_at: Schema.String,
  /** Its last poll or report; null before the first. */
  last_seen: NullableString,
  /** The revision that it runs, by its last word on it; null on its seed or when it never said. */
  running_etag: NullableString,
  /** Its number in the config, of equal bytes the newest; null where the config has no such revision. */
  running_revision: Schema.NullOr(Count),
  /** Since when this central has known it to run that. */
  running_since: NullableString,
  /** Whether that revision was saved with `--force` against objections. */
  running_forced: Schema.Boolean,
  /** The newest revision of its config; null when there is none. */
  newest_etag: NullableString,
  standing: Standing,
  /** By its last report; null when that spoke of another revision than the one that it runs since. */
  on_probation: Schema.NullOr(Schema.Boolean),
  last_rollback: RemoteConfig.fields.last_rollback.schema,
  last_attempt: RemoteConfig.fields.last_attempt.schema,
  reported_at: NullableString,
  version: NullableString,
  platform: NullableString,
  agents: Schema.NullOr(Schema.Finite),
  runs: Schema.NullOr(Schema.Finite),
  revoked: Schema.Boolean,
  /** One line: why it runs what it runs. */
  why: Schema.String
})
export type GatewayView = typeof GatewayView.Type

/** How a revision does in the fleet: of the gateways of its config, how many are where with it. */
export const Convergence = Schema.Struct({
  /** Run it now: promoted, on probation, and without a report about that. */
  promoted: Count,
  probation: Count,
  unconfirmed: Count,
  /** Have applied it, and restart into it. */
  restarting: Count,
  rolled_back: Count,
  refused: Count
})
export type Convergence = typeof Convergence.Type

/** A revision of a config, without its bytes. */
export const RevisionView = Schema.Struct({
  seq: Count,
  /** With its quotes, as gateways report it. */
  etag: Schema.String,
  bytes: Count,
  saved_at: Schema.String,
  /** Who saved it: `command`, `page`, or `api`. */
  saved_by: Schema.String,
  /** Saved against objections. */
  forced: Schema.Boolean,
  /** The number of the revision whose bytes it brought back, if it was a rollback. */
  restores: Schema.NullOr(Count),
  convergence: Convergence
})
export type RevisionView = typeof RevisionView.Type

/** A config, its newest revisions (the newest first, 20 at most) and where its gateways stand. */
export const ConfigView = Schema.Struct({
  name: Schema.String,
  /** How many revisions there are in all. */
  revisions: Count,
  newest: Schema.Array(RevisionView),
  gateways: Count,
  standings: Schema.Record(Schema.String, Count)
})
export type ConfigView = typeof ConfigView.Type

/** `GET /fleet`: the whole fleet. */
export const FleetView = Schema.Struct({
  now: Schema.String,
  central: Schema.Struct({
    version: Schema.String,
    started_at: Schema.String,
    external_url: Schema.String,
    /** When the certificate that is served ends; null without TLS of its own. */
    certificate_expires_at: NullableString,
    /** What needs an admin: a certificate that ends, a directory that was restored, a disk that is full. */
    warnings: Schema.Array(Schema.String)
  }),
  configs: Schema.Array(ConfigView),
  gateways: Schema.Array(GatewayView)
})
export type FleetView = typeof FleetView.Type

/** What speaks against a document, and what a fleet would make of it. `pointer` is a JSON Pointer, "" the whole. */
export const ObjectionView = Schema.Struct({
  pointer: Schema.String,
  message: Schema.String,
  consequence: Schema.String
})
export type ObjectionView = typeof ObjectionView.Type

/** Answer to `POST /configs/{name}/check` (the body is the document): whether `PUT` would take it. */
export const CheckAnswer = Schema.Struct({
  objections: Schema.Array(ObjectionView),
  /** The newest revision has these bytes. */
  unchanged: Schema.Boolean
})
export type CheckAnswer = typeof CheckAnswer.Type

/**
 * Answer to `PUT /configs/{name}` (the body is the document, byte for byte) and to `POST /configs/{name}/rollback`. Both
 * take `If-Match: <etag>` (the newest that the admin has seen; `If-None-Match: *` for a new config) and answer 412
 * `revision_changed` where another admin was faster, 428 `revision_missing` without either; 422 `config_refused` with
 * `objections` unless `?force=true`.
 */
export const SavedAnswer = Schema.Struct({
  seq: Count,
  etag: Schema.String,
  forced: Schema.Boolean,
  warnings: Schema.Array(Schema.String)
})
export type SavedAnswer = typeof SavedAnswer.Type

/** Body of `POST /configs/{name}/rollback`: which revision's bytes become the newest again. */
export const RollbackBody = Schema.Struct({ seq: Schema.Int, force: Schema.optionalKey(Schema.Boolean) })

/** A policy token, without its secret. */
export const TokenView = Schema.Struct({
  id: Schema.String,
  config: Schema.String,
  created_at: Schema.String,
  expires_at: NullableString,
  revoked_at: NullableString,
  /** How many gateways have joined with it. */
  gateways: Count
})
export type TokenView = typeof TokenView.Type

/** Body of `POST /tokens`. */
export const TokenBody = Schema.Struct({
  config: Schema.String,
  expires_in_seconds: Schema.optionalKey(Schema.Int)
})

/** Answer to `POST /tokens` (201): the secret, this once. */
export const NewToken = Schema.Struct({ id: Schema.String, token: Schema.String })

/** One stretch of time in which a gateway ran a revision; null is its seed. */
export const Tenure = Schema.Struct({
  etag: NullableString,
  since: Schema.String,
  /** Null while it lasts. */
  until: NullableString
})
export type Tenure = typeof Tenure.Type

/** A row that a gateway has sent: an event of its machines, or a run that ended. */
export const IngestedRow = Schema.Struct({
  gateway: Schema.String,
  signal: Schema.String,
  /** When it happened, by the gateway's clock; null when the row does not say. */
  at: NullableString,
  received_at: Schema.String,
  row: Schema.Unknown
})
export type IngestedRow = typeof IngestedRow.Type

/** `GET /gateways/{id}`: one gateway, what it ran (the newest first, 50 at most), and its newest rows (100 per signal). */
export const GatewayDetail = Schema.Struct({
  gateway: GatewayView,
  tenures: Schema.Array(Tenure),
  events: Schema.Array(IngestedRow),
  runs: Schema.Array(IngestedRow)
})
export type GatewayDetail = typeof GatewayDetail.Type
