/** `ConfigControl` over the running machines: the facade that the transport sees. */
import { Effect, Layer } from "effect"
import { type ConfigView, Offers, remoteConfigOf, RunningConfig } from "../config/index.ts"
import { ConfigControl, Home } from "../domain/index.ts"
import { Uptime } from "../statechart/index.ts"
import { Slots } from "../storage/index.ts"
import { Fleet } from "./Fleet.ts"

/** The apply machine's context as status shows it. */
export const configView = Effect.gen(function* () {
  const { apply } = yield* (yield* Fleet).machines
  const home = yield* Home
  const slots = yield* Slots
  const { context } = yield* apply.current
  const now = yield* (yield* Uptime).now
  const promotedAt = (slot: "a" | "b") =>
    slots.readSlot(home.control, slot).pipe(
      Effect.map((contents) => contents.promotedAt ?? null),
      Effect.orElseSucceed(() => null)
    )
  const view: ConfigView = {
    disk: context.disk,
    state: context.state,
    running: context.running,
    partLeftMs: context.state.marker === undefined ? 0 : Math.max(0, context.part.ms - (now - context.part.since)),
    promotedAt: yield* Effect.all({ a: promotedAt("a"), b: promotedAt("b") }, { concurrency: 2 })
  }
  return view
})

export const configControlLayer = Layer.effect(
  ConfigControl,
  Effect.gen(function* () {
    const running = yield* RunningConfig
    const offers = yield* Offers
    const services = yield* Effect.context<Fleet | Home | Slots | Uptime>()
    return ConfigControl.of({
      runningEtag: Effect.map(running.effective, ({ boot }) => boot.running.etag),
      document: Effect.map(running.effective, ({ document }) => document),
      unusedPlugins: Effect.map(running.effective, ({ unusedPlugins }) => unusedPlugins),
      central: Effect.map(running.effective, ({ central }) => central),
      policyToken: running.policyToken,
      keepOffer: (etag, bytes) => offers.keep({ etag, bytes }),
      remoteConfig: Effect.provideContext(Effect.map(configView, remoteConfigOf), services)
    })
  })
)
