/** The gateway of `holdfast up` as a child process: started, watched, started again. */
import { Clock, Duration, Effect, Fiber, Option, Ref, Schema, Stream } from "effect"
import { ChildProcess } from "effect/process"

/** Exit code of a daemon that wants to be started again: EX_TEMPFAIL. */
const RESTART = 75
/** A daemon ends within 20 s of being asked to. */
const STOP_PATIENCE = Duration.seconds(25)
/** A run of this length (ms) is no part of a crash loop. */
const STABLE_MS = 60_000
const BACKOFF_MAX_MS = 30_000
/** Lines of a child's complaint that are kept. */
const KEPT_LINES = 5

/** How a child ended. */
export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null
  /** Its last lines on stderr. */
  readonly complaint: ReadonlyArray<string>
}

const LogLine = Schema.fromJsonString(Schema.Struct({ level: Schema.String, message: Schema.String }))

/** What a line of the child's log says, and any other line as it is. */
const readable = (line: string): string =>
  Option.match(Schema.decodeUnknownOption(LogLine)(line), {
    onNone: () => line,
    onSome: ({ level, message }) => `${level} ${message}`
  })

/** What is told about the child. */
export interface Watcher {
  readonly started: (pid: number) => Effect.Effect<void>
  readonly restarts: Effect.Effect<void>
  readonly ended: (ended: Ended, waitSeconds: number) => Effect.Effect<void>
}

/** How this very program is started again. */
export interface Program {
  readonly node: string
  readonly script: string
}

/** This process's own program: what a child must run to be the same version. */
export const ownProgram: Effect.Effect<Program> = Effect.sync(() => ({
  node: globalThis.process.execPath,
  script: globalThis.process.argv[1] ?? ""
}))

/** Keeps the daemon running for ever: at once after a planned restart, with back-off after any other end. */
export const supervise = Effect.fnUntraced(function* (
  { node, script }: Program,
  environment: Readonly<Record<string, string>>,
  watcher: Watcher
) {
  const command = ChildProcess.make(node, [script, "daemon"], {
    env: environment,
    extendEnv: true,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    killSignal: "SIGTERM",
    forceKillAfter: STOP_PATIENCE
  })

  const runOnce = Effect.gen(function* () {
    const child = yield* command
    yield* watcher.started(child.pid)
    const lines = yield* Ref.make<ReadonlyArray<string>>([])
    const listening = yield* child.stderr.pipe(
      Stream.decodeText,
      Stream.splitLines,
      Stream.runForEach((line) => Ref.update(lines, (kept) => [...kept, line].slice(-KEPT_LINES))),
      Effect.ignore,
      Effect.forkScoped
    )
    const code = yield* Effect.option(child.exitCode)
    // What it said last may still be in the pipe.
    yield* Effect.timeoutOption(Fiber.await(listening), Duration.millis(200))
    const ended: Ended = { code: Option.getOrNull(code), complaint: (yield* Ref.get(lines)).map(readable) }
    return ended
  }).pipe(Effect.scoped)

  let failures = 0
  while (true) {
    const begin = yield* Clock.currentTimeMillis
    const ended = yield* runOnce
    if (ended.code === RESTART) {
      failures = 0
      yield* watcher.restarts
      continue
    }
    failures = (yield* Clock.currentTimeMillis) - begin >= STABLE_MS ? 1 : failures + 1
    const wait = Math.min(1000 * 2 ** (failures - 1), BACKOFF_MAX_MS)
    yield* watcher.ended(ended, wait / 1000)
    yield* Effect.sleep(wait)
  }
})
