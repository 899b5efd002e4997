/** The `inspect` task: one reading of the disk and the clocks, as the facts that the chart decides on. */
import { Clock, Context, Effect, FileSystem, Layer, Option, Path, Random, Ref } from "effect"
import type { DiskFacts, SlotFacts, SlotName } from "../../machines/index.ts"
import {
  bareDocument,
  centralSink,
  type ConfigDocument,
  DEFAULT_POLL_SECONDS,
  Home,
  PluginCatalogue,
  type PluginTrees,
  probationWindowMs
} from "../domain/index.ts"
import { DurableFiles, IdentityStore, type SlotContents, Slots, type StorageError } from "../storage/index.ts"
import { ControlFiles, documentOf } from "./ControlFiles.ts"
import { readLocalLayer } from "./LocalLayer.ts"

/** The bytes of the documents that a reading found. */
export interface InspectedDocuments {
  readonly slots: Readonly<Record<SlotName, Uint8Array | null>>
  /** The artifacts that each slot's revision was staged with. */
  readonly trees: Readonly<Record<SlotName, PluginTrees>>
  readonly seed: Uint8Array | null
  readonly rescue: Uint8Array | null
}

/** Reads what boot evaluation, commit, promotion and rollback decide on. */
export class Inspection extends Context.Service<
  Inspection,
  {
    /** With `repair`: E0 and E2 first. A disk that can be read but not written is an answer, not a failure. */
    readonly inspect: (options: { readonly repair: boolean }) => Effect.Effect<DiskFacts, StorageError>
    /** What the last reading was made of, so that what was judged is what runs; reads if nothing was read yet. */
    readonly documents: Effect.Effect<InspectedDocuments, StorageError>
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

      const probe = path.join(home.control, "probe.tmp")

      // E0, E2, and a probe: what a killed process renamed may never have been synced; what it left half-done goes.
      const repair = Effect.gen(function* () {
        yield* slots.syncAll(home.state)
        yield* slots.sweep(home.control)
        yield* files.sweep(home.state, (name) => name.endsWith(".tmp"))
        const writeProbe = files.create(probe, "writable?")
        yield* Effect.catchIf(
          writeProbe,
          (error) => error.code === "ENOENT",
          () => Effect.andThen(files.makeDirectory(home.control), writeProbe)
        )
        yield* files.remove(probe)
        yield* control.mend
      })

      // Absent where the operating system has none (containers without /proc, macOS).
      const bootId = fs.readFileString("/proc/sys/kernel/random/boot_id").pipe(
        Effect.map((text) => text.trim()),
        Effect.orElseSucceed(() => "")
      )

      const last = yield* Ref.make<InspectedDocuments | null>(null)

      // Side by side, because nothing is written meanwhile and each waits for the disk.
      const readings = Effect.all(
        {
          leave: control.leaveFound,
          join: control.joinIsWhole,
          seed: control.readSeed,
          active: slots.readActive(home.control),
          a: slots.readSlot(home.control, "a"),
          b: slots.readSlot(home.control, "b"),
          state: control.readState,
          known: identities.read,
          localLayer: local,
          boot: bootId,
          environment: catalogue.environment
        },
        { concurrency: "unbounded" }
      )

      const inspect = Effect.fn("Inspection.inspect")(function* (options: { readonly repair: boolean }) {
        const readOnly = options.repair
          ? yield* repair.pipe(
              Effect.as(null),
              Effect.catchTag("StorageError", (error) => Effect.succeed(error.message))
            )
          : null
        const { a, active, b, boot, environment, join, known, leave, localLayer, seed, state } = yield* readings
        const localSink = localLayer.document === null ? Option.none() : centralSink(localLayer.document)
        const seedDocument = Option.isSome(seed) ? documentOf(seed.value) : null
        const facts: DiskFacts = {
          leave,
          join,
          seed: seedDocument !== null,
          active: active === "absent" ? "absent" : "slot" in active ? active.slot : "dangling",
          slots: { a: slotFacts(a), b: slotFacts(b) },
          state,
          rescue: known.file.last_confirmed_url !== undefined,
          localCentral: Option.isSome(localSink),
          bootId: boot,
          environment,
          wall: yield* Clock.currentTimeMillis,
          jitter: yield* Effect.map(Random.next, (draw) => draw * 2 - 1),
          bareIntervalMs: Option.match(localSink, {
            onNone: () => DEFAULT_POLL_SECONDS * 1_000,
            onSome: ({ pollSeconds }) => pollSeconds * 1_000
          }),
          readOnly
        }
        const confirmed = known.file.last_confirmed_url
        yield* Ref.set(last, {
          slots: { a: a.document ?? null, b: b.document ?? null },
          trees: { a: a.record?.plugins ?? {}, b: b.record?.plugins ?? {} },
          seed: Option.getOrNull(seed),
          rescue: confirmed === undefined ? null : bareDocument(confirmed)
        })
        return facts
      })

      const documents: Inspection["Service"]["documents"] = Effect.flatMap(Ref.get(last), (found) =>
        found === null ? Effect.andThen(inspect({ repair: false }), documents) : Effect.succeed(found)
      )

      return Inspection.of({ inspect, documents })
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
