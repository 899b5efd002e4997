import { spawn } from "node:child_process"
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs"
import { getPriority } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber } from "effect"
import { javascript, processesNaming, python, staged, type Staged } from "./AgentStage.ts"

const said = (name: string, text: string) => javascript(name, `return "${text}"`)

const until = (isSo: () => boolean) =>
  Effect.repeat(Effect.sleep(20), { until: isSo }).pipe(Effect.timeout("15 seconds"))

const lookFor = ({ home }: Staged, name: string) => until(() => readdirSync(home).includes(name))

describe("discovery", () => {
  it.live("finds the files of the top level by their names, and nothing else", () =>
    staged({}, ({ home, names, write }) =>
      Effect.gen(function* () {
        expect(yield* names).toEqual([])
        for (const [file, name] of [
          ["c_agent.mjs", "C"],
          ["a_agent.js", "A"],
          ["b_agent.ts", "B"],
          ["agent.js", "No1"],
          ["d_agent.jsx", "No2"],
          ["_agent.js.bak", "No3"]
        ] as const)
          write(file, said(name, name))
        mkdirSync(join(home, "agents", "experimental"))
        write("experimental/e_agent.js", said("No4", ""))
        mkdirSync(join(home, "agents", "folder_agent.py"))
        expect(yield* names).toEqual(["A", "B", "C"])
      })
    )
  )

  it.live("takes several classes of a file, and those that are its own only", () =>
    staged({}, ({ call, names, write }) =>
      Effect.gen(function* () {
        write("helper.py", python("Helper", "return 'not an agent file'"))
        write(
          "a_agent.py",
          `from agents.helper import HelperAgent\n${python("One", "return 1")}\n${python("Two", "return [2]")}`
        )
        expect(yield* names).toEqual(["One", "Two"])
        expect(yield* call("One")).toEqual({ ok: true, output: "1" })
        expect(yield* call("Two")).toEqual({ ok: true, output: "[2]" })
      })
    )
  )

  it.live("runs files in processes that give way to the daemon", () =>
    staged({}, ({ call, write }) =>
      Effect.gen(function* () {
        write("a_agent.py", python("A", "import os\nreturn os.nice(0)"))
        write("b_agent.js", javascript("B", "return getPriority()", 'import { getPriority } from "node:os"'))
        write("c_agent.ts", javascript("C", "return getPriority()", 'import { getPriority } from "node:os"'))
        const output = String(Math.min(19, getPriority() + 5))
        for (const name of ["A", "B", "C"]) expect(yield* call(name), name).toEqual({ ok: true, output })
      })
    )
  )

  it.live("is not led astray by names: other letters, spaces, dashes, line ends, dots, links, devices", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        const { call, home, names, roster, write } = stage
        const files = [
          "-c import os_agent.js",
          "..%2F..%2Fx_agent.mjs",
          "a b_agent.py",
          "größe_agent.py",
          "x\ny_agent.js",
          "日本_agent.ts"
        ]
        for (const [index, file] of files.entries()) {
          write(file, file.endsWith(".py") ? python(`N${index}`, `return ${index}`) : said(`N${index}`, String(index)))
        }
        symlinkSync("/dev/zero", join(home, "agents", "zero_agent.py"))
        symlinkSync("nowhere", join(home, "agents", "nowhere_agent.py"))
        expect(yield* names).toEqual(["N0", "N1", "N2", "N3", "N4", "N5"])
        for (const index of files.keys()) expect(yield* call(`N${index}`)).toEqual({ ok: true, output: String(index) })
        const { quarantined } = yield* roster
        expect(quarantined).toMatchObject([{ file: "nowhere_agent.py", class: null }])
      })
    )
  )

  it.live("sees an edit, a new file and a removed one with the next request", () =>
    staged({}, ({ call, names, remove, write }) =>
      Effect.gen(function* () {
        write("a_agent.js", said("A", "one"))
        expect(yield* call("A")).toEqual({ ok: true, output: "one" })
        write("a_agent.js", said("A", "two"))
        write("b_agent.py", python("B", "return 'b'"))
        expect(yield* call("A")).toEqual({ ok: true, output: "two" })
        expect(yield* call("B")).toEqual({ ok: true, output: "b" })
        write("a_agent.js", said("A", "one"))
        expect(yield* call("A")).toEqual({ ok: true, output: "one" })
        write("a_agent.js", said("Renamed", "three"))
        expect(yield* names).toEqual(["Renamed", "B"])
        remove("a_agent.js")
        expect(yield* names).toEqual(["B"])
        expect(yield* call("A")).toMatchObject({ ok: false, failure: "unknown_agent" })
      })
    )
  )

  it.live("loads a file that could not be loaded again as soon as it is another one", () =>
    staged({}, ({ call, roster, write }) =>
      Effect.gen(function* () {
        write("a_agent.py", "import no_such_module_of_anybody\n")
        expect((yield* roster).quarantined).toHaveLength(1)
        write("a_agent.py", python("A", "return 'mended'"))
        expect(yield* call("A")).toEqual({ ok: true, output: "mended" })
      })
    )
  )

  it.live("tells who calls with other arguments than are declared what would be right", () =>
    staged({}, ({ call, write }) =>
      Effect.gen(function* () {
        write("a_agent.py", python("A", "return str(kwargs)"))
        const outcome = yield* call("A", { count: "three" })
        expect(outcome).toEqual({
          ok: false,
          failure: "invalid_arguments",
          message: "/count: must be of type integer, not string"
        })
      })
    )
  )
})

/** Writes a file that says it has begun, then waits, then answers. */
const slow = (name: string, text: string, ms: number) =>
  javascript(
    name,
    `writeFileSync("${"${HOME}"}/begun", ""); await new Promise((resolve) => setTimeout(resolve, ${ms})); return "${text}"`,
    'import { writeFileSync } from "node:fs"'
  )

describe("a process of an agent file", () => {
  it.live("performs one call at a time, in their order, and is the same for all of them", () =>
    staged({}, ({ call, processes, write }) =>
      Effect.gen(function* () {
        write(
          "a_agent.py",
          python("A", "self.n = getattr(self, 'n', 0) + 1\ntime.sleep(0.02)\nreturn self.n", "import time")
        )
        const outcomes = yield* Effect.forEach([1, 2, 3, 4, 5], () => call("A"), { concurrency: "unbounded" })
        const counts = outcomes.map((outcome) => (outcome.ok ? outcome.output : outcome.message))
        expect(counts.toSorted()).toEqual(["1", "2", "3", "4", "5"])
        expect(processes()).toHaveLength(1)
      })
    )
  )

  it.live("finishes its call when its file is replaced, while the next call goes to the new one", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        const { call, home, processes, write } = stage
        write("a_agent.js", slow("A", "old", 1_500).replace("${HOME}", home))
        const first = yield* Effect.forkChild(call("A"))
        yield* lookFor(stage, "begun")
        write("a_agent.js", said("A", "new"))
        expect(yield* call("A")).toEqual({ ok: true, output: "new" })
        expect(first.pollUnsafe()).toBeUndefined()
        expect(yield* Fiber.join(first)).toEqual({ ok: true, output: "old" })
        yield* until(() => processes().length === 1)
      })
    )
  )

  it.live("ends with the caller who goes away, and the one who waits behind him is served", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        const { call, home, processes, write } = stage
        write("a_agent.js", slow("A", "done", 300).replace("${HOME}", home).replace("300", "args.count ?? 0"))
        const first = yield* Effect.forkChild(call("A", { count: 60_000 }))
        yield* lookFor(stage, "begun")
        const [before] = processes()
        const second = yield* Effect.forkChild(call("A"))
        yield* Effect.sleep(50)
        yield* Fiber.interrupt(first)
        expect(processes()).not.toContain(before)
        expect(yield* Fiber.join(second)).toEqual({ ok: true, output: "done" })
      })
    )
  )

  it.live("ends when nobody calls it for its idle time, tidies up, and comes back with the next call", () =>
    staged({ idleMs: 200 }, ({ call, home, processes, write }) =>
      Effect.gen(function* () {
        write(
          "a_agent.py",
          python("A", "return 'a'", `import atexit\natexit.register(lambda: open("${home}/tidy", "w").close())`)
        )
        expect(yield* call("A")).toEqual({ ok: true, output: "a" })
        yield* until(() => processes().length === 0)
        expect(readdirSync(home)).toContain("tidy")
        expect(yield* call("A")).toEqual({ ok: true, output: "a" })
      })
    )
  )

  it.live("takes the processes that it started with it", () =>
    staged({ callMs: 600 }, (stage) =>
      Effect.gen(function* () {
        const { call, home, write } = stage
        const child = join(home, "child")
        writeFileSync(child, "import time\ntime.sleep(600)\n")
        write(
          "a_agent.py",
          python("A", `subprocess.Popen(["python3", "${child}"])\ntime.sleep(60)`, "import subprocess, time")
        )
        expect(yield* call("A")).toMatchObject({ ok: false, failure: "deadline" })
        yield* until(() => processesNaming(child).length === 0)
      })
    )
  )

  it.live("ends with the service, and whoever waits for it is told", () =>
    Effect.gen(function* () {
      const waiting = yield* staged({}, (stage) =>
        Effect.gen(function* () {
          const { call, home, write } = stage
          write("a_agent.js", slow("A", "done", 60_000).replace("${HOME}", home))
          const calling = yield* Effect.forkDetach(call("A"))
          yield* lookFor(stage, "begun")
          return calling
        })
      )
      expect(yield* Fiber.join(waiting)).toMatchObject({ ok: false, failure: "exited" })
    })
  )

  it.live("is killed from outside at the cost of one call", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        const { call, home, processes, write } = stage
        write("a_agent.js", slow("A", "done", 60_000).replace("${HOME}", home))
        const calling = yield* Effect.forkChild(call("A"))
        yield* lookFor(stage, "begun")
        for (const pid of processes()) process.kill(pid, "SIGKILL")
        const outcome = yield* Fiber.join(calling)
        expect(outcome).toMatchObject({ ok: false, failure: "exited" })
        expect(outcome.ok ? "" : outcome.message).toMatch(/ended by signal SIGKILL/)
      })
    )
  )

  it.live("has the environment of who started the daemon, without the gateway's settings and its sign-in", () =>
    staged({}, ({ call, write }) =>
      Effect.gen(function* () {
        const variables = {
          GITHUB_TOKEN: "no",
          HOLDFAST_PORT: "1",
          HOLDFAST_A_B_C: "",
          HOLDFAST_HOME: "h",
          OPENAI_API_KEY: "yes",
          GH_TOKEN: "yes",
          HTTPS_PROXY: "http://proxy.example"
        }
        const before = { ...process.env }
        Object.assign(process.env, variables)
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            for (const name of Object.keys(variables)) {
              if (before[name] === undefined) delete process.env[name]
              else process.env[name] = before[name]
            }
          })
        )
        const wanted = JSON.stringify([...Object.keys(variables), "PATH"])
        write("a_agent.py", python("A", `return [name for name in ${wanted} if name in os.environ]`, "import os"))
        write("b_agent.js", javascript("B", `return ${wanted}.filter((name) => name in process.env)`))
        const seen = ["HOLDFAST_HOME", "OPENAI_API_KEY", "GH_TOKEN", "HTTPS_PROXY", "PATH"]
        for (const name of ["A", "B"]) {
          const outcome = yield* call(name)
          expect(outcome.ok ? JSON.parse(outcome.output) : outcome).toEqual(seen)
        }
      }).pipe(Effect.scoped)
    )
  )

  it.live("that cannot be started is told with what to do", () =>
    Effect.gen(function* () {
      const told = yield* staged({}, ({ roster, write }) => {
        write("a_agent.py", python("A", "return ''"))
        return roster
      }).pipe(
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnv({ env: { HOLDFAST_PYTHON: "/nowhere/python3" } })
        )
      )
      expect(told.quarantined[0]?.reason).toMatch(/nowhere\/python3 could not be started \(ENOENT\): install Python/)
    })
  )
})

/** A daemon that is killed while its agents loop. */
const DAEMON = `
import { Effect } from "effect"
import { javascript, python, staged } from ${JSON.stringify(join(import.meta.dirname, "AgentStage.ts"))}
await Effect.runPromise(staged({}, ({ call, home, write }) => Effect.gen(function* () {
  write("a_agent.py", python("A", "while True:\\n    pass"))
  write("b_agent.js", javascript("B", "for (;;) {}"))
  yield* Effect.forkChild(call("A"))
  yield* Effect.forkChild(call("B"))
  yield* Effect.sleep(1_500)
  process.stdout.write(home + "\\n")
  yield* Effect.never
})))
`

describe("a daemon that is killed", () => {
  it.live(
    "leaves no process of an agent behind, not even one that loops",
    () =>
      Effect.gen(function* () {
        const child = spawn(process.execPath, ["--input-type=module", "-e", DAEMON], {
          cwd: import.meta.dirname,
          stdio: ["ignore", "pipe", "inherit"]
        })
        let home = ""
        child.stdout.setEncoding("utf8").on("data", (text: string) => (home += text))
        yield* until(() => home.endsWith("\n"))
        const folder = join(home.trim(), "agents")
        expect(processesNaming(folder)).toHaveLength(2)
        child.kill("SIGKILL")
        yield* until(() => processesNaming(folder).length === 0)
      }),
    30_000
  )
})
