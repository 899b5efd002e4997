/** Who owns what is written by a command that may do everything. */
import { Effect, FileSystem, Option } from "effect"
import { storageStep } from "./StorageError.ts"

/** Gives a new file the owner of what is at `like`: the superuser works on directories of others, who must read it. */
export const keepOwner = Effect.fnUntraced(function* (file: string, like: string) {
  const fs = yield* FileSystem.FileSystem
  const wanted = yield* fs.stat(like).pipe(storageStep("stat", like))
  const found = yield* fs.stat(file).pipe(storageStep("stat", file))
  const uid = Option.getOrUndefined(wanted.uid)
  if (uid === undefined || Option.contains(found.uid, uid)) return
  const gid = Option.getOrElse(wanted.gid, () => 0)
  // Nobody but the superuser can give a file away, and then it is of who runs this, as any file of his.
  if (globalThis.process.getuid?.() === 0) yield* fs.chown(file, uid, gid).pipe(storageStep("chown", file))
})
