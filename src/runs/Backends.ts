/**
 * Which backend runs what: the document's `@holdfast/runs` says it for new runs, each run's record for those there are.
 *
 * @ref LLP 0019#backends [implements]: the local one is always there, the other one is loaded when it is first wanted
 */
import { Context, Effect, type FileSystem, Layer, type Path, Schema } from "effect"
import { ConfigControl, RUNS_PLUGIN } from "../domain/index.ts"
import type { DurableFiles } from "../storage/index.ts"
import { type Backend, BackendFailed } from "./Backend.ts"
import { loadKubernetes } from "./LoadKubernetes.ts"
import { LocalBackend } from "./LocalBackend.ts"

const RunsConfig = Schema.Struct({
  /** Default: `kubernetes` where its settings are given. */
  backend: Schema.optionalKey(Schema.Literals(["local", "kubernetes"])),
  kubernetes: Schema.optionalKey(Schema.Unknown)
})

export class Backends extends Context.Service<
  Backends,
  {
    /** The one of this kind, for runs that it has. */
    readonly of: (kind: Backend["kind"]) => Effect.Effect<Backend, BackendFailed>
    /** What new runs go to. */
    readonly preferred: Effect.Effect<Backend["kind"], BackendFailed>
  }
>()("holdfast/runs/Backends") {
  static readonly layer = Layer.effect(
    Backends,
    Effect.gen(function* () {
      const local = yield* LocalBackend
      const control = yield* ConfigControl
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

      const kubernetes = yield* Effect.cached(
        Effect.gen(function* () {
          const { kubernetes: input } = yield* config
          if (input === undefined) {
            return yield* refused(`the document's settings of ${RUNS_PLUGIN} name no cluster: give them \`kubernetes\``)
          }
          const library = yield* loadKubernetes
          const settings = yield* library.readKubernetesSettings(input)
          const layer = library.KubernetesBackend.layer({ settings }).pipe(
            Layer.provide(library.KubernetesClient.layer(settings))
          )
          const built = yield* Layer.buildWithScope(layer, scope)
          return Context.get(built, library.KubernetesBackend)
        }).pipe(
          Effect.provideContext(services),
          Effect.mapError(({ message }) => refused(message))
        )
      )

      return Backends.of({
        of: (kind) => (kind === "local" ? Effect.succeed(local) : kubernetes),
        preferred: Effect.map(
          config,
          ({ backend, kubernetes: input }) => backend ?? (input === undefined ? "local" : "kubernetes")
        )
      })
    })
  )
}

const refused = (message: string) => new BackendFailed({ message, retryable: false })
