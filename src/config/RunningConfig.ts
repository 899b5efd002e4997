/** What this process runs: the document of the frozen slot, seed or rescue, merged with the user's own layer. */
import { Context, Deferred, Effect, Layer, Option, type Redacted } from "effect"
import type { BootOutcome } from "../../machines/index.ts"
import {
  bareDocument,
  centralSink,
  type CentralSink,
  type ConfigDocument,
  Home,
  normaliseUrl,
  PluginCatalogue,
  type PluginTrees
} from "../domain/index.ts"
import { DurableFiles, IdentityStore, Slots, type StorageError } from "../storage/index.ts"
import { ControlFiles, documentOf, type Loss, LOSSES } from "./ControlFiles.ts"
import { Inspection } from "./Inspection.ts"
import { type DroppedEntry, mergeLayers } from "./Layers.ts"
import { readLocalLayer } from "./LocalLayer.ts"

/** The layers of the running configuration, and what of them is not used. */
export interface EffectiveConfig {
  readonly boot: BootOutcome
  readonly document: ConfigDocument
  readonly central: Option.Option<CentralSink>
  /** The artifacts that the running revision was staged with. */
  readonly trees: PluginTrees
  readonly localUsed: boolean
  readonly localProblem: string | null
  readonly dropped: ReadonlyArray<DroppedEntry>
  /** The plugins of the document whose entry is the user's own. */
  readonly localPlugins: ReadonlyArray<string>
  /** The plugins of the user's own layer whose entries are not used; "all" while that layer cannot be read. */
  readonly unusedPlugins: ReadonlyArray<string> | "all"
  /** Why the central layer could not be read although boot evaluation chose it. */
  readonly problem: string | null
  /** What this machine had, and neither the file nor its copy says any more. */
  readonly losses: ReadonlyArray<Loss>
}

/** Frozen once per process, at the end of boot evaluation. */
export class RunningConfig extends Context.Service<
  RunningConfig,
  {
    /** Loads what boot evaluation chose; the first call counts. */
    readonly freeze: (boot: BootOutcome) => Effect.Effect<EffectiveConfig>
    /** Waits for `freeze`. */
    readonly effective: Effect.Effect<EffectiveConfig>
    readonly policyToken: (url: string) => Effect.Effect<Option.Option<Redacted.Redacted<string>>>
    /** Normalised central URLs that a slot, the seed or the user's own layer name; "all" if a slot cannot tell. */
    readonly namedUrls: Effect.Effect<ReadonlyArray<string> | "all", StorageError>
    /** The artifacts that the slots' revisions were staged with; "all" if a slot cannot tell. */
    readonly namedTrees: Effect.Effect<ReadonlyArray<PluginTrees> | "all", StorageError>
  }
>()("holdfast/config/RunningConfig") {
  static readonly layer = Layer.effect(
    RunningConfig,
    Effect.gen(function* () {
      const home = yield* Home
      const files = yield* DurableFiles
      const slots = yield* Slots
      const control = yield* ControlFiles
      const identities = yield* IdentityStore
      const inspection = yield* Inspection
      const catalogue = yield* PluginCatalogue
      const frozen = yield* Deferred.make<EffectiveConfig>()
      const local = readLocalLayer.pipe(Effect.provideService(Home, home), Effect.provideService(DurableFiles, files))

      const rescue = Effect.map(identities.read, ({ file }) =>
        file.last_confirmed_url === undefined ? null : bareDocument(file.last_confirmed_url)
      )

      // Not read again: a disk that fails now would leave a line to central under the name of a revision without one.
      const centralLayer = Effect.fnUntraced(function* ({ running }: BootOutcome) {
        if (running.source === "none") return { bytes: null, trees: {} }
        const documents = yield* inspection.documents
        if (running.source !== "slot") return { bytes: documents[running.source], trees: {} }
        return running.slot === null
          ? { bytes: null, trees: {} }
          : { bytes: documents.slots[running.slot], trees: documents.trees[running.slot] }
      })

      // A machine with a credential, or with something vouched for, has joined: that nothing says where is a loss too.
      const lossesBeside = Effect.fnUntraced(
        function* ({ running }: BootOutcome, hasCentral: boolean) {
          const found = yield* control.losses(running.source !== "none")
          if (hasCentral || found.includes("join.json") || (yield* control.joinIsWhole)) return found
          const { file } = yield* identities.read
          const wasJoined = Object.keys(file.identities).length > 0 || (yield* control.hasTrust)
          return LOSSES.filter((loss) => found.includes(loss) || (loss === "seed.json" && wasJoined))
        },
        Effect.orElseSucceed((): ReadonlyArray<Loss> => [])
      )

      const load = Effect.fnUntraced(function* (boot: BootOutcome) {
        const { bytes, problem, trees } = yield* centralLayer(boot).pipe(
          Effect.map((layer) => ({ ...layer, problem: null as string | null })),
          // The disk fails between boot evaluation and now: the line to central is what must come up all the same.
          Effect.catchTag("StorageError", (error) =>
            rescue.pipe(
              Effect.orElseSucceed(() => null),
              Effect.map((bytes) => ({ bytes, trees: {}, problem: error.message }))
            )
          )
        )
        const central = bytes === null ? null : documentOf(bytes)
        const { document: localDocument, problem: localProblem } = yield* local
        const known = yield* catalogue.known(trees)
        const merged = mergeLayers(central, localDocument, known, { safeStart: boot.bundledOnly })
        const config: EffectiveConfig = {
          boot,
          document: merged.document,
          central: centralSink(merged.document),
          trees,
          localUsed: localDocument !== null && !boot.bundledOnly,
          localProblem,
          dropped: merged.dropped,
          // They come after those that central serves.
          localPlugins: (merged.document.plugins ?? []).slice(central?.plugins?.length ?? 0).map(({ name }) => name),
          unusedPlugins: localProblem === null ? unusedOf(localDocument, merged.document) : "all",
          problem,
          losses: yield* lossesBeside(boot, Option.isSome(centralSink(merged.document)))
        }
        return config
      })

      const freeze = Effect.fn("RunningConfig.freeze")(function* (boot: BootOutcome) {
        yield* Deferred.complete(frozen, load(boot))
        return yield* Deferred.await(frozen)
      })

      const effective = Deferred.await(frozen)

      const tokenIn = (document: ConfigDocument | null, url: string) =>
        document === null
          ? Option.none<Redacted.Redacted<string>>()
          : Option.flatMap(centralSink(document), (sink) =>
              normaliseUrl(sink.url) === url ? sink.token : Option.none<Redacted.Redacted<string>>()
            )

      const policyToken = Effect.fn("RunningConfig.policyToken")(function* (url: string) {
        const running = tokenIn((yield* effective).document, url)
        if (Option.isSome(running)) return running
        const seed = yield* control.readSeed.pipe(Effect.orElseSucceed(() => Option.none<Uint8Array>()))
        return Option.isSome(seed) ? tokenIn(documentOf(seed.value), url) : Option.none()
      })

      const namedUrls = Effect.gen(function* () {
        const a = yield* slots.readSlot(home.control, "a")
        const b = yield* slots.readSlot(home.control, "b")
        if ([a, b].some(({ intact, present }) => present && !intact)) return "all" as const
        const seed = Option.getOrUndefined(yield* control.readSeed)
        const layer = (yield* local).document
        const documents = [
          ...[a.document, b.document, seed].flatMap((bytes) => (bytes === undefined ? [] : [documentOf(bytes)])),
          layer
        ].flatMap((document) => (document === null ? [] : [document]))
        return documents.flatMap((document) =>
          Option.match(centralSink(document), { onNone: () => [], onSome: ({ url }) => [normaliseUrl(url)] })
        )
      })

      const namedTrees = Effect.gen(function* () {
        const found = [yield* slots.readSlot(home.control, "a"), yield* slots.readSlot(home.control, "b")]
        if (found.some(({ present, record }) => present && record === undefined)) return "all" as const
        return found.flatMap(({ record }) => (record?.plugins === undefined ? [] : [record.plugins]))
      })

      return RunningConfig.of({ freeze, effective, policyToken, namedUrls, namedTrees })
    })
  )
}

const unusedOf = (local: ConfigDocument | null, merged: ConfigDocument): ReadonlyArray<string> => {
  const used = new Set(merged.plugins?.map(({ name }) => name))
  return (local?.plugins ?? []).flatMap(({ name }) => (used.has(name) ? [] : [name]))
}
