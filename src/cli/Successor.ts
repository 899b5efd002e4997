// @effect-diagnostics nodeBuiltinImport:off processEnv:off - a child's exit code and signal become this process's own
/**
 * A command in the place of this process, as far as anybody outside can tell: input and output are this process's own,
 * signals go to the command, and this process ends as the command ends.
 */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { constants } from "node:os"
import { isatty } from "node:tty"
import { endProcess } from "../process/index.ts"
import { note, plain } from "./Output.ts"

/** What others send to a program; KILL and STOP cannot be passed on. */
const SIGNALS = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const
/** A terminal sends these to the command itself, which is in the same group. */
const FROM_TERMINAL: ReadonlySet<string> = new Set(["SIGINT", "SIGQUIT", "SIGWINCH"])
/** As a shell has it: there is no such program, or it cannot be run. */
const NOT_FOUND = 127
const NOT_RUNNABLE = 126

/** Never returns: the process ends with the exit code or the signal of the command. `env` is added to what there is. */
export const becomeCommand = (
  program: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Effect.Effect<never> =>
  Effect.callback<never>((resume) => {
    const { process } = globalThis
    const isTerminal = isatty(0)
    // Before the command runs: what comes while this process is still busy starting it would be Node's to answer. None of
    // these is called before `child` is there.
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (!isTerminal || !FROM_TERMINAL.has(signal)) child.kill(signal)
      })
    }
    const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: "inherit" })
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) resume(notStarted(program, error.code ?? error.message))
    })
    child.on("exit", (code, signal) => resume(signal === null ? endWith(code ?? 1) : endBy(signal)))
  }).pipe(Effect.uninterruptible)

const notStarted = (program: string, why: string): Effect.Effect<never> =>
  Effect.andThen(
    note(`holdfast: ${plain(program)} cannot be started (${why}): check the command after --`),
    endWith(why === "ENOENT" ? NOT_FOUND : NOT_RUNNABLE)
  )

const endWith = (code: number): Effect.Effect<never> => Effect.sync(() => endProcess(code))

/** Whoever waits for this process learns of the signal itself, not of a number. */
const endBy = (signal: NodeJS.Signals): Effect.Effect<never> =>
  Effect.andThen(
    Effect.sync(() => {
      globalThis.process.removeAllListeners(signal)
      globalThis.process.kill(globalThis.process.pid, signal)
    }),
    // Reached only by a signal that Node ignores, such as SIGPIPE.
    Effect.delay(endWith(128 + constants.signals[signal]), "200 millis")
  )
