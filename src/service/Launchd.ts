/** Services of launchd. */
import { Config, Effect, Path } from "effect"
import { type ServiceScope, UnitRefused } from "./Description.ts"
import { launchdLabel, launchdPlist } from "./LaunchdPlist.ts"
import { ManagerFailed, runManager } from "./ManagerProgram.ts"
import { ownUid } from "./OwnUid.ts"
import type { ManagerSteps, ServiceStep } from "./ServiceManager.ts"

/** What launchd does for the service of this label. */
export const makeLaunchd = Effect.fnUntraced(function* (scope: ServiceScope, label: string) {
  const path = yield* Path.Path
  const name = launchdLabel({ label })
  const folder =
    scope === "system"
      ? "/Library/LaunchDaemons"
      : path.join(
          yield* Effect.mapError(
            Config.NonEmptyString("HOME"),
            () => new ManagerFailed({ message: "HOME is not set. Set it to this user's home." })
          ),
          "Library",
          "LaunchAgents"
        )
  const file = path.join(folder, `${name}.plist`)
  const domain = scope === "system" ? "system" : `gui/${yield* ownUid}`
  const target = `${domain}/${name}`
  const launchctl = (...args: ReadonlyArray<string>) => ({ _tag: "Run", program: "launchctl", args }) as const

  const isLoaded = Effect.isSuccess(runManager("launchctl", ["print", target]))
  const load: ReadonlyArray<ServiceStep> = [launchctl("bootstrap", domain, file)]
  // It returns before the service has ended; bootstrapping one that is still ending fails.
  const unload: ReadonlyArray<ServiceStep> = [
    { ...launchctl("bootout", target), mayFail: true },
    { ...launchctl("print", target), untilItFails: true }
  ]

  const manager: ManagerSteps = {
    kind: "launchd",
    name,
    file,
    render: (description) =>
      description.uid === null || scope === "user"
        ? Effect.succeed(launchdPlist(description))
        : Effect.fail(
            new UnitRefused({
              message: `${description.home} belongs to another user, and launchd would run it as root. Install it as that user, without --system.`
            })
          ),
    install: ({ before, content, unfinished }) =>
      Effect.map(isLoaded, (loaded) =>
        loaded && content === before && !unfinished
          ? [launchctl("kickstart", target)]
          : [
              ...(loaded ? unload : []),
              ...(content === before ? [] : [{ _tag: "Write", path: file, content } as const]),
              // Somebody may have disabled it, which outlives the file.
              launchctl("enable", target),
              ...load
            ]
      ),
    uninstall: Effect.map(isLoaded, (loaded) => [...(loaded ? unload : []), { _tag: "Remove", path: file }]),
    start: Effect.map(isLoaded, (loaded) => (loaded ? [launchctl("kickstart", target)] : load)),
    stop: Effect.map(isLoaded, (loaded) => (loaded ? unload : [])),
    // Not `kickstart -k`, which gives the daemon no time to end in order.
    restart: Effect.map(isLoaded, (loaded) => [...(loaded ? unload : []), ...load]),
    status: runManager("launchctl", ["print", target]).pipe(
      Effect.map((text) => {
        const pid = /^\s*pid = (\d+)$/m.exec(text)?.[1]
        return { state: /^\s*state = (.+)$/m.exec(text)?.[1] ?? "unknown", pid: pid === undefined ? null : Number(pid) }
      }),
      Effect.orElseSucceed(() => ({ state: "not loaded", pid: null }))
    ),
    logs: null
  }
  return manager
})
