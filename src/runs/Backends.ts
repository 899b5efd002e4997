/**
 * Which backend runs what: the document's `@holdfast/runs` says it for new runs, each run's record for those there are.
 *
 * @ref LLP 0019#backends [implements]: the local one is always there, the other one is loaded when it is first wanted
 */
import { Context, Effect, type FileSystem, Layer, type Path, Schema, SynchronizedRef } from "effect"
import { ConfigControl, RUNS_PLUGIN } from "../domain/index.ts"
import type { DurableFiles } from "../storage/index.ts"
import { type Backend, BackendFailed } from "./Backend.ts"
import { loadKubernetes } from "./LoadKubernetes.ts"
import { LocalBackend } from "./LocalBackend.ts"
import { RunStore } from "./RunStore.ts"

const RunsConfig = Schema.Struct({
  /** Default: `kubernetes` where its settings are given. */
  backend: Schema.optionalKey(Schema.Literals(["local", "kubernetes"])),
  kubernetes: Schema.optionalKey(Schema.Unknown),
  /** Runs of one agent at the same time. Default 1. */
  concurrency: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0)))
})

/** Which backend, and the settings that it works with as they are written. */
export interface BackendChoice {
  readonly kind: Backend["kind"]
  readonly settings?: unknown
}

export class Backends extends Context.Service<
  Backends,
  {
    /** The one that a run was given to, whatever the document says today. */
    readonly of: (choice: BackendChoice) => Effect.Effect<Backend, BackendFailed>
    /** What new runs go to. */
    readonly preferred: Effect.Effect<BackendChoice, BackendFailed>
    /** So many runs of one agent at the same time, 1 or more. */
    readonly concurrency: Effect.Effect<number, BackendFailed>
  }
>()("holdfast/runs/Backends") {
  static readonly layer = Layer.effect(
    Backends,
    Effect.gen(function* () {
      const local = yield* LocalBackend
      const control = yield* ConfigControl
      const store = yield* RunStore
      const services = yield* Effect.context<DurableFiles | FileSystem.FileSystem | Path.Path>()
      const scope = yield* Effect.scope

      const config = Effect.gen(function* () {
        const entry = (yield* control.document).plugins?.find(({ name }) => name === RUNS_PLUGIN)
        return yield* Schema.decodeUnknownEffect(RunsConfig)(entry?.config ?? {}, { onExcessProperty: "error" }).pipe(
          Effect.mapError(({ message }) =>
            refused(`the document's settings of ${RUNS_PLUGIN} cannot be used: ${message}`)
          )
        )
      })

      const makeKubernetes = Effect.fnUntraced(function* (input: unknown) {
        const library = yield* loadKubernetes
        const settings = yield* Effect.mapError(library.readKubernetesSettings(input), ({ message }) =>
          refused(message)
        )
        const owner = yield* Effect.mapError(
          store.owner,
          ({ message }) => new BackendFailed({ message, retryable: true })
        )
        const layer = library.KubernetesBackend.layer({ settings, owner }).pipe(
          Layer.provide(library.KubernetesClient.layer(settings))
        )
        const built = yield* Effect.mapError(Layer.buildWithScope(layer, scope), ({ message }) => refused(message))
        return Context.get(built, library.KubernetesBackend)
      }, Effect.provideContext(services))

      const clusters = yield* SynchronizedRef.make<ReadonlyMap<string, Backend>>(new Map())
      const kubernetes = Effect.fnUntraced(function* (settings: unknown) {
        const input = settings ?? (yield* config).kubernetes
        if (input === undefined) {
          return yield* refused(`the document's settings of ${RUNS_PLUGIN} name no cluster: give them \`kubernetes\``)
        }
        const key = JSON.stringify(input)
        return yield* SynchronizedRef.modifyEffect(clusters, (known) => {
          const found = known.get(key)
          return found === undefined
            ? Effect.map(makeKubernetes(input), (made) => [made, new Map(known).set(key, made)] as const)
            : Effect.succeed([found, known] as const)
        })
      })

      return Backends.of({
        of: ({ kind, settings }) => (kind === "local" ? Effect.succeed(local) : kubernetes(settings)),
        preferred: Effect.map(config, ({ backend, kubernetes: settings }) => {
          const kind = backend ?? (settings === undefined ? "local" : "kubernetes")
          return kind === "local" ? { kind } : { kind, settings }
        }),
        concurrency: Effect.map(config, ({ concurrency = 1 }) => concurrency)
      })
    })
  )
}

const refused = (message: string) => new BackendFailed({ message, retryable: false })
