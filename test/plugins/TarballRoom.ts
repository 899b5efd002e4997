/** A scratch directory that tarballs are unpacked into. */
import { NodeServices } from "@effect/platform-node"
import { Effect, type FileSystem, Layer, type Path, type Scope } from "effect"
import { FetchHttpClient, type HttpClient } from "effect/http"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { layerRecording, makeRecording, type Recording } from "../storage/RecordingFileSystem.ts"
import type { Piece } from "./Archives.ts"

export interface Room {
  /** Holds `into` and what a test puts beside it. */
  readonly root: string
  readonly into: string
  readonly recording: Recording
}

export const inRoom = <A, E>(
  body: (room: Room) => Effect.Effect<A, E, FileSystem.FileSystem | Path.Path | HttpClient.HttpClient | Scope.Scope>
) => {
  const root = fs.mkdtempSync(join(fs.realpathSync(tmpdir()), "holdfast-tarball-"))
  const into = join(root, "into")
  fs.mkdirSync(into)
  const recording = makeRecording()
  return body({ root, into, recording }).pipe(
    Effect.scoped,
    Effect.provide(
      Layer.merge(layerRecording(recording, root), FetchHttpClient.layer).pipe(Layer.provideMerge(NodeServices.layer))
    ),
    Effect.ensuring(Effect.sync(() => fs.rmSync(root, { recursive: true })))
  )
}

/** Without which there is no plugin. */
export const MANIFEST: Piece = { name: "holdfast.plugin.json", body: "{}" }

export const listing = (root: string): ReadonlyArray<string> =>
  fs.readdirSync(root, { recursive: true, encoding: "utf8" }).sort()

/** How much more memory outside the heap is held at most. */
export const watched = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    const look = () => (most = Math.max(most, process.memoryUsage().arrayBuffers - before))
    const timer = setInterval(look, 2)
    const result = yield* Effect.exit(effect)
    clearInterval(timer)
    look()
    return { most, result }
  })
