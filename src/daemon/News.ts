/**
 * What of all that the machines do is worth telling central: the one place where that is decided. Pure.
 *
 * @ref LLP 0029#events [implements]: the rows of `events`, and what they are derived from
 */
import { APPLY_VERDICTS } from "../../machines/index.ts"
import type { EventNews, GatewayEvent, MachineEntry, RunRow, RunView } from "../domain/index.ts"

/** Something that the machines did, asked for, or said to each other. */
export type Happening =
  | { readonly kind: "transition"; readonly entry: MachineEntry }
  | { readonly kind: "sent"; readonly machine: string; readonly event: { readonly type: string } }
  | { readonly kind: "noted"; readonly event: string; readonly etag?: string | null; readonly detail?: string }
  | { readonly kind: "plugins"; readonly failed: ReadonlyArray<string> }

/** News, and what it is about: the same of the same is told once in a row. */
export interface Item {
  readonly about: string
  readonly row: EventNews
}

/** What a happening means; most mean nothing. Only words of machines, etags and names of plugins get into a row. */
export const newsOf = (happening: Happening): ReadonlyArray<Item> => {
  switch (happening.kind) {
    case "transition":
      return ofTransition(happening.entry)
    case "sent":
      return ofSent(fieldsOf(happening.event))
    case "noted":
      return ofNote(happening)
    case "plugins":
      return happening.failed.map((plugin) => item(`plugin ${plugin}`, "plugin_failed", { plugin }))
  }
}

/** The id of a run that has just got its verdict. */
export const endedRun = ({ from, instance, machine, to }: MachineEntry): string | undefined =>
  machine === "run" && instance !== null && from.startsWith("recording") && to === "cleaning" ? instance : undefined

/** What is told of a run: how it ended, and nothing of what it was asked or said. */
export const runRow = (view: RunView): RunRow | undefined =>
  view.verdict === null
    ? undefined
    : {
        id: view.run_id,
        at: view.ended_at ?? view.created_at,
        company_id: view.company_id,
        agent_id: view.agent_id,
        backend: view.backend,
        verdict: view.verdict,
        exit_code: view.exit_code,
        signal: view.signal,
        created_at: view.created_at,
        started_at: view.started_at,
        ended_at: view.ended_at,
        output_bytes: view.output.bytes,
        usage: view.usage
      }

const item = (about: string, type: GatewayEvent, more: Omit<EventNews, "type"> = {}): Item => ({
  about,
  row: { type, ...more }
})

const ofTransition = (entry: MachineEntry): ReadonlyArray<Item> => {
  switch (entry.machine) {
    case "daemon":
      return ofDaemon(entry)
    case "join":
      return ofJoin(entry)
    case "deviceLogin":
      return ofLogin(entry)
    case "configApply":
      return entry.from === "boot.recordingCorrupt" && entry.to !== entry.from && entry.to !== "boot.rereading"
        ? [item("config", "config_rolled_back", { reason: "slot_corrupt" })]
        : []
    default:
      return []
  }
}

const ofDaemon = ({ from, to, visible }: MachineEntry): ReadonlyArray<Item> => {
  if (!to.startsWith("stopping") || from.startsWith("stopping")) return []
  const { leaving, restart, stopping } = visible
  const reason = stopping === true ? (leaving === true ? "leave" : "stopped") : wordOf(restart)
  return [
    ...(from.startsWith("running.safe") ? [item("safe start", "safe_start_left", { reason })] : []),
    item("daemon", "daemon_stopping", { reason })
  ]
}

const ofJoin = ({ from, to }: MachineEntry): ReadonlyArray<Item> => {
  if (from === "enrolling" && to.startsWith("enrolled")) return [item("identity", "identity_acquired")]
  return to === "credentialDead" && from !== "credentialDead" && from !== "reviving"
    ? [item("identity", "identity_dead")]
    : []
}

const ofLogin = ({ from, to, visible }: MachineEntry): ReadonlyArray<Item> => {
  if (from === "forgetting" && to === "signedOut") return [item("login", "login_signed_out")]
  if (from !== "settling" || to === from) return []
  if (to === "account.refused") return [item("login", "login_expired", { reason: "refused" })]
  const { id, phase } = fieldsOf(visible["flow"])
  if (phase === "expired") return [item(`login ${String(id)}`, "login_expired", { reason: "code" })]
  return phase === "ok" ? [item(`login ${String(id)}`, "login_ok")] : []
}

/** Verdicts that refuse a revision for what it is; the other two of {@link FAILED} come of this machine. */
const REFUSED: ReadonlySet<unknown> = new Set([
  "document_too_large",
  "config_invalid",
  "artifact_hash_mismatch",
  "bundled_version_mismatch",
  "version_mismatch"
])
const FAILED: ReadonlySet<unknown> = new Set(["plugin_install_failed", "apply_io_error"])

const ofSent = (event: Readonly<Record<string, unknown>>): ReadonlyArray<Item> => {
  if (event["type"] === "BOOT_EVALUATED") {
    const reason = wordOf(event["start"])
    return [
      item("daemon", "daemon_started", { reason }),
      ...(event["safeStart"] === true ? [item("safe start", "safe_start_entered")] : [])
    ]
  }
  if (event["type"] !== "REPORT_DUE") return []
  const verdict = APPLY_VERDICTS.find((known) => known === event["verdict"])
  const about = { ...etagOf(event["etag"]), ...(verdict === undefined ? {} : { reason: verdict }) }
  if (REFUSED.has(verdict)) return [item("config", "config_refused", about)]
  return FAILED.has(verdict) ? [item("config", "config_failed", about)] : []
}

const ofNote = ({ detail, etag, event }: Extract<Happening, { readonly kind: "noted" }>): ReadonlyArray<Item> => {
  switch (event) {
    case "config.applied":
      return [item("config", "config_applied", etagOf(etag))]
    case "config.probation_cleared":
      return [item("config", "config_promoted", etagOf(etag))]
    case "config.rollback":
      return [item("config", "config_rolled_back", { ...etagOf(etag), reason: wordOf(detail) })]
    default:
      return []
  }
}

const etagOf = (etag: unknown): Pick<EventNews, "etag"> => (typeof etag === "string" ? { etag } : {})

const wordOf = (value: unknown): string => (typeof value === "string" ? value : "unknown")

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? { ...value } : {}
