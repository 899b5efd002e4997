/** What is on the disk of a machine that has joined a fleet, while its daemon does not run. */
import type { SlotName } from "../../machines/Vocabulary.ts"
import { DateTime, Effect, Option, Result } from "effect"
import { runningReadOnly } from "../../machines/ConfigBoot.ts"
import { EMPTY_STATE, type StateFile } from "../../machines/ConfigFacts.ts"
import type { DiskFacts } from "../../machines/index.ts"
import type { ConfigView } from "../config/index.ts"
import {
  centralSink,
  checkShape,
  type ConfigDocument,
  type Diagnostic,
  Home,
  normaliseUrl,
  type RemoteConfig,
  type Status
} from "../domain/index.ts"
import { IdentityStore, Slots } from "../storage/index.ts"
import { loadInspection } from "./LocalServices.ts"

/** What the files of a fleet say. */
export interface FleetFindings {
  readonly diagnostics: ReadonlyArray<Diagnostic>
  readonly degraded: boolean
  readonly identity: Status["identity"]
  readonly remote: RemoteConfig | null
  readonly central: Status["config_layers"]["central"]
  /** The document that would run, as it lies there. */
  readonly document: Uint8Array | undefined
}

/** Reads what the next start of the daemon would run, and what is remembered. */
export const readFleet = Effect.gen(function* () {
  const layer = yield* loadInspection
  return yield* findings.pipe(Effect.provide(layer))
})

const findings = Effect.gen(function* () {
  const { ControlFiles, DEGRADING_KINDS, Inspection, remoteConfigOf, revisionDiagnostics } = yield* Effect.promise(
    () => import("../config/index.ts")
  )
  const home = yield* Home
  const slots = yield* Slots
  const disk = yield* (yield* Inspection).inspect({ repair: false })
  const state = typeof disk.state === "string" ? EMPTY_STATE : disk.state
  const running = nextRunning(disk, state)
  const a = yield* slots.readSlot(home.control, "a")
  const b = yield* slots.readSlot(home.control, "b")
  const seed = Option.getOrUndefined(yield* (yield* ControlFiles).readSeed)
  const bytes = running.slot === "a" ? a.document : running.slot === "b" ? b.document : seed
  const { file } = yield* (yield* IdentityStore).read
  const url = running.source === "rescue" ? (file.last_confirmed_url ?? null) : centralOf(bytes)
  const remote = remoteConfigOf({
    disk,
    state,
    running,
    partLeftMs: 0,
    promotedAt: { a: a.promotedAt ?? null, b: b.promotedAt ?? null }
  })
  const diagnostics = [...stoppedDiagnostics(remote, disk), ...lostDiagnostics(disk), ...revisionDiagnostics(state)]
  const found: FleetFindings = {
    diagnostics,
    degraded: diagnostics.some(({ kind }) => DEGRADING_KINDS.has(kind) || kind === STOPPED),
    identity: identityOf(url === null ? undefined : file.identities[normaliseUrl(url)], disk),
    remote,
    central:
      running.source === "none"
        ? null
        : {
            source: running.source,
            slot: running.slot,
            etag: running.etag,
            url: url === null ? null : normaliseUrl(url)
          },
    document: bytes
  }
  return found
})

const STOPPED = "daemon_stopped"

type Next = ConfigView["running"] & { readonly slot: SlotName | null }

/** What boot evaluation would choose: a damaged slot and one remembered as bad give way to the other. */
const nextRunning = (disk: DiskFacts, state: StateFile): Next => {
  const next = runningReadOnly(disk, state)
  return next.source === "rescue" && disk.active === "absent" ? { ...next, source: "none" } : next
}

const centralOf = (bytes: Uint8Array | undefined): string | null => {
  const document = bytes === undefined ? undefined : Result.getOrUndefined(checkShape(bytes))
  return document === undefined ? null : urlOf(document)
}

const urlOf = (document: ConfigDocument): string | null =>
  Option.match(centralSink(document), { onNone: () => null, onSome: ({ url }) => url })

const stoppedDiagnostics = (remote: RemoteConfig | null, disk: DiskFacts): ReadonlyArray<Diagnostic> => {
  if (disk.leave) {
    const message = "this machine is leaving its fleet: the leaving intent (leave.json) is not yet carried out"
    return [{ severity: "warning", kind: "leave_pending", message, repair: ["Finish it: holdfast leave"] }]
  }
  if (disk.join) {
    const message = "the joining intent (join.json) is written, and the daemon has not yet taken it up"
    return [{ severity: "warning", kind: STOPPED, message, repair: [START] }]
  }
  return remote === null
    ? []
    : [
        {
          severity: "warning",
          kind: STOPPED,
          message: "the daemon does not run, so nothing is applied",
          repair: [START]
        }
      ]
}

const START = "Start the daemon: holdfast daemon"

const lostDiagnostics = (disk: DiskFacts): ReadonlyArray<Diagnostic> =>
  disk.state === "unreadable" || (disk.state === "absent" && disk.active !== "absent")
    ? [
        {
          severity: "error",
          kind: "state_lost",
          message: `state.json ${disk.state === "absent" ? "is missing" : "cannot be read"}: the next start keeps it aside and begins a new one`,
          repair: ["Look at the disk's health."]
        }
      ]
    : []

const identityOf = (
  entry: { readonly gateway_id: string; readonly expires_at: number } | undefined,
  disk: DiskFacts
): Status["identity"] =>
  entry === undefined
    ? { gateway_id: null, expires_at: null, state: disk.seed || disk.join ? "seeded" : "unjoined" }
    : {
        gateway_id: entry.gateway_id,
        expires_at: entry.expires_at === 0 ? null : DateTime.formatIso(DateTime.makeUnsafe(entry.expires_at * 1000)),
        state: "enrolled"
      }
