/** `holdfast core-lock exec`. */
import { Effect, Option, Path } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { CORE_LOCK_VARIABLE, CoreLock, coreLockPlace, describeCopy } from "../domain/index.ts"
import { UsageError } from "./Failures.ts"
import { homeLayer } from "./LocalServices.ts"
import { note, plain } from "./Output.ts"
import { becomeCommand } from "./Successor.ts"

/** Starts a host with the lock in its environment, and ends as it ends. */
export const execCommand = Command.make(
  "exec",
  {
    lock: Flag.String("lock").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription(`The core lock; default: ${CORE_LOCK_VARIABLE}, else core-lock.json in HOLDFAST_HOME`),
      Flag.optional
    ),
    env: Flag.String("env").pipe(
      Flag.withMetavar("<name>"),
      Flag.withDescription(
        `A further variable that is to name the lock, beside ${CORE_LOCK_VARIABLE}; may be repeated`
      ),
      Flag.atLeast(0)
    ),
    scan: Flag.String("scan").pipe(
      Flag.withMetavar("<directory>"),
      Flag.withDescription(
        "A directory of the host's plugins, never of its own packages: copies of the core's are moved out of it first; " +
          "may be repeated"
      ),
      Flag.atLeast(0)
    ),
    argv: Argument.String("command").pipe(Argument.withDescription("After --: the host"), Argument.variadic())
  },
  Effect.fnUntraced(function* ({ argv, env, lock, scan }) {
    const path = yield* Path.Path
    const [program, ...args] = argv
    if (program === undefined) {
      return yield* new UsageError({ message: "Name the command after --: holdfast core-lock exec -- COMMAND…" })
    }
    const bad = env.find((name) => !/^[A-Za-z_]\w*$/.test(name))
    if (bad !== undefined) return yield* new UsageError({ message: `\`${plain(bad)}\` is no name of a variable.` })
    const { coreLockLayerOf, lockEnvironment } = yield* Effect.promise(() => import("../boundary/index.ts"))
    const file = path.resolve(Option.isSome(lock) ? lock.value : (yield* coreLockPlace).path)
    const { set, warnings } = yield* lockEnvironment([CORE_LOCK_VARIABLE, ...env], file)
    for (const warning of warnings) yield* warn(warning)
    if (scan.length > 0) {
      yield* Effect.forEach(scan, (directory) => clear(path.resolve(directory)), { discard: true }).pipe(
        Effect.provide(coreLockLayerOf(file))
      )
    }
    return yield* becomeCommand(program, args, set)
  }, Effect.provide(homeLayer))
).pipe(
  Command.withDescription(
    `Start a host with ${CORE_LOCK_VARIABLE} in its environment. A value that is there already wins; a lock that is ` +
      "missing or unreadable is told of, not named, and --scan moves nothing without one. Input, output, signals and the exit code are the command's own."
  ),
  Command.withExamples([
    { command: "holdfast core-lock exec --lock core-lock.json -- python3 -m backend" },
    { command: "holdfast core-lock exec --lock core-lock.json --scan data/site-packages -- python3 -m backend" },
    { command: "holdfast core-lock exec --env ASTRBOT_DESKTOP_CORE_LOCK_PATH -- ./launch-backend" }
  ])
)

const warn = (warning: string) => note(plain(`holdfast: warning: ${warning}`))

/** Whatever comes of it, the host is started. */
const clear = Effect.fnUntraced(function* (directory: string) {
  const { moved, problems } = yield* CoreLock.use((core) => core.quarantine(directory))
  for (const copy of moved) yield* warn(`${describeCopy(copy)}: it was moved to ${copy.movedTo}`)
  for (const problem of problems) yield* warn(problem)
})
