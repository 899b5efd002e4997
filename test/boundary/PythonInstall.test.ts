/** Installs beside a real runtime, with its real pip: the incident, and what the lock makes of it. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Result } from "effect"
import { execFileSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { coreLockLayerOf } from "../../src/boundary/index.ts"
import { CoreLock, type InstallRequest } from "../../src/domain/index.ts"
import { atDesk } from "../cli/InProcess.ts"
import { fakeInterpreter, makeRuntime, makeWheels, python, type Wheel, withoutPython } from "./Python.ts"

const root = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-boundary-")))
const index = join(root, "index")
const lockFile = join(root, "core-lock.json")
let runtime = ""
let room = 0
let plugins = ""

const client = (version: string): Wheel => ({
  name: "modelkit",
  version,
  files: { "modelkit/__init__.py": `VERSION = "${version}"\nclass Model:\n    pass\n` }
})
const module = (name: string, version: string, requires: ReadonlyArray<string>, files: Wheel["files"] = {}): Wheel => ({
  name,
  version,
  requires,
  files: { [`${name.replaceAll("-", "_")}.py`]: `VERSION = "${version}"\n`, ...files }
})

const WHEELS: ReadonlyArray<Wheel> = [
  client("1.4.0"),
  client("2.0.0"),
  module("chat", "3.1", ["modelkit>=1,<2"]),
  module("greedy", "1.0", ["modelkit>=2"]),
  {
    ...module("friendly", "1.0", ["modelkit>=1", "words>=1"]),
    files: {
      "friendly.py": "from modelkit import Model\nimport words\ndef takes(it):\n    return isinstance(it, Model)\n"
    }
  },
  module("words", "1.2", []),
  module("flexible", "1.0", ["modelkit>=1"]),
  module("flexible", "2.0", ["modelkit>=2"]),
  module("deep", "1.0", ["middle"]),
  module("middle", "1.0", ["greedy ; python_version >= '3'", "words"]),
  module("dangling", "1.0", ["nowhere-to-be-found>=1"]),
  module("far", "1.0", ["unlisted>=0.5"]),
  module("smuggler", "1.0", [], { "modelkit/extra.py": "x = 1\n" }),
  module("shadow", "1.0", [], { "json.py": "x = 1\n" }),
  module("impostor", "1.0", [], { "backend/__init__.py": "" }),
  { ...module("extras", "1.0", ["greedy ; extra == 'all'"]), extras: ["all"] }
]

/** The machine's own settings of pip get nowhere near. */
const withoutSettings = { ...process.env, PIP_CONFIG_FILE: "/dev/null" }

/** What a host prints that loads plugins as the one of the incident did: theirs first, and what they bring evicted. */
const INCIDENT = `
import sys
sys.path.append(sys.argv[1]) if sys.argv[2] == "last" else sys.path.insert(0, sys.argv[1])
import modelkit
made = modelkit.Model()
if sys.argv[2] == "first":
    import os
    for name in os.listdir(sys.argv[1]):
        sys.modules.pop(name.split(".")[0], None)
plugin = __import__(sys.argv[3])
theirs = sys.modules.get("modelkit") or __import__("modelkit")
print(isinstance(made, theirs.Model), theirs.VERSION)
`
const runHost = (order: "first" | "last", plugin: string): string =>
  execFileSync(runtime, ["-I", "-c", INCIDENT, plugins, order, plugin], { encoding: "utf8" }).trim()

const attempt = (request: Partial<InstallRequest>, lock = lockFile) =>
  Effect.runPromise(
    Effect.gen(function* () {
      const core = yield* CoreLock
      const plan = yield* core.plan({
        python: runtime,
        directory: plugins,
        requirements: [],
        index: { offline: true, findLinks: [index] },
        ...request
      })
      return { plan, directory: yield* core.install(plan) }
    }).pipe(Effect.result, Effect.provide(coreLockLayerOf(lock)), Effect.provide(NodeServices.layer))
  )

const refusal = async (request: Partial<InstallRequest>, lock = lockFile) => {
  const result = await attempt(request, lock)
  if (Result.isSuccess(result)) throw new Error(`installed ${JSON.stringify(result.success.plan.packages)}`)
  return result.failure
}

const quarantine = (directory: string, lock = lockFile) =>
  Effect.runPromise(
    Effect.flatMap(CoreLock, (core) => core.quarantine(directory)).pipe(
      Effect.provide(coreLockLayerOf(lock)),
      Effect.provide(NodeServices.layer)
    )
  )

const command = (...argv: ReadonlyArray<string>) =>
  Effect.runPromise(atDesk((desk) => desk.run(["core-lock", ...argv])))

describe.skipIf(withoutPython !== null)("Python packages beside a runtime", { timeout: 120_000 }, () => {
  beforeAll(async () => {
    process.env["PIP_CONFIG_FILE"] = "/dev/null"
    makeWheels(index, WHEELS)
    runtime = makeRuntime(join(root, "runtime"), index, ["modelkit==1.4.0", "chat"])
    const said = await command("generate", "--python", runtime, "--host", "backend", "--output", lockFile)
    expect(said).toMatchObject({ code: 0 })
  }, 120_000)
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  beforeEach(() => {
    plugins = join(root, `plugins-${++room}`)
  })

  it("break class identity when pip is simply told to install what a plugin asks for", () => {
    execFileSync(
      runtime,
      ["-m", "pip", "install", "-q", "--target", plugins, "--no-index", "--find-links", index, "greedy"],
      { env: withoutSettings }
    )
    expect(readdirSync(plugins)).toContain("modelkit")
    expect(runHost("first", "greedy")).toBe("False 2.0.0")
  })

  it("are refused as core_conflict with both sides named when a plugin wants another version of the core's", async () => {
    const refused = await refusal({ requirements: ["greedy"], asker: "the plugin weather" })
    expect(refused.verdict).toBe("core_conflict")
    expect(refused.conflicts).toEqual([{ name: "modelkit", has: "1.4.0", wants: ">=2", asker: "greedy 1.0" }])
    expect(refused.message).toContain("greedy 1.0 asks for modelkit >=2, and the core has modelkit 1.4.0")
    expect(existsSync(plugins)).toBe(false)
  })

  it("are refused at once when the plugin itself names the other version", async () => {
    const refused = await refusal({ requirements: ["modelkit>=2", "words"], asker: "the plugin weather" })
    expect(refused).toMatchObject({
      verdict: "core_conflict",
      conflicts: [{ name: "modelkit", has: "1.4.0", wants: ">=2", asker: "the plugin weather" }]
    })
  })

  it("are refused with the package named that asks, however deep it lies", async () => {
    const refused = await refusal({ requirements: ["deep"] })
    expect(refused).toMatchObject({
      verdict: "core_conflict",
      conflicts: [{ name: "modelkit", has: "1.4.0", wants: ">=2", asker: "greedy 1.0" }]
    })
  })

  it("are asked for by an extra only when the extra is", async () => {
    expect(Result.isSuccess(await attempt({ requirements: ["extras"] }))).toBe(true)
    expect(await refusal({ requirements: ["extras[all]"] })).toMatchObject({ verdict: "core_conflict" })
  })

  it("are installed when they only add, share the core's classes, and lie last on the path", async () => {
    const result = await attempt({ requirements: ["friendly"] })
    expect(result).toMatchObject({ success: { directory: plugins } })
    if (Result.isSuccess(result)) {
      expect(result.success.plan.packages.map(({ name, requested }) => [name, requested])).toEqual([
        ["friendly", true],
        ["words", false]
      ])
      expect(result.success.plan.packages.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256 ?? ""))).toBe(true)
    }
    expect(readdirSync(plugins).filter((name) => !/dist-info|__pycache__/.test(name))).toEqual([
      "friendly.py",
      "words.py"
    ])
    expect(runHost("last", "friendly")).toBe("True 1.4.0")
    expect(readdirSync(root).filter((name) => /staging|former/.test(name))).toEqual([])
  })

  it("are taken in the older version that fits the core", async () => {
    const result = await attempt({ requirements: ["flexible"] })
    expect(result).toMatchObject({ success: { plan: { packages: [{ name: "flexible", version: "1.0" }] } } })
  })

  it("do not blame a package that fits in an older version for the want of another", async () => {
    const refused = await refusal({ requirements: ["flexible", "dangling"] })
    expect(refused.verdict).toBe("unresolvable")
    expect(refused.message).toContain("nowhere-to-be-found>=1 (for dangling 1.0)")
  })

  it("replace what was there, and leave it when they are refused", async () => {
    await attempt({ requirements: ["words"] })
    await refusal({ requirements: ["greedy"] })
    expect(readdirSync(plugins)).toContain("words.py")
    await attempt({ requirements: ["flexible"] })
    expect(readdirSync(plugins).filter((name) => name.endsWith(".py"))).toEqual(["flexible.py"])
  })

  it("are put back where a kill struck between the two renames", async () => {
    mkdirSync(`${plugins}.former`)
    writeFileSync(join(`${plugins}.former`, "kept.py"), "")
    expect(await quarantine(plugins)).toEqual({ moved: [], problems: [] })
    expect(readdirSync(plugins)).toEqual(["kept.py"])
  })

  it.each([
    [
      "smuggler",
      "a module of the core",
      /modelkit would be imported as modelkit, which belongs to modelkit 1\.4\.0 of the core/
    ],
    ["shadow", "a module of Python", /json\.py would be imported as json, which belongs to Python's standard library/],
    ["impostor", "the host itself", /backend would be imported as backend, which belongs to the host, backend/]
  ])("are refused when %s brings %s", async (name, _, words) => {
    const refused = await refusal({ requirements: [name] })
    expect(refused.verdict).toBe("protected_module")
    expect(refused.message).toMatch(words)
    expect(refused.message).toContain(`${name} 1.0`)
    expect(existsSync(plugins)).toBe(false)
  })

  it("are told apart: the core's version would do, and the index does not have it", async () => {
    // A lock of a host whose packages this interpreter does not have.
    const lock = join(root, "other-lock.json")
    const distributions = [{ name: "unlisted", top_level_modules: ["unlisted"], version: "0.7" }]
    writeFileSync(lock, JSON.stringify({ distributions, version: 1 }))
    for (const requirement of ["unlisted>=0.5", "far"]) {
      const refused = await refusal({ requirements: [requirement] }, lock)
      expect(refused).toMatchObject({
        verdict: "not_on_index",
        conflicts: [{ name: "unlisted", has: "0.7", wants: ">=0.5" }]
      })
    }
    expect(await refusal({ requirements: ["unlisted>=1"] }, lock)).toMatchObject({ verdict: "core_conflict" })
  })

  it("say so when a package is not to be had at all", async () => {
    const refused = await refusal({ requirements: ["no-such-package"] })
    expect(refused.verdict).toBe("unresolvable")
    expect(refused.message).toContain("no-such-package (for the plugin)")
  })

  it.each([["--index-url=http://x"], ["-r other.txt"], ["./here"], ["words\nmodelkit==2"]])(
    "refuse %j as a requirement",
    async (text) => {
      expect(await refusal({ requirements: [text] })).toMatchObject({ verdict: "requirement_invalid" })
    }
  )

  it.each([
    ["null", "null"],
    ["no JSON", "{"],
    ["of another version", JSON.stringify({ version: 2, distributions: [] })],
    ["without distributions", JSON.stringify({ version: 1 })]
  ])("fail closed with a lock that is %s", async (_, text) => {
    const lock = join(root, "bad-lock.json")
    writeFileSync(lock, text)
    const refused = await refusal({ requirements: ["words"] }, lock)
    expect(refused.verdict).toBe("lock_unreadable")
    expect(refused.message).toContain(`The core lock ${lock} cannot be used`)
    expect(refused.message).toContain("holdfast core-lock generate")
  })

  it("fail closed with the lock of a Node host", async () => {
    const lock = join(root, "node-lock.json")
    writeFileSync(lock, JSON.stringify({ version: 1, distributions: [], shared_packages: ["zod"] }))
    const refused = await refusal({ requirements: ["words"] }, lock)
    expect(refused.verdict).toBe("lock_unreadable")
    expect(refused.message).toContain("is of a Node host")
  })

  it("fail closed without a lock", async () => {
    const refused = await refusal({ requirements: ["words"] }, join(root, "no-lock.json"))
    expect(refused).toMatchObject({ verdict: "lock_unreadable" })
  })

  it("fail closed with a stale lock, and say what differs", async () => {
    const stale = join(root, "stale-lock.json")
    await command("generate", "--python", runtime, "--output", stale)
    execFileSync(
      runtime,
      ["-m", "pip", "install", "-q", "--no-index", "--find-links", index, "words", "flexible==1.0"],
      {
        env: withoutSettings
      }
    )
    const refused = await refusal({ requirements: ["friendly"] }, stale)
    execFileSync(runtime, ["-m", "pip", "uninstall", "-q", "-y", "words", "flexible"], { env: withoutSettings })
    expect(refused.verdict).toBe("lock_stale")
    expect(refused.message).toContain("words 1.2 is not in the lock")
  })

  it("fail when the interpreter is missing or has no pip", async () => {
    expect(await refusal({ python: join(root, "nobody") })).toMatchObject({ verdict: "pip_failed" })
    const bare = join(root, "bare")
    execFileSync(python, ["-m", "venv", "--without-pip", bare])
    const refused = await refusal({ python: join(bare, "bin", "python3"), requirements: ["words"] })
    expect(refused.verdict).toBe("pip_failed")
    expect(refused.message).toContain("has no pip: install it for that interpreter")
  })

  it("fail when the interpreter is killed while it is asked, or answers 2 MB of something else", async () => {
    const killed = fakeInterpreter(join(root, "killed"), "echo 'out of memory' >&2; kill -KILL $$")
    const refused = await refusal({ python: killed, requirements: ["words"] })
    expect(refused.verdict).toBe("pip_failed")
    expect(refused.message).toContain(`${killed}, running the generator`)
    expect(refused.message).toMatch(/was ended by signal SIGKILL\. The end of its stderr:\nout of memory$/)
    const talker = fakeInterpreter(join(root, "talker"), "head -c 2000000 /dev/zero | tr '\\0' 'x'")
    const lost = await refusal({ python: talker, requirements: ["words"] })
    expect(lost.message).toContain("it wrote 2000000 characters that are no list of packages")
    expect(lost.message.length).toBeLessThan(1000)
  })

  it("fail when the interpreter cannot be run at all, whatever it is", async () => {
    const text = join(root, "no-program")
    writeFileSync(text, "no program")
    for (const each of [text, root]) {
      const refused = await refusal({ python: each, requirements: ["words"] })
      expect(refused.verdict).toBe("pip_failed")
      expect(refused.message).toContain("could not be started (EACCES)")
    }
  })

  it("fail when pip is killed on the way, and leave what was there", async () => {
    await attempt({ requirements: ["words"] })
    const killing = fakeInterpreter(
      join(root, "killing"),
      `case "$*" in *--target*) mkdir -p "$8"; kill -KILL $$;; esac; exec ${runtime} "$@"`
    )
    const refused = await refusal({ python: killing, requirements: ["flexible"] })
    expect(refused.verdict).toBe("pip_failed")
    expect(refused.message).toContain("was ended by signal SIGKILL")
    expect(readdirSync(plugins)).toContain("words.py")
    expect(readdirSync(root).filter((name) => /staging|former/.test(name))).toEqual([])
  })

  it("may not stand in for the loader's own modules", async () => {
    const refused = await refusal({ requirements: ["words"], reserved: ["words"] })
    expect(refused.verdict).toBe("protected_module")
    expect(refused.message).toContain("words.py would be imported as words, which belongs to the loader")
  })

  it("are installed by the command, which shows what it adds", async () => {
    const where = ["--lock", lockFile, "--python", runtime, "--into", plugins, "--no-index", "--find-links", index]
    const dry = await command("install", ...where, "--dry-run", "friendly")
    expect(dry).toMatchObject({
      code: 0,
      out: "+ friendly 1.0\n+ words 1.2 (needed by another)\nNothing was installed (--dry-run)."
    })
    expect(existsSync(plugins)).toBe(false)
    expect(await command("install", ...where, "friendly")).toMatchObject({ code: 0, err: "" })
    const refused = await command("install", ...where, "greedy")
    expect(refused.code).toBe(1)
    expect(refused.err).toContain("greedy 1.0 asks for modelkit >=2, and the core has modelkit 1.4.0")
    console.log(refused.err)
    expect(await command("check", "--lock", lockFile, plugins)).toMatchObject({ code: 0, out: "" })
  })

  it("that lie there already are judged, and protected copies moved aside", async () => {
    mkdirSync(join(plugins, "modelkit"), { recursive: true })
    mkdirSync(join(plugins, "modelkit-2.0.0.dist-info"))
    writeFileSync(join(plugins, "modelkit", "__init__.py"), "")
    writeFileSync(join(plugins, "chat.cpython-311-x86_64-linux-gnu.so"), "")
    writeFileSync(join(plugins, "own.py"), "")
    const judged = await command("check", "--lock", lockFile, plugins)
    expect(judged.code).toBe(1)
    expect(judged.out.split("\n")).toHaveLength(3)
    expect(judged.out).toContain("would be imported as chat, which belongs to chat 3.1 of the core")
    const { moved, problems } = await quarantine(plugins)
    expect(problems).toEqual([])
    expect(moved.map(({ kind, name }) => [kind, name])).toEqual([
      ["module", "chat"],
      ["module", "modelkit"],
      ["distribution", "modelkit"]
    ])
    expect(readdirSync(plugins)).toEqual(["own.py"])
    expect(moved.every(({ movedTo }) => existsSync(movedTo))).toBe(true)
    expect(runHost("last", "own")).toBe("True 1.4.0")
  })

  it.each([
    ["missing", null, "There is no core lock"],
    ["null", "null", "has not the form of a core lock"],
    ["of a Node host", JSON.stringify({ version: 1, distributions: [], shared_packages: ["zod"] }), "is of a Node host"]
  ])("stay where they are when the lock is %s, which is said", async (_, text, words) => {
    const lock = join(root, "scan-lock.json")
    rmSync(lock, { force: true })
    if (text !== null) writeFileSync(lock, text)
    mkdirSync(join(plugins, "modelkit"), { recursive: true })
    const { moved, problems } = await quarantine(plugins, lock)
    expect(moved).toEqual([])
    expect(problems).toEqual([expect.stringContaining(words)])
    expect(problems[0]).toContain(`${plugins} was not looked through`)
    expect(readdirSync(plugins)).toEqual(["modelkit"])
  })

  it("are put back after a kill without a lock as well: what agents load is there", async () => {
    mkdirSync(`${plugins}.former`)
    writeFileSync(join(`${plugins}.former`, "kept.py"), "")
    const { problems } = await quarantine(plugins, join(root, "no-lock.json"))
    expect(problems).toHaveLength(1)
    expect(readdirSync(plugins)).toEqual(["kept.py"])
  })

  it("are moved aside again and again, and no copy takes another's place", async () => {
    for (const turn of ["one", "two"]) {
      mkdirSync(plugins, { recursive: true })
      writeFileSync(join(plugins, "chat.py"), turn)
      const { moved } = await quarantine(plugins)
      expect(moved).toHaveLength(1)
    }
    const aside = `${plugins}.quarantine`
    expect(readdirSync(aside)).toEqual(["chat.py", "chat.py.2"])
    expect(readFileSync(join(aside, "chat.py.2"), "utf8")).toBe("two")
  })

  it("that are links are moved as links, and what they lead to stays", async () => {
    const elsewhere = join(root, `elsewhere-${room}`)
    mkdirSync(elsewhere)
    mkdirSync(plugins)
    symlinkSync(elsewhere, join(plugins, "modelkit"))
    const { moved } = await quarantine(plugins)
    expect(moved).toMatchObject([{ kind: "module", name: "modelkit" }])
    expect(existsSync(elsewhere)).toBe(true)
    expect(readdirSync(plugins)).toEqual([])
  })

  it("that cannot be moved are named, and the directory is not said to be clean", async () => {
    mkdirSync(plugins)
    writeFileSync(join(plugins, "chat.py"), "")
    writeFileSync(`${plugins}.quarantine`, "in the way")
    const { moved, problems } = await quarantine(plugins)
    expect(moved).toEqual([])
    expect(problems).toEqual([
      expect.stringContaining(
        "chat.py would be imported as chat, which belongs to chat 3.1 of the core, and it cannot be moved away"
      )
    ])
    expect(await quarantine(join(plugins, "nowhere"))).toMatchObject({
      moved: [],
      problems: [expect.stringContaining("nowhere was not looked through")]
    })
  })
})
