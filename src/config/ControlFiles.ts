/** The files of `state/config-control/` that are neither slots nor the link: state.json, the seed and the intents. */
import { Context, Effect, Layer, Option, Path, Result, Schema } from "effect"
import {
  centralSink,
  checkShape,
  type ConfigDocument,
  Home,
  normaliseUrl,
  type StateFile,
  StateFileJson,
  type TrustFile,
  TrustFileJson
} from "../domain/index.ts"
import { DurableFiles, IdentityStore, Slots, type StorageError } from "../storage/index.ts"

const STATE = "state.json"
const UNREADABLE = "state.json.unreadable"
const SEED = "seed.json"
const JOIN = "join.json"
const LEAVE = "leave.json"
const TRUST = "trust.json"

/** `join.json`: the joining document, and what its author vouches for on this machine alone. */
const JoinIntent = Schema.Struct({
  version: Schema.Literal(1),
  document: Schema.Unknown,
  /** Certificate authorities besides the system's, PEM. */
  ca: Schema.optionalKey(Schema.String),
  allow_insecure_http: Schema.optionalKey(Schema.Boolean)
})

const JoinIntentJson = Schema.fromJsonString(JoinIntent)

export interface Joining {
  /** Bytes of the joining document. */
  readonly document: Uint8Array
  readonly ca?: string | undefined
  readonly allowInsecureHttp?: boolean | undefined
}

/** Reads and changes of the control files; the order of changes inside an intent is fixed here, when is the chart's. */
export class ControlFiles extends Context.Service<
  ControlFiles,
  {
    readonly readState: Effect.Effect<"absent" | "unreadable" | StateFile, StorageError>
    readonly writeState: (state: StateFile) => Effect.Effect<void, StorageError>
    /** Keeps a state.json that cannot be read as state.json.unreadable. */
    readonly setStateAside: Effect.Effect<void, StorageError>
    readonly readSeed: Effect.Effect<Option.Option<Uint8Array>, StorageError>
    readonly retireSeed: Effect.Effect<void, StorageError>
    readonly leaveFound: Effect.Effect<boolean, StorageError>
    /** There is a joining intent, and it is a document with a central: a rotten one must not wipe what runs. */
    readonly joinIsWhole: Effect.Effect<boolean, StorageError>
    /** Writes the joining intent: the document, with what its author vouches for. */
    readonly writeJoin: (joining: Joining) => Effect.Effect<void, StorageError>
    readonly writeLeave: Effect.Effect<void, StorageError>
    /** E1: another fleet's layer goes as a whole, then the intent becomes the seed. Repeatable at any cut. */
    readonly executeJoin: Effect.Effect<void, StorageError>
    /** E1: everything of the fleet goes, the intent itself last. Repeatable at any cut. */
    readonly executeLeave: Effect.Effect<void, StorageError>
    readonly readTrust: Effect.Effect<TrustFile, StorageError>
  }
>()("holdfast/config/ControlFiles") {
  static readonly layer = Layer.effect(
    ControlFiles,
    Effect.gen(function* () {
      const home = yield* Home
      const path = yield* Path.Path
      const files = yield* DurableFiles
      const slots = yield* Slots
      const identities = yield* IdentityStore
      const d = home.control
      const at = (name: string) => path.join(d, name)

      const readState = Effect.gen(function* () {
        const bytes = yield* files.read(at(STATE))
        if (Option.isNone(bytes)) return "absent" as const
        const state = Schema.decodeUnknownOption(StateFileJson)(new TextDecoder().decode(bytes.value))
        return Option.getOrElse(state, () => "unreadable" as const)
      }).pipe(Effect.withSpan("ControlFiles.readState"))

      const writeState = Effect.fn("ControlFiles.writeState")(function* (state: StateFile) {
        const text = yield* Schema.encodeEffect(StateFileJson)(state).pipe(Effect.orDie)
        const write = files.write(d, STATE, text)
        yield* Effect.catchIf(
          write,
          (error) => error.code === "ENOENT",
          () => Effect.andThen(files.makeDirectory(d), write)
        )
      })

      const drop = Effect.fnUntraced(function* (directory: string, name: string) {
        yield* files.remove(path.join(directory, name))
        yield* files.syncDirectory(directory)
      })

      // With what interrupted operations left half-done: a temporary file may hold a token as well.
      const wipe = Effect.gen(function* () {
        yield* slots.unlinkActive(d)
        yield* slots.sweep(d)
        for (const name of ["a", "b", STATE, UNREADABLE, SEED]) yield* drop(d, name)
      })

      const readJoin = Effect.map(
        files.read(at(JOIN)),
        Option.flatMap((bytes) => {
          const intent = Schema.decodeUnknownOption(JoinIntentJson)(new TextDecoder().decode(bytes))
          if (Option.isNone(intent)) return Option.none()
          const seed = new TextEncoder().encode(`${JSON.stringify(intent.value.document, null, 2)}\n`)
          const document = documentOf(seed)
          const sink = document === null ? Option.none() : centralSink(document)
          return Option.map(sink, ({ url }) => ({ seed, trust: trustOf(intent.value, url) }))
        })
      )

      const executeJoin = Effect.gen(function* () {
        const intent = yield* readJoin
        if (Option.isNone(intent)) return
        yield* wipe
        yield* identities.forgetConfirmed
        yield* files.write(home.state, TRUST, JSON.stringify(intent.value.trust))
        yield* files.write(d, SEED, intent.value.seed)
        yield* drop(d, JOIN)
      }).pipe(Effect.uninterruptible, Effect.withSpan("ControlFiles.executeJoin"))

      const executeLeave = Effect.gen(function* () {
        yield* files.makeDirectory(d)
        yield* identities.remove
        yield* wipe
        yield* drop(d, JOIN)
        yield* files.sweep(home.state, (name) => name.endsWith(".tmp"))
        yield* drop(home.state, TRUST)
        yield* drop(d, LEAVE)
      }).pipe(Effect.uninterruptible, Effect.withSpan("ControlFiles.executeLeave"))

      const writeIntent = Effect.fnUntraced(function* (name: string, content: Uint8Array | string) {
        yield* files.makeDirectory(d)
        yield* files.write(d, name, content)
      })

      return ControlFiles.of({
        readState,
        writeState,
        setStateAside: files.rename(d, STATE, UNREADABLE),
        readSeed: files.read(at(SEED)),
        retireSeed: drop(d, SEED),
        leaveFound: Effect.map(files.read(at(LEAVE)), Option.isSome),
        joinIsWhole: Effect.map(readJoin, Option.isSome),
        writeJoin: ({ allowInsecureHttp, ca, document }) =>
          writeIntent(
            JOIN,
            JSON.stringify({
              version: 1,
              document: documentOf(document),
              ...(ca === undefined ? {} : { ca }),
              ...(allowInsecureHttp === true ? { allow_insecure_http: true } : {})
            })
          ),
        writeLeave: writeIntent(LEAVE, '{"version":1}\n'),
        executeJoin,
        executeLeave,
        readTrust: Effect.map(files.read(path.join(home.state, TRUST)), (bytes) =>
          Option.getOrElse(
            Option.flatMap(bytes, (known) =>
              Schema.decodeUnknownOption(TrustFileJson)(new TextDecoder().decode(known))
            ),
            () => ({ version: 1 }) as const
          )
        )
      })
    })
  )
}

/** The document of these bytes, if they are one; a slot that is intact was checked before it was written. */
export const documentOf = (bytes: Uint8Array): ConfigDocument | null => {
  const document = checkShape(bytes)
  return Result.isSuccess(document) ? document.success : null
}

const trustOf = (intent: typeof JoinIntent.Type, url: string): TrustFile => ({
  version: 1,
  ...(intent.ca === undefined ? {} : { ca: intent.ca }),
  ...(intent.allow_insecure_http === true ? { insecure_url: normaliseUrl(url) } : {})
})
