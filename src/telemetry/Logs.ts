/** Where log lines go: to the person or program that reads stderr, and to a file that is rotated. */
import { Config, Console, Effect, FileSystem, Layer, Logger, Metric, Path, Ref, References } from "effect"
import { logLinesDropped } from "./Metrics.ts"

/** A log file is set aside when it has grown to this many bytes. */
export const ROTATE_AT_BYTES = 10 * 1_048_576
/** How many log files are kept, the current one included. */
export const KEPT_FILES = 5

const FLUSH_WINDOW = "250 millis"
const FILE = "daemon.log"

const LEVELS = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  warning: "Warn",
  error: "Error"
} as const

const isLevel = (name: string): name is keyof typeof LEVELS => Object.hasOwn(LEVELS, name)

/** `HOLDFAST_LOG_LEVEL`, in any case: trace, debug, info, warn or error. What is none of them must not stop a daemon. */
const level = Config.withDefault(Config.String("HOLDFAST_LOG_LEVEL"), "info").pipe(
  Config.map((name) => {
    const known = name.trim().toLowerCase()
    return isLevel(known) ? LEVELS[known] : "Info"
  })
)

const levelLayer = Layer.effect(References.MinimumLogLevel, level)

// https://no-color.org: set and not empty.
const colors = Config.withDefault(Config.String("NO_COLOR"), "").pipe(Config.map((value) => value === ""))

const terminalLogger = Effect.map(colors, (colors) =>
  globalThis.process.stderr.isTTY === true
    ? Logger.consolePretty({ colors })
    : Logger.withConsoleError(Logger.formatJson)
)

/** Human lines on a terminal, JSON lines otherwise, always on stderr. */
export const terminalLogsLayer = Layer.mergeAll(
  Logger.layer([terminalLogger]),
  Layer.succeed(References.LogToStderr, true),
  levelLayer
)

/**
 * As {@link terminalLogsLayer}, and JSON lines in `<directory>/daemon.log`. On a disk that cannot be written lines are
 * dropped and counted, and the count is written as soon as that works again.
 */
export const logsLayer = (directory: string) =>
  Layer.mergeAll(
    Logger.layer([terminalLogger, fileLogger(directory)]),
    Layer.succeed(References.LogToStderr, true),
    levelLayer
  )

const fileLogger = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const dropped = yield* Ref.make(0)
  const file = path.join(directory, FILE)
  const kept = (index: number) => (index === 0 ? file : `${file}.${index}`)

  const rotate = Effect.gen(function* () {
    for (let index = KEPT_FILES - 2; index >= 0; index--) {
      if (yield* fs.exists(kept(index))) yield* fs.rename(kept(index), kept(index + 1))
    }
  })

  const sizeOf = fs.stat(file).pipe(
    Effect.map(({ size }) => Number(size)),
    Effect.orElseSucceed(() => 0)
  )

  const append = Effect.fnUntraced(function* (lines: ReadonlyArray<string>) {
    yield* fs.makeDirectory(directory, { recursive: true, mode: 0o700 })
    if ((yield* sizeOf) >= ROTATE_AT_BYTES) yield* rotate
    const missing = yield* Ref.get(dropped)
    const note = missing === 0 ? [] : [JSON.stringify({ message: `${missing} log lines were dropped`, level: "WARN" })]
    yield* fs.writeFileString(file, [...note, ...lines, ""].join("\n"), { flag: "a", mode: 0o600 })
    yield* Ref.update(dropped, (known) => known - missing)
  })

  const flush = (lines: ReadonlyArray<string>) =>
    Effect.matchEffect(append(lines), {
      onSuccess: () => Effect.void,
      onFailure: (error) =>
        Effect.flatMap(
          Ref.getAndUpdate(dropped, (known) => known + lines.length),
          (known) =>
            known > 0 ? Effect.void : Console.error(`holdfast: the log file cannot be written: ${error.message}`)
        ).pipe(Effect.andThen(Metric.update(logLinesDropped, lines.length)))
    })

  return yield* Logger.batched(Logger.formatJson, { window: FLUSH_WINDOW, flush })
})
