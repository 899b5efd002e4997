/** `holdfast chat` as the shell and a person at a terminal see it: the built program, a real daemon, a stand-in model. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { javascript, processesNaming } from "../agents/AgentStage.ts"
import { call, event, refuse, say } from "../agents/StandInModel.ts"
import { AgentMachine } from "../e2e/AgentMachine.ts"
import { eventually } from "../e2e/Processes.ts"
import { environment, node, Programs, script } from "../support/Program.ts"

const AGENTS = {
  "weather_agent.mjs": javascript(
    "Weather",
    'return "\\n\\u001b[31mRain in\\tKobe\\u001b[0m" + "!".repeat(300) + "\\nTomorrow: dry"'
  ),
  "session_agent.mjs": javascript("Session", "return String(ctx.sessionId)"),
  "slow_agent.mjs": javascript(
    "Slow",
    'writeFileSync(args.text, "")\nawait new Promise((resolve) => setTimeout(resolve, 3_600_000))',
    'import { writeFileSync } from "node:fs"'
  )
}

let programs: Programs
let machine: AgentMachine
beforeEach(async () => {
  programs = new Programs()
  machine = await AgentMachine.start(AGENTS, { settings: { fallback_models: ["stand-in-2"] } })
})
afterEach(async () => {
  await programs.close()
  await machine.remove()
})

const start = (argv: ReadonlyArray<string>, stdin = "") =>
  programs.start(["chat", ...argv], { stdin, env: machine.gateway.env })
const chat = (...argv: ReadonlyArray<string>) => start(argv).ended

const escapes = /[^\P{Cc}\n\t]/u

describe("holdfast chat with a message", { timeout: 60_000 }, () => {
  it("prints the answer alone, and on stderr a line per call, without what could command a terminal", async () => {
    machine.model.script.push(
      call({ name: "Weather", arguments: "{}" }, { name: "Nobody\u001b[2J", arguments: "{}" }),
      say("It \u001b[31mrains\u009b0m.\r\n\u001b]0;title\u0007\tTake \u202ean umbrella 😀.")
    )
    const { code, stderr, stdout } = await chat("What is", "the weather?")
    expect({ code, stdout }).toEqual({ code: 0, stdout: "It [31mrains0m.\n]0;title\tTake an umbrella 😀.\n" })
    const [weather = "", nobody, ...more] = stderr.trimEnd().split("\n")
    expect(weather).toMatch(/^→ Weather: \[31mRain in Kobe \[0m!+…$/)
    expect(weather).toHaveLength(200)
    expect(nobody).toMatch(/^→ Nobody \[2J: The call was not made: there is no such agent/)
    expect(more).toEqual([])
    expect(stderr).not.toMatch(escapes)
    expect(machine.model.received[0]?.body.messages.at(-1)).toEqual({ role: "user", content: "What is the weather?" })
  })

  it("ends a line before a call, and tells the whole answer after what was said before it", async () => {
    const { events = [] } = call({ name: "Session", arguments: "{}" })
    machine.model.script.push({ events: [event({ content: "I look." }), ...events] }, say("Done."))
    const { stderr, stdout } = await chat("x", "--session", "mine")
    expect({ stderr, stdout }).toEqual({ stderr: "→ Session: mine\n", stdout: "I look.\nDone.\n" })
  })

  it("reads the message from standard input, and prints one JSON document where one is wanted", async () => {
    machine.model.script.push(call({ name: "Session", arguments: "{}" }), say("A \u009b1m."))
    const { code, stderr, stdout } = await start(["--json", "--session", "mine", "-"], "Two\nlines\n").ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(stdout).not.toMatch(escapes)
    expect(JSON.parse(stdout)).toEqual({
      response: "A \u009b1m.",
      session_id: "mine",
      agent_logs: "[Session] mine",
      model: "stand-in-1",
      requested_model: "stand-in-1",
      voice_mode: false,
      streamed: true
    })
    expect(machine.model.received[0]?.body.messages.at(-1)).toEqual({ role: "user", content: "Two\nlines" })
  })

  it("says that another model answered, and that an answer is not whole", async () => {
    machine.model.script.push(refuse(500), say("Half", { model: "stand-in-2", finish: "length" }))
    expect(await chat("x")).toMatchObject({
      code: 0,
      stdout: "Half\n",
      stderr: "The answer is not whole (length).\nstand-in-2 answered, instead of stand-in-1.\n"
    })
    machine.model.script.push(say("Whole.", { model: "stand-in-1-2026-04-01" }))
    expect(await chat("x")).toMatchObject({ code: 0, stdout: "Whole.\n", stderr: "" })
  })

  it("explains why there is no answer, or none that is whole, and what to do", async () => {
    machine.model.script.push(refuse(402, { message: "No \u001b[1mplan" }))
    const refused = await chat("x")
    expect(refused).toMatchObject({ code: 1, stdout: "" })
    expect(refused.stderr).toMatch(
      /^holdfast: The model provider does not let this account ask \(402\): No \[1mplan\. Check/
    )
    machine.model.script.push({ events: [event({ content: "Half an" })], after: "cut" })
    const cut = await chat("x")
    expect(cut).toMatchObject({ code: 1, stdout: "Half an\n" })
    expect(cut.stderr).toMatch(/^holdfast: The answer broke off: .*Ask again/)
    expect(cut.stderr).not.toMatch(/ERR_|127\.0\.0\.1/)
    expect(machine.gateway.log).toMatch(/the connection of a model's answer broke: .*UND_ERR_SOCKET/)
    const long = await chat("x", "--session", "s".repeat(300))
    expect(long).toMatchObject({ code: 1, stdout: "" })
    expect(long.stderr).toMatch(/session_id must be a string of at most 256 characters/)
    await machine.gateway.stop()
    const alone = await chat("x")
    expect(alone).toMatchObject({ code: 1, stdout: "" })
    expect(alone.stderr).toMatch(/^holdfast: No daemon runs for .*Start it \(holdfast daemon\)/)
  })

  it.each([
    [[], "", /needs a terminal/],
    [["--json"], "", /--json MESSAGE/],
    [["-"], " \n", /The message is empty/]
  ] as const)("takes %j for a mistake of the command line", async (argv, stdin, reason) => {
    const { code, stderr, stdout } = await start(argv, stdin).ended
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(stderr).toMatch(reason)
    expect(machine.model.received).toEqual([])
  })

  it("shows text before there is more, and on Ctrl-C ends the request to the model", async () => {
    machine.model.script.push({ events: [event({ content: "Half an " })], after: "hang" })
    const running = start(["x"])
    await running.until(/^Half an $/)
    expect(machine.model.last.left).toBe(false)
    running.kill("SIGINT")
    expect(await running.ended).toMatchObject({ code: 130, stdout: "Half an \n", stderr: "" })
    await eventually("the end of the request", () => (machine.model.last.left ? true : undefined), 5_000)
  })

  it("fails when its daemon ends before the answer does", async () => {
    machine.model.script.push({ events: [event({ content: "Half an " })], after: "hang" })
    const running = start(["x"])
    await running.until(/^Half an $/)
    await machine.gateway.stop()
    const { code, stderr, stdout } = await running.ended
    expect({ code, stdout }).toEqual({ code: 1, stdout: "Half an \n" })
    expect(stderr).toMatch(/^holdfast: (The daemon ended before the answer was whole\. Ask again|No daemon runs for)/)
  })

  it("on Ctrl-C ends the agent that runs", async () => {
    const file = join(machine.gateway.home, "agents", "slow_agent.mjs")
    const begun = programs.path("begun")
    machine.model.script.push(call({ name: "Slow", arguments: JSON.stringify({ text: begun }) }))
    const running = start(["x"])
    await eventually("the call", () => (existsSync(begun) ? true : undefined))
    expect(processesNaming(file)).toHaveLength(1)
    running.kill("SIGINT")
    expect(await running.ended).toMatchObject({ code: 130, stdout: "" })
    await eventually("its end", () => (processesNaming(file).length === 0 ? true : undefined), 5_000)
  })
})

const hasScript = existsSync("/usr/bin/script")
if (!hasScript && process.env["CI"] !== undefined) throw new Error("script is missing (Debian's bsdutils)")
if (!hasScript) console.log("Conversations at a terminal are skipped: script is missing (Debian's bsdutils)")

/** The program at a terminal of its own, and a person who types. */
class Typist {
  shown = ""
  readonly ended: Promise<number | null>
  readonly child: ChildProcess
  constructor(argv: ReadonlyArray<string>, env: Readonly<Record<string, string>>) {
    const child = spawn("script", ["-qefc", ["exec", node, script, ...argv].join(" "), "/dev/null"], {
      env: environment(env)
    })
    child.stdout.on("data", (chunk: Buffer) => (this.shown += chunk.toString()))
    this.child = child
    this.ended = new Promise((resolve) => child.on("close", resolve))
  }

  type(keys: string): void {
    this.child.stdin?.write(keys)
  }

  /** Waits until what was shown ends so. */
  async sees(end: RegExp): Promise<void> {
    await eventually(`${end} at the terminal`, () => (end.test(this.shown) ? true : undefined)).catch((error) => {
      throw new Error(`${String(error)}\n${JSON.stringify(this.shown)}`, { cause: error })
    })
  }
}

describe.skipIf(!hasScript)("a conversation at a terminal", { timeout: 60_000 }, () => {
  let typist: Typist
  const begin = async (): Promise<Typist> => {
    typist = new Typist(["chat"], machine.gateway.env)
    await typist.sees(/the conversation\.\r\n> $/)
    return typist
  }
  afterEach(async () => {
    typist.child.kill("SIGKILL")
    await typist.ended
  })

  /** What the model was told last, without the system's part. */
  const told = () => machine.model.last.body.messages.slice(1).map(({ content, role }) => `${role}: ${content}`)

  it("tells the model what was said before, and keeps its session, until Ctrl-D", async () => {
    await begin()
    machine.model.script.push(call({ name: "Session", arguments: "{}" }), say("First \u001b[2Janswer."))
    typist.type("One?\n")
    await typist.sees(/First \[2Janswer\.\r\n> $/)
    machine.model.script.push(call({ name: "Session", arguments: "{}" }), say("Second answer."))
    typist.type("\n  Two? \n")
    await typist.sees(/Second answer\.\r\n> $/)
    expect(told().slice(0, 3)).toEqual(["user: One?", "assistant: First \u001b[2Janswer.", "user: Two?"])
    const sessions = [...typist.shown.matchAll(/→ Session: (\w+)/g)].map(([, id]) => id)
    expect(sessions).toEqual([expect.stringMatching(/^\w{16,}$/), sessions[0]])
    typist.type("\u0004")
    expect(await typist.ended).toBe(0)
  })

  it("goes on after an answer that was ended with Ctrl-C, and after one that failed; Ctrl-C at the prompt ends it", async () => {
    await begin()
    machine.model.script.push({ events: [event({ content: "Half an " })], after: "hang" })
    typist.type("One?\n")
    await typist.sees(/Half an $/)
    typist.type("typed blindly")
    typist.type("\u0003")
    await typist.sees(/Half an \r\n> $/)
    await eventually("the end of the request", () => (machine.model.last.left ? true : undefined), 5_000)
    machine.model.script.push(refuse(402))
    typist.type("Two?\n")
    await typist.sees(/holdfast: The model provider does not let .*\r\n> $/)
    expect(told()).toEqual(["user: One?", "assistant: Half an ", "user: Two?"])
    typist.type("Three?\n")
    await typist.sees(/You said: Three\?\r\n> $/)
    expect(told()).toEqual(["user: One?", "assistant: Half an ", "user: Three?"])
    typist.type("\u0003")
    expect(await typist.ended).toBe(0)
  })

  it("outlives its daemon: the next question goes to the next one", async () => {
    await begin()
    await machine.gateway.stop()
    typist.type("One?\n")
    await typist.sees(/holdfast: No daemon runs for .*\r\n> $/)
    machine.gateway.start()
    await machine.up()
    typist.type("Two?\n")
    await typist.sees(/You said: Two\?\r\n> $/)
  })
})
