/** The status of this machine, printed: what `holdfast status` does. Knows no parser, so that it starts fast. */
import { Config, Effect, FileSystem, Layer, Option, Schema } from "effect"
import { type Diagnostic, Home, Status, StatusJson, Version } from "../domain/index.ts"
import { Refused } from "./Failures.ts"
import { findDaemon, type LiveDaemon } from "./LiveDaemon.ts"
import { print, printPretty, reasonOf } from "./Output.ts"
import { ansiPaint, noPaint, statusLines } from "./StatusText.ts"
import { stoppedStatus } from "./StoppedStatus.ts"

/** Prints what this machine runs and why, whether the daemon is up or down. */
export const showStatus = Effect.fnUntraced(
  function* ({ json }: { readonly json: boolean }) {
    const status = yield* machineStatus
    if (json) return yield* printPretty(yield* Schema.encodeEffect(Status)(status).pipe(Effect.orDie))
    yield* print(statusLines(status, (yield* wantsColour) ? ansiPaint : noPaint).join("\n"))
  },
  Effect.provide(Layer.mergeAll(Home.layer, Version.layer))
)

/** Whether standard output is a terminal with colours; https://no-color.org: set and not empty. */
export const wantsColour = Effect.gen(function* () {
  const noColour = yield* Config.withDefault(Config.String("NO_COLOR"), "")
  const terminal = yield* Config.withDefault(Config.String("TERM"), "")
  return noColour === "" && terminal !== "dumb" && globalThis.process.stdout.isTTY === true
})

/** From the daemon, if one answers; else from the files. */
export const machineStatus = Effect.gen(function* () {
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
