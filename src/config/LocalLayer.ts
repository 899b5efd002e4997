/** The user's own `config.json`: read, never written. */
import { Effect, Option, Result } from "effect"
import { checkShape, type ConfigDocument, formatProblem, Home } from "../domain/index.ts"
import { DurableFiles } from "../storage/index.ts"

/** The local layer, or why it cannot be used. */
export interface LocalLayer {
  readonly document: ConfigDocument | null
  readonly problem: string | null
}

/** A file that cannot be read or understood costs the local layer alone, and is named. */
export const readLocalLayer = Effect.gen(function* () {
  const home = yield* Home
  const files = yield* DurableFiles
  return yield* files.read(home.localConfig).pipe(
    Effect.map((bytes): LocalLayer => {
      if (Option.isNone(bytes)) return { document: null, problem: null }
      const checked = checkShape(bytes.value)
      return Result.isSuccess(checked)
        ? { document: checked.success, problem: null }
        : { document: null, problem: checked.failure.map(formatProblem).join("; ") }
    }),
    Effect.catchTag("StorageError", (error) => Effect.succeed<LocalLayer>({ document: null, problem: error.message }))
  )
})
