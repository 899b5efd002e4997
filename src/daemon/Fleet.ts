/** The machines of the daemon, once they run: what status, control and the API look at. */
import { Context, Deferred, Effect, Layer } from "effect"
import type { ConfigApply, ConfigPull, Daemon, DeviceLogin, Ingest, Join } from "../../machines/index.ts"
import type { Interpreter } from "../statechart/index.ts"

export interface RunningMachines {
  readonly apply: Interpreter<typeof ConfigApply>
  readonly pull: Interpreter<typeof ConfigPull>
  readonly join: Interpreter<typeof Join>
  readonly daemon: Interpreter<typeof Daemon>
  readonly login: Interpreter<typeof DeviceLogin>
  readonly ingest: Interpreter<typeof Ingest>
}

/** Known to services that the machines' own tasks use, and therefore filled after they are built. */
export class Fleet extends Context.Service<
  Fleet,
  {
    readonly machines: Effect.Effect<RunningMachines>
    readonly started: (machines: RunningMachines) => Effect.Effect<void>
  }
>()("holdfast/daemon/Fleet") {
  static readonly layer = Layer.effect(
    Fleet,
    Effect.map(Deferred.make<RunningMachines>(), (running) =>
      Fleet.of({
        machines: Deferred.await(running),
        started: (machines) => Effect.asVoid(Deferred.succeed(running, machines))
      })
    )
  )
}
