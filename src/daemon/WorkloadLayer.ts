/** Counts what this machine works on, for status reports. Loads neither agents nor runs. */
import { Effect, FileSystem, Layer } from "effect"
import { AgentStore, isAgentFile } from "../agents/index.ts"
import { Workload, type WorkloadCounts } from "../domain/index.ts"
import { Journal } from "../statechart/index.ts"

export const workloadLayer = Layer.effect(
  Workload,
  Effect.map(Effect.all([FileSystem.FileSystem, Journal, AgentStore]), ([fs, journal, store]) =>
    Effect.gen(function* () {
      const files = yield* Effect.orElseSucceed(
        Effect.flatMap(store.folder, (folder) => fs.readDirectory(folder)),
        (): ReadonlyArray<string> => []
      )
      const states = yield* journal.states
      const counts: WorkloadCounts = {
        agents: files.filter(isAgentFile).length,
        runs: states.filter(({ machine }) => machine === "run").length
      }
      return counts
    })
  )
)
