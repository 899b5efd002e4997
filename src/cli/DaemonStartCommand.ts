/** `holdfast daemon start`. */
import { Effect, Option } from "effect"
import { Command } from "effect/cli"
import {
  carryOut,
  installedHere,
  loadService,
  managerOf,
  notInstalled,
  scopeOf,
  serviceFlags
} from "./DaemonService.ts"

/** Starts the service that is installed; one that runs goes on. */
export const startCommand = Command.make(
  "start",
  serviceFlags,
  Effect.fnUntraced(function* (flags) {
    yield* Effect.gen(function* () {
      const { ServiceManager } = yield* loadService
      const manager = yield* ServiceManager
      if (Option.isNone(yield* installedHere)) return yield* notInstalled
      yield* carryOut(yield* manager.start, flags, `The service ${manager.name} runs: holdfast status`)
    }).pipe(Effect.provide(managerOf(scopeOf(flags))))
  })
).pipe(
  Command.withDescription("Start the daemon's service, which must be installed."),
  Command.withShortDescription("Start the daemon's service"),
  Command.withExamples([{ command: "holdfast daemon start" }])
)
