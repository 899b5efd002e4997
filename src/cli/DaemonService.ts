/** What the commands of the daemon's service have in common. */
import { Config, Effect, FileSystem, Layer, Option } from "effect"
import { Flag } from "effect/cli"
import { Home } from "../domain/index.ts"
import type { LeftOut, ServiceScope, ServiceStep } from "../service/index.ts"
import { Refused } from "./Failures.ts"
import { homeLayer } from "./LocalServices.ts"
import { note, print, printJson } from "./Output.ts"

export const serviceFlags = {
  system: Flag.Boolean("system").pipe(
    Flag.withoutNegation,
    Flag.withDescription("The service of this machine, not of this user; needs root"),
    Flag.withDefault(false)
  ),
  dryRun: Flag.Boolean("dry-run").pipe(
    Flag.withoutNegation,
    Flag.withDescription("Print what would be done, the unit and the commands, and do nothing"),
    Flag.withDefault(false)
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withoutNegation,
    Flag.withDescription("Print one JSON document"),
    Flag.withDefault(false)
  )
}

/** What the flags say. */
export interface ServiceFlags {
  readonly system: boolean
  readonly dryRun: boolean
  readonly json: boolean
}

export const scopeOf = ({ system }: Pick<ServiceFlags, "system">): ServiceScope => (system ? "system" : "user")

export const loadService = Effect.promise(() => import("../service/index.ts"))

/** The manager of this machine for the service of this home; fails where there is none. */
export const managerOf = (scope: ServiceScope) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { ServiceManager, serviceLabel } = yield* loadService
      return ServiceManager.layer(scope, yield* serviceLabel(scope))
    })
  ).pipe(Layer.provideMerge(homeLayer))

/** What a command did, or would do; `--json` prints it as it is. */
export interface ServiceReport {
  readonly manager: string
  readonly scope: ServiceScope
  readonly service: string
  readonly unit: string
  readonly home: string
  readonly dry_run: boolean
  readonly steps: ReadonlyArray<
    | { readonly write: string; readonly content: string }
    | { readonly remove: string }
    | { readonly make_folder: string }
    | { readonly run: ReadonlyArray<string> }
  >
  readonly message: string
}

/** Does the steps, or says what they are. `done` is the result in words. */
export const carryOut = Effect.fnUntraced(function* (
  steps: ReadonlyArray<ServiceStep>,
  flags: ServiceFlags,
  done: string
) {
  const { ServiceManager } = yield* loadService
  const manager = yield* ServiceManager
  const report: ServiceReport = {
    manager: manager.kind,
    scope: manager.scope,
    service: manager.name,
    unit: manager.file,
    home: (yield* Home).root,
    dry_run: flags.dryRun,
    steps: steps.map(shown),
    message: flags.dryRun ? "Nothing was done." : done
  }
  if (!flags.dryRun) yield* manager.carryOut(steps)
  if (flags.json) return yield* printJson(report)
  if (flags.dryRun) for (const step of steps) yield* print(inWords(step))
  yield* flags.dryRun ? note(report.message) : print(done)
})

const shown = (step: ServiceStep): ServiceReport["steps"][number] => {
  switch (step._tag) {
    case "Folder":
      return { make_folder: step.path }
    case "Write":
      return { write: step.path, content: step.content }
    case "Remove":
      return { remove: step.path }
    case "Run":
      return { run: [step.program, ...step.args] }
  }
}

const inWords = (step: ServiceStep): string => {
  switch (step._tag) {
    case "Folder":
      return `# the folder ${step.path}, where it is missing`
    case "Write":
      return `# ${step.path}:\n${step.content}`
    case "Remove":
      return `rm ${step.path}`
    case "Run":
      return `${[step.program, ...step.args].join(" ")}${step.untilItFails === true ? "  # until it finds nothing" : ""}`
  }
}

/** The unit that is installed, when it is for this home; that of another home is nobody's to steer from here. */
export const installedHere = Effect.gen(function* () {
  const { ServiceManager } = yield* loadService
  const manager = yield* ServiceManager
  const home = yield* Home
  const found = yield* manager.installed
  if (Option.isNone(found) || found.value.home === home.root) return found
  return yield* new Refused({
    message:
      `The service ${manager.name} is for ${found.value.home}${yield* whereItWent(found.value.home)}, and this is ` +
      `${home.root}. To move it here: holdfast daemon install. To steer that one: set HOLDFAST_HOME to it.`
  })
})

/** Words for a home that is not there any more. */
export const whereItWent = (home: string) =>
  Effect.map(
    Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.orElseSucceed(fs.exists(home), () => true)),
    (there) => (there ? "" : " (which is gone)")
  )

/** Says of a variable why no service gets it. */
export const whyLeftOut = ({ name, why }: LeftOut): string =>
  why === "secret"
    ? `${name} may hold a secret (a user or a query in a URL), which others can read in a unit: it is left out. Set it by other means.`
    : `${name} names no proxy that can be used: it is left out. Give it as http://HOST:PORT.`

/** No service of this home is installed. */
export const notInstalled = new Refused({
  message:
    "No service is installed for this home. Install it: holdfast daemon install. Or run the daemon in the foreground: holdfast daemon"
})

/** Services of a user end with the last login, unless systemd is told otherwise: by this, or null where it is so already. */
export const lingerCommand = Effect.fnUntraced(function* ({
  kind,
  scope
}: {
  readonly kind: "systemd" | "launchd"
  readonly scope: ServiceScope
}) {
  if (kind !== "systemd" || scope !== "user") return null
  const fs = yield* FileSystem.FileSystem
  const user = Option.getOrElse(yield* Config.option(Config.NonEmptyString("USER")), () => "")
  if (user !== "" && (yield* Effect.orElseSucceed(fs.exists(`/var/lib/systemd/linger/${user}`), () => false)))
    return null
  return `loginctl enable-linger${user === "" ? "" : ` ${user}`}`
})
