/** `holdfast status`. */
import { Effect, FileSystem, Option, Schema } from "effect"
import { Command, Flag, TerminalCapabilities } from "effect/cli"
import { type Diagnostic, Home, Status, StatusJson } from "../domain/index.ts"
import { Refused } from "./Failures.ts"
import { findDaemon, type LiveDaemon } from "./LiveDaemon.ts"
import { homeLayer } from "./LocalServices.ts"
import { print, printPretty, reasonOf } from "./Output.ts"
import { ansiPaint, noPaint, statusLines } from "./StatusText.ts"
import { stoppedStatus } from "./StoppedStatus.ts"

/** Prints what this machine runs and why, whether the daemon is up or down. */
export const statusCommand = Command.make(
  "status",
  {
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ json }) {
    const status = yield* machineStatus
    if (json) return yield* printPretty(yield* Schema.encodeEffect(Status)(status).pipe(Effect.orDie))
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    yield* print(statusLines(status, canColor ? ansiPaint : noPaint).join("\n"))
  }, Effect.provide(homeLayer))
).pipe(
  Command.withDescription("Show what this machine runs, since when and why. Works with the daemon up or down."),
  Command.withShortDescription("What this machine runs, and why"),
  Command.withExamples([
    { command: "holdfast status", description: "For people" },
    { command: "holdfast status --json", description: "For programs" }
  ])
)

/** From the daemon, if one answers; else from the files. */
const machineStatus = Effect.gen(function* () {
  const daemon = yield* findDaemon
  return Option.isNone(daemon) ? yield* stoppedStatus : yield* askDaemon(daemon.value)
})

const askDaemon = Effect.fnUntraced(function* (daemon: LiveDaemon) {
  const { DaemonClient } = yield* Effect.promise(() => import("./DaemonClient.ts"))
  return yield* DaemonClient.use((client) => client.status(daemon)).pipe(
    Effect.catchTag("DaemonGone", () => stoppedStatus),
    Effect.catchTag("DaemonUnresponsive", ({ message }) => lastWritten(message)),
    Effect.provide(DaemonClient.layer)
  )
})

/** A daemon that is there and does not answer: what it wrote last, marked as such. */
const lastWritten = Effect.fnUntraced(function* (problem: string) {
  const home = yield* Home
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs
    .readFileString(home.statusFile)
    .pipe(
      Effect.mapError(
        (error) => new Refused({ message: `${problem} What it wrote last cannot be read: ${reasonOf(error)}.` })
      )
    )
  const written = Schema.decodeUnknownOption(StatusJson)(text)
  if (Option.isNone(written)) return yield* new Refused({ message: problem })
  const unanswered: Diagnostic = {
    severity: "error",
    kind: "api_unanswered",
    message: `this is what the daemon wrote last: ${problem}`,
    repair: ["Look at the log of the daemon in the folder logs of its home."]
  }
  const status: Status = {
    ...written.value,
    overall: "degraded",
    diagnostics: [unanswered, ...written.value.diagnostics]
  }
  return status
})
