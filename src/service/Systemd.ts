/** Services of systemd. */
import { Config, Effect, Path } from "effect"
import type { ServiceScope } from "./Description.ts"
import { followManager, ManagerFailed, runManager } from "./ManagerProgram.ts"
import type { ManagerSteps, ServiceStep } from "./ServiceManager.ts"
import { systemdUnit } from "./SystemdUnit.ts"

/** Of `systemctl show`: `Name=value` lines. */
const property = (text: string, name: string): string =>
  text
    .split("\n")
    .find((line) => line.startsWith(`${name}=`))
    ?.slice(name.length + 1) ?? ""

/** What systemd does for the service of this label. */
export const makeSystemd = Effect.fnUntraced(function* (scope: ServiceScope, label: string) {
  const path = yield* Path.Path
  const name = `${label}.service`
  const file = scope === "system" ? `/etc/systemd/system/${name}` : path.join(yield* userUnits, name)
  const mode = scope === "user" ? ["--user"] : []
  const systemctl = (...args: ReadonlyArray<string>): ServiceStep => ({
    _tag: "Run",
    program: "systemctl",
    args: [...mode, ...args]
  })
  const needsReload = Effect.map(
    runManager("systemctl", [...mode, "show", name, "--property=NeedDaemonReload"]),
    (text) => property(text, "NeedDaemonReload") === "yes"
  )
  const only = (action: string) => Effect.succeed([systemctl(action, name)])

  const manager: ManagerSteps = {
    kind: "systemd",
    name,
    file,
    render: (description) => Effect.succeed(systemdUnit(description)),
    install: Effect.fnUntraced(function* ({ before, content, unfinished }) {
      const same = before === content && !unfinished
      const fresh = before === null && !unfinished
      // What runs is of the unit that was loaded, which need not be the file's.
      const runs = fresh || (same && !(yield* needsReload))
      return [
        ...(before === content ? [] : [{ _tag: "Write", path: file, content } as const]),
        systemctl("daemon-reload"),
        systemctl("enable", name),
        systemctl(runs ? "start" : "restart", name)
      ]
    }),
    uninstall: Effect.succeed([
      systemctl("disable", "--now", name),
      { _tag: "Remove", path: file },
      systemctl("daemon-reload")
    ]),
    start: only("start"),
    stop: only("stop"),
    restart: only("restart"),
    status: Effect.map(
      runManager("systemctl", [...mode, "show", name, "--property=ActiveState,SubState,MainPID"]),
      (text) => {
        const pid = Number(property(text, "MainPID"))
        return {
          state: `${property(text, "ActiveState")} (${property(text, "SubState")})`,
          pid: Number.isSafeInteger(pid) && pid > 0 ? pid : null
        }
      }
    ),
    logs: ({ follow, lines }) =>
      followManager("journalctl", [
        ...mode,
        `--unit=${name}`,
        `--lines=${lines}`,
        "--output=cat",
        "--quiet",
        "--no-pager",
        ...(follow ? ["--follow"] : [])
      ])
  }
  return manager
})

const userUnits = Effect.gen(function* () {
  const path = yield* Path.Path
  const config = Config.NonEmptyString("XDG_CONFIG_HOME").pipe(
    Config.orElse(() => Config.map(Config.NonEmptyString("HOME"), (home) => path.join(home, ".config")))
  )
  return path.join(
    yield* Effect.mapError(
      config,
      () => new ManagerFailed({ message: "HOME is not set. Set it to this user's home." })
    ),
    "systemd",
    "user"
  )
})
