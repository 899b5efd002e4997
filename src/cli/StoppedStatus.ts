/** The status of a machine whose daemon does not run, from its files alone. Writes nothing. */
import { DateTime, Effect, Option, Result } from "effect"
import { EMPTY_STATE } from "../../machines/ConfigFacts.ts"
import type { DiskFacts } from "../../machines/index.ts"
import type { ConfigView } from "../config/index.ts"
import {
  centralSink,
  checkShape,
  type ConfigDocument,
  type Diagnostic,
  formatProblem,
  Home,
  normaliseUrl,
  type RemoteConfig,
  type Status,
  Version
} from "../domain/index.ts"
import { DurableFiles, IdentityStore, type SlotName, Slots } from "../storage/index.ts"
import { loadInspection } from "./LocalServices.ts"

/** What the next start of the daemon would run, and what is remembered. */
export const stoppedStatus = Effect.gen(function* () {
  const layer = yield* loadInspection
  return yield* readStatus.pipe(Effect.provide(layer))
})

const readStatus = Effect.gen(function* () {
  const { ControlFiles, DEGRADING_KINDS, Inspection, remoteConfigOf, revisionDiagnostics } = yield* Effect.promise(
    () => import("../config/index.ts")
  )
  const home = yield* Home
  const slots = yield* Slots
  const control = yield* ControlFiles
  const disk = yield* (yield* Inspection).inspect({ repair: false })
  const state = typeof disk.state === "string" ? EMPTY_STATE : disk.state
  const running = nextRunning(disk)
  const a = yield* slots.readSlot(home.control, "a")
  const b = yield* slots.readSlot(home.control, "b")
  const contents = { a, b }
  const seed = Option.getOrNull(yield* control.readSeed)
  const bytes =
    running.slot !== null ? contents[running.slot].document : running.source === "seed" ? (seed ?? undefined) : undefined
  const { file } = yield* (yield* IdentityStore).read
  const url = centralOf(bytes) ?? (running.source === "rescue" ? (file.last_confirmed_url ?? null) : null)
  const remote_config = remoteConfigOf({
    disk,
    state,
    running,
    partLeftMs: 0,
    promotedAt: { a: a.promotedAt ?? null, b: b.promotedAt ?? null }
  })
  const local = yield* readLocal
  const diagnostics = [
    ...stoppedDiagnostics(remote_config, disk),
    ...lostDiagnostics(disk),
    ...local.diagnostics,
    ...revisionDiagnostics(state)
  ]
  const status: Status = {
    overall: diagnostics.some(({ kind }) => DEGRADING_KINDS.has(kind) || kind === STOPPED) ? "degraded" : "healthy",
    diagnostics,
    daemon: {
      state: "stopped",
      pid: null,
      started_at: null,
      api_url: null,
      version: yield* Version,
      last_start: null,
      safe_start: false,
      time_scale: 1
    },
    identity: identityOf(url === null ? undefined : file.identities[normaliseUrl(url)], disk),
    remote_config,
    config_layers: {
      central:
        running.source === "none"
          ? null
          : { source: running.source, slot: running.slot, etag: running.etag, url: url === null ? null : normaliseUrl(url) },
      local: { path: home.localConfig, used: local.usable, dropped: [] }
    },
    plugins: [],
    machines: {}
  }
  return status
})

const STOPPED = "daemon_stopped"

type Next = ConfigView["running"] & { readonly slot: SlotName | null }

/** What boot evaluation would choose if nothing had to be repaired. */
const nextRunning = (disk: DiskFacts): Next => {
  const slot = disk.active === "a" || disk.active === "b" ? disk.active : null
  const facts = slot === null ? null : disk.slots[slot]
  if (slot !== null && facts?.intact === true) return { source: "slot", slot, etag: facts.etag, digest: facts.digest }
  const source = disk.seed ? "seed" : disk.rescue && disk.active !== "absent" ? "rescue" : "none"
  return { source, slot: null, etag: null, digest: null }
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
    : [{ severity: "warning", kind: STOPPED, message: "the daemon does not run, so nothing is applied", repair: [START] }]
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

const readLocal = Effect.gen(function* () {
  const home = yield* Home
  const bytes = yield* (yield* DurableFiles).read(home.localConfig)
  if (Option.isNone(bytes)) return { usable: false, diagnostics: [] }
  const checked = checkShape(bytes.value)
  const diagnostics: ReadonlyArray<Diagnostic> = Result.isSuccess(checked)
    ? []
    : [
        {
          severity: "error",
          kind: "local_layer_unusable",
          message: `config.json cannot be used: ${checked.failure.map(formatProblem).join("; ")}`,
          repair: [`Correct ${home.localConfig}.`]
        }
      ]
  return { usable: Result.isSuccess(checked), diagnostics }
})

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
