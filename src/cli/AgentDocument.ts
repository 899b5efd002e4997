/** What the configuration says of agents, for commands that run them without a daemon. */
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { runningReadOnly } from "../../machines/ConfigBoot.ts"
import { EMPTY_STATE } from "../../machines/ConfigFacts.ts"
import { AGENTS_PLUGIN, ConfigControl, type ConfigDocument } from "../domain/index.ts"
import { homeLayer } from "./LocalServices.ts"

/** The document that the next start of the daemon would run; nothing is installed unasked. */
export const documentHere = Layer.unwrap(
  Effect.promise(() => Promise.all([import("../config/index.ts"), import("../plugins/index.ts")])).pipe(
    Effect.map(([{ ControlFiles, Inspection, RunningConfig }, { pluginCatalogueLayer, pluginStoreLayer }]) =>
      Layer.effect(
        ConfigControl,
        Effect.gen(function* () {
          const disk = yield* (yield* Inspection).inspect({ repair: false })
          const state = typeof disk.state === "string" ? EMPTY_STATE : disk.state
          const frozen = yield* (yield* RunningConfig).freeze({
            ...NOTHING_ELSE,
            running: runningReadOnly(disk, state)
          })
          return ConfigControl.of({
            runningEtag: Effect.succeed(frozen.boot.running.etag),
            document: Effect.succeed(askingFirst(frozen.document)),
            unusedPlugins: Effect.succeed(frozen.unusedPlugins),
            central: Effect.succeed(frozen.central),
            policyToken: () => Effect.succeedNone,
            keepOffer: () => Effect.die(new Error("a command polls nobody")),
            remoteConfig: Effect.succeed(null)
          })
        })
      ).pipe(
        Layer.provide(RunningConfig.layer),
        Layer.provide(Inspection.layer),
        Layer.provide(ControlFiles.layer),
        Layer.provide(pluginCatalogueLayer),
        Layer.provide(pluginStoreLayer.pipe(Layer.provide(FetchHttpClient.layer))),
        Layer.provide(homeLayer)
      )
    )
  )
)

/** What else a boot decides has no say in the document. */
const NOTHING_ELSE = {
  start: "explained",
  probation: false,
  bundledOnly: false,
  safeStart: false,
  unexplained: 0,
  ranMs: 0,
  safeHoldMs: 0,
  impaired: null
} as const

const askingFirst = (document: ConfigDocument): ConfigDocument => {
  const plugins = document.plugins ?? []
  const agents = plugins.find(({ name }) => name === AGENTS_PLUGIN) ?? { name: AGENTS_PLUGIN }
  return {
    ...document,
    plugins: [
      ...plugins.filter((plugin) => plugin !== agents),
      { ...agents, config: { ...agents.config, auto_install: "ask" } }
    ]
  }
}
