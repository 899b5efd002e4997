/** `holdfast core-lock generate`. */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { DurableFiles } from "../storage/index.ts"
import { UsageError } from "./Failures.ts"
import { note, plain, print } from "./Output.ts"

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

/** Writes the lock of a Python interpreter or of a Node host. */
export const generateCommand = Command.make(
  "generate",
  {
    python: text("python", "<path>", "The interpreter whose packages are the core"),
    node: text("node", "<directory>", "The directory of a Node host, with its package.json and node_modules"),
    shared: Flag.String("shared").pipe(
      Flag.withMetavar("<name>"),
      Flag.withDescription(
        "A package whose objects cross to plugins; may be repeated. Default: the host's peerDependencies"
      ),
      Flag.atLeast(0)
    ),
    host: text("host", "<name>", "Name of the Python program itself, which plugins may not stand in for"),
    output: Flag.String("output").pipe(Flag.withMetavar("<file>"), Flag.withDescription("Where the lock is written")),
    compat: Flag.Boolean("compat").pipe(
      Flag.withDescription("Only name, version and top_level_modules of each distribution, and version"),
      Flag.withDefault(false)
    ),
    deadline: Flag.Int("deadline").pipe(
      Flag.withMetavar("<seconds>"),
      Flag.withDescription("How long the interpreter may take"),
      Flag.withDefault(60)
    )
  },
  Effect.fnUntraced(function* ({ compat, deadline, host, node, output, python, shared }) {
    if (Option.isSome(python) === Option.isSome(node)) {
      return yield* new UsageError({ message: "Give --python PATH or --node DIRECTORY, one of the two." })
    }
    if (Option.isSome(python) && shared.length > 0) {
      return yield* new UsageError({ message: "--shared belongs to --node: of Python, every package is protected." })
    }
    if (Option.isSome(node) && (compat || Option.isSome(host))) {
      return yield* new UsageError({ message: "--compat and --host belong to --python." })
    }
    if (deadline < 1) return yield* new UsageError({ message: "--deadline is a number of seconds from 1 on." })
    const { lockNode, lockPython, writeLock } = yield* Effect.promise(() => import("../boundary/index.ts"))
    if (Option.isSome(node)) {
      const lock = yield* writeLock(output, lockNode(node.value, shared))
      return yield* print(`Locked ${count(lock.distributions.length, "shared package")} of ${node.value} in ${output}.`)
    }
    const made = yield* lockPython({
      python: Option.getOrElse(python, () => ""),
      compat,
      deadlineSeconds: deadline,
      ...(Option.isSome(host) ? { host: host.value } : {})
    }).pipe(Effect.cached)
    const lock = yield* writeLock(
      output,
      Effect.map(made, ({ lock }) => lock)
    )
    const { shadowed, skipped, warnings } = yield* made
    for (const { name, reason, version } of skipped) {
      yield* note(plain(`Set aside: ${name}${version === undefined ? "" : ` ${version}`}: ${reason}`))
    }
    for (const warning of warnings) yield* note(plain(`Warning: ${warning}`))
    const beside = shadowed === 0 ? "" : `, ${count(shadowed, "further record")} of the same names left out`
    yield* print(
      `Locked ${count(lock.distributions.length, "distribution")} in ${output}: ${skipped.length} set aside${beside}.`
    )
  }, Effect.provide(DurableFiles.layer))
).pipe(
  Command.withDescription(
    "Write down what a host runs on. The old lock is removed first, so that a failure leaves none: exit code 1."
  ),
  Command.withExamples([
    { command: "holdfast core-lock generate --python /opt/backend/bin/python3 --output core-lock.json" },
    { command: "holdfast core-lock generate --node /opt/host --shared zod --shared react --output core-lock.json" }
  ])
)

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`
