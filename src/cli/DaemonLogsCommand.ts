/** `holdfast daemon logs`. */
import { Effect, FileSystem, Option, Path, Ref, Stdio, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { Home } from "../domain/index.ts"
import { loadService, managerOf, scopeOf, serviceFlags } from "./DaemonService.ts"
import { Refused } from "./Failures.ts"
import { homeLayer } from "./LocalServices.ts"
import { note, reasonOf } from "./Output.ts"

const LOOK = "250 millis"

interface Wanted {
  readonly follow: boolean
  readonly lines: number
}

/** From the journal where the service of this home has one, else from `logs/daemon.log`. */
export const logsCommand = Command.make(
  "logs",
  {
    system: serviceFlags.system,
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withoutNegation,
      Flag.withDescription("Go on with what is written from now on"),
      Flag.withDefault(false)
    ),
    lines: Flag.Int("lines").pipe(
      Flag.withAlias("n"),
      Flag.withDescription("How many lines of before"),
      Flag.withDefault(50),
      Flag.filter(
        (lines) => lines >= 0,
        () => "must be 0 or more"
      )
    )
  },
  Effect.fnUntraced(function* (flags) {
    const said = yield* journal(flags).pipe(
      Effect.provide(managerOf(scopeOf(flags))),
      Effect.catchTag(["NoServiceManager", "ManagerFailed"], ({ _tag, message }) =>
        Effect.as(_tag === "ManagerFailed" ? note(message) : Effect.void, false)
      )
    )
    if (!said) yield* ownFile(flags).pipe(Effect.provide(homeLayer))
  })
).pipe(
  Command.withDescription("What the daemon has logged: from the journal of its service, else from logs/daemon.log."),
  Command.withShortDescription("What the daemon has logged"),
  Command.withExamples([
    { command: "holdfast daemon logs -n 200" },
    { command: "holdfast daemon logs -f", description: "Follow it" }
  ])
)

/** Whether a manager keeps the log of this home's daemon. */
const journal = Effect.fnUntraced(function* ({ follow, lines }: Wanted) {
  const { ServiceManager } = yield* loadService
  const { installed, logs } = yield* ServiceManager
  const home = yield* Home
  const found = yield* installed
  if (logs === null || Option.isNone(found) || found.value.home !== home.root) return false
  yield* Stream.run(logs({ follow, lines }), (yield* Stdio.Stdio).stdout())
  return true
})

const ownFile = Effect.fnUntraced(function* (wanted: Wanted) {
  const file = (yield* Path.Path).join((yield* Home).logs, "daemon.log")
  yield* Stream.run(logFile(file, wanted), (yield* Stdio.Stdio).stdout()).pipe(
    Effect.mapError(
      (error) =>
        new Refused({
          message: `The log ${file} cannot be shown: ${reasonOf(error)}. The daemon writes it once it runs.`
        })
    )
  )
})

/** The end of the file, and what is appended. One that was set aside is followed by the next of its name. */
export const logFile = (file: string, { follow, lines }: Wanted) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const before = yield* fs.readFile(file)
      const at = yield* Ref.make(before.length)
      const appended = Effect.gen(function* () {
        yield* Effect.sleep(LOOK)
        const from = yield* Ref.get(at)
        const size = yield* fs.stat(file).pipe(
          Effect.map((found) => Number(found.size)),
          // Between two files of this name there is none for a moment.
          Effect.catch((error) => (error.reason._tag === "NotFound" ? Effect.succeed(0) : Effect.fail(error)))
        )
        const begin = size < from ? 0 : from
        yield* Ref.set(at, size)
        return size === begin ? Stream.empty : fs.stream(file, { offset: begin, bytesToRead: size - begin })
      })
      const end = Stream.make(lastLines(before, lines))
      return follow ? Stream.concat(end, Stream.flatten(Stream.fromEffectRepeat(appended))) : end
    })
  )

const NEWLINE = 10

const lastLines = (bytes: Uint8Array, lines: number): Uint8Array => {
  let begin = bytes.length
  for (let left = lines; left > 0 && begin > 0; left--) begin = bytes.lastIndexOf(NEWLINE, begin - 2) + 1
  return bytes.subarray(begin)
}
