/** Prints its uptime until it has been through a gap. Run by `Uptime.test.ts`. */
import { performance } from "node:perf_hooks"
import { Effect, Stream } from "effect"
import { Uptime } from "../../src/statechart/index.ts"

const program = Effect.gen(function* () {
  const uptime = yield* Uptime
  const say = (extra: object) =>
    Effect.map(uptime.now, (now) => {
      process.stdout.write(`${JSON.stringify({ uptime: now, real: performance.now(), ...extra })}\n`)
    })
  const gap = yield* uptime.gaps.pipe(
    Stream.take(1),
    Stream.runForEach((ms) => say({ gap: ms })),
    Effect.forkChild
  )
  const talk = yield* Effect.forkChild(Effect.forever(Effect.andThen(say({}), Effect.sleep(50))))
  while (gap.pollUnsafe() === undefined) yield* Effect.sleep(50)
  yield* Effect.sleep(100)
  return talk
})

await Effect.runPromise(Effect.scoped(Effect.provide(program, Uptime.layer)))
process.exit(0)
