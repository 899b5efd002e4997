/**
 * `identity.json` and its second copy: one credential per central, and the last URL that confirmed.
 *
 * The text begins with a digest of the rest of it: a bit that flips inside a credential leaves valid JSON, and the good
 * copy would never be asked. A file without one (written by others) is taken as it is.
 */
import { Context, Effect, Layer, Option, Path, Schema, Semaphore } from "effect"
import { Home, type IdentityEntry, type IdentityFile, IdentityFileJson } from "../domain/index.ts"
import { DurableFiles } from "./DurableFiles.ts"
import { sha256Hex } from "./Sha256.ts"
import { type StorageError } from "./StorageError.ts"

const EMPTY: IdentityFile = { version: 1, identities: {} }
const MAIN = "identity.json"
const COPY = "identity.bak.json"

/** What was read, and from where: `lost` means that a file is there and neither copy can be understood. */
export interface KnownIdentities {
  readonly file: IdentityFile
  readonly source: "main" | "copy" | "none" | "lost"
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

      const readOne = (name: string) =>
        files.read(path.join(home.state, name)).pipe(
          Effect.flatMap(
            Option.match({
              onNone: () => Effect.succeedNone,
              onSome: (bytes) => Effect.asSome(understood(new TextDecoder().decode(bytes)))
            })
          )
        )

      const read = Effect.gen(function* () {
        const main = yield* readOne(MAIN)
        if (Option.isSome(main) && Option.isSome(main.value)) return known(main.value.value, "main")
        const copy = yield* readOne(COPY)
        if (Option.isSome(copy) && Option.isSome(copy.value)) return known(copy.value.value, "copy")
        return known(EMPTY, Option.isSome(main) || Option.isSome(copy) ? "lost" : "none")
      }).pipe(Effect.withSpan("IdentityStore.read"))

      // A cut between the two writes leaves an older copy, which the next change would otherwise be the first to notice.
      const bothAreCurrent = Effect.gen(function* () {
        const texts = yield* Effect.forEach([MAIN, COPY], (name) => files.read(path.join(home.state, name)))
        const [main, copy] = texts.map(Option.map((bytes) => new TextDecoder().decode(bytes)))
        return main !== undefined && copy !== undefined && Option.isSome(main) && Option.contains(copy, main.value)
      })

      const write = Effect.fnUntraced(function* (file: IdentityFile) {
        const text = yield* sealed(yield* Schema.encodeEffect(IdentityFileJson)(file).pipe(Effect.orDie))
        yield* files.makeDirectory(home.state)
        yield* files.write(home.state, MAIN, text)
        yield* files.write(home.state, COPY, text)
      })

      const update = (change: (file: IdentityFile) => IdentityFile) =>
        Effect.gen(function* () {
          const known = yield* read
          const next = change(known.file)
          if (next === known.file && (known.source === "none" || (yield* bothAreCurrent))) return
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
        for (const name of [COPY, MAIN]) {
          yield* files.remove(path.join(home.state, name))
          yield* files.syncDirectory(home.state)
        }
      })

      return IdentityStore.of({ read, put, confirm, forgetConfirmed, remove })
    })
  )
}

const known = (file: IdentityFile, source: KnownIdentities["source"]): KnownIdentities => ({ file, source })

const SEAL = /^\{"digest":"([0-9a-f]{64})",/

const digestOf = (text: string) => sha256Hex(new TextEncoder().encode(text))

/** The same object with its digest as first key. */
const sealed = (text: string) => Effect.map(digestOf(text), (digest) => `{"digest":"${digest}",${text.slice(1)}`)

/** None: it is no such file, of another version, or not what was written. */
const understood = Effect.fnUntraced(function* (text: string) {
  const seal = SEAL.exec(text)
  if (seal !== null && (yield* digestOf(`{${text.slice(seal[0].length)}`)) !== seal[1]) return Option.none()
  return Schema.decodeUnknownOption(IdentityFileJson)(text)
})
