/** What a call of an agent costs: by its warm process, beside the same call in process and a process for each call. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { Effect } from "effect"
import { javascript, python, staged, type Staged } from "../agents/AgentStage.ts"
import { printTable } from "./Table.ts"

const WARM_CALLS = 500
const SPAWNED_CALLS = 20
const COLD_CALLS = 10
const IN_PROCESS_CALLS = 100_000
const GOAL_MS = 3
const ARGUMENTS = { text: "some words", count: 7 }

interface Language {
  readonly title: string
  readonly name: string
  readonly file: string
  readonly source: string
  /** Milliseconds of one call inside a process that has the file loaded. */
  readonly inProcess: (folder: string) => Promise<number>
  /** A process that loads the file and performs one call. */
  readonly spawned: (folder: string) => void
}

const PYTHON = process.env["HOLDFAST_PYTHON"] ?? "python3"

/** The base class is the one thing that the file needs of its host. */
const LOADED = `
import sys, types, json, time
module = types.ModuleType("agents.basic_agent")
module.BasicAgent = type("BasicAgent", (), {"__init__": lambda self, name, metadata: None})
sys.modules["agents"] = types.ModuleType("agents"); sys.modules["agents.basic_agent"] = module
exec(open(sys.argv[1]).read())
agent, arguments = EchoPythonAgent(), ${JSON.stringify(ARGUMENTS)}
`

const languages: ReadonlyArray<Language> = [
  {
    title: "Python",
    name: "EchoPython",
    file: "echo_python_agent.py",
    source: python("EchoPython", "return kwargs['text'] * kwargs['count']"),
    inProcess: async (folder) =>
      Number(
        execFileSync(PYTHON, [
          "-c",
          `${LOADED}
began = time.perf_counter()
for _ in range(${IN_PROCESS_CALLS}): agent.perform(**arguments)
print((time.perf_counter() - began) * 1000 / ${IN_PROCESS_CALLS})`,
          join(folder, "echo_python_agent.py")
        ])
      ),
    spawned: (folder) =>
      void execFileSync(PYTHON, [
        "-c",
        `${LOADED}\nprint(agent.perform(**arguments))`,
        join(folder, "echo_python_agent.py")
      ])
  },
  {
    title: "TypeScript",
    name: "EchoNode",
    file: "echo_node_agent.ts",
    source: javascript("EchoNode", "const text: string = args.text\n    return text.repeat(args.count)"),
    inProcess: async (folder) => {
      const { default: agent } = await import(pathToFileURL(join(folder, "echo_node_agent.ts")).href)
      const began = performance.now()
      for (let count = 0; count < IN_PROCESS_CALLS; count++) await agent.perform(ARGUMENTS)
      return (performance.now() - began) / IN_PROCESS_CALLS
    },
    spawned: (folder) => {
      const url = pathToFileURL(join(folder, "echo_node_agent.ts")).href
      const program = `console.log(await (await import("${url}")).default.perform(${JSON.stringify(ARGUMENTS)}))`
      execFileSync(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "ignore"] })
    }
  }
]

const percentile = (times: ReadonlyArray<number>, share: number): number =>
  times.toSorted((a, b) => a - b)[Math.floor((times.length - 1) * share)] ?? Number.NaN

/** The time of each call, ms; one that fails ends the bench. */
const timed = (stage: Staged, name: string, calls: number, between: () => void = () => {}) =>
  Effect.gen(function* () {
    const times: Array<number> = []
    for (let count = 0; count < calls; count++) {
      between()
      const began = performance.now()
      const outcome = yield* stage.call(name, ARGUMENTS)
      times.push(performance.now() - began)
      if (!outcome.ok) return yield* Effect.die(new Error(`${name}: ${outcome.message}`))
    }
    return times
  })

const measured = async ({ file, inProcess, name, source, spawned, title }: Language) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bench-agents-"))
  writeFileSync(join(folder, file), source)
  try {
    const direct = await inProcess(folder)
    const spawn = Array.from({ length: SPAWNED_CALLS }, () => {
      const began = performance.now()
      spawned(folder)
      return performance.now() - began
    })
    const through = await Effect.runPromise(
      staged({}, (stage) =>
        Effect.gen(function* () {
          stage.write(file, source)
          let edits = 0
          const cold = yield* timed(stage, name, COLD_CALLS, () => {
            const comment = file.endsWith(".py") ? "#" : "//"
            stage.write(file, `${source}\n${comment} edit ${++edits}\n`)
          })
          yield* timed(stage, name, 50)
          const warm = yield* timed(stage, name, WARM_CALLS)
          for (let other = 0; other < 19; other++) {
            stage.write(`other_${other}_agent.js`, javascript(`Other${other}`, "return args.text"))
          }
          yield* stage.roster
          return { cold, warm, among: yield* timed(stage, name, WARM_CALLS) }
        })
      )
    )
    const p50 = percentile(through.warm, 0.5)
    const row = (what: string, ms: number, p99: number | null, goal = "") => [
      `${title}: ${what}`,
      ms < 0.1 ? `${(ms * 1_000).toFixed(2)} µs` : `${ms.toFixed(2)} ms`,
      p99 === null ? "" : `${p99.toFixed(2)} ms`,
      (ms / p50).toFixed(ms / p50 < 0.01 ? 4 : 2),
      goal
    ]
    const goal = `≤ ${GOAL_MS} ms${p50 <= GOAL_MS ? "" : ": NOT met in this run"}`
    return [
      row("in process", direct, null),
      row("warm call", p50, percentile(through.warm, 0.99), goal),
      row("warm call, 20 files", percentile(through.among, 0.5), percentile(through.among, 0.99)),
      row("first call after an edit", percentile(through.cold, 0.5), percentile(through.cold, 0.99)),
      row("a process for each call", percentile(spawn, 0.5), percentile(spawn, 0.99))
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export const run = async (): Promise<void> => {
  const rows: Array<ReadonlyArray<string>> = []
  for (const language of languages) rows.push(...(await measured(language)))
  printTable(
    `One call of an agent (${WARM_CALLS} warm, ${SPAWNED_CALLS} spawned)`,
    ["p50", "p99", "× warm", "goal"],
    rows
  )
}
