/** `holdfast core-lock exec`. */
import { Effect, Option, Path } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { CORE_LOCK_VARIABLE } from "../domain/index.ts"
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
    argv: Argument.String("command").pipe(Argument.withDescription("After --: the host"), Argument.variadic())
  },
  Effect.fnUntraced(function* ({ argv, env, lock }) {
    const path = yield* Path.Path
    const [program, ...args] = argv
    if (program === undefined) {
      return yield* new UsageError({ message: "Name the command after --: holdfast core-lock exec -- COMMAND…" })
    }
    const bad = env.find((name) => !/^[A-Za-z_]\w*$/.test(name))
    if (bad !== undefined) return yield* new UsageError({ message: `\`${plain(bad)}\` is no name of a variable.` })
    const { coreLockPath, lockEnvironment } = yield* Effect.promise(() => import("../boundary/index.ts"))
    const file = path.resolve(Option.isSome(lock) ? lock.value : yield* coreLockPath)
    const { set, warnings } = yield* lockEnvironment([CORE_LOCK_VARIABLE, ...env], file)
    for (const warning of warnings) yield* note(plain(`holdfast: warning: ${warning}`))
    return yield* becomeCommand(program, args, set)
  }, Effect.provide(homeLayer))
).pipe(
  Command.withDescription(
    `Start a host with ${CORE_LOCK_VARIABLE} in its environment. A value that is there already wins; a lock that is ` +
      "missing or unreadable is told of and not named. Input, output, signals and the exit code are the command's own."
  ),
  Command.withExamples([
    { command: "holdfast core-lock exec --lock core-lock.json -- python3 -m backend" },
    { command: "holdfast core-lock exec --env ASTRBOT_DESKTOP_CORE_LOCK_PATH -- ./launch-backend" }
  ])
)
