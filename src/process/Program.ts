/** Runs another program to its end, within bounds, and says exactly how it ended. */
import { Duration, Effect, Fiber, Option, Predicate, Ref, Schema, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import type { PlatformError } from "effect/PlatformError"

/** What of stderr is kept: its end, where programs say what went wrong. */
const KEPT_STDERR = 4_096
/** More than this on stdout is no answer, but a program that has gone wrong. */
const MAX_STDOUT = 64 * 1024 * 1024
/** After its end a program's last bytes may still be in the pipe; somebody it has left behind may keep that open. */
const LAST_BYTES = "5 seconds"

/** How a program failed; each is told apart from the others. */
export class ProgramFailed extends Schema.TaggedError<ProgramFailed>()("ProgramFailed", {
  kind: Schema.Literals(["spawn", "exit", "signal", "deadline", "output"]),
  /** Of `exit`. */
  code: Schema.NullOr(Schema.Int),
  /** Such as `was ended by signal SIGKILL`, with the end of its stderr. */
  message: Schema.String,
  /** The end of what it said on stderr. */
  stderr: Schema.String
}) {}

export interface ProgramOptions {
  readonly args: ReadonlyArray<string>
  /** Added to the environment of this process; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  readonly deadline: Duration.Input
}

/** What a program said that ended well. */
export interface ProgramSaid {
  readonly stdout: string
  /** The end of it. */
  readonly stderr: string
}

/** For messages: the end of what a program said. */
export const stderrText = (stderr: string): string =>
  stderr === "" ? "It said nothing on stderr." : `The end of its stderr:\n${stderr}`

/** `hearProgram` for who wants its stdout alone. */
export const runProgram = (program: string, options: ProgramOptions) =>
  Effect.map(hearProgram(program, options), ({ stdout }) => stdout)

/** Runs it and answers what it wrote. Its input is empty. When it fails, all that it started is ended. */
export const hearProgram = Effect.fn("process.run")(function* (program: string, options: ProgramOptions) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const said = yield* Ref.make("")
  const command = ChildProcess.make(program, options.args, {
    env: { ...options.env },
    extendEnv: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    killSignal: "SIGTERM",
    forceKillAfter: "2 seconds"
  })
  const failed = (kind: ProgramFailed["kind"], what: string, code: number | null = null) =>
    Effect.flatMap(Ref.get(said), (text) => {
      const stderr = text.trim()
      return Effect.fail(new ProgramFailed({ kind, code, stderr, message: `${what}. ${stderrText(stderr)}` }))
    })

  const toItsEnd = Effect.gen(function* () {
    const child = yield* spawner
      .spawn(command)
      .pipe(Effect.catchTag("PlatformError", (error) => failed("spawn", `could not be started (${causeOf(error)})`)))
    const listening = yield* child.stderr.pipe(
      Stream.decodeText(),
      Stream.runForEach((text) => Ref.update(said, (before) => (before + text).slice(-KEPT_STDERR))),
      Effect.ignore,
      Effect.forkScoped
    )
    const reading = yield* Effect.forkScoped(collect(child.stdout))
    const tooMuch = Effect.flatMap(Fiber.await(reading), (exit) =>
      exit._tag === "Success" && exit.value === undefined ? Effect.succeed("too much" as const) : Effect.never
    )
    const end = yield* Effect.raceFirst(
      Effect.match(child.exitCode, { onSuccess: (code) => code, onFailure: signalOf }),
      tooMuch
    )
    yield* Effect.timeoutOption(Fiber.await(listening), LAST_BYTES)
    if (end === "too much") return yield* failed("output", "wrote more than 64 MiB to its stdout")
    if (Predicate.isString(end)) return yield* failed("signal", `was ended by signal ${end}`)
    if (end !== 0) return yield* failed("exit", `ended with exit code ${end}`, end)
    const output = yield* Effect.timeoutOption(Fiber.await(reading), LAST_BYTES)
    if (Option.isNone(output)) return yield* failed("output", "ended, but left its stdout open")
    if (output.value._tag === "Failure" || output.value.value === undefined) {
      return yield* failed("output", "wrote what cannot be read")
    }
    const answer: ProgramSaid = { stdout: output.value.value, stderr: (yield* Ref.get(said)).trim() }
    return answer
  }).pipe(Effect.scoped)

  return yield* Effect.timeoutOrElse(toItsEnd, {
    duration: options.deadline,
    orElse: () =>
      failed("deadline", `did not end within ${Duration.format(Duration.fromInputUnsafe(options.deadline))}`)
  })
})

/** All of it as text; `undefined` when it is too much. */
const collect = (stream: Stream.Stream<Uint8Array, PlatformError>) =>
  Effect.gen(function* () {
    const chunks: Array<Uint8Array> = []
    let size = 0
    yield* stream.pipe(
      Stream.takeUntil((chunk) => {
        chunks.push(chunk)
        size += chunk.length
        return size > MAX_STDOUT
      }),
      Stream.runDrain
    )
    if (size > MAX_STDOUT) return undefined
    const decoder = new TextDecoder()
    return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode()
  })

/** The system's own word, such as ENOENT. */
export const causeOf = (error: PlatformError): string => {
  const cause = "cause" in error.reason ? error.reason.cause : undefined
  const code = Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) ? cause.code : undefined
  return code ?? error.message
}

/** The spawner tells of a death by signal in words alone. */
export const signalOf = (error: PlatformError): string => {
  const cause = "cause" in error.reason ? error.reason.cause : undefined
  const text = Predicate.hasProperty(cause, "message") ? String(cause.message) : error.message
  return /'(SIG[A-Z0-9]+)'/.exec(text)?.[1] ?? "(unknown)"
}
