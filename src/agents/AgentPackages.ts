/**
 * The Python packages that an agent file needs beside what its interpreter has.
 *
 * @ref LLP 0024#packages [implements]: what a file needs, where it is put, and under which lock
 */
import { Context, Effect, FileSystem, Layer, Option, type Path, Schema } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { CoreLock, coreLockPlace, type Home, type InstallPlan, InstallRefused } from "../domain/index.ts"
import { hearProgram } from "../process/index.ts"
import { isMissing, storageStep } from "../storage/index.ts"
import { agentPython, agentVariables } from "./AgentEnvironment.ts"
import { type AgentFile, packagesPlace } from "./AgentFiles.ts"
import { distributionOf } from "./ImportNames.ts"
import { IMPORT_PROBE } from "./ImportProbe.ts"

/** A top-level name that a file imports and that is not there. */
export interface NeededImport {
  readonly name: string
  /** What brings it; null: it is no well-known name. */
  readonly distribution: string | null
}

/** What a file imports could not be found out. */
export class ImportsUnknown extends Schema.TaggedError<ImportsUnknown>()("ImportsUnknown", {
  message: Schema.String
}) {}

/**
 * Finds out, decides, installs; each on its own, so that a person can be asked in between: `needs`, show, ask, `plan`,
 * `install`. Runs without a daemon as well. A file as `findAgentFiles` has it.
 */
export class AgentPackages extends Context.Service<
  AgentPackages,
  {
    /**
     * What a Python file imports, itself or by helpers beside it, that neither its interpreter nor what was installed for
     * it has; of `also`, too. By name. Nothing of the file is run; other languages need nothing.
     */
    readonly needs: (
      file: AgentFile,
      also?: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<NeededImport>, ImportsUnknown>
    /**
     * What the directory of the file's packages would hold with these requirements (PEP 508, or plain names) and with what
     * it holds now. Writes nothing but the core lock of the agents' interpreter, where this machine has no lock at all.
     */
    readonly plan: (file: AgentFile, requirements: ReadonlyArray<string>) => Effect.Effect<InstallPlan, InstallRefused>
    /** Replaces that directory as a whole, for processes that start from now on. */
    readonly install: (plan: InstallPlan) => Effect.Effect<void, InstallRefused>
  }
>()("holdfast/agents/AgentPackages") {
  static readonly layer = Layer.suspend(() => Layer.effect(AgentPackages, make))
}

/** Modules that the host of an agent brings itself: no package stands in for them. */
const SHIMS = ["agents", "basic_agent", "utils"]

const DEADLINE = "30 seconds"

const Answer = Schema.Union([
  Schema.Struct({ missing: Schema.Array(Schema.String) }),
  Schema.Struct({ broken: Schema.String })
])
const decodeAnswer = Schema.decodeUnknownOption(Schema.fromJsonString(Answer))

const METADATA = /^(.+)-[^-]+\.dist-info$/

const make = Effect.gen(function* () {
  const core = yield* CoreLock
  const python = yield* agentPython
  const { isNamed } = yield* coreLockPlace
  const world = yield* Effect.context<
    ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Home | Path.Path
  >()

  const needs = Effect.fn("AgentPackages.needs")(function* (file: AgentFile, also: ReadonlyArray<string> = []) {
    if (file.language !== "python") return []
    const setup = { file: file.path, packages: file.packages?.directory ?? null, own: SHIMS, also }
    const { stdout } = yield* hearProgram(python, {
      args: ["-B", "-X", "utf8", "-c", IMPORT_PROBE, JSON.stringify(setup)],
      env: yield* agentVariables,
      deadline: DEADLINE
    }).pipe(Effect.mapError(({ message }) => unknown(file, `${python} ${message}`)))
    const answer = decodeAnswer(stdout.trimEnd().split("\n").at(-1))
    if (Option.isNone(answer)) return yield* unknown(file, `${python} answered what is no list of imports`)
    if ("broken" in answer.value) return yield* unknown(file, answer.value.broken)
    return answer.value.missing.map((name): NeededImport => ({ name, distribution: distributionOf(name) }))
  })

  /** The directory itself is the record: what lies there is kept. */
  const installed = Effect.fnUntraced(function* ({ packages }: AgentFile) {
    if (packages === null) return []
    const fs = yield* FileSystem.FileSystem
    const names = yield* fs.readDirectory(packages.directory).pipe(
      storageStep("readDirectory", packages.directory),
      Effect.catchIf(isMissing, () => Effect.succeed<ReadonlyArray<string>>([])),
      Effect.mapError(
        ({ message }) =>
          new InstallRefused({ verdict: "install_failed", conflicts: [], message: `Nothing was installed: ${message}` })
      )
    )
    return names.flatMap((name) => METADATA.exec(name)?.[1] ?? []).toSorted()
  })

  const plan = Effect.fn("AgentPackages.plan")(function* (file: AgentFile, requirements: ReadonlyArray<string>) {
    if (!isNamed && (yield* core.state)._tag === "missing") yield* core.generate(python)
    return yield* core.plan({
      python,
      directory: yield* packagesPlace(file.name),
      requirements: [...new Set([...(yield* installed(file)), ...requirements])],
      asker: file.name,
      reserved: SHIMS
    })
  })

  return AgentPackages.of({
    needs: (file, also) => Effect.provideContext(needs(file, also), world),
    plan: (file, requirements) => Effect.provideContext(plan(file, requirements), world),
    install: (plan) => Effect.asVoid(core.install(plan))
  })
})

const unknown = ({ name }: AgentFile, why: string): ImportsUnknown =>
  new ImportsUnknown({ message: `What ${name} imports could not be found out: ${why}` })
