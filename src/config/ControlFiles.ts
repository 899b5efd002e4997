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
import {
  DurableFiles,
  IdentityStore,
  isDamage,
  makeTwinFile,
  sealed,
  Slots,
  type StorageError,
  type TwinSource,
  unreadableName,
  unsealed
} from "../storage/index.ts"

const STATE = "state.json"
const UNREADABLE = unreadableName(STATE)
const SEED = "seed.json"
const JOIN = "join.json"
const LEAVE = "leave.json"
const TRUST = "trust.json"
/** Beside it: what waits for central is for no other fleet. */
const INGEST = "ingest"

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

/** What carrying a join out leaves: the text of seed.json, and trust.json. */
export interface JoinPlan {
  readonly seed: string
  readonly trust: TrustFile
}

/** Something that this machine had, and that neither the file nor its copy says any more. */
export const LOSSES = ["join.json", "seed.json", "trust.json", "identity.json"] as const
export type Loss = (typeof LOSSES)[number]

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
    /** The joining intent as it will be carried out; `None` if there is none, or none that can be understood. */
    readonly readJoin: Effect.Effect<Option.Option<JoinPlan>, StorageError>
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
    /** Somebody joined this machine: what they vouched for is on the disk, be it nothing. */
    readonly hasTrust: Effect.Effect<boolean, StorageError>
    /** Writes the copy anew from the file, or the file from its copy, where one of them rotted: seed.json, trust.json. */
    readonly mend: Effect.Effect<void, StorageError>
    /** What is there and says nothing, or must be there and is not; `ofFleet`: what runs came from a join. */
    readonly losses: (ofFleet: boolean) => Effect.Effect<ReadonlyArray<Loss>, StorageError>
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

      const join = yield* makeTwinFile({ directory: d, name: JOIN, decode: joiningOf })
      const seed = yield* makeTwinFile({ directory: d, name: SEED, decode: seedOf })
      const trust = yield* makeTwinFile({
        directory: home.state,
        name: TRUST,
        decode: Schema.decodeUnknownOption(TrustFileJson)
      })

      const readStateOnce = Effect.gen(function* () {
        const bytes = yield* files.read(at(STATE)).pipe(
          // What is never read again must not keep the machine from its central.
          Effect.catchIf(isDamage, () => Effect.succeedSome(new Uint8Array(0)))
        )
        if (Option.isNone(bytes)) return "absent" as const
        const text = yield* unsealed(new TextDecoder().decode(bytes.value))
        const state = Option.flatMap(text, Schema.decodeUnknownOption(StateFileJson))
        return Option.getOrElse(state, () => "unreadable" as const)
      })

      const readState = readStateOnce.pipe(
        // The disk may do better the second time, and what was remembered is not lost.
        Effect.flatMap((state) => (state === "unreadable" ? readStateOnce : Effect.succeed(state))),
        Effect.withSpan("ControlFiles.readState")
      )

      const writeState = Effect.fn("ControlFiles.writeState")(function* (state: StateFile) {
        const text = yield* sealed(yield* Schema.encodeEffect(StateFileJson)(state).pipe(Effect.orDie))
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
        for (const name of ["a", "b", STATE, UNREADABLE]) yield* drop(d, name)
        yield* seed.remove
      })

      const writeJoin = Effect.fn("ControlFiles.writeJoin")(function* (joining: Joining) {
        const { allowInsecureHttp, ca, document } = joining
        const text = JSON.stringify({
          version: 1,
          document: documentOf(document),
          ...(ca === undefined ? {} : { ca }),
          ...(allowInsecureHttp === true ? { allow_insecure_http: true } : {})
        })
        const wanted = JSON.stringify(Option.getOrNull(joiningOf(text)))
        // On a disk with room for one of the two files, the next start would do what was told to have failed.
        const takeBack = Effect.gen(function* () {
          const { value } = yield* join.read
          if (JSON.stringify(Option.getOrNull(value)) === wanted) yield* join.remove
        })
        yield* files.makeDirectory(d)
        yield* Effect.tapError(join.write(text), () => Effect.ignore(takeBack))
      })

      /** Whether this machine has an identity for the central of a joining document: what waits for it stays. */
      const isKnown = Effect.fnUntraced(function* (document: string) {
        const sink = Option.flatMap(Result.getSuccess(checkShape(document)), centralSink)
        const { file } = yield* identities.read
        return Option.isSome(sink) && normaliseUrl(sink.value.url) in file.identities
      })

      const executeJoin = Effect.gen(function* () {
        const { value: intent } = yield* join.read
        if (Option.isNone(intent)) return
        yield* wipe
        if (!(yield* isKnown(intent.value.seed))) yield* drop(home.state, INGEST)
        yield* identities.forgetConfirmed
        yield* trust.write(JSON.stringify(intent.value.trust))
        yield* seed.write(intent.value.seed)
        yield* join.remove
      }).pipe(Effect.uninterruptible, Effect.withSpan("ControlFiles.executeJoin"))

      const executeLeave = Effect.gen(function* () {
        yield* files.makeDirectory(d)
        yield* identities.remove
        yield* drop(home.state, INGEST)
        yield* wipe
        yield* join.remove
        yield* files.sweep(home.state, (name) => name.endsWith(".tmp"))
        yield* trust.remove
        yield* drop(d, LEAVE)
      }).pipe(Effect.uninterruptible, Effect.withSpan("ControlFiles.executeLeave"))

      const losses = Effect.fn("ControlFiles.losses")(function* (ofFleet: boolean) {
        const source: Record<Loss, TwinSource> = {
          "join.json": (yield* join.read).source,
          "seed.json": (yield* seed.read).source,
          "trust.json": (yield* trust.read).source,
          "identity.json": (yield* identities.read).source
        }
        return LOSSES.filter(
          (file) => source[file] === "lost" || (file === "trust.json" && ofFleet && source[file] === "none")
        )
      })

      return ControlFiles.of({
        readState,
        writeState,
        setStateAside: Effect.andThen(files.remove(at(UNREADABLE)), files.rename(d, STATE, UNREADABLE)),
        readSeed: Effect.map(seed.read, ({ value }) => Option.map(value, (text) => new TextEncoder().encode(text))),
        retireSeed: seed.remove,
        // By its name alone: a disk that fails to answer must not be taken for somebody who left.
        leaveFound: files.exists(at(LEAVE)),
        readJoin: Effect.map(join.read, ({ value }) => value),
        joinIsWhole: Effect.map(join.read, ({ value }) => Option.isSome(value)),
        writeJoin,
        writeLeave: Effect.andThen(files.makeDirectory(d), files.write(d, LEAVE, '{"version":1}\n')),
        executeJoin,
        executeLeave,
        readTrust: Effect.map(trust.read, ({ value }) => Option.getOrElse(value, () => ({ version: 1 }) as const)),
        hasTrust: Effect.map(trust.read, ({ source }) => source !== "none"),
        mend: Effect.andThen(seed.mend, trust.mend),
        losses
      })
    })
  )
}

/** The document of these bytes, if they are one; a slot that is intact was checked before it was written. */
export const documentOf = (bytes: Uint8Array): ConfigDocument | null => {
  const document = checkShape(bytes)
  return Result.isSuccess(document) ? document.success : null
}

/** The text of a joining document; one that is no document was never written by us. */
const seedOf = (text: string): Option.Option<string> =>
  documentOf(new TextEncoder().encode(text)) === null ? Option.none() : Option.some(text)

/** A rotten intent must not wipe what runs: it is a document with a central, or nothing. */
const joiningOf = (text: string): Option.Option<JoinPlan> =>
  Option.flatMap(Schema.decodeUnknownOption(JoinIntentJson)(text), (intent) => {
    const seed = `${JSON.stringify(intent.document, null, 2)}\n`
    const document = documentOf(new TextEncoder().encode(seed))
    const sink = document === null ? Option.none() : centralSink(document)
    return Option.map(sink, ({ url }) => ({ seed, trust: trustOf(intent, url) }))
  })

const trustOf = (intent: typeof JoinIntent.Type, url: string): TrustFile => ({
  version: 1,
  ...(intent.ca === undefined ? {} : { ca: intent.ca }),
  ...(intent.allow_insecure_http === true ? { insecure_url: normaliseUrl(url) } : {})
})
