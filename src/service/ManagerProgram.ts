/**
 * The programs of service managers, and the one place where they are started. A test never reaches a real one: under
 * vitest only those of `HOLDFAST_TEST_SERVICE_MANAGER` are, a folder of stand-ins.
 */
import { Config, ConfigProvider, Effect, FileSystem, Option, Path, Schema, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { runProgram } from "../process/index.ts"
import type { ServiceScope } from "./Description.ts"
import { ownUid } from "./OwnUid.ts"

export type ManagerProgram = "systemctl" | "journalctl" | "launchctl"

/** A manager's program did not do what it was asked. */
export class ManagerFailed extends Schema.TaggedError<ManagerFailed>()("ManagerFailed", { message: Schema.String }) {}

/** No manager is here that could run a service. */
export class NoServiceManager extends Schema.TaggedError<NoServiceManager>()("NoServiceManager", {
  message: Schema.String
}) {}

/** As long as a daemon may take to start or to stop, and a little more. */
const PATIENCE = "150 seconds"

/** Where a test has put programs in the place of a manager's. */
export const standInFolder = Config.option(Config.NonEmptyString("HOLDFAST_TEST_SERVICE_MANAGER")).pipe(
  Effect.orElseSucceed(() => Option.none<string>())
)

/** Whatever the configuration of a command is, this asks the process. */
const isUnderTest = Config.option(Config.String("VITEST"))
  .parse(ConfigProvider.fromEnv())
  .pipe(
    Effect.map(Option.isSome),
    Effect.orElseSucceed(() => true)
  )

/** Program and environment of a manager's program, unless this is a test without stand-ins. */
const commandOf = Effect.fnUntraced(function* (name: ManagerProgram) {
  const path = yield* Path.Path
  const folder = yield* standInFolder
  if (Option.isSome(folder)) return { program: path.join(folder.value, name), env: {} }
  if (yield* isUnderTest) {
    return yield* new ManagerFailed({ message: `A test was about to run the real ${name}. Nothing was done.` })
  }
  return { program: name, env: { XDG_RUNTIME_DIR: yield* runtimeFolder } }
})

/** Runs it to its end, and answers what it wrote. */
export const runManager = Effect.fn("service.manager")(function* (name: ManagerProgram, args: ReadonlyArray<string>) {
  const { env, program } = yield* commandOf(name)
  return yield* runProgram(program, { args, env, deadline: PATIENCE }).pipe(
    Effect.mapError(({ message }) => new ManagerFailed({ message: `${[name, ...args].join(" ")} ${message}` }))
  )
})

/** What it writes, as it writes it. */
export const followManager = (name: ManagerProgram, args: ReadonlyArray<string>) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { env, program } = yield* commandOf(name)
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const child = yield* spawner.spawn(
        ChildProcess.make(program, args, { env, extendEnv: true, stdin: "ignore", stdout: "pipe", stderr: "inherit" })
      )
      return child.stdout
    })
  ).pipe(Stream.mapError(({ message }) => new ManagerFailed({ message: `${name} cannot be run: ${message}` })))

const runtimeFolder = Effect.gen(function* () {
  const own = yield* Effect.orElseSucceed(Config.option(Config.NonEmptyString("XDG_RUNTIME_DIR")), () => Option.none())
  return Option.getOrElse(own, () => "")
}).pipe(Effect.flatMap((own) => (own === "" ? Effect.map(ownUid, (uid) => `/run/user/${uid}`) : Effect.succeed(own))))

/** Which manager runs services of a scope on this machine. */
export const findManager = Effect.fn("service.find-manager")(function* (scope: ServiceScope) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const exists = (file: string) => Effect.orElseSucceed(fs.exists(file), () => false)
  const folder = yield* standInFolder
  if (Option.isSome(folder)) {
    if (yield* exists(path.join(folder.value, "systemctl"))) return "systemd" as const
    if (yield* exists(path.join(folder.value, "launchctl"))) return "launchd" as const
    return yield* none
  }
  if (yield* isUnderTest) return yield* none
  if (globalThis.process.platform === "darwin") return "launchd" as const
  // What sd_booted(3) looks at.
  if (!(yield* exists("/run/systemd/system"))) return yield* none
  if (scope === "system" || (yield* exists(path.join(yield* runtimeFolder, "systemd", "private")))) {
    return "systemd" as const
  }
  return yield* new NoServiceManager({
    message:
      "systemd runs, but no service manager of this user: it comes with a login. Log in as this user (su and sudo are no " +
      "login), or keep one running (sudo loginctl enable-linger USER), or install for the machine: --system"
  })
})

const none = new NoServiceManager({
  message:
    "There is no service manager here (neither systemd nor launchd runs), as in a container. Run the daemon in the " +
    "foreground, under whatever keeps programs running here, and have it started again on exit code 75: holdfast daemon"
})
