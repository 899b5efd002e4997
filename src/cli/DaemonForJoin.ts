/** A join where no daemon runs: what `holdfast daemon install` does, where a manager is there. */
import { Effect } from "effect"
import { hintLingering, installSteps } from "./DaemonInstallCommand.ts"
import { loadService, managerOf } from "./DaemonService.ts"
import { Refused } from "./Failures.ts"

/** The service that was installed and started; null where there is no manager, or a test. Takes up the intent. */
export const installForJoin = (intent: string) =>
  Effect.gen(function* () {
    const { ServiceManager } = yield* loadService
    const { carryOut, name } = yield* ServiceManager
    yield* carryOut(yield* installSteps({ dryRun: false }))
    yield* hintLingering
    return name
  }).pipe(
    Effect.provide(managerOf("user")),
    Effect.catchTag("NoServiceManager", () => Effect.succeed(null)),
    Effect.mapError(
      ({ message }) =>
        new Refused({
          message: `The joining intent ${intent} is written, but no service was installed for it. ${message}`
        })
    )
  )

/** The service that a join would install; null where there is no manager, or a test. */
export const nameForJoin = Effect.gen(function* () {
  const { ServiceManager } = yield* loadService
  return (yield* ServiceManager).name
}).pipe(
  Effect.provide(managerOf("user")),
  Effect.catchTag("NoServiceManager", () => Effect.succeed(null))
)
