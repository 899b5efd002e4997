/** The status of a machine whose daemon does not run, from its files alone. Writes nothing. */
import { Effect, FileSystem, Result } from "effect"
import { checkShape, type Diagnostic, formatProblem, Home, type Status, Version } from "../domain/index.ts"
import { reasonOf } from "./Output.ts"
import type { FleetFindings } from "./StoppedFleet.ts"

/** What the next start of the daemon would run, and what is remembered. */
export const stoppedStatus = Effect.gen(function* () {
  const home = yield* Home
  const fs = yield* FileSystem.FileSystem
  const local = yield* readLocal
  const everJoined = yield* Effect.orElseSucceed(fs.exists(home.control), () => true)
  // Without its folder there is no configuration to ask about, and nothing that knows about it has to be loaded.
  if (!everJoined) return yield* statusOf({ ...NOTHING, local })
  const { readFleet } = yield* Effect.promise(() => import("./StoppedFleet.ts"))
  return yield* statusOf({ ...(yield* readFleet), local })
})

interface Findings extends FleetFindings {
  readonly local: LocalFindings
}

/** A machine that never joined is as it should be. */
const NOTHING: FleetFindings = {
  diagnostics: [],
  degraded: false,
  identity: { gateway_id: null, expires_at: null, state: "unjoined" },
  remote: null,
  central: null,
  document: undefined
}

const statusOf = Effect.fnUntraced(function* ({ central, degraded, diagnostics, identity, local, remote }: Findings) {
  const home = yield* Home
  const status: Status = {
    overall: degraded || local.diagnostics.length > 0 ? "degraded" : "healthy",
    diagnostics: [...diagnostics, ...local.diagnostics],
    daemon: {
      state: "stopped",
      pid: null,
      started_at: null,
      api_url: null,
      version: yield* Version,
      last_start: null,
      safe_start: false,
      time_scale: 1
    },
    identity,
    remote_config: remote,
    config_layers: { central, local: { path: home.localConfig, used: local.usable, dropped: [] } },
    plugins: [],
    machines: {}
  }
  return status
})

const readLocal = Effect.gen(function* (): Effect.fn.Return<LocalFindings, never, FileSystem.FileSystem | Home> {
  const home = yield* Home
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFile(home.localConfig).pipe(
    Effect.map((bytes) =>
      Result.match(checkShape(bytes), {
        onSuccess: () => ({ usable: true, diagnostics: [] }),
        onFailure: (problems) => localUnusable(home.localConfig, problems.map(formatProblem).join("; "))
      })
    ),
    Effect.catch((error) =>
      Effect.succeed(
        error.reason._tag === "NotFound"
          ? { usable: false, diagnostics: [] }
          : localUnusable(home.localConfig, reasonOf(error))
      )
    )
  )
})

interface LocalFindings {
  readonly usable: boolean
  readonly diagnostics: ReadonlyArray<Diagnostic>
}

const localUnusable = (path: string, why: string): LocalFindings => ({
  usable: false,
  diagnostics: [
    {
      severity: "error",
      kind: "local_layer_unusable",
      message: `config.json cannot be used: ${why}`,
      repair: [`Correct ${path}.`]
    }
  ]
})
