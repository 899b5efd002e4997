/** A scratch directory on the real disk with the storage services on top, its calls recorded. */
import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Layer, Path } from "effect"
import { DurableFiles, Slots } from "../../src/storage/index.ts"
import { layerRecording, makeRecording, type Recording } from "./RecordingFileSystem.ts"

export interface Machine {
  /** The scratch directory, absolute. */
  readonly root: string
  readonly recording: Recording
  /** The unrecorded file system, to look at what is there. */
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
}

/** Runs `body` with storage over a recorded file system; the scratch directory is removed afterwards. */
export const onMachine = <A, E>(
  body: (machine: Machine) => Effect.Effect<A, E, DurableFiles | Slots>
): Effect.Effect<A, unknown> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const root = yield* Effect.flatMap(fs.makeTempDirectoryScoped({ prefix: "holdfast-storage-" }), fs.realPath)
    const recording = makeRecording()
    const layer = Slots.layer.pipe(
      Layer.provideMerge(DurableFiles.layer),
      Layer.provide(layerRecording(recording, root))
    )
    return yield* body({ root, recording, fs, path }).pipe(Effect.provide(layer))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

export const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes)

export const bytes = (content: string): Uint8Array => new TextEncoder().encode(content)

/** Permission bits of a path. */
export const modeOf = (machine: Machine, path: string) => Effect.map(machine.fs.stat(path), (info) => info.mode & 0o777)
