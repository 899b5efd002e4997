/** What central tells its page: readers that let nothing else in. Pure. */
import type {
  CheckAnswer,
  ConfigView,
  FleetView,
  GatewayDetail,
  GatewayView,
  IngestedRow,
  NewToken,
  ObjectionView,
  RevisionView,
  SavedAnswer,
  Standing,
  Tenure,
  TokenView
} from "../domain/index.ts"
import { type Fields, fieldsOf, listOf, numberOf, oneOf, present, textOf } from "./Fields.ts"

/** Where a gateway stands; `unknown` is a word that this page does not have, and no success. */
export type Stand = Standing | "unknown"

export const STANDS: ReadonlyArray<Stand> = [
  "converged",
  "probation",
  "unconfirmed",
  "restarting",
  "waiting",
  "never_seen",
  "ahead",
  "unconfigured",
  "unknown",
  "refused",
  "rolled_back",
  "revoked"
]

export type Gateway = Omit<GatewayView, "standing"> & { readonly standing: Stand }
export type ConfigState = Omit<ConfigView, "standings"> & { readonly standings: Readonly<Record<Stand, number>> }
export type Fleet = Omit<FleetView, "configs" | "gateways"> & {
  readonly configs: ReadonlyArray<ConfigState>
  readonly gateways: ReadonlyArray<Gateway>
}
export type GatewayHistory = Omit<GatewayDetail, "gateway"> & { readonly gateway: Gateway }
export type Secret = typeof NewToken.Type

const text = (value: unknown): string => (typeof value === "string" ? value : "")
const count = (value: unknown): number => Math.max(0, numberOf(value) ?? 0)
const texts = (value: unknown): ReadonlyArray<string> => listOf(value).map(textOf).filter(present)

/** `GET /fleet`. */
export const readFleet = (value: unknown): Fleet | null => {
  const fields = fieldsOf(value)
  const central = fieldsOf(fields?.["central"])
  if (fields === null || central === null || !Array.isArray(fields["gateways"])) return null
  return {
    now: text(fields["now"]),
    central: {
      version: text(central["version"]),
      started_at: text(central["started_at"]),
      external_url: text(central["external_url"]),
      certificate_expires_at: textOf(central["certificate_expires_at"]),
      warnings: texts(central["warnings"])
    },
    configs: listOf(fields["configs"]).map(readConfig).filter(present),
    gateways: fields["gateways"].map(readGateway).filter(present)
  }
}

const readConfig = (value: unknown): ConfigState | null => {
  const fields = fieldsOf(value)
  if (fields === null || typeof fields["name"] !== "string") return null
  const newest = listOf(fields["newest"]).map(readRevision).filter(present)
  const standings = fieldsOf(fields["standings"]) ?? {}
  const counted = Object.fromEntries(STANDS.map((stand) => [stand, count(standings[stand])])) as Record<Stand, number>
  const foreign = Object.entries(standings).filter(([name]) => oneOf(STANDS, name) === null)
  counted.unknown += foreign.reduce((sum, [, some]) => sum + count(some), 0)
  return {
    name: fields["name"],
    revisions: count(fields["revisions"]),
    newest,
    gateways: count(fields["gateways"]),
    standings: counted
  }
}

const readRevision = (value: unknown): RevisionView | null => {
  const fields = fieldsOf(value)
  const seq = numberOf(fields?.["seq"])
  if (fields === null || seq === null) return null
  const convergence = fieldsOf(fields["convergence"]) ?? {}
  return {
    seq,
    etag: text(fields["etag"]),
    bytes: count(fields["bytes"]),
    saved_at: text(fields["saved_at"]),
    saved_by: text(fields["saved_by"]),
    forced: fields["forced"] === true,
    restores: numberOf(fields["restores"]),
    convergence: {
      promoted: count(convergence["promoted"]),
      probation: count(convergence["probation"]),
      unconfirmed: count(convergence["unconfirmed"]),
      restarting: count(convergence["restarting"]),
      rolled_back: count(convergence["rolled_back"]),
      refused: count(convergence["refused"])
    }
  }
}

const readGateway = (value: unknown): Gateway | null => {
  const fields = fieldsOf(value)
  const id = textOf(fields?.["id"])
  if (fields === null || id === null) return null
  return {
    id,
    config: text(fields["config"]),
    joined_at: text(fields["joined_at"]),
    last_seen: textOf(fields["last_seen"]),
    running_etag: textOf(fields["running_etag"]),
    running_revision: numberOf(fields["running_revision"]),
    running_since: textOf(fields["running_since"]),
    running_forced: fields["running_forced"] === true,
    newest_etag: textOf(fields["newest_etag"]),
    standing: oneOf(STANDS, fields["standing"]) ?? "unknown",
    on_probation: typeof fields["on_probation"] === "boolean" ? fields["on_probation"] : null,
    last_rollback: readRollback(fieldsOf(fields["last_rollback"])),
    last_attempt: readAttempt(fieldsOf(fields["last_attempt"])),
    reported_at: textOf(fields["reported_at"]),
    version: textOf(fields["version"]),
    platform: textOf(fields["platform"]),
    agents: numberOf(fields["agents"]),
    runs: numberOf(fields["runs"]),
    revoked: fields["revoked"] === true,
    why: text(fields["why"])
  }
}

const readRollback = (fields: Fields | null): Gateway["last_rollback"] => {
  if (fields === null) return null
  const detail = textOf(fields["detail"])
  const rollback = { etag: textOf(fields["etag"]), reason: text(fields["reason"]), at: text(fields["at"]) }
  return detail === null ? rollback : { ...rollback, detail }
}

const readAttempt = (fields: Fields | null): Gateway["last_attempt"] => {
  if (fields === null) return null
  const attempt = numberOf(fields["attempt"])
  return {
    etag: text(fields["etag"]),
    verdict: text(fields["verdict"]),
    reason: textOf(fields["reason"]),
    at: text(fields["at"]),
    ...(attempt === null ? {} : { attempt })
  }
}

/** `GET /gateways/{id}`. */
export const readDetail = (value: unknown): GatewayHistory | null => {
  const fields = fieldsOf(value)
  const gateway = readGateway(fields?.["gateway"])
  if (fields === null || gateway === null) return null
  return {
    gateway,
    tenures: listOf(fields["tenures"]).map(readTenure).filter(present),
    events: listOf(fields["events"]).map(readRow).filter(present),
    runs: listOf(fields["runs"]).map(readRow).filter(present)
  }
}

const readTenure = (value: unknown): Tenure | null => {
  const fields = fieldsOf(value)
  return fields === null
    ? null
    : { etag: textOf(fields["etag"]), since: text(fields["since"]), until: textOf(fields["until"]) }
}

const readRow = (value: unknown): IngestedRow | null => {
  const fields = fieldsOf(value)
  return fields === null
    ? null
    : {
        gateway: text(fields["gateway"]),
        signal: text(fields["signal"]),
        at: textOf(fields["at"]),
        received_at: text(fields["received_at"]),
        row: fields["row"]
      }
}

/** `GET /configs/{name}/revisions`. */
export const readRevisions = (value: unknown): ReadonlyArray<RevisionView> | null => {
  const revisions = fieldsOf(value)?.["revisions"]
  return Array.isArray(revisions) ? revisions.map(readRevision).filter(present) : null
}

/** What speaks against a document, wherever it stands in an answer. */
export const readObjections = (value: unknown): ReadonlyArray<ObjectionView> =>
  listOf(value)
    .map(fieldsOf)
    .filter(present)
    .map((fields) => ({
      pointer: text(fields["pointer"]),
      message: text(fields["message"]),
      consequence: text(fields["consequence"])
    }))

/** `POST /configs/{name}/check`. */
export const readCheck = (value: unknown): CheckAnswer | null => {
  const fields = fieldsOf(value)
  if (fields === null || !Array.isArray(fields["objections"])) return null
  return { objections: readObjections(fields["objections"]), unchanged: fields["unchanged"] === true }
}

/** `PUT /configs/{name}` and `POST /configs/{name}/rollback`. */
export const readSaved = (value: unknown): SavedAnswer | null => {
  const fields = fieldsOf(value)
  const seq = numberOf(fields?.["seq"])
  const etag = textOf(fields?.["etag"])
  if (fields === null || seq === null || etag === null) return null
  return { seq, etag, forced: fields["forced"] === true, warnings: texts(fields["warnings"]) }
}

/** `GET /tokens`. */
export const readTokens = (value: unknown): ReadonlyArray<TokenView> | null => {
  const tokens = fieldsOf(value)?.["tokens"]
  if (!Array.isArray(tokens)) return null
  return tokens
    .map(fieldsOf)
    .filter(present)
    .map((fields) => ({
      id: text(fields["id"]),
      config: text(fields["config"]),
      created_at: text(fields["created_at"]),
      expires_at: textOf(fields["expires_at"]),
      revoked_at: textOf(fields["revoked_at"]),
      gateways: count(fields["gateways"])
    }))
}

/** `POST /tokens`. */
export const readSecret = (value: unknown): Secret | null => {
  const fields = fieldsOf(value)
  const id = textOf(fields?.["id"])
  const token = textOf(fields?.["token"])
  return id === null || token === null ? null : { id, token }
}
