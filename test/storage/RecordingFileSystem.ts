/** The real file system, with a record of each changing call and with faults on request. */
import { Effect, FileSystem, Layer } from "effect"
import { systemError } from "effect/PlatformError"

/** Calls as `operation path`, paths relative to the root that was recorded. */
export interface Recording {
  readonly calls: Array<string>
  /** Answers the system's error code for the call that is to fail, or undefined to let it happen. */
  fault: (call: string) => string | undefined
  /** A failed call that matches happens all the same. */
  happensAnyway: (call: string) => boolean
}

export const makeRecording = (): Recording => ({ calls: [], fault: () => undefined, happensAnyway: () => false })

/** `root` must be absolute; calls outside are passed on unrecorded. */
export const layerRecording = (recording: Recording, root: string) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const name = (path: string) =>
        path === root ? "." : path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path

      const through = <A, E, R>(call: string, effect: Effect.Effect<A, E, R>) =>
        Effect.suspend(() => {
          recording.calls.push(call)
          const code = recording.fault(call)
          if (code === undefined) return effect
          const failure = Effect.fail(
            systemError({
              _tag: code === "ENOENT" ? "NotFound" : "Unknown",
              module: "FileSystem",
              method: call,
              cause: Object.assign(new Error(`${code}: injected`), { code })
            })
          )
          return recording.happensAnyway(call) ? Effect.andThen(effect, failure) : failure
        })

      const wrap = (path: string, file: FileSystem.File): FileSystem.File => ({
        [FileSystem.FileTypeId]: FileSystem.FileTypeId,
        stat: file.stat,
        seek: (offset, from) => file.seek(offset, from),
        sync: through(`fsync ${name(path)}`, file.sync),
        read: (buffer, options) => file.read(buffer, options),
        readAlloc: (size, options) => file.readAlloc(size, options),
        truncate: (length) => file.truncate(length),
        write: (buffer) => through(`write ${name(path)}`, file.write(buffer)),
        writeAll: (buffer) => through(`write ${name(path)}`, file.writeAll(buffer))
      })

      return FileSystem.make({
        ...fs,
        open: (path, options) =>
          (options?.flag === "wx"
            ? through(`create ${name(path)}`, fs.open(path, options))
            : fs.open(path, options)
          ).pipe(Effect.map((file) => wrap(path, file))),
        makeDirectory: (path, options) => through(`mkdir ${name(path)}`, fs.makeDirectory(path, options)),
        readFile: (path) => through(`read ${name(path)}`, fs.readFile(path)),
        remove: (path, options) => through(`remove ${name(path)}`, fs.remove(path, options)),
        rename: (from, to) => through(`rename ${name(from)} → ${name(to)}`, fs.rename(from, to)),
        symlink: (target, path) => through(`symlink ${name(path)} → ${target}`, fs.symlink(target, path))
      })
    })
  )
