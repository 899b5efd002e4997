/** The status command without a process of its own: starting the program costs many times as much as its answer. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConfigProvider, Effect, Layer } from "effect"
import { TestConsole } from "effect/testing"
import { showStatus } from "../../src/cli/Status.ts"
import type { Status } from "../../src/domain/index.ts"
import type { Environment } from "./Processes.ts"

/** What `holdfast status --json` prints with this environment, whether the daemon is up or down. */
export const statusHere = (env: Environment): Promise<Status> =>
  showStatus({ json: true }).pipe(
    Effect.andThen(TestConsole.logLines),
    Effect.map((lines) => JSON.parse(lines.join("\n")) as Status),
    Effect.provide(
      Layer.mergeAll(TestConsole.layer, NodeServices.layer, ConfigProvider.layer(ConfigProvider.fromUnknown(env)))
    ),
    Effect.runPromise
  )
