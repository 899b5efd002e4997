// @effect-diagnostics nodeBuiltinImport:off - 10,000 files are looked at each second: by node:fs itself, at a third of the cost
/** What tailing needs of a file system, and no more. */
import { close, constants, fstat, link, open, read, readdir, stat, type BigIntStats } from "node:fs"
import { Context, Effect, Layer, Schema } from "effect"

/** The file system did not do it. */
export class TailFileError extends Schema.TaggedError<TailFileError>()("TailFileError", {
  /** As the system names it: ENOENT, EIO, ESTALE … */
  code: Schema.String,
  message: Schema.String
}) {}

/** What a file system says of a file. */
export interface FileFacts {
  readonly inode: bigint
  readonly size: number
}

/** Looks at files and reads them; the real file system, or a model of one. */
export class TailFiles extends Context.Service<
  TailFiles,
  {
    /** The names in a directory. */
    readonly list: (directory: string) => Effect.Effect<ReadonlyArray<string>, TailFileError>
    /** Of each path, in order. */
    readonly facts: (paths: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<FileFacts | TailFileError>>
    /** Opens for reading; `direct` past the page cache, where the system can (else EINVAL, here or when reading). */
    readonly open: (path: string, direct: boolean) => Effect.Effect<number, TailFileError>
    readonly factsOf: (handle: number) => Effect.Effect<FileFacts, TailFileError>
    /** Reads at most `length` bytes that lie at `position` to `offset` of `into`; how many there were. Not interruptible. */
    readonly read: (
      handle: number,
      into: Uint8Array,
      offset: number,
      length: number,
      position: number
    ) => Effect.Effect<number, TailFileError>
    /** Makes a network volume ask its server about a path that is there, whatever it remembers. Changes nothing. */
    readonly revalidate: (directory: string, path: string) => Effect.Effect<void>
    readonly close: (handle: number) => Effect.Effect<void>
  }
>()("holdfast/runs/TailFiles") {
  static readonly layer: Layer.Layer<TailFiles> = Layer.sync(TailFiles, () => TailFiles.of(real))
}

/** Looks in flight at a time: the four threads of Node's file system have other work, too. */
const LOOKS = 32

const failureOf = (error: NodeJS.ErrnoException): TailFileError =>
  new TailFileError({ code: error.code ?? "UNKNOWN", message: error.message })

const factsFrom = ({ ino, size }: BigIntStats): FileFacts => ({ inode: ino, size: Number(size) })

const real: TailFiles["Service"] = {
  list: (directory) =>
    Effect.callback((resume) =>
      readdir(directory, (error, names) =>
        resume(error === null ? Effect.succeed(names) : Effect.fail(failureOf(error)))
      )
    ),
  facts: (paths) =>
    Effect.callback((resume) => {
      const found: Array<FileFacts | TailFileError> = []
      found.length = paths.length
      let begun = 0
      let ended = 0
      const next = (): void => {
        const index = begun++
        const path = paths[index]
        if (path === undefined) return
        stat(path, { bigint: true }, (error, stats) => {
          found[index] = error === null ? factsFrom(stats) : failureOf(error)
          if (++ended === paths.length) resume(Effect.succeed(found))
          else next()
        })
      }
      if (paths.length === 0) resume(Effect.succeed(found))
      for (let count = Math.min(LOOKS, paths.length); count > 0; count--) next()
    }),
  open: (path, direct) =>
    Effect.callback<number, TailFileError>((resume) =>
      // Other systems have no such flag.
      open(path, constants.O_RDONLY | (direct ? (constants.O_DIRECT ?? 0) : 0), (error, handle) =>
        resume(error === null ? Effect.succeed(handle) : Effect.fail(failureOf(error)))
      )
    ).pipe(Effect.uninterruptible),
  factsOf: (handle) =>
    Effect.callback((resume) =>
      fstat(handle, { bigint: true }, (error, stats) =>
        resume(error === null ? Effect.succeed(factsFrom(stats)) : Effect.fail(failureOf(error)))
      )
    ),
  // What was begun writes into the buffer whenever it ends.
  read: (handle, into, offset, length, position) =>
    Effect.callback<number, TailFileError>((resume) =>
      read(handle, into, offset, length, position, (error, count) =>
        resume(error === null ? Effect.succeed(count) : Effect.fail(failureOf(error)))
      )
    ).pipe(Effect.uninterruptible),
  // No directory gets a second name; but before the kernel says so, it makes sure whether that name is there.
  revalidate: (directory, path) => Effect.callback((resume) => link(directory, path, () => resume(Effect.void))),
  // Nothing was written through it: what closing has to say is of no use.
  close: (handle) => Effect.callback((resume) => close(handle, () => resume(Effect.void)))
}
