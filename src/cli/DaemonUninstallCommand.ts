/** `holdfast daemon uninstall`. */
import { Effect, Option } from "effect"
import { Command } from "effect/cli"
import { Home } from "../domain/index.ts"
import { carryOut, loadService, managerOf, scopeOf, serviceFlags } from "./DaemonService.ts"
import { note } from "./Output.ts"

/** Stops the service and removes it; the home stays. */
export const uninstallCommand = Command.make(
  "uninstall",
  serviceFlags,
  Effect.fnUntraced(function* (flags) {
    yield* Effect.gen(function* () {
      const { ServiceManager } = yield* loadService
      const manager = yield* ServiceManager
      const home = yield* Home
      const found = yield* manager.installed
      if (Option.isSome(found) && found.value.home !== home.root) {
        yield* note(`The service was for another home: ${found.value.home}`)
      }
      const done = Option.isNone(found)
        ? "No service is installed, so there was nothing to remove."
        : `The service ${manager.name} is stopped and removed. Its home stays: ${found.value.home}`
      yield* carryOut(yield* manager.uninstall, flags, done)
    }).pipe(Effect.provide(managerOf(scopeOf(flags))))
  })
).pipe(
  Command.withDescription("Stop the daemon's service and remove it. Its home, with all that it holds, stays."),
  Command.withShortDescription("Stop the daemon's service and remove it"),
  Command.withExamples([
    { command: "holdfast daemon uninstall" },
    { command: "holdfast daemon uninstall --dry-run --json", description: "What it would do, for programs" }
  ])
)
