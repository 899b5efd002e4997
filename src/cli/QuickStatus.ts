/** `holdfast status` without the command line's parser, which takes longer to load than the status itself. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Exit, Layer } from "effect"
import { toExitCode } from "./ExitCode.ts"
import { showStatus } from "./Status.ts"

/** Runs as this process. */
export const main = (options: { readonly json: boolean }): void =>
  toExitCode(showStatus(options)).pipe(
    Effect.provide(Layer.merge(NodeFileSystem.layer, NodePath.layer)),
    NodeRuntime.runMain({
      disableErrorReporting: true,
      teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) ? Number(exit.value) : 130)
    })
  )
