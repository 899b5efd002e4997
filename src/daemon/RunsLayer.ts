/** Runs with everything that they need: what `LazyRuns` loads. */
import * as NodeChildProcessSpawner from "@effect/platform-node/NodeChildProcessSpawner"
import { Context, Effect, Layer } from "effect"
import { Backends, LocalBackend, Runs, RunStore, TailFiles, Tails } from "../runs/index.ts"
import { measuredOutput } from "./Measures.ts"

const tails = Tails.layer.pipe(Layer.provide(Layer.merge(TailFiles.layer, measuredOutput)))

const runsLayer = Runs.layer.pipe(
  Layer.provideMerge(Backends.layer),
  Layer.provideMerge(Layer.mergeAll(tails, RunStore.layer, LocalBackend.layer)),
  Layer.provide(NodeChildProcessSpawner.layer)
)

/** The services, until the scope closes. */
export const buildRuns = Effect.map(Layer.build(runsLayer), (built) => ({
  runs: Context.get(built, Runs),
  tails: Context.get(built, Tails)
}))
