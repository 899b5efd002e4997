/** What `status --json`, `/health` and `state/run/status.json` say. */
import { DateTime, Schema } from "effect"
import { RemoteConfig } from "./CentralProtocol.ts"

/** A time of the wall clock (ms) as people and other programs read it: ISO 8601, UTC. */
export const isoTime = (wall: number): string => DateTime.formatIso(DateTime.makeUnsafe(wall))

/** Something a person should know, and what to do about it. */
export const Diagnostic = Schema.Struct({
  severity: Schema.Literals(["info", "warning", "error"]),
  kind: Schema.String,
  message: Schema.String,
  repair: Schema.Array(Schema.String)
})
export type Diagnostic = typeof Diagnostic.Type

/** How commands find a live daemon, whatever its port. `started_at` is ISO 8601. */
export const DaemonStatus = Schema.Struct({
  state: Schema.Literals(["starting", "running", "stopping", "stopped"]),
  pid: Schema.NullOr(Schema.Int),
  started_at: Schema.NullOr(Schema.String),
  api_url: Schema.NullOr(Schema.String),
  version: Schema.String,
  /** How the process before this one ended. */
  last_start: Schema.NullOr(Schema.String),
  safe_start: Schema.Boolean,
  /** More than 1: elapsed time is simulated. */
  time_scale: Schema.Finite
})
export type DaemonStatus = typeof DaemonStatus.Type

/** How `problem` of an identity ends when central refused the credential itself: trying again does not help. */
export const CREDENTIAL_NOT_ACCEPTED = "The credential is not accepted."

export const IdentityStatus = Schema.Struct({
  gateway_id: Schema.NullOr(Schema.String),
  /** ISO 8601; null when unknown. */
  expires_at: Schema.NullOr(Schema.String),
  state: Schema.String,
  problem: Schema.optionalKey(Schema.String)
})
export type IdentityStatus = typeof IdentityStatus.Type

/** Which documents the running configuration is made of. */
export const LayerStatus = Schema.Struct({
  central: Schema.NullOr(
    Schema.Struct({
      source: Schema.String,
      slot: Schema.NullOr(Schema.String),
      etag: Schema.NullOr(Schema.String),
      url: Schema.NullOr(Schema.String)
    })
  ),
  local: Schema.Struct({
    path: Schema.String,
    used: Schema.Boolean,
    dropped: Schema.Array(Schema.Struct({ entry: Schema.String, reason: Schema.String }))
  })
})
export type LayerStatus = typeof LayerStatus.Type

/** What keeps plugins and agents off the packages that the runtime uses. */
export const CoreLockStatus = Schema.Struct({
  state: Schema.Literals(["ready", "missing", "unreadable"]),
  /** Absolute path of the lock. */
  path: Schema.String,
  /** How many packages it protects, when `ready`. */
  distributions: Schema.optionalKey(Schema.Int),
  /** Why it protects nothing and what to do, when not. */
  message: Schema.optionalKey(Schema.String)
})
export type CoreLockStatus = typeof CoreLockStatus.Type

/** The whole status of a machine. */
export const Status = Schema.Struct({
  overall: Schema.Literals(["healthy", "degraded"]),
  diagnostics: Schema.Array(Diagnostic),
  daemon: DaemonStatus,
  identity: IdentityStatus,
  remote_config: Schema.NullOr(RemoteConfig),
  config_layers: LayerStatus,
  /** As the daemon sees it now; absent while none runs, and until it has started. */
  core_lock: Schema.optionalKey(CoreLockStatus),
  plugins: Schema.Array(Schema.Struct({ name: Schema.String, version: Schema.String, state: Schema.String })),
  /** Current state of every machine, by id. */
  machines: Schema.Record(Schema.String, Schema.String)
})
export type Status = typeof Status.Type
export const StatusJson = Schema.fromJsonString(Status)
