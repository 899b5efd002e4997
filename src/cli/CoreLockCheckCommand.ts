/** `holdfast core-lock check`. */
import { Effect, FileSystem, Option, Path } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { describeCopy } from "../domain/index.ts"
import { Refused, Unsuccessful } from "./Failures.ts"
import { note, plain, print, printJson } from "./Output.ts"

/** Judges a directory of Python packages, or the tree of a Node plugin: which of the two, the lock says. */
export const checkCommand = Command.make(
  "check",
  {
    lock: Flag.String("lock").pipe(Flag.withMetavar("<file>"), Flag.withDescription("The core lock")),
    host: Flag.Directory("host").pipe(
      Flag.withMetavar("<directory>"),
      Flag.withDescription("Of a Node host: links to its own copies are fine"),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false)),
    directory: Argument.String("directory").pipe(Argument.withDescription("What is to be judged"))
  },
  Effect.fnUntraced(function* ({ directory, host, json, lock: file }) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { judgeNodeTree, protectionOf, readLock, scanPythonTree } = yield* Effect.promise(
      () => import("../boundary/index.ts")
    )
    const state = yield* readLock(file)
    if (state._tag !== "ready") return yield* new Refused({ message: state.message })
    const info = yield* Effect.option(fs.stat(directory))
    if (Option.isNone(info) || info.value.type !== "Directory") {
      return yield* new Refused({
        message: `${directory} is no directory. Name the one that holds the plugin's packages.`
      })
    }
    const { lock } = state
    const problems: ReadonlyArray<{ readonly message: string }> =
      lock.shared_packages === undefined
        ? (yield* scanPythonTree(path.resolve(directory), protectionOf(lock))).map((copy) => ({
            ...copy,
            message: `${describeCopy(copy)}.`
          }))
        : yield* judgeNodeTree(lock, directory, Option.getOrNull(host))
    if (json) yield* printJson({ ok: problems.length === 0, problems })
    else for (const { message } of problems) yield* print(plain(message))
    if (problems.length > 0) return yield* new Unsuccessful({ message: `${problems.length} problems` })
    if (!json) yield* note(`Nothing in ${directory} replaces a package of the core.`)
  })
).pipe(
  Command.withDescription(
    "Judge what a plugin brings: every problem is one line, with who asks for what, where, and what the host has. " +
      "Changes nothing. Exit code 1 when there are problems."
  ),
  Command.withExamples([
    { command: "holdfast core-lock check --lock core-lock.json plugins/weather" },
    { command: "holdfast core-lock check --lock core-lock.json --host /opt/host plugins/weather --json" }
  ])
)
