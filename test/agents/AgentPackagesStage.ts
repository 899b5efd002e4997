/** Agents with packages: a real interpreter, its real pip, wheels of the test's own in a local folder, no network. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Effect, type FileSystem, Layer, type Path } from "effect"
import { afterAll, beforeAll } from "vitest"
import { type AgentFile, findAgentFiles } from "../../src/agents/AgentFiles.ts"
import { AgentPackages } from "../../src/agents/AgentPackages.ts"
import { daemonAgentsLayer } from "../../src/agents/AgentsLayer.ts"
import { coreLockLayer } from "../../src/boundary/index.ts"
import { AGENTS_PLUGIN, type ConfigDocument, ConfigControl, type CoreLock, Home } from "../../src/domain/index.ts"
import { fakeInterpreter, makeRuntime, makeWheels, type Wheel } from "../boundary/Python.ts"
import { type Staged, stagedWith } from "./AgentStage.ts"

export const root = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-agent-packages-")))
const index = join(root, "index")
const pipRuns = join(root, "pip-runs")
/** The runtime of all tests, which notes every run of pip. */
export const counting = join(root, "counting")

const wheel = (name: string, version: string, module: string, requires: ReadonlyArray<string> = []): Wheel => ({
  name,
  version,
  requires,
  files: { [`${module}.py`]: `VERSION = "${version}"\n` }
})

const WHEELS: ReadonlyArray<Wheel> = [
  wheel("modelkit", "1.4.0", "modelkit"),
  wheel("modelkit", "2.0.0", "modelkit"),
  wheel("requests", "2.31.0", "requests", ["idna"]),
  wheel("idna", "3.7", "idna"),
  wheel("beautifulsoup4", "4.12", "bs4"),
  wheel("PyYAML", "6.0", "yaml", ["modelkit>=2"]),
  { ...wheel("tabulate", "0.9", "tabulate"), files: { "tabulate.py": "", "utils.py": "" } },
  wheel("rich", "13.0", "poor"),
  wheel("unlisted", "1.0", "unlisted")
]

const SETTINGS: Readonly<Record<string, string>> = {
  PIP_CONFIG_FILE: "/dev/null",
  PIP_NO_INDEX: "1",
  PIP_FIND_LINKS: index
}
const before = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, process.env[name]]))

/** How often pip has run. */
export const countPip = (): number =>
  existsSync(pipRuns) ? readFileSync(pipRuns, "utf8").trim().split("\n").length : 0

/** What a machine is like. */
export interface Situation {
  /** Of the document. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
}

const situated = (home: string, { config = {}, env = {} }: Situation) =>
  Layer.mergeAll(
    Layer.mock(ConfigControl, {
      document: Effect.succeed<ConfigDocument>({ version: 2, plugins: [{ name: AGENTS_PLUGIN, config }] })
    }),
    coreLockLayer.pipe(Layer.provide(Home.layerOf(home)))
  ).pipe(
    Layer.provideMerge(ConfigProvider.layer(ConfigProvider.fromUnknown({ HOLDFAST_PYTHON: counting, ...env }))),
    Layer.provideMerge(NodeServices.layer)
  )

/** Agents as the daemon has them. */
export const onStage = <A, E>(situation: Situation, test: (stage: Staged) => Effect.Effect<A, E>) =>
  stagedWith((home) => daemonAgentsLayer.pipe(Layer.provide(situated(home, situation))), test)

/** To be called where the tests of a file are described: makes the runtime, which has modelkit 1.4.0, and removes it. */
export const withRuntime = (): void => {
  beforeAll(() => {
    makeWheels(index, WHEELS)
    const runtime = makeRuntime(join(root, "runtime"), index, ["modelkit==1.4.0"])
    fakeInterpreter(counting, `case "$*" in *"-m pip install"*) echo run >> ${pipRuns};; esac\nexec ${runtime} "$@"`)
    Object.assign(process.env, SETTINGS)
  }, 120_000)
  afterAll(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
    rmSync(root, { recursive: true, force: true })
  })
}

export interface Desk {
  readonly home: string
  readonly agents: string
  /** Of `a_agent.py` with this source, as it is found. */
  readonly fileOf: (source: string) => Effect.Effect<AgentFile, never, FileSystem.FileSystem | Home | Path.Path>
}

/** The service alone, as a command without a daemon has it. */
export const atDesk = <A, E>(
  use: (desk: Desk) => Effect.Effect<A, E, AgentPackages | CoreLock | Home | NodeServices.NodeServices>
) =>
  Effect.gen(function* () {
    const home = mkdtempSync(join(root, "desk-"))
    const agents = join(home, "agents")
    mkdirSync(agents)
    const layer = AgentPackages.layer.pipe(
      Layer.provideMerge(Home.layerOf(home)),
      Layer.provideMerge(situated(home, {}))
    )
    const fileOf: Desk["fileOf"] = (source) =>
      Effect.gen(function* () {
        writeFileSync(join(agents, "a_agent.py"), source)
        const { files } = yield* findAgentFiles(agents)
        const [file] = files
        if (file === undefined) throw new Error("it was not found")
        return file
      })
    return yield* use({ home, agents, fileOf }).pipe(Effect.provide(layer))
  })
