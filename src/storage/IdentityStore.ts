/**
 * `identity.json` and its second copy: one credential per central, and the last URL that confirmed.
 *
 * What neither copy makes understandable (rot in both, or a version that is not ours) is kept aside before it is replaced.
 */
import { Context, Effect, Layer, Option, Path, Schema, Semaphore } from "effect"
import { Home, type IdentityEntry, type IdentityFile, IdentityFileJson } from "../domain/index.ts"
import { DurableFiles } from "./DurableFiles.ts"
import { type StorageError } from "./StorageError.ts"
import { copyName, makeTwinFile, type TwinSource, unreadableName } from "./TwinFile.ts"

const EMPTY: IdentityFile = { version: 1, identities: {} }
const NAME = "identity.json"

/** What was read, and from where: `lost` means that a file is there and neither copy can be understood. */
export interface KnownIdentities {
  readonly file: IdentityFile
  readonly source: TwinSource
}

/** The identities of this machine. Every change writes the file first and its copy after it. */
export class IdentityStore extends Context.Service<
  IdentityStore,
  {
    readonly read: Effect.Effect<KnownIdentities, StorageError>
    /** Sets the credential for a normalised URL. */
    readonly put: (url: string, entry: IdentityEntry) => Effect.Effect<void, StorageError>
    /** Notes that this URL confirmed what runs, and drops identities whose URL is neither it nor in `keep`. */
    readonly confirm: (url: string, keep: ReadonlyArray<string> | "all") => Effect.Effect<void, StorageError>
    /** Joining: no rescue by the old central any more. Identities stay, they are keyed by URL. */
    readonly forgetConfirmed: Effect.Effect<void, StorageError>
    /** Leaving: the copy goes first, so that no older credential outlives the newer one. */
    readonly remove: Effect.Effect<void, StorageError>
  }
>()("holdfast/storage/IdentityStore") {
  static readonly layer = Layer.effect(
    IdentityStore,
    Effect.gen(function* () {
      const home = yield* Home
      const files = yield* DurableFiles
      const path = yield* Path.Path
      const oneWriter = yield* Semaphore.make(1)

      const twin = yield* makeTwinFile({
        directory: home.state,
        name: NAME,
        decode: Schema.decodeUnknownOption(IdentityFileJson)
      })

      const read = twin.read.pipe(
        Effect.map(({ source, value }): KnownIdentities => ({ file: Option.getOrElse(value, () => EMPTY), source })),
        Effect.withSpan("IdentityStore.read")
      )

      const write = Effect.fnUntraced(function* (file: IdentityFile) {
        const text = yield* Schema.encodeEffect(IdentityFileJson)(file).pipe(Effect.orDie)
        yield* files.makeDirectory(home.state)
        yield* twin.write(text)
      })

      const update = (change: (file: IdentityFile) => IdentityFile) =>
        Effect.gen(function* () {
          const known = yield* read
          const next = change(known.file)
          // A cut between the two writes leaves an older copy, which the next change would be the first to notice.
          if (next === known.file) return yield* twin.mend
          if (known.source === "lost") yield* twin.setAside
          yield* write(next)
        }).pipe(oneWriter.withPermits(1))

      const put = Effect.fn("IdentityStore.put")((url: string, entry: IdentityEntry) =>
        update((file) => ({ ...file, identities: { ...file.identities, [url]: entry } }))
      )

      const confirm = Effect.fn("IdentityStore.confirm")((url: string, keep: ReadonlyArray<string> | "all") =>
        update((file) => {
          const kept = Object.entries(file.identities).filter(
            ([known]) => keep === "all" || known === url || keep.includes(known)
          )
          const unchanged = file.last_confirmed_url === url && kept.length === Object.keys(file.identities).length
          return unchanged ? file : { ...file, last_confirmed_url: url, identities: Object.fromEntries(kept) }
        })
      )

      const forgetConfirmed = update((file) => {
        if (file.last_confirmed_url === undefined) return file
        const { last_confirmed_url: _gone, ...rest } = file
        return rest
      })

      const remove = Effect.gen(function* () {
        for (const name of [copyName(NAME), NAME]) {
          yield* files.remove(path.join(home.state, unreadableName(name)))
          yield* files.remove(path.join(home.state, name))
          yield* files.syncDirectory(home.state)
        }
      })

      return IdentityStore.of({ read, put, confirm, forgetConfirmed, remove })
    })
  )
}
