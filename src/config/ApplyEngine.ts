/**
 * Carries out what the chart of ConfigApply decides: every task here is one step of an operation sequence.
 *
 * @ref LLP 0004#operation-sequences [implements]: C1 to C5, P1 to P3, R1 and R2
 */
import { Context, DateTime, Duration, Effect, Layer, Option, Result, Schema } from "effect"
import { NOT_FLIPPED } from "../../machines/ConfigFacts.ts"
import type { ConfigApply, Finding } from "../../machines/index.ts"
import {
  bareDocument,
  checkCentralUrl,
  centralSinks,
  checkShape,
  type ConfigDocument,
  formatProblem,
  Home,
  type KnownPlugin,
  MAX_DOCUMENT_BYTES,
  normaliseUrl,
  PinInstaller,
  PluginCatalogue,
  type PluginEntry,
  type Problem,
  probationWindowMs,
  withoutToken
} from "../domain/index.ts"
import { type FlipError, IdentityStore, sha256Hex, Slots } from "../storage/index.ts"
import { type Handlers, type TaskError, Uptime } from "../statechart/index.ts"
import { ControlFiles } from "./ControlFiles.ts"
import { Inspection } from "./Inspection.ts"
import { Offers } from "./Offers.ts"
import { RunningConfig } from "./RunningConfig.ts"
import { SINK_CAPABILITY, validateFully } from "./Validation.ts"

/** A step that never ends must not end staging for ever. */
const STEP_DEADLINE = Duration.minutes(2)
/** A hung clone or download. */
const INSTALL_DEADLINE = Duration.minutes(10)

/** A promotion takes the policy token away: by then the credential must be on the disk. */
class IdentityUnstored extends Schema.TaggedError<IdentityUnstored>()("IdentityUnstored", {}) {
  override readonly message =
    "the identity of this machine is not on the disk yet, so nothing can be confirmed. Look at the disk and the system log."
}

/** The handlers of ConfigApply. Actions that only tell go to telemetry, which the root supplies. */
export class ApplyEngine extends Context.Service<
  ApplyEngine,
  {
    readonly tasks: Handlers<typeof ConfigApply, never>["tasks"]
    /** Steps 6, 7 and 9 on bytes: what `config validate` prints, and what a real apply would find. */
    readonly findings: (bytes: Uint8Array) => Effect.Effect<ReadonlyArray<Problem>>
  }
>()("holdfast/config/ApplyEngine") {
  static readonly layer = Layer.effect(
    ApplyEngine,
    Effect.gen(function* () {
      const home = yield* Home
      const slots = yield* Slots
      const control = yield* ControlFiles
      const identities = yield* IdentityStore
      const inspection = yield* Inspection
      const offers = yield* Offers
      const running = yield* RunningConfig
      const catalogue = yield* PluginCatalogue
      const installer = yield* PinInstaller
      const uptime = yield* Uptime
      const d = home.control

      const times = Effect.map(uptime.read, ({ uptime, wall }) => ({ uptime, wall }))

      /** Central may only be moved to a URL that this machine could also have joined. */
      const reachableCentrals = Effect.fnUntraced(function* (document: ConfigDocument) {
        const trust = yield* control.readTrust
        return centralSinks(document).flatMap((sink): ReadonlyArray<Problem> => {
          const insecure = "insecure_url" in trust && trust.insecure_url === normaliseUrl(sink.url)
          const checked = checkCentralUrl(sink.url, { allowInsecureHttp: insecure })
          return Result.isSuccess(checked)
            ? []
            : [{ pointer: `/sinks/${sink.instance}/config/url`, message: checked.failure.message }]
        })
      })

      const fullProblems = Effect.fnUntraced(function* (document: ConfigDocument, known: ReadonlyArray<KnownPlugin>) {
        return [...validateFully(document, known), ...(yield* reachableCentrals(document))]
      })

      const findings = Effect.fn("ApplyEngine.findings")(function* (bytes: Uint8Array) {
        if (bytes.length > MAX_DOCUMENT_BYTES) return [tooLarge(bytes.length)]
        const shape = checkShape(bytes)
        if (Result.isFailure(shape)) return shape.failure
        const { problems } = yield* installer.preview(shape.success)
        const here = yield* catalogue.known({})
        const fetched = (shape.success.plugins ?? []).filter(
          ({ name, source }) => source !== undefined && !here.some(({ manifest }) => manifest.name === name)
        )
        const known = [...here, ...fetched.map(assumed)]
        const full = yield* fullProblems(shape.success, known).pipe(
          Effect.catchTag("StorageError", ({ message }) => Effect.succeed([{ pointer: "", message }]))
        )
        return [...problems, ...full]
      })

      const checkOffer = Effect.fn("config.check")(function* ({ offer }: { readonly offer: number }) {
        const { bytes } = yield* offers.get(offer)
        const digest = yield* sha256Hex(bytes)
        if (bytes.length > MAX_DOCUMENT_BYTES) {
          return refusal("document_too_large", digest, [tooLarge(bytes.length)])
        }
        const shape = checkShape(bytes)
        return Result.isSuccess(shape)
          ? accepted(digest, probationWindowMs(shape.success))
          : refusal("config_invalid", digest, shape.failure)
      })

      const parsed = Effect.fnUntraced(function* (offer: number) {
        const { bytes, trees = {} } = yield* offers.get(offer)
        const shape = checkShape(bytes)
        return { digest: yield* sha256Hex(bytes), shape, trees }
      })

      const installPins = Effect.fn("plugin.install")(function* ({ offer }: { readonly offer: number }) {
        const { digest, shape } = yield* parsed(offer)
        if (Result.isFailure(shape)) return refusal("config_invalid", digest, shape.failure)
        const installed = yield* installer.install(shape.success)
        if ("refused" in installed) return { ...installed.refused, digest } as const
        yield* offers.resolve(offer, installed.trees)
        return accepted(digest, probationWindowMs(shape.success))
      })

      const validate = Effect.fn("config.validate")(function* ({ offer }: { readonly offer: number }) {
        const { digest, shape, trees } = yield* parsed(offer)
        if (Result.isFailure(shape)) return refusal("config_invalid", digest, shape.failure)
        const problems = yield* fullProblems(shape.success, yield* catalogue.known(trees))
        return problems.length === 0
          ? accepted(digest, probationWindowMs(shape.success))
          : refusal("config_invalid", digest, problems)
      })

      /** A revision that is not applied leaves a line in the log, and not only in the status. */
      const noted = <E, R>(task: (input: { readonly offer: number }) => Effect.Effect<Finding, E, R>) =>
        Effect.fnUntraced(function* (input: { readonly offer: number }) {
          const finding = yield* task(input)
          if (finding.verdict === "accepted") return finding
          const { etag } = yield* offers.get(input.offer)
          yield* Effect.logWarning(
            finding.verdict === "artifact_hash_mismatch" ? "config.pin_hash_mismatch" : "config.apply_failed"
          ).pipe(Effect.annotateLogs({ config_etag: etag, error_kind: finding.verdict, detail: finding.detail }))
          return finding
        })

      const writeSlot = Effect.fn("config.slot")(function* (input: {
        readonly slot: "a" | "b"
        readonly offer: number
        readonly etag: string
      }) {
        const { bytes, trees = {} } = yield* offers.get(input.offer)
        const record = { etag: input.etag, digest: yield* sha256Hex(bytes) }
        yield* slots.writeSlot(d, input.slot, {
          document: bytes,
          record: Object.keys(trees).length === 0 ? record : { ...record, plugins: trees }
        })
      })

      // C1: what a first revision rolls back to. Without a seed it is the bare document that runs now.
      const seedCopy = Effect.gen(function* () {
        const seed = yield* control.readSeed
        const stripped = Option.isSome(seed) ? withoutToken(seed.value) : Result.fail([])
        if (Result.isSuccess(stripped)) return stripped.success
        const { boot, central } = yield* running.effective
        return boot.running.source === "none" || Option.isNone(central)
          ? new TextEncoder().encode('{"version":2}\n')
          : bareDocument(normaliseUrl(central.value.url))
      })

      const writeSeedCopy = Effect.gen(function* () {
        const document = yield* seedCopy
        yield* slots.writeSlot(d, "a", { document, record: { etag: null, digest: yield* sha256Hex(document) } })
      })

      const rememberUrl = Effect.fn("config.remember-url")(function* ({ prune }: { readonly prune: boolean }) {
        const { central } = yield* running.effective
        if (Option.isNone(central)) return
        const { file } = yield* identities.read
        if (file.identities[normaliseUrl(central.value.url)] === undefined) return yield* new IdentityUnstored()
        yield* identities.confirm(normaliseUrl(central.value.url), prune ? yield* running.namedUrls : "all")
      })

      return ApplyEngine.of({
        tasks: {
          inspect: (input) => bounded(inspection.inspect(input)),
          executeLeave: () => bounded(nothing(control.executeLeave)),
          executeJoin: () => bounded(nothing(control.executeJoin)),
          setStateAside: () => bounded(nothing(control.setStateAside)),
          writeState: ({ state }) => bounded(Effect.andThen(control.writeState(state), times)),
          writeSeedCopy: () => bounded(nothing(writeSeedCopy)),
          writeSlot: (input) => bounded(nothing(writeSlot(input))),
          flip: ({ slot }) => bounded(nothing(slots.flip(d, slot).pipe(Effect.mapError(flipFailure)))),
          unlinkActive: () => bounded(nothing(slots.unlinkActive(d))),
          writePromoted: ({ slot }) =>
            bounded(
              nothing(Effect.flatMap(DateTime.now, (now) => slots.writePromoted(d, slot, DateTime.formatIso(now))))
            ),
          retireSeed: () => bounded(nothing(control.retireSeed)),
          rememberUrl: (input) => bounded(nothing(rememberUrl(input))),
          checkShape: (input) => bounded(noted(checkOffer)(input)),
          installPins: (input) => deadline(INSTALL_DEADLINE)(noted(installPins)(input)),
          validate: (input) => bounded(noted(validate)(input)),
          readTime: () => times
        },
        findings
      })
    })
  )
}

/** A flip whose rename certainly did not happen can be undone; after any other the process must restart. */
const flipFailure = (error: FlipError): TaskError => ({
  _tag: error.renamed ? error._tag : NOT_FLIPPED,
  message: error.message,
  retryable: true
})

const nothing = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<undefined, E, R> =>
  Effect.as(effect, undefined)

const deadline =
  (limit: Duration.Duration) =>
  <A, E extends TaskError, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, TaskError, R> =>
    Effect.timeoutOrElse(effect, {
      duration: limit,
      orElse: () =>
        Effect.fail<TaskError>({
          _tag: "DeadlineMissed",
          message: `the step took longer than ${Duration.toSeconds(limit)} s. Look at the disk and the system log.`
        })
    })

const bounded = deadline(STEP_DEADLINE)

const accepted = (digest: string, window_ms: number): Finding => ({ verdict: "accepted", digest, window_ms })

const refusal = (
  verdict: "config_invalid" | "document_too_large",
  digest: string,
  problems: ReadonlyArray<Problem>
): Finding => ({ verdict, transient: false, digest, detail: problems.map(formatProblem).join("; ") })

/** A plugin that could not be looked at yet: of its manifest nothing is known, and nothing is held against it. */
const assumed = ({ name, version = "0.0.0" }: PluginEntry): KnownPlugin => ({
  manifest: {
    schema_version: 1,
    name,
    version,
    holdfast_api: "*",
    runtime: "node",
    entrypoint: "(not installed)",
    provides: { capabilities: [SINK_CAPABILITY] }
  },
  entry: "(not installed)",
  origin: "installed"
})

const tooLarge = (size: number): Problem => ({
  pointer: "",
  message: `the document has ${size} bytes; at most ${MAX_DOCUMENT_BYTES} are accepted. Make it smaller.`
})
