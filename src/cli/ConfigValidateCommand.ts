/** `holdfast config validate`. */
import { Effect, Layer, Result } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { FetchHttpClient } from "effect/http"
import { checkShape, formatProblem, PinInstaller, providerUrlProblems } from "../domain/index.ts"
import { Uptime } from "../statechart/index.ts"
import { Unsuccessful } from "./Failures.ts"
import { homeLayer } from "./LocalServices.ts"
import { note, plain, print, printJson, readInput } from "./Output.ts"

/** Says everything that this machine would find wrong with a document. */
export const validateCommand = Command.make(
  "validate",
  {
    file: Argument.String("file").pipe(Argument.withDescription("The document; - is standard input")),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ file, json }) {
    const bytes = yield* readInput(file, "The document")
    const { problems, warnings, would_install } = yield* examine(bytes)
    const valid = problems.length === 0
    if (json) yield* printJson({ valid, problems, warnings, would_install })
    else {
      for (const problem of problems) yield* print(plain(formatProblem(problem)))
      for (const warning of warnings) yield* print(`warning: ${plain(formatProblem(warning))}`)
      for (const { name, version } of would_install) {
        yield* print(`would install: ${plain(name)}${version === undefined ? "" : ` ${plain(version)}`}`)
      }
      const but = warnings.length === 0 ? "" : ", but no model could be asked with it"
      if (valid) yield* print(`${plain(file)} is a document that this machine would apply${but}.`)
    }
    if (valid) return
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`
    yield* note(`${plain(file)} has ${count}: this machine would refuse it.`)
    return yield* new Unsuccessful({ message: count })
  }, Effect.provide(homeLayer))
).pipe(
  Command.withDescription("Check a document as a real apply would, and name every problem. Writes nothing."),
  Command.withExamples([
    { command: "holdfast config validate fleet.json" },
    { command: "holdfast config validate - --json < fleet.json" }
  ])
)

const loadEngine = Effect.promise(() =>
  Promise.all([import("../config/index.ts"), import("../plugins/index.ts")]).then(
    ([
      { ApplyEngine, ControlFiles, Inspection, Offers, RunningConfig },
      { pluginCatalogueLayer, pinInstallerLayer, pluginStoreLayer }
    ]) => ({
      ApplyEngine,
      layer: ApplyEngine.layer.pipe(
        Layer.provideMerge(Layer.mergeAll(RunningConfig.layer, Offers.layer, pinInstallerLayer)),
        Layer.provideMerge(Inspection.layer),
        Layer.provideMerge(ControlFiles.layer),
        Layer.provideMerge(pluginCatalogueLayer),
        Layer.provideMerge(pluginStoreLayer.pipe(Layer.provide(FetchHttpClient.layer))),
        Layer.provideMerge(Uptime.layer),
        Layer.provideMerge(homeLayer)
      )
    })
  )
)

const examine = Effect.fnUntraced(function* (bytes: Uint8Array) {
  const { ApplyEngine, layer } = yield* loadEngine
  return yield* Effect.gen(function* () {
    const problems = yield* (yield* ApplyEngine).findings(bytes)
    const shape = checkShape(bytes)
    const would_install = Result.isSuccess(shape)
      ? (yield* (yield* PinInstaller).preview(shape.success)).wouldInstall
      : []
    // A machine that applies it goes without a provider, and says so.
    const warnings = (Result.isSuccess(shape) ? providerUrlProblems(shape.success) : []).filter(
      ({ pointer }) => !problems.some((problem) => problem.pointer === pointer)
    )
    return { problems, warnings, would_install }
  }).pipe(Effect.provide(layer))
})
