/** `holdfast daemon install`. */
import { Effect, Option } from "effect"
import { Command } from "effect/cli"
import {
  carryOut,
  lingerCommand,
  loadService,
  managerOf,
  scopeOf,
  type ServiceFlags,
  serviceFlags,
  whereItWent,
  whyLeftOut
} from "./DaemonService.ts"
import { Refused } from "./Failures.ts"
import { findDaemon } from "./LiveDaemon.ts"
import { note } from "./Output.ts"

/** Installs the service of this home, or makes what is installed so, and starts it. */
export const installCommand = Command.make(
  "install",
  serviceFlags,
  Effect.fnUntraced(function* (flags) {
    yield* Effect.gen(function* () {
      const { ServiceManager } = yield* loadService
      const { name } = yield* ServiceManager
      const steps = yield* installSteps(flags)
      yield* carryOut(steps, flags, `The service ${name} is installed and runs: holdfast status`)
      yield* hintLingering
    }).pipe(Effect.provide(managerOf(scopeOf(flags))))
  })
).pipe(
  Command.withDescription(
    "Install the daemon as a service of this user (systemd or launchd), and start it. Again is the same as once."
  ),
  Command.withShortDescription("Install the daemon as a service, and start it"),
  Command.withExamples([
    { command: "holdfast daemon install" },
    { command: "holdfast daemon install --dry-run", description: "The unit and the commands, and nothing else" },
    { command: "sudo holdfast daemon install --system", description: "For the machine: it starts without a login" }
  ])
)

/** What `install` does, after it has said what is noteworthy. Refused beside a daemon that is no service. */
export const installSteps = Effect.fnUntraced(function* ({ dryRun }: Pick<ServiceFlags, "dryRun">) {
  const { describeService, ServiceManager } = yield* loadService
  const manager = yield* ServiceManager
  const { description, leftOut } = yield* describeService(manager.scope)
  const found = yield* manager.installed
  if (Option.isSome(found) && found.value.home !== description.home) {
    const { home } = found.value
    yield* note(`The service was for ${home}${yield* whereItWent(home)}; from now on it is for ${description.home}.`)
  }
  for (const one of leftOut) yield* note(whyLeftOut(one))
  if (!dryRun) yield* refuseBesideAnother
  return yield* manager.install(description)
})

/** One that somebody runs by hand has the lock: the service would end again and again. */
const refuseBesideAnother = Effect.gen(function* () {
  const { ServiceManager } = yield* loadService
  const manager = yield* ServiceManager
  const daemon = yield* findDaemon
  if (Option.isNone(daemon)) return
  const { pid } = daemon.value
  if ((yield* Effect.orElseSucceed(manager.status, () => ({ pid: null }))).pid === pid) return
  return yield* new Refused({
    message:
      `A daemon that is no service runs for this home already (pid ${pid}). End it (kill ${pid}, or Ctrl-C where it ` +
      "runs), then install the service."
  })
})

/** Says what keeps a service of a user running, where nothing does yet. */
export const hintLingering = Effect.gen(function* () {
  const { ServiceManager } = yield* loadService
  const command = yield* lingerCommand(yield* ServiceManager)
  if (command !== null) yield* note(`It runs while you are logged in. To keep it running: ${command}`)
})
