/** The `inspect` task: one reading of the disk and the clocks, as the facts that the chart decides on. */
import { Clock, Context, Effect, FileSystem, Layer, Option, Path, Random } from "effect"
import type { DiskFacts, SlotFacts, SlotName } from "../../machines/index.ts"
import {
  centralSink,
  type ConfigDocument,
  DEFAULT_POLL_SECONDS,
  Home,
  PluginCatalogue,
  probationWindowMs
} from "../domain/index.ts"
import { DurableFiles, IdentityStore, type SlotContents, Slots, type StorageError } from "../storage/index.ts"
import { ControlFiles, documentOf } from "./ControlFiles.ts"
import { readLocalLayer } from "./LocalLayer.ts"

/** Reads what boot evaluation, commit, promotion and rollback decide on. */
export class Inspection extends Context.Service<
  Inspection,
  {
    /** With `repair`: E0 and E2 first. A disk that can be read but not written is an answer, not a failure. */
    readonly inspect: (options: { readonly repair: boolean }) => Effect.Effect<DiskFacts, StorageError>
  }
>()("holdfast/config/Inspection") {
  static readonly layer = Layer.effect(
    Inspection,
    Effect.gen(function* () {
      const home = yield* Home
      const path = yield* Path.Path
      const fs = yield* FileSystem.FileSystem
      const files = yield* DurableFiles
      const slots = yield* Slots
      const control = yield* ControlFiles
      const identities = yield* IdentityStore
      const catalogue = yield* PluginCatalogue
      const local = readLocalLayer.pipe(Effect.provideService(Home, home), Effect.provideService(DurableFiles, files))

      // E0, E2, and a probe: what a killed process renamed may never have been synced; what it left half-done goes.
      const repair = Effect.gen(function* () {
        yield* files.makeDirectory(home.control)
        yield* slots.syncAll(home.state)
        yield* slots.sweep(home.control)
        yield* files.sweep(home.state, (name) => name.endsWith(".tmp"))
        yield* files.create(path.join(home.control, "probe.tmp"), "writable?")
        yield* files.remove(path.join(home.control, "probe.tmp"))
      })

      // Absent where the operating system has none (containers without /proc, macOS).
      const bootId = fs.readFileString("/proc/sys/kernel/random/boot_id").pipe(
        Effect.map((text) => text.trim()),
        Effect.orElseSucceed(() => "")
      )

      const readSlot = (slot: SlotName) => Effect.map(slots.readSlot(home.control, slot), slotFacts)

      const inspect = Effect.fn("Inspection.inspect")(function* (options: { readonly repair: boolean }) {
        const readOnly = options.repair
          ? yield* repair.pipe(
              Effect.as(null),
              Effect.catchTag("StorageError", (error) => Effect.succeed(error.message))
            )
          : null
        const active = yield* slots.readActive(home.control)
        const seed = yield* control.readSeed
        const known = yield* identities.read
        const localLayer = yield* local
        const localSink = localLayer.document === null ? Option.none() : centralSink(localLayer.document)
        const seedDocument = Option.isSome(seed) ? documentOf(seed.value) : null
        const facts: DiskFacts = {
          leave: yield* control.leaveFound,
          join: yield* control.joinIsWhole,
          seed: seedDocument !== null,
          active: active === "absent" ? "absent" : "slot" in active ? active.slot : "dangling",
          slots: { a: yield* readSlot("a"), b: yield* readSlot("b") },
          state: yield* control.readState,
          rescue: known.file.last_confirmed_url !== undefined,
          localCentral: Option.isSome(localSink),
          bootId: yield* bootId,
          environment: yield* catalogue.environment,
          wall: yield* Clock.currentTimeMillis,
          jitter: yield* Effect.map(Random.next, (draw) => draw * 2 - 1),
          bareIntervalMs: Option.match(localSink, {
            onNone: () => DEFAULT_POLL_SECONDS * 1_000,
            onSome: ({ pollSeconds }) => pollSeconds * 1_000
          }),
          readOnly
        }
        return facts
      })

      return Inspection.of({ inspect })
    })
  )
}

const intervalMs = (document: ConfigDocument | null): number =>
  (document === null
    ? DEFAULT_POLL_SECONDS
    : Option.match(centralSink(document), { onNone: () => DEFAULT_POLL_SECONDS, onSome: (sink) => sink.pollSeconds })) *
  1_000

const slotFacts = (contents: SlotContents): SlotFacts | null => {
  if (!contents.present) return null
  const document = contents.document === undefined ? null : documentOf(contents.document)
  return {
    // Bytes that match their digest and are no document were never written by us.
    intact: contents.intact && document !== null,
    etag: contents.record?.etag ?? null,
    digest: contents.record?.digest ?? "",
    promoted: contents.promoted,
    window_ms: document === null ? 0 : probationWindowMs(document),
    interval_ms: intervalMs(document),
    central: document !== null && Option.isSome(centralSink(document))
  }
}
