/** What the daemon does about missing imports: real interpreters, real pip, no network. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { fakeInterpreter, withoutPython } from "../boundary/Python.ts"
import { counting, countPip, onStage, root, withRuntime } from "./AgentPackagesStage.ts"
import { processesNaming, python, type Staged } from "./AgentStage.ts"

/** The reason why a file is no agent, once it is no longer that something is being installed. */
const settledReason = ({ roster }: Staged, file = "a_agent.py") =>
  roster.pipe(
    Effect.map(({ quarantined }) => quarantined.find((each) => each.file === file)?.reason),
    Effect.delay(20),
    Effect.repeat({ until: (reason) => !(reason ?? "").includes("is being installed") }),
    Effect.timeout("60 seconds")
  )

const GOOD = python("Good", "return 'good'")
const packagesOf = ({ home }: Staged, name = "a_agent.py") => join(home, "state", "packages", name)

const IMPORTS = "import requests, bs4, modelkit\nimport idna"

describe.skipIf(withoutPython !== null)("packages of agents", { timeout: 120_000 }, () => {
  withRuntime()

  it.live("are installed for a well-known import, on a machine that had no lock, while other agents answer", () =>
    onStage({}, (stage) =>
      Effect.gen(function* () {
        const { call, home, names, roster, write } = stage
        write("b_agent.py", GOOD)
        write(
          "a_agent.py",
          python("Reader", "return requests.VERSION + ' ' + idna.VERSION + ' ' + modelkit.VERSION", IMPORTS)
        )
        const { quarantined, tools } = yield* roster
        expect(tools.map(({ name }) => name)).toEqual(["Good"])
        expect(quarantined).toMatchObject([
          {
            file: "a_agent.py",
            class: null,
            reason: expect.stringMatching(
              /^it cannot be loaded: ModuleNotFoundError: No module named 'requests'.*It needs bs4 \(beautifulsoup4\), idna, requests, which is being installed: look again/s
            )
          }
        ])
        expect(yield* call("Good")).toEqual({ ok: true, output: "good" })
        expect(yield* settledReason(stage)).toBeUndefined()
        expect(yield* names).toEqual(["Reader", "Good"])
        expect(yield* call("Reader")).toEqual({ ok: true, output: "2.31.0 3.7 1.4.0" })
        expect(readdirSync(packagesOf(stage))).toEqual(expect.arrayContaining(["requests.py", "bs4.py", "idna.py"]))
        expect(JSON.parse(readFileSync(join(home, "core-lock.json"), "utf8"))).toMatchObject({
          version: 1,
          distributions: expect.arrayContaining([expect.objectContaining({ name: "modelkit", version: "1.4.0" })])
        })
      })
    )
  )

  it.live("are in what health tells as soon as they are there, though nobody looks", () =>
    onStage({}, (stage) =>
      Effect.gen(function* () {
        stage.write("a_agent.py", python("A", "return str(idna.VERSION)", "import idna"))
        expect((yield* stage.roster).tools).toEqual([])
        const names = Effect.map(stage.known, ({ tools }) => tools.map(({ name }) => name))
        yield* Effect.repeat(Effect.delay(names, "50 millis"), { until: (known) => known.includes("A"), times: 400 })
        expect(yield* names).toEqual(["A"])
      })
    )
  )

  it.live("that nobody knows are not installed, and the reason says what to do", () =>
    onStage({}, (stage) =>
      Effect.gen(function* () {
        const runs = countPip()
        stage.write("a_agent.py", python("A", "return 1", "import requests, unlisted, constructor"))
        const reason = yield* settledReason(stage)
        expect(reason).toMatch(
          /It needs constructor, requests, unlisted\. Nothing was installed, for constructor, unlisted/
        )
        expect(reason).toContain(`holdfast agent install ${join(stage.home, "agents", "a_agent.py")}`)
        expect(countPip()).toBe(runs)
        expect(existsSync(packagesOf(stage))).toBe(false)
        expect(existsSync(join(stage.home, "core-lock.json"))).toBe(false)
      })
    )
  )

  for (const [setting, expected] of [
    ["ask", /No module named 'requests'.*It needs requests\. To install what it needs: holdfast agent install/s],
    ["off", /No module named 'requests' \(a_agent\.py, line 1\)$/]
  ] as const) {
    it.live(`are not installed where the document says ${setting}`, () =>
      onStage({ config: { auto_install: setting } }, (stage) =>
        Effect.gen(function* () {
          const runs = countPip()
          stage.write("a_agent.py", python("A", "return 1", "import requests").trim())
          expect(yield* settledReason(stage)).toMatch(expected)
          expect(countPip()).toBe(runs)
          expect(existsSync(packagesOf(stage))).toBe(false)
        })
      )
    )
  }

  it.live(
    "are installed after a person has agreed, where the document says ask; nobody agrees to what is not offered",
    () =>
      onStage({ config: { auto_install: "ask" } }, (stage) =>
        Effect.gen(function* () {
          stage.write("a_agent.py", python("A", "return str(idna.VERSION)", "import idna"))
          stage.write("b_agent.py", python("B", "return 1", "import constructor"))
          const { quarantined } = yield* stage.roster
          expect(quarantined.map(({ file, installable }) => [file, installable])).toEqual([
            ["a_agent.py", ["idna"]],
            ["b_agent.py", undefined]
          ])
          expect(yield* stage.install("b_agent.py")).toBe(null)
          expect(yield* stage.install("nothing_agent.py")).toBe(null)
          expect(yield* stage.install("a_agent.py")).toMatch(/It needs idna, which is being installed/)
          expect(yield* stage.install("a_agent.py")).toBe(null)
          expect(yield* settledReason(stage)).toBeUndefined()
          expect(yield* stage.names).toEqual(["A"])
        })
      )
  )

  it.live("that conflict with the core are refused once, with the reason, until the file is another one", () =>
    onStage({}, (stage) =>
      Effect.gen(function* () {
        const { call, names, roster, write } = stage
        write("a_agent.py", python("A", "return yaml.VERSION", "import yaml"))
        write("b_agent.py", GOOD)
        expect(yield* settledReason(stage)).toMatch(
          /It needs yaml \(PyYAML\)\. Nothing was installed: PyYAML 6\.0 asks for modelkit >=2, and the core has modelkit 1\.4\.0/i
        )
        const runs = countPip()
        for (let looks = 0; looks < 3; looks++) yield* roster
        expect(yield* settledReason(stage)).toMatch(/tried again when the file changes/)
        expect(countPip()).toBe(runs)
        expect(yield* call("Good")).toEqual({ ok: true, output: "good" })
        write("a_agent.py", python("A", "return bs4.VERSION", "import bs4"))
        expect(yield* settledReason(stage)).toBeUndefined()
        expect(countPip()).toBeGreaterThan(runs)
        expect(yield* names).toEqual(["A", "Good"])
      })
    )
  )

  it.live("may not hold what the host of agents brings itself", () =>
    onStage({}, (stage) =>
      Effect.gen(function* () {
        stage.write("a_agent.py", python("A", "return 1", "import tabulate"))
        expect(yield* settledReason(stage)).toMatch(/utils\.py would be imported as utils, which belongs to the loader/)
        expect(existsSync(packagesOf(stage))).toBe(false)
      })
    )
  )

  it.live("are installed once: a file that still lacks something says so from then on", () =>
    onStage({}, (stage) =>
      Effect.gen(function* () {
        stage.write("a_agent.py", python("A", "return 1", "import rich"))
        expect(yield* settledReason(stage)).toMatch(
          /No module named 'rich'.*It still needs rich, though packages were/s
        )
        const runs = countPip()
        expect(readdirSync(packagesOf(stage))).toContain("poor.py")
        for (let looks = 0; looks < 3; looks++) yield* stage.roster
        expect(countPip()).toBe(runs)
      })
    )
  )

  it.live("are not installed under a lock that cannot be read, or that is named and not there", () =>
    Effect.gen(function* () {
      const refusal = (env: Readonly<Record<string, string>>, lock: string | null) =>
        onStage({ env }, (stage) =>
          Effect.gen(function* () {
            const file = join(stage.home, "core-lock.json")
            if (lock !== null) writeFileSync(file, lock)
            stage.write("a_agent.py", python("A", "return 1", "import requests"))
            const reason = yield* settledReason(stage)
            expect(existsSync(packagesOf(stage))).toBe(false)
            expect(existsSync(file) ? readFileSync(file, "utf8") : null).toBe(lock)
            return reason
          })
        )
      expect(yield* refusal({}, "{")).toMatch(/Nothing is installed without a core lock.*cannot be used/s)
      expect(yield* refusal({ HOLDFAST_CORE_LOCK_PATH: join(root, "nowhere.json") }, null)).toMatch(
        /Nothing is installed without a core lock.*There is no core lock .*nowhere\.json/s
      )
    })
  )

  it.live("stand in for nothing: neither for Python's modules and the core's, nor for helpers in the folder", () =>
    onStage({}, (stage) =>
      Effect.gen(function* () {
        const { call, home, write } = stage
        const packages = packagesOf(stage)
        mkdirSync(packages, { recursive: true })
        for (const name of ["json", "modelkit", "helper", "only"]) {
          writeFileSync(join(packages, `${name}.py`), 'VERSION = "of the packages"\n')
        }
        writeFileSync(join(home, "agents", "helper.py"), 'VERSION = "of the folder"\n')
        const seen = "[json.dumps(1), modelkit.VERSION, helper.VERSION, only.VERSION, sys.path[-1]]"
        write("a_agent.py", python("A", `return ${seen}`, "import json, modelkit, helper, only, sys"))
        const outcome = yield* call("A")
        expect(outcome.ok ? JSON.parse(outcome.output) : outcome).toEqual([
          "1",
          "1.4.0",
          "of the folder",
          "of the packages",
          packages
        ])
      })
    )
  )

  it.live("that are there already are the file's own from the next call on, and another file's never", () =>
    onStage({}, (stage) =>
      Effect.gen(function* () {
        const { call, roster, write } = stage
        const source = (name: string) => python(name, "return own.VERSION", "import own")
        write("a_agent.py", source("A"))
        write("b_agent.py", source("B"))
        expect((yield* roster).tools).toEqual([])
        mkdirSync(packagesOf(stage), { recursive: true })
        writeFileSync(join(packagesOf(stage), "own.py"), 'VERSION = "one"\n')
        expect(yield* call("A")).toEqual({ ok: true, output: "one" })
        expect(yield* call("B")).toMatchObject({ ok: false, failure: "unknown_agent" })
        const optional = "try:\n    import more\n    name = 'More'\nexcept ImportError:\n    name = 'Less'"
        write("a_agent.py", python("A", "return name", optional).replaceAll('"A"', "name"))
        expect((yield* roster).tools.map(({ name }) => name)).toEqual(["Less"])
        writeFileSync(join(packagesOf(stage), "more.py"), "")
        expect((yield* roster).tools.map(({ name }) => name)).toEqual(["More"])
      })
    )
  )

  it.live(
    "go on being installed when nobody waits any more, and are left whole or not at all by the daemon's end",
    () =>
      Effect.gen(function* () {
        const slow = join(root, "slow")
        const started = join(root, "slow-started")
        fakeInterpreter(
          slow,
          `case "$*" in *"-m pip install"*) touch ${started}; sleep 300;; esac\nexec ${counting} "$@"`
        )
        const stageRoot = yield* onStage({ env: { HOLDFAST_PYTHON: slow } }, (stage) =>
          Effect.gen(function* () {
            stage.write("a_agent.py", python("A", "return 1", "import requests"))
            const looking = yield* Effect.forkChild(stage.roster)
            yield* Effect.repeat(Effect.sleep(20), { until: () => existsSync(started) }).pipe(
              Effect.timeout("30 seconds")
            )
            yield* Fiber.interrupt(looking)
            const { quarantined } = yield* stage.roster
            expect(quarantined[0]?.reason).toContain("is being installed")
            expect(processesNaming(slow)).not.toEqual([])
            return stage.home
          })
        )
        expect(existsSync(stageRoot)).toBe(false)
        expect(processesNaming(slow)).toEqual([])
      })
  )

  it.live("are looked for in the folder that the document names, unless the environment names one", () =>
    Effect.gen(function* () {
      const named = join(root, "named")
      mkdirSync(named)
      writeFileSync(join(named, "n_agent.py"), python("Named", "return 'named'"))
      const config = { agents_path: named }
      expect(yield* onStage({ config }, ({ names }) => names)).toEqual(["Named"])
      expect(yield* onStage({ config, env: { AGENTS_PATH: join(root, "none") } }, ({ names }) => names)).toEqual([])
    })
  )
})
