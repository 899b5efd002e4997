/**
 * Runs, for machines that have some. Their code is an eighth of the daemon's: it is loaded by the daemon that finds runs
 * of an earlier one, or when somebody first asks for runs.
 *
 * @ref LLP 0019#the-service [implements]: no start waits for runs that nobody has
 */
import { Context, Effect, FileSystem, Layer, Option, Path, Ref } from "effect"
import { Home } from "../domain/index.ts"
import type { Runs, Tails } from "../runs/index.ts"
import type { buildRuns } from "./RunsLayer.ts"

/** As the services themselves; whatever is asked of them first loads them. */
export class LazyRuns extends Context.Service<
  LazyRuns,
  {
    readonly runs: Runs["Service"]
    readonly tails: Tails["Service"]
  }
>()("holdfast/daemon/LazyRuns") {
  static readonly layer = Layer.suspend(() => Layer.effect(LazyRuns, make))
}

type Opening = Effect.Services<Runs["Service"]["open"]>

const make = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const home = yield* Home
  const services = yield* Effect.context<Effect.Services<typeof buildRuns>>()
  /** What the runs live in, once the daemon has come so far. */
  const room = yield* Ref.make(Option.none<Context.Context<Opening>>())
  const isLoading = yield* Ref.make(false)

  // Whoever asked may be gone before they are there: others wait for the same.
  const loaded = yield* Effect.cached(
    Effect.gen(function* () {
      yield* Ref.set(isLoading, true)
      const { buildRuns } = yield* Effect.promise(() => import("./RunsLayer.ts"))
      return yield* buildRuns
    }).pipe(Effect.provideContext(services), Effect.uninterruptible)
  )

  const opened = yield* Effect.cached(
    Effect.gen(function* () {
      const { runs } = yield* loaded
      const context = yield* Ref.get(room)
      if (Option.isSome(context)) yield* Effect.provideContext(runs.open, context.value)
    }).pipe(Effect.uninterruptible)
  )

  const ready = Effect.gen(function* () {
    const services = yield* loaded
    if (Option.isSome(yield* Ref.get(room))) yield* opened
    return services
  })

  // What cannot be told counts as yes: runs of an earlier process are taken up, whatever becomes of this look.
  const hasRuns = Effect.orElseSucceed(fs.exists(path.join(home.state, "runs")), () => true)

  const open = Effect.gen(function* () {
    yield* Ref.set(room, Option.some(yield* Effect.context<Opening>()))
    if ((yield* Ref.get(isLoading)) || (yield* hasRuns)) yield* opened
  })

  const ofRuns = <A, E, R>(use: (runs: Runs["Service"]) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(ready, ({ runs }) => use(runs))
  const ofTails = <A, E, R>(use: (tails: Tails["Service"]) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(ready, ({ tails }) => use(tails))

  return LazyRuns.of({
    runs: {
      open,
      submit: (request) => ofRuns((runs) => runs.submit(request)),
      list: ofRuns((runs) => runs.list),
      get: (runId) => ofRuns((runs) => runs.get(runId)),
      cancel: (runId) => ofRuns((runs) => runs.cancel(runId)),
      place: (runId) => ofRuns((runs) => runs.place(runId)),
      hold: (runId) => ofRuns((runs) => runs.hold(runId)),
      ended: (runId) => ofRuns((runs) => runs.ended(runId))
    },
    tails: {
      open: (spec, sink) => ofTails((tails) => tails.open(spec, sink)),
      openBytes: (spec, sink) => ofTails((tails) => tails.openBytes(spec, sink))
    }
  })
})
