/**
 * A small file that a machine cannot do without, held twice: `x.json` and `x.bak.json`, each with its own digest, so that
 * one that rots, is cut short or goes missing costs nothing.
 */
import { Effect, Option, Path } from "effect"
import { DurableFiles } from "./DurableFiles.ts"
import { sealed, unsealed } from "./Seal.ts"
import { isDamage, type StorageError } from "./StorageError.ts"

/** Where the content was read: `none` if there is no such file, `lost` if there is one and neither can be understood. */
export type TwinSource = "main" | "copy" | "none" | "lost"

export interface TwinContent<A> {
  readonly value: Option.Option<A>
  readonly source: TwinSource
}

export interface TwinFile<A> {
  /** The first of the two that is what was written and can be understood. */
  readonly read: Effect.Effect<TwinContent<A>, StorageError>
  /** Replaces both, the file before its copy. `text` is a JSON object; the directory is there. */
  readonly write: (text: string) => Effect.Effect<void, StorageError>
  /** Removes both, durably. */
  readonly remove: Effect.Effect<void, StorageError>
  /** Writes the one that is damaged, missing or older anew from the one that `read` would take. */
  readonly mend: Effect.Effect<void, StorageError>
  /** Moves what cannot be understood to `x.json.unreadable` and `x.bak.json.unreadable`. */
  readonly setAside: Effect.Effect<void, StorageError>
}

export interface TwinSpec<A> {
  readonly directory: string
  /** `x.json`. */
  readonly name: string
  /** What the text says; `None` if it is not such a file, or of another version. */
  readonly decode: (text: string) => Option.Option<A>
}

/** The name of the second copy. */
export const copyName = (name: string): string => name.replace(/\.json$/, ".bak.json")

/** The name under which what could not be understood is kept. */
export const unreadableName = (name: string): string => `${name}.unreadable`

/** `text` is null where there is no file, and empty where there is one that cannot be read. */
interface Half<A> {
  readonly name: string
  readonly text: string | null
  readonly value: Option.Option<A>
}

export const makeTwinFile = Effect.fnUntraced(function* <A>({ decode, directory, name }: TwinSpec<A>) {
  const files = yield* DurableFiles
  const path = yield* Path.Path
  const names = [name, copyName(name)] as const

  const readHalf = Effect.fnUntraced(function* (half: string) {
    const bytes = yield* files.read(path.join(directory, half)).pipe(
      // A bad sector, or a directory of that name: it is there, and it is nothing.
      Effect.catchIf(isDamage, () => Effect.succeedSome(new Uint8Array(0)))
    )
    if (Option.isNone(bytes)) return { name: half, text: null, value: Option.none<A>() }
    const text = new TextDecoder().decode(bytes.value)
    return { name: half, text, value: Option.flatMap(yield* unsealed(text), decode) }
  })

  // The disk may do better the second time: an older copy must not take the place of a file that was misread.
  const readTwice = (half: string) =>
    Effect.flatMap(readHalf(half), (found) =>
      found.text === null || Option.isSome(found.value) ? Effect.succeed(found) : readHalf(half)
    )

  const halves: Effect.Effect<ReadonlyArray<Half<A>>, StorageError> = Effect.forEach(names, readTwice)

  const read = Effect.gen(function* (): Effect.fn.Return<TwinContent<A>, StorageError> {
    const main = yield* readTwice(names[0])
    if (Option.isSome(main.value)) return { value: main.value, source: "main" }
    const copy = yield* readTwice(names[1])
    if (Option.isSome(copy.value)) return { value: copy.value, source: "copy" }
    return { value: Option.none(), source: main.text === null && copy.text === null ? "none" : "lost" }
  })

  const writeText = Effect.fnUntraced(function* (text: string, to: ReadonlyArray<string>) {
    for (const half of to) yield* files.write(directory, half, text)
  })

  const mend = Effect.gen(function* () {
    const both = yield* halves
    const found = both.find(({ value }) => Option.isSome(value))
    if (found === undefined || found.text === null) return
    yield* writeText(
      found.text,
      both.filter(({ text }) => text !== found.text).map(({ name }) => name)
    )
  })

  const setAside = Effect.gen(function* () {
    for (const { name: half, text, value } of yield* halves) {
      if (text === null || Option.isSome(value)) continue
      yield* files.remove(path.join(directory, unreadableName(half)))
      yield* files.rename(directory, half, unreadableName(half))
    }
  })

  const twin: TwinFile<A> = {
    read,
    write: (text) => Effect.flatMap(sealed(text), (whole) => writeText(whole, names)),
    remove: Effect.gen(function* () {
      for (const half of names.toReversed()) yield* files.remove(path.join(directory, half))
      yield* files.syncDirectory(directory)
    }),
    mend,
    setAside
  }
  return twin
})
