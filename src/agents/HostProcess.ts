/**
 * The process of one agent file: started, heard, watched, and ended with all that it started.
 *
 * What it does and says is told to the machine, which decides what that means.
 */
import { Effect, Fiber, FileSystem, Option, Path, Predicate, Ref, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { Home } from "../domain/index.ts"
import { causeOf, signalOf, stderrText } from "../process/index.ts"
import type { HostTrouble } from "../../machines/index.ts"
import { directoryMode } from "../storage/index.ts"
import { agentVariables } from "./AgentEnvironment.ts"
import type { AgentFile } from "./AgentFiles.ts"
import { decodeHostWord, HostLines, type HostOrder, type HostSetup, type HostWord } from "./HostProtocol.ts"
import { NODE_HOST } from "./NodeHost.ts"
import { PYTHON_HOST } from "./PythonHost.ts"

/** What a process may take. */
export interface HostBounds {
  /** MiB: JavaScript's heap, Python's address space; a process that is twice as large is killed. */
  readonly memoryMiB: number
  /** Bytes that it may print while it loads and for each call, and characters that it may answer. */
  readonly outputBytes: number
}

/** A process as the machine's service sees it. */
export interface HostTalk {
  /** What it is to be told, as it comes. */
  readonly orders: Stream.Stream<HostOrder>
  readonly hear: (word: HostWord) => Effect.Effect<void>
  readonly fault: (trouble: HostTrouble) => Effect.Effect<void>
  /** Bytes that it has printed since it was given its last call. */
  readonly printed: Ref.Ref<number>
}

/** Between two looks at the memory of a process. */
const LOOK = "250 millis"
/** After its end the last bytes of a process may still be on their way. */
const LAST_BYTES = "1 second"
/** What of stderr is kept: its end. */
const KEPT_STDERR = 2_000
/** JSON makes text longer by so much at most. */
const ESCAPED = 8

const GARBLED: HostTrouble = {
  failure: "failed",
  message: "its process said what is no answer, and was ended: an agent must leave descriptor 4 alone"
}
const TOO_LARGE: HostTrouble = {
  failure: "memory",
  message: "its process took more memory than it may, and was ended: work on less at once"
}
const TOO_LOUD: HostTrouble = {
  failure: "output",
  message: "its process printed or answered more than it may, and was ended: print less"
}

/** Runs it to its end, and says how that was. Interrupted, it has killed the process and all of its group. */
export const runHost = Effect.fn("agents.host")(function* (
  file: AgentFile,
  interpreter: string,
  { memoryMiB, outputBytes }: HostBounds,
  { fault, hear, orders, printed }: HostTalk
) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const data = path.join((yield* Home).state, "agent-data")
  const said = yield* Ref.make("")
  const setup: HostSetup = {
    file: file.path,
    hash: file.hash,
    packages: file.packages?.directory ?? null,
    data,
    memory: memoryMiB * 1024 * 1024,
    output: outputBytes
  }
  const isPython = file.language === "python"
  const flags = isPython
    ? ["-B", "-X", "utf8"]
    : [`--max-old-space-size=${memoryMiB}`, "--disable-warning=ExperimentalWarning", "--input-type=module"]
  const command = ChildProcess.make(interpreter, [...flags, "-", JSON.stringify(setup)], {
    cwd: data,
    // Arenas of threads count as address space.
    env: { ...(yield* agentVariables), MALLOC_ARENA_MAX: "2" },
    extendEnv: true,
    stdin: Stream.encodeText(Stream.make(isPython ? PYTHON_HOST : NODE_HOST)),
    stdout: "pipe",
    stderr: "pipe",
    additionalFds: {
      fd3: { type: "input", stream: Stream.encodeText(Stream.map(orders, (order) => `${JSON.stringify(order)}\n`)) },
      fd4: { type: "output" }
    },
    killSignal: "SIGKILL"
  })

  const count = (bytes: Uint8Array) =>
    Ref.modify(printed, (before) => {
      const now = before + bytes.length
      return [before <= outputBytes && now > outputBytes, now]
    }).pipe(Effect.flatMap((isTooMuch) => (isTooMuch ? fault(TOO_LOUD) : Effect.void)))

  const exceeds = (pid: number) => Effect.map(residentBytes(pid), (bytes) => bytes > setup.memory * 2)

  return yield* Effect.gen(function* () {
    yield* fs.makeDirectory(data, { recursive: true, mode: directoryMode })
    const child = yield* spawner.spawn(command)
    const lines = new HostLines(outputBytes * ESCAPED)
    const listening = yield* child.getOutputFd(4).pipe(
      Stream.runForEach((bytes) => {
        const whole = lines.take(bytes)
        if (whole === null) return fault(TOO_LOUD)
        return Effect.forEach(whole, (line) =>
          Option.match(decodeHostWord(line), { onNone: () => fault(GARBLED), onSome: hear })
        )
      }),
      Effect.ignore,
      Effect.forkScoped
    )
    yield* child.stdout.pipe(Stream.runForEach(count), Effect.ignore, Effect.forkScoped)
    const complaining = yield* child.stderr.pipe(
      Stream.tap(count),
      Stream.decodeText(),
      Stream.runForEach((text) => Ref.update(said, (before) => (before + text).slice(-KEPT_STDERR))),
      Effect.ignore,
      Effect.forkScoped
    )
    yield* Effect.repeat(Effect.delay(exceeds(child.pid), LOOK), { until: (isTooLarge) => isTooLarge }).pipe(
      Effect.andThen(fault(TOO_LARGE)),
      Effect.forkScoped
    )
    const end = yield* Effect.match(child.exitCode, { onSuccess: (code) => code, onFailure: signalOf })
    yield* Effect.timeoutOption(Fiber.awaitAll([listening, complaining]), LAST_BYTES)
    const stderr = (yield* Ref.get(said)).trim()
    const trouble: HostTrouble = OUT_OF_MEMORY.test(stderr)
      ? { failure: "memory", message: `its process ran out of memory: it has ${memoryMiB} MiB` }
      : {
          failure: "exited",
          message: `its process ended ${Predicate.isString(end) ? `by signal ${end}` : `with exit code ${end}`}. ${stderrText(stderr)}`
        }
    return trouble
  }).pipe(
    Effect.catchTag("PlatformError", (error) => {
      const remedy = isPython ? "install Python 3.8 or newer, or name it in HOLDFAST_PYTHON" : "install Holdfast again"
      const message = `${interpreter} could not be started (${causeOf(error)}): ${remedy}`
      return Effect.succeed<HostTrouble>({ failure: "failed", message })
    }),
    Effect.scoped
  )
})

/** How V8 says it before it ends the process. */
const OUT_OF_MEMORY = /JavaScript heap out of memory/

/** What a process holds in memory; 0 when that cannot be known. */
const residentBytes = Effect.fnUntraced(
  function* (pid: number) {
    const fs = yield* FileSystem.FileSystem
    const status = yield* fs.readFileString(`/proc/${pid}/status`).pipe(Effect.catch(() => residentByPs(pid)))
    return Number(/(?:VmRSS:\s*|^\s*)(\d+)/m.exec(status)?.[1] ?? 0) * 1024
  },
  Effect.orElseSucceed(() => 0)
)

/** Where there is no /proc. */
const residentByPs = (pid: number) =>
  ChildProcessSpawner.ChildProcessSpawner.use((spawner) =>
    spawner.string(ChildProcess.make("ps", ["-o", "rss=", "-p", String(pid)]))
  )
