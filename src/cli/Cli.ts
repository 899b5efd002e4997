/** One command line from its words to its exit code. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit, Layer, MutableRef } from "effect"
import { CliConfig, Command, GlobalFlag } from "effect/cli"
import { Version } from "../domain/index.ts"
import { endProcess } from "../process/index.ts"
import { loadCommands } from "./Commands.ts"
import { toExitCode } from "./ExitCode.ts"
import { OrderlyEnd, orderlyEnd } from "./OrderlyEnd.ts"
import { presenterLayer } from "./Presenter.ts"

const cliLayer = Layer.mergeAll(
  presenterLayer,
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })
)

const root = Command.make("holdfast").pipe(
  Command.withDescription(
    "A gateway daemon for machines that run AI agents: joins a fleet, applies what central serves, goes back by itself."
  ),
  Command.withExamples([
    { command: "holdfast up", description: "A central and one gateway on this machine, to look at" },
    { command: "holdfast join https://central.example.com --token-file token.txt" },
    { command: "holdfast daemon", description: "Run the gateway in the foreground" },
    { command: "holdfast status" }
  ])
)

const runCommand = Effect.fnUntraced(function* (argv: ReadonlyArray<string>) {
  const version = yield* Version
  const commands = yield* Effect.promise(() => loadCommands(argv))
  yield* Command.runWith(root.pipe(Command.withSubcommands(commands)), { version })(argv)
})

/** Runs one command line; prints, and answers the exit code. An interrupt stays one. */
export const cli = (argv: ReadonlyArray<string>) =>
  toExitCode(runCommand(argv).pipe(Effect.provide(Layer.mergeAll(cliLayer, Version.layer))))

/** Runs one command line as this process. */
export const main = (argv: ReadonlyArray<string>): void => {
  const interrupted = MutableRef.make(130)
  const end = orderlyEnd(() => MutableRef.set(interrupted, 0))
  cli(argv).pipe(
    Effect.provideService(OrderlyEnd, end),
    Effect.provide(NodeServices.layer),
    NodeRuntime.runMain({
      disableErrorReporting: true,
      teardown: (exit, onExit) => {
        if (Exit.isSuccess(exit)) return onExit(Number(exit.value))
        return Cause.hasInterruptsOnly(exit.cause) ? endProcess(MutableRef.get(interrupted)) : onExit(1)
      }
    })
  )
}
