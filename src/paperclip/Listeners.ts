/** Who hears the output of which run: it waits for whoever is to hear it, and is not read ahead of them. */
import { Deferred, Effect, type Scope } from "effect"
import type { RunListener } from "../runs/index.ts"

export interface Listeners {
  readonly listener: RunListener
  /** From now on this is told of the run's output, until the scope closes. */
  readonly attach: (runId: string, listener: RunListener) => Effect.Effect<void, never, Scope.Scope>
  /** Whether there ever was somebody. */
  readonly wasAttached: (runId: string) => boolean
}

export const makeListeners = (): Listeners => {
  const known = new Map<string, Deferred.Deferred<RunListener>>()
  const attached = new Set<string>()
  const of = (runId: string): Deferred.Deferred<RunListener> => {
    const there = known.get(runId)
    if (there !== undefined) return there
    const made = Deferred.makeUnsafe<RunListener>()
    known.set(runId, made)
    return made
  }
  return {
    listener: {
      take: (run, batch) => Effect.flatMap(Deferred.await(of(run.runId)), ({ take }) => take(run, batch)),
      takeErrors: (run, text) =>
        Effect.flatMap(Deferred.await(of(run.runId)), ({ takeErrors }) => takeErrors(run, text))
    },
    attach: (runId, listener) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          attached.add(runId)
          return Deferred.succeed(of(runId), listener)
        }),
        () => Effect.sync(() => void known.delete(runId))
      ).pipe(Effect.asVoid),
    wasAttached: (runId) => attached.has(runId)
  }
}
