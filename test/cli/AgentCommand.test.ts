/** `holdfast agent`: real files, real processes of agents, a real terminal. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { javascript, python } from "../agents/AgentStage.ts"
import { environment, node } from "../support/Program.ts"
import { contentOf, namesIn, one, placeOf, put, two } from "./AgentFolder.ts"
import { atDesk, type Desk } from "./InProcess.ts"

describe("agent new", () => {
  it.live.each([
    ["python", "weather_agent.py"],
    ["typescript", "weather_agent.ts"],
    ["javascript", "weather_agent.mjs"]
  ] as const)("writes an agent in %s that answers at once, and never replaces a file", ([language, file]) =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const made = yield* desk.run(["agent", "new", "weather", "--language", language])
        expect(made).toMatchObject({ code: 0, err: "" })
        expect(made.out).toContain(placeOf(desk, file))
        expect(made.out).toContain(`holdfast agent test ${file}`)
        const called = yield* desk.run(["agent", "test", file, '{"text":"one two\\nthree"}'])
        expect(called).toMatchObject({ code: 0, out: "3 words, 2 lines, 13 characters" })
        put(desk, file, "mine")
        const again = yield* desk.run(["agent", "new", "weather", "--language", language])
        expect(again).toMatchObject({ code: 1, out: "" })
        expect(again.err).toMatch(/is there already: take another name/)
        expect(contentOf(desk, file)).toBe("mine")
      })
    )
  )

  it.live.each(["météo", "../x", "a b", "", "x".repeat(65), "a\u202eb"])(
    "takes %j for a mistake, and says what a name is",
    (name) =>
      atDesk((desk) =>
        Effect.gen(function* () {
          const said = yield* desk.run(["agent", "new", name])
          expect(said).toMatchObject({ code: 2, out: "" })
          expect(said.err).toMatch(/letters, digits/)
          expect(namesIn(desk.path("home"))).toEqual([])
        })
      )
  )
})

describe("agent list, verify and remove", () => {
  it.live("look where the daemon looks, with its limits", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const config = { agents_path: desk.path("elsewhere"), call_timeout_seconds: 1 }
        const document = { version: 2, plugins: [{ name: "@holdfast/agents", config }] }
        yield* desk.write("home/config.json", JSON.stringify(document))
        put(desk, "other_agent.py", two)
        expect(yield* desk.run(["agent", "new", "weather"])).toMatchObject({ code: 0 })
        yield* desk.write("elsewhere/bad_agent.py", "def broken(:")
        yield* desk.write("elsewhere/never_agent.py", python("Never", "while True: pass"))
        const verified = yield* desk.run(["agent", "verify"])
        expect(verified.code).toBe(1)
        expect(verified.out.split("\n")).toEqual([
          expect.stringMatching(/^bad_agent\.py: quarantined: .*SyntaxError/),
          "never_agent.py: put there by hand, Never",
          "weather_agent.py: put there by hand, weather"
        ])
        expect(yield* desk.run(["agent", "test", "weather_agent.py", '{"text":"a b"}'])).toMatchObject({ code: 0 })
        expect(yield* desk.run(["agent", "test", "never_agent.py", "{}"])).toMatchObject({
          code: 1,
          err: expect.stringMatching(/longer than 1 s/)
        })
      })
    )
  )

  it.live("name what is quarantined, modified or missing beside what is well", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.write("mine/one_agent.mjs", one)
        yield* desk.write("mine/two_agent.py", two)
        yield* desk.run(["agent", "install", desk.path("mine"), "--yes"])
        expect(yield* desk.run(["agent", "verify"])).toMatchObject({
          code: 0,
          out: "one_agent.mjs: as installed, one\ntwo_agent.py: as installed, Two"
        })
        put(desk, "bad_agent.py", "import sys\nsys.exit(3)\n")
        rmSync(placeOf(desk, "two_agent.py"))
        put(desk, "one_agent.mjs", `${one}\n`)
        const verified = yield* desk.run(["agent", "verify"])
        expect(verified.code).toBe(1)
        expect(verified.out.split("\n")).toEqual([
          expect.stringMatching(/^bad_agent\.py: quarantined: it cannot be loaded: it called sys\.exit\(3\)/),
          "one_agent.mjs: modified since it was installed",
          "two_agent.py: missing"
        ])
        const listed = yield* desk.run(["agent", "list"])
        expect(listed).toMatchObject({ code: 0 })
        expect(listed.out).toMatch(/one_agent\.mjs +one +javascript .* modified since/)
        expect(yield* desk.run(["agent", "verify", "none_agent.py"])).toMatchObject({
          code: 1,
          err: expect.stringMatching(/agent list/)
        })
        expect(yield* desk.run(["agent", "update", "two_agent.py", "--yes"])).toMatchObject({ code: 0 })
        expect(yield* desk.run(["agent", "verify", "two_agent.py"])).toMatchObject({ code: 0 })
      })
    )
  )

  it.live("remove a file with what was recorded, after a yes", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.write("mine/one_agent.mjs", one)
        yield* desk.run(["agent", "install", desk.path("mine"), "--yes"])
        expect(yield* desk.run(["agent", "remove", "one_agent.mjs"], { stdin: "y\n" })).toMatchObject({ code: 1 })
        expect(contentOf(desk, "one_agent.mjs")).toBe(one)
        expect(yield* desk.run(["agent", "remove", "one_agent.mjs", "--yes"])).toMatchObject({ code: 0 })
        expect(namesIn(desk.path("home", "agents"))).toEqual([])
        expect(namesIn(desk.path("home", "state", "agents"))).toEqual([])
        for (const file of ["one_agent.mjs", "../home/config.json", "..", "a\u0000_agent.py"]) {
          const refused = yield* desk.run(["agent", "remove", file, "--yes"])
          expect(refused).toMatchObject({ code: 1, out: "" })
        }
      })
    )
  )
})

describe("agent test", () => {
  it.live("shows what a model would see, and calls as a chat would: checked, bounded, timed", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        put(desk, "two_agent.py", two)
        put(desk, "loud_agent.mjs", javascript("loud", 'return "x".repeat(2_000_000)'))
        put(desk, "pair_agent.py", `${python("A", "return 'a'")}\n${python("B", "return 'b'")}`)
        const shown = yield* desk.run(["agent", "test", "two_agent.py"])
        expect(shown).toMatchObject({ code: 0, err: "" })
        expect(shown.out).toMatch(/^Two: It is for a test\.\n\{\n {2}"type": "object"/)
        const called = yield* desk.run(["agent", "test", placeOf(desk, "two_agent.py"), '{"text":"x"}', "--json"])
        expect(JSON.parse(called.out)).toMatchObject({
          file: "two_agent.py",
          agent: "Two",
          ok: true,
          output: "two x",
          ms: expect.any(Number)
        })
        const failures: ReadonlyArray<readonly [ReadonlyArray<string>, number, RegExp]> = [
          [["two_agent.py", '{"count":"x"}'], 1, /invalid_arguments.*count/],
          [["two_agent.py", "{}"], 1, /Two failed \(failed\): KeyError: 'text' \(two_agent\.py, line \d+\)/],
          [["two_agent.py", "[]"], 2, /no JSON object/],
          [["two_agent.py", "{"], 2, /no JSON object/],
          [["loud_agent.mjs", "{}"], 1, /loud failed \(output\)/],
          [["pair_agent.py", "{}"], 2, /several agents \(A, B\): choose one by --agent/],
          [["pair_agent.py", "{}", "--agent", "C"], 1, /has no agent C: it has A, B/],
          [["none_agent.py"], 1, /There is no agent file none_agent\.py.*AGENTS_PATH/]
        ]
        for (const [argv, code, why] of failures) {
          const said = yield* desk.run(["agent", "test", ...argv])
          expect(said).toMatchObject({ code, out: "", err: expect.stringMatching(why) })
        }
        expect(yield* desk.run(["agent", "test", "pair_agent.py", "{}", "--agent", "B"])).toMatchObject({
          code: 0,
          out: "b"
        })
      })
    )
  )

  it.live("says why a file cannot be loaded, and looks where AGENTS_PATH says", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.write("elsewhere/bad_agent.py", "def (:\n")
        const said = yield* desk.run(["agent", "test", "bad_agent.py"], {
          env: { AGENTS_PATH: desk.path("elsewhere") }
        })
        expect(said).toMatchObject({
          code: 1,
          out: "",
          err: expect.stringMatching(/bad_agent\.py: it cannot be loaded: .*SyntaxError/)
        })
      })
    )
  )
})

const hasScript = existsSync("/usr/bin/script")
if (!hasScript && process.env["CI"] !== undefined) throw new Error("script is missing (Debian's bsdutils)")
if (!hasScript) console.log("Tests at a terminal are skipped: script is missing (Debian's bsdutils)")

describe.skipIf(!hasScript)("a person at a terminal", () => {
  const commandOf = (desk: Desk, argv: ReadonlyArray<string>) => ({
    args: ["-qec", ["exec", node, join(import.meta.dirname, "../../src/main.ts"), ...argv].join(" "), "/dev/null"],
    env: environment({ HOLDFAST_HOME: desk.path("home") })
  })

  const at = (desk: Desk, typed: string, ...argv: ReadonlyArray<string>) => {
    const { args, env } = commandOf(desk, argv)
    try {
      const out = execFileSync("script", args, {
        input: typed,
        env,
        encoding: "utf8",
        stdio: "pipe"
      })
      return { code: 0, out }
    } catch (error) {
      const { status, stdout } = error as { status: number; stdout: string }
      return { code: status, out: stdout }
    }
  }

  it.live("is asked, and only a yes does it", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.write("mine/one_agent.mjs", one)
        const argv = ["agent", "install", desk.path("mine")]
        for (const typed of ["n\n", "\n", "yessir\n", "\u0004"]) {
          const said = at(desk, typed, ...argv)
          expect(said).toMatchObject({
            code: 1,
            out: expect.stringMatching(/Write 1 file to .*\? \[y\/N\][^]*Nothing was changed\./)
          })
          expect(namesIn(desk.path("home"))).toEqual([])
        }
        expect(at(desk, "y\n", ...argv)).toMatchObject({ code: 0 })
        expect(contentOf(desk, "one_agent.mjs")).toBe(one)
      })
    )
  )

  it.live("may also go away: exit code 130, and nothing was written", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.write("mine/one_agent.mjs", one)
        const { args, env } = commandOf(desk, ["agent", "install", desk.path("mine")])
        const child = spawn("script", args, { env, stdio: "pipe" })
        child.stdout.on("data", (chunk: Buffer) => {
          if (chunk.includes("[y/N]")) child.stdin.write("\u0003")
        })
        const code = yield* Effect.promise(() => new Promise((resolve) => child.on("close", resolve)))
        expect(code).toBe(130)
        expect(namesIn(desk.path("home"))).toEqual([])
      })
    )
  )
})
