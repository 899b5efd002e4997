/** A process of its own that takes the lock of the home in its first argument, says so, and holds it until killed. */
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { DaemonLock, DurableFiles } from "../../src/storage/index.ts"

const layer = DaemonLock.layer.pipe(Layer.provide(DurableFiles.layer), Layer.provide(NodeServices.layer))

const program = Effect.gen(function* () {
  const outcome = yield* Effect.result((yield* DaemonLock).acquire(process.argv[2]!))
  console.log(outcome._tag === "Success" ? "held" : outcome.failure._tag)
  if (outcome._tag === "Success") yield* Effect.never
})

// A pending promise alone does not keep a process alive.
const alive = setInterval(() => undefined, 60_000)
void Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layer))).then(() => clearInterval(alive))
