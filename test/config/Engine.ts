/** The configuration's services on a real directory, with faults on request. */
import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Layer, Path } from "effect"
import type { DiskFacts } from "../../machines/index.ts"
import { ApplyEngine, ControlFiles, Inspection, Offers, RunningConfig } from "../../src/config/index.ts"
import {
  Home,
  type HomePaths,
  PinInstaller,
  type PinRefusal,
  PluginCatalogue,
  type PluginTrees
} from "../../src/domain/index.ts"
import { Uptime } from "../../src/statechart/index.ts"
import { DurableFiles, IdentityStore, sha256Hex, Slots } from "../../src/storage/index.ts"
import { layerRecording, makeRecording, type Recording } from "../storage/RecordingFileSystem.ts"
import { known } from "./Documents.ts"

export interface Engine {
  readonly home: HomePaths
  readonly recording: Recording
  /** The disk itself, without record and faults. */
  readonly fs: FileSystem.FileSystem
  /** Below `state/config-control`. */
  readonly at: (...names: ReadonlyArray<string>) => string
  /** Everything below the home: content of files, targets of links, `/` for directories. */
  readonly tree: Effect.Effect<Readonly<Record<string, string>>>
}

type Services = ApplyEngine | ControlFiles | DurableFiles | IdentityStore | Inspection | Offers | RunningConfig | Slots

/** What pins answer; a test may set it. */
export interface Pins {
  refusal: PinRefusal | null
  trees?: PluginTrees
}

/** Runs a test with an engine on a new home. */
export const withEngine = <A, E>(
  use: (engine: Engine) => Effect.Effect<A, E, Services>,
  pins: Pins = { refusal: null }
): Effect.Effect<A, unknown> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const root = yield* Effect.flatMap(fs.makeTempDirectoryScoped({ prefix: "holdfast-config-" }), fs.realPath)
    const recording = makeRecording()
    const plugins = Layer.merge(
      Layer.succeed(
        PluginCatalogue,
        PluginCatalogue.of({ known: () => Effect.succeed(known), environment: Effect.succeed("env-1") })
      ),
      Layer.succeed(
        PinInstaller,
        PinInstaller.of({
          install: () =>
            Effect.sync(() => (pins.refusal === null ? { trees: pins.trees ?? {} } : { refused: pins.refusal })),
          preview: () => Effect.succeed({ wouldInstall: [], problems: [] })
        })
      )
    )
    const layer = ApplyEngine.layer.pipe(
      Layer.provideMerge(Layer.mergeAll(RunningConfig.layer, Offers.layer)),
      Layer.provideMerge(Inspection.layer),
      Layer.provideMerge(ControlFiles.layer),
      Layer.provideMerge(Layer.mergeAll(Slots.layer, IdentityStore.layer, plugins, Uptime.layer)),
      Layer.provideMerge(DurableFiles.layer),
      Layer.provideMerge(Home.layerOf(root)),
      Layer.provideMerge(layerRecording(recording, root)),
      Layer.provideMerge(NodeServices.layer)
    )
    return yield* Effect.gen(function* () {
      const home = yield* Home
      return yield* use({
        home,
        recording,
        fs,
        at: (...names) => path.join(home.control, ...names),
        tree: Effect.orDie(treeOf(fs, path, root))
      })
    }).pipe(Effect.provide(layer))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const treeOf = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, path: Path.Path, root: string) {
  const found: Record<string, string> = {}
  const walk: (directory: string) => Effect.Effect<void, unknown> = Effect.fnUntraced(function* (directory: string) {
    for (const name of (yield* fs.readDirectory(directory)).sort()) {
      const full = path.join(directory, name)
      const key = path.relative(root, full)
      const { type } = yield* fs.lstat(full)
      if (type === "SymbolicLink") found[key] = `→ ${yield* fs.readLink(full)}`
      else if (type !== "Directory") found[key] = yield* fs.readFileString(full)
      else {
        found[key] = "/"
        yield* walk(full)
      }
    }
  })
  yield* walk(root)
  return found
})

export const bytes = (content: unknown): Uint8Array =>
  new TextEncoder().encode(typeof content === "string" ? content : JSON.stringify(content))

export const text = (content: Uint8Array): string => new TextDecoder().decode(content)

/** A document with a line to this central, and its policy token if there is one. */
export const centralDocument = (url: string, token?: string, more: Record<string, unknown> = {}) => ({
  version: 2,
  sinks: {
    central: {
      plugin: "@holdfast/central",
      config: { url, identity: token === undefined ? {} : { bootstrap_token: token } }
    }
  },
  ...more
})

/** Writes a slot as a commit does. */
export const fillSlot = Effect.fnUntraced(function* (
  engine: Engine,
  slot: "a" | "b",
  etag: string | null,
  document: unknown,
  promoted = false,
  plugins?: PluginTrees
) {
  const slots = yield* Slots
  const content = bytes(document)
  yield* (yield* DurableFiles).makeDirectory(engine.home.control)
  yield* slots.writeSlot(engine.home.control, slot, {
    document: content,
    record: { etag, digest: yield* sha256Hex(content), ...(plugins === undefined ? {} : { plugins }) }
  })
  if (promoted) yield* slots.writePromoted(engine.home.control, slot, "2026-01-01T00:00:00.000Z")
})

export const inspected = (repair = false): Effect.Effect<DiskFacts, { readonly message: string }, Inspection> =>
  Inspection.use((inspection) => inspection.inspect({ repair }))

/** Calls that change the disk. */
export const isChange = (call: string): boolean => !call.startsWith("read ")

/** Fails the n-th change and everything after it, as a power cut does. */
export const cutAt = (recording: Recording, n: number): void => {
  let changes = 0
  recording.fault = (call) => (isChange(call) && changes++ >= n ? "EIO" : undefined)
}

export const mend = (recording: Recording): void => {
  recording.fault = () => undefined
}
