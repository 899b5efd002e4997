/** The trees of plugins that no slot names any more go. */
import { Effect } from "effect"
import { RunningConfig } from "../config/index.ts"
import { PluginStore } from "../plugins/index.ts"

/**
 * Collects what nothing needs; answers what went.
 *
 * @ref LLP 0023#garbage [implements]
 */
export const collectPlugins = Effect.gen(function* () {
  const config = yield* RunningConfig
  const kept = yield* config.namedTrees
  const { boot, document, trees } = yield* config.effective
  // A slot that cannot tell may name any of them, and a safe start leaves the user's own layer out, which may name some.
  if (kept === "all" || boot.bundledOnly) return []
  const sources = (document.plugins ?? []).map(({ name, source = null }) => [name, source])
  return yield* (yield* PluginStore).collect({ kept, running: trees, sources: Object.fromEntries(sources) })
})

/** The same, told to the log alone: no daemon ends for it. */
export const tidyPlugins = collectPlugins.pipe(
  Effect.flatMap((gone) =>
    gone.length === 0
      ? Effect.void
      : Effect.logInfo("plugins that nothing names any more are removed").pipe(Effect.annotateLogs({ gone }))
  ),
  Effect.catch(({ message }) => Effect.logWarning(`plugins that nothing names any more stay: ${message}`))
)
