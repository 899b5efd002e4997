/** The core lock with everything that it needs: what `LazyCoreLock` loads. */
import * as NodeChildProcessSpawner from "@effect/platform-node/NodeChildProcessSpawner"
import { Context, Effect, Layer } from "effect"
import { coreLockLayer } from "../boundary/index.ts"
import { CoreLock } from "../domain/index.ts"

/** The service, until the scope closes. */
export const buildCoreLock = Effect.map(
  Layer.build(Layer.provide(coreLockLayer, NodeChildProcessSpawner.layer)),
  (built) => Context.get(built, CoreLock)
)
