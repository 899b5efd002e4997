/** From how a command ended to what the shell learns. */
import { Cause, Effect, Option, Predicate } from "effect"
import { exitCodeOf } from "./Failures.ts"
import { note } from "./Output.ts"

interface Failure {
  readonly _tag: string
  readonly message: string
}

/** Explains a failure on stderr, without a stack trace, and answers the exit code. An interrupt stays one. */
export const toExitCode = <A, E extends Failure, R>(command: Effect.Effect<A, E, R>): Effect.Effect<number, never, R> =>
  command.pipe(
    Effect.as(0),
    Effect.catchCause((cause) => {
      const failure = Cause.findErrorOption(cause)
      if (Option.isSome(failure)) return Effect.as(explain(failure.value), exitCodeOf(failure.value))
      return Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.as(confess(Cause.squash(cause)), 1)
    })
  )

/** Help was shown already, and some commands say what is wrong as their result. */
const explain = ({ _tag, message }: Failure): Effect.Effect<void> =>
  _tag === "ShowHelp" || _tag === "Unsuccessful" ? Effect.void : note(`holdfast: ${message}`)

/** A defect: a mistake of ours. */
const confess = (defect: unknown): Effect.Effect<void> => {
  const what = Predicate.hasProperty(defect, "message") ? String(defect.message) : String(defect)
  return note(`holdfast: this should not have happened, and is a mistake in Holdfast: ${what}`)
}
