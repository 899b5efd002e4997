import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Stream } from "effect"
import { followManager, runManager } from "../../src/service/ManagerProgram.ts"

describe("the programs of a real service manager", () => {
  // Whatever the configuration says: neither is there a stand-in, nor does it name the test.
  const unguarded = Layer.merge(NodeServices.layer, ConfigProvider.layer(ConfigProvider.fromUnknown({})))

  it.live("are never run by a test", () =>
    Effect.gen(function* () {
      for (const name of ["systemctl", "journalctl", "launchctl"] as const) {
        const refused = [
          yield* Effect.flip(runManager(name, ["--version"])),
          yield* Effect.flip(Stream.runDrain(followManager(name, ["--version"])))
        ]
        for (const { message } of refused) expect(message).toContain(`A test was about to run the real ${name}`)
      }
    }).pipe(Effect.provide(unguarded))
  )
})
