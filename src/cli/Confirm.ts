/** Asking the person at the terminal before something is done. */
import { Effect, Option, Stdio, Stream } from "effect"
import { Refused, Unsuccessful } from "./Failures.ts"
import { note } from "./Output.ts"

/** Goes on after a yes, or when `yes` says so already; fails where nobody can answer, and after any other answer. */
export const confirm = Effect.fnUntraced(function* (question: string, { yes }: { readonly yes: boolean }) {
  if (yes) return
  const stdio = yield* Stdio.Stdio
  if (!(yield* stdio.stdinIsTerminal)) {
    return yield* new Refused({ message: "Nobody can be asked here, and nothing was changed: add --yes to do it." })
  }
  yield* note(`${question} [y/N]`)
  const answer = yield* stdio.stdin.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runHead,
    Effect.orElseSucceed(() => Option.none<string>())
  )
  if (Option.isSome(answer) && /^\s*y(es)?\s*$/i.test(answer.value)) return
  yield* note("Nothing was changed.")
  return yield* new Unsuccessful({ message: "not confirmed" })
})
