/**
 * Runs as child processes of this machine, which outlive the daemon that started them.
 *
 * A process is known by its id and its start time, so that another one of the same id is never taken for it. How the work
 * ended, its own record says; who is gone without one is `gone`, and nobody guesses.
 *
 * @ref LLP 0019#the-local-backend [implements]
 */
import { Context, Duration, Effect, FileSystem, Layer, Option, Path, Result, Schema, Scope } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import type { WorkEnd } from "../../machines/index.ts"
import { EndRecordJson, Home } from "../domain/index.ts"
import { DurableFiles, fileMode, isDamage, isMissing, storageStep } from "../storage/index.ts"
import { type Backend, BackendFailed, type RunIds, type Work } from "./Backend.ts"
import { podCommand, quote } from "./PodCommand.ts"
import { prepareRunFiles } from "./RunFiles.ts"
import { buildPodLogPath } from "./RunPaths.ts"

const LOOK = "250 millis"
/** After KILL a process may still be on its way out. */
const KILL_PATIENCE_MS = 5_000

/** Written by the work itself, in its own directory. */
const PROCESS = "process.json"
/** A shell needs no longer than this to say who it is. */
const INTRODUCTION = "10 seconds"

/** The process of a run. */
const Started = Schema.fromJsonString(
  Schema.Struct({
    company_id: Schema.String,
    agent_id: Schema.String,
    run_id: Schema.String,
    pid: Schema.Int,
    /** As the system counts it; null where it cannot be known. */
    start_time: Schema.NullOr(Schema.String),
    command: Schema.Literals(["opencode", "exec"]),
    retain: Schema.Boolean
  })
)
type Started = typeof Started.Type

export class LocalBackend extends Context.Service<LocalBackend, Backend>()("holdfast/runs/LocalBackend") {
  static readonly layer = Layer.effect(
    LocalBackend,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const home = yield* Home
      const files = yield* DurableFiles
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const scope = yield* Effect.scope
      const root = path.join(home.state, "runs")
      const work = path.join(root, "work")

      const scratchOf = ({ runId }: RunIds) => path.join(work, runId)
      const pidFile = (run: RunIds) => path.join(scratchOf(run), PROCESS)
      const termination = (run: RunIds) => path.join(scratchOf(run), "termination")

      /** Sessions of an agent belong to the folder that they began in, so that its runs share one. */
      const workplace = ({ agentId, companyId, request }: Work) =>
        request.cwd ?? path.join(root, "workplaces", companyId, agentId)

      const paths = (run: RunIds) =>
        Effect.mapError(buildPodLogPath(root, run), ({ message }) => new BackendFailed({ message, retryable: false }))

      const place: Backend["place"] = (run) =>
        Effect.map(Effect.orDie(paths(run)), (log) => ({
          directory: path.dirname(log),
          logName: path.basename(log),
          stderrName: `${run.runId}.pod.stderr`,
          recordName: `${run.runId}.pod.exit`,
          reopen: false
        }))

      const prepare = Effect.fn("LocalBackend.prepare")(function* (run: Work) {
        yield* prepareRunFiles(root, run).pipe(
          Effect.provideService(DurableFiles, files),
          Effect.provideService(FileSystem.FileSystem, fs),
          Effect.mapError(failed(true))
        )
        if (run.request.cwd === undefined) {
          yield* Effect.mapError(files.makeDirectory(workplace(run)), failed(true))
        } else if (!path.isAbsolute(run.request.cwd) || !(yield* isDirectory(run.request.cwd))) {
          return yield* new BackendFailed({
            message: `the run cannot work in ${run.request.cwd}: it must be the absolute path of a folder that is there`,
            retryable: false
          })
        }
        const scratch = scratchOf(run)
        yield* Effect.mapError(files.makeDirectory(scratch), failed(true))
        yield* fs
          .writeFileString(path.join(scratch, "prompt"), run.request.prompt, { mode: fileMode })
          .pipe(Effect.mapError(failed(true)))
      })

      const isDirectory = (file: string) =>
        Effect.orElseSucceed(
          Effect.map(fs.stat(file), ({ type }) => type === "Directory"),
          () => false
        )

      /** None only when there is no such file: what cannot be read now is no proof that nothing runs, or has ended. */
      const readOwn = (file: string) =>
        Effect.map(
          files.read(file),
          Option.map((bytes) => new TextDecoder().decode(bytes))
        )

      const readStarted = (run: RunIds) =>
        readOwn(pidFile(run)).pipe(
          Effect.map(Option.flatMap(Schema.decodeUnknownOption(Started))),
          Effect.mapError(failed(true))
        )

      /** When a process started, in the system's own counting; none when there is no such process. */
      const startTime = (pid: number) =>
        fs.readFileString(`/proc/${pid}/stat`).pipe(
          // The name in parentheses may hold anything; state and start time come after it.
          Effect.map((stat) => stat.slice(stat.lastIndexOf(")") + 2).split(" ")),
          Effect.map((fields) => (fields[0] === "Z" ? Option.none<string>() : Option.fromUndefinedOr(fields[19]))),
          Effect.catch(() => psStartTime(pid))
        )

      /** Where there is no /proc. */
      const psStartTime = Effect.fnUntraced(
        function* (pid: number) {
          const text = yield* spawner.string(ChildProcess.make("ps", ["-o", "stat=,lstart=", "-p", String(pid)]))
          const [stat = "", ...when] = text.trim().split(/\s+/)
          return stat === "" || stat.startsWith("Z") ? Option.none<string>() : Option.some(when.join(" "))
        },
        Effect.orElseSucceed(() => Option.none<string>())
      )

      const isAlive = Effect.fnUntraced(function* ({ pid, start_time }: Started) {
        const now = yield* startTime(pid)
        return Option.isSome(now) && (start_time === null || now.value === start_time)
      })

      const start = Effect.fn("LocalBackend.start")(function* (run: Work) {
        // Started before: by a process of ours that did not live to say so.
        if (Option.isSome(yield* readStarted(run)) || (yield* hasEnded(run))) return
        const scratch = scratchOf(run)
        const log = yield* paths(run)
        const output = path.dirname(log)
        const script = podCommand({
          argv: run.argv,
          paths: {
            scratch,
            log,
            stderr: path.join(output, `${run.runId}.pod.stderr`),
            record: path.join(output, `${run.runId}.pod.exit`),
            recordTmp: path.join(output, `${run.runId}.pod.exit.tmp`),
            termination: termination(run)
          },
          promptFile: path.join(scratch, "prompt"),
          graceSeconds: run.graceSeconds
        })
        // The shell writes down who it is before it does anything: whoever dies here, the next one finds it.
        const text = `${whoAmI(run)}\ncd ${quote(workplace(run))} || exit 126\n${script}\n`
        yield* fs
          .writeFileString(path.join(scratch, "run.sh"), text, { mode: 0o700 })
          .pipe(Effect.mapError(failed(true)))
        const child = yield* Effect.gen(function* () {
          const child = yield* spawner.spawn(
            ChildProcess.make("sh", [path.join(scratch, "run.sh")], {
              cwd: scratch,
              env: run.request.env ?? {},
              extendEnv: true,
              detached: true,
              stdin: "ignore",
              stdout: "ignore",
              stderr: "ignore"
            })
          )
          yield* Effect.asVoid(child.unref)
          return child
        }).pipe(Effect.provideService(Scope.Scope, scope), Effect.mapError(failed(true)))
        yield* Effect.repeat(Effect.delay(readStarted(run), "20 millis"), {
          while: (found) => Option.isNone(found)
        }).pipe(
          Effect.timeoutOrElse({
            duration: INTRODUCTION,
            orElse: () =>
              // Another try must not find two of them.
              Effect.ignore(child.kill({ killSignal: "SIGKILL" })).pipe(
                Effect.andThen(
                  Effect.fail(new BackendFailed({ message: "the shell of the run did not start", retryable: true }))
                )
              )
          })
        )
      })

      const recordOf = Effect.fnUntraced(function* (run: RunIds) {
        const { directory, recordName } = yield* place(run)
        for (const file of [path.join(directory, recordName), termination(run)]) {
          const text = yield* readOwn(file).pipe(
            Effect.catchIf(isDamage, () => Effect.succeedNone),
            Effect.mapError(failed(true))
          )
          const record = Option.flatMap(text, Schema.decodeUnknownOption(EndRecordJson))
          if (Option.isSome(record)) return record
        }
        return Option.none()
      })

      const hasEnded = (run: RunIds) => Effect.map(recordOf(run), Option.isSome)

      const endOf = Effect.fnUntraced(function* (run: RunIds): Effect.fn.Return<WorkEnd, BackendFailed> {
        const record = yield* recordOf(run)
        return Option.match(record, {
          onNone: () => ({
            kind: "gone" as const,
            message:
              "its process is not there any more and has left no record: it was killed, or the machine was restarted"
          }),
          onSome: ({ exit_code, signal }) => ({ kind: "exited" as const, end: { exitCode: exit_code, signal } })
        })
      })

      const watch = Effect.fn("LocalBackend.watch")(function* (run: Work) {
        let seen = false
        while (true) {
          const started = yield* readStarted(run)
          if (Option.isNone(started) || !(yield* isAlive(started.value))) {
            // What the agent left behind goes with the run.
            if (seen && Option.isSome(started)) yield* signal(-started.value.pid, "SIGKILL")
            return yield* endOf(run)
          }
          seen = true
          yield* Effect.sleep(LOOK)
        }
      })

      /** To the process, or to all of its group; who has gone meanwhile is fine. */
      const signal = (target: number, name: NodeJS.Signals) =>
        Effect.sync(() => void Result.try(() => globalThis.process.kill(target, name)))

      /** Waits until the process is gone, so long at most; whether it is. */
      const goneWithin = (started: Started, ms: number) =>
        Effect.repeat(Effect.delay(isAlive(started), LOOK), { while: (alive) => alive }).pipe(
          Effect.as(true),
          Effect.timeoutOrElse({ duration: Duration.millis(ms), orElse: () => Effect.succeed(false) })
        )

      const stop = Effect.fn("LocalBackend.stop")(function* (run: Work) {
        const started = Option.getOrUndefined(yield* readStarted(run))
        if (started === undefined || !(yield* isAlive(started))) return
        yield* signal(started.pid, "SIGTERM")
        // The command itself sends KILL to the agent after the grace; this is for a command that does not.
        if (yield* goneWithin(started, run.graceSeconds * 1_000 + KILL_PATIENCE_MS)) return
        yield* signal(-started.pid, "SIGKILL")
        if (yield* goneWithin(started, KILL_PATIENCE_MS)) return
        return yield* new BackendFailed({
          message: `process ${started.pid} does not end, not even by KILL`,
          retryable: true
        })
      })

      const clean: Backend["clean"] = Effect.fn("LocalBackend.clean")(function* (run, { retain }) {
        const { directory, logName, recordName, stderrName } = yield* place(run)
        const output = retain ? [] : [logName, stderrName, recordName]
        yield* Effect.forEach([...output, `${recordName}.tmp`], (name) =>
          files.remove(path.join(directory, name))
        ).pipe(Effect.andThen(files.remove(scratchOf(run))), Effect.mapError(failed(true)))
      })

      const list: Backend["list"] = Effect.gen(function* () {
        const names = yield* fs.readDirectory(work).pipe(
          storageStep("readDirectory", work),
          Effect.catchIf(isMissing, () => Effect.succeed<ReadonlyArray<string>>([])),
          Effect.mapError(failed(true))
        )
        const found = yield* Effect.forEach(names, (runId) =>
          readStarted({ companyId: "", agentId: "", runId }).pipe(
            Effect.catchTag("BackendFailed", ({ message }) => Effect.as(Effect.logWarning(message), Option.none()))
          )
        )
        return found.flatMap((started) =>
          Option.match(started, {
            onNone: () => [],
            onSome: ({ agent_id, command, company_id, retain, run_id }) => [
              { companyId: company_id, agentId: agent_id, runId: run_id, command, retain }
            ]
          })
        )
      })

      return LocalBackend.of({ kind: "local", place, prepare, start, watch, stop, clean, list })
    })
  )
}

const failed =
  (retryable: boolean) =>
  ({ message }: { readonly message: string }) =>
    new BackendFailed({ message, retryable })

/** The first lines of the script: it writes down its own process, whole or not at all. Only validated ids get in. */
const whoAmI = ({ agentId, companyId, request, runId }: Work): string =>
  [
    // A TERM that comes before the command is ready is kept for it.
    "trap 'hf_t=1' TERM INT HUP",
    "start_time=null",
    'if read -r stat 2>/dev/null < "/proc/$$/stat"; then set -- ${stat##*) }; start_time="\\"${20}\\""; set --; fi',
    `printf '{"company_id":"${companyId}","agent_id":"${agentId}","run_id":"${runId}","command":"${request.command.kind}",` +
      `"retain":${request.retain === true},"pid":%s,"start_time":%s}' ` +
      `"$$" "$start_time" > ${PROCESS}.tmp && mv ${PROCESS}.tmp ${PROCESS} || exit 125`
  ].join("\n")
