/** Agents and chat as people and programs use them: the built daemon, real agent files, a stand-in model. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { afterEach, describe, expect, it } from "vitest"
import type { CallFailure } from "../../src/domain/index.ts"
import { agentServer } from "../../src/handler/index.ts"
import { call, event, type ModelStep, refuse, say } from "../agents/StandInModel.ts"
import { javascript, processesNaming, python } from "../agents/AgentStage.ts"
import { type Answer, AgentMachine, eventsOf, EXAMPLES, FIXTURES } from "./AgentMachine.ts"
import { eventually, sleep } from "./Processes.ts"

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const machineWith: typeof AgentMachine.start = async (files, options) => {
  const machine = await AgentMachine.start(files, options)
  cleanups.push(() => machine.remove())
  return machine
}

const GOOD = {
  "a_good_agent.py": python("GoodPython", "return 'python: ' + kwargs.get('text', '')"),
  "b_good_agent.ts": javascript("GoodTypeScript", "const text: string = args.text\n    return `typescript: ${text}`")
}

/** An answer whose connection is cut before its end. */
const HALF: ModelStep = { events: [event({ content: "Half an " })], after: "cut" }

const names = (answer: Answer): ReadonlyArray<string> =>
  (answer.json["agents"] as ReadonlyArray<{ readonly name: string }>).map(({ name }) => name)

describe("a chat with the agents of a machine", () => {
  it("calls them, tells what it does as it comes, and answers the same at once", async () => {
    const machine = await machineWith(GOOD)
    const step = () => [
      call(
        { name: "GoodPython", arguments: '{"text":"käse"}' },
        { name: "GoodTypeScript", arguments: '{"text":"漢字"}' }
      ),
      say("Both have answered 😀.")
    ]
    machine.model.script.push(...step())
    const streamed = await machine.ask("POST", "/chat/stream", { user_input: "Ask both.", session_id: "s" })
    const events = eventsOf(streamed.body)
    const calls = [
      { agent: "GoodPython", result: "python: käse" },
      { agent: "GoodTypeScript", result: "typescript: 漢字" }
    ]
    const logs = "[GoodPython] python: käse\n[GoodTypeScript] typescript: 漢字"
    expect(events[0]).toEqual(["agent", { logs, calls }])
    const text = events.flatMap(([event, data]) => (event === "delta" ? [data["text"]] : []))
    expect(text.length).toBeGreaterThan(1)
    expect(text.join("")).toBe("Both have answered 😀.")
    expect(machine.results).toEqual(["python: käse", "typescript: 漢字"])
    machine.model.script.push(...step())
    const whole = await machine.chat("Ask both.", { session_id: "s" })
    expect(whole).toMatchObject({ status: 200, json: { response: "Both have answered 😀.", model: "stand-in-1" } })
    expect(events.at(-1)).toEqual(["done", { ...whole.json, streamed: true }])
  })

  it("goes on with an agent as it was edited, and without one that was removed: nothing is restarted", async () => {
    const machine = await machineWith(GOOD)
    const ask = async (): Promise<unknown> => {
      machine.model.script.push(call({ name: "GoodPython", arguments: '{"text":"x"}' }), say("Done."))
      return (await machine.chat("Ask it.")).json["agent_logs"]
    }
    const { pid } = machine.gateway
    expect(await ask()).toBe("[GoodPython] python: x")
    machine.write("a_good_agent.py", python("GoodPython", "return 'edited: ' + kwargs.get('text', '')"))
    expect(await ask()).toBe("[GoodPython] edited: x")
    machine.unlink("a_good_agent.py")
    expect(await ask()).toMatch(/^\[GoodPython\] The call was not made: there is no such agent/)
    expect(names(await machine.ask("GET", "/agents"))).toEqual(["GoodTypeScript"])
    expect(machine.gateway.pid).toBe(pid)
  })

  it("ends the request to the model and the agent that runs when its client leaves", async () => {
    const machine = await machineWith({
      "slow_agent.py": python("Slow", "import time\nprint('begun')\ntime.sleep(50)")
    })
    const folder = join(machine.gateway.home, "agents", "slow_agent.py")
    machine.model.script.push(call({ name: "Slow", arguments: "" }))
    const leaves = new AbortController()
    const asked = machine.ask("POST", "/chat/stream", { user_input: "x" }, { signal: leaves.signal })
    const refused = expect(asked).rejects.toThrow()
    await eventually("the call", () => (machine.model.received.length === 1 ? true : undefined))
    await sleep(500)
    const before = processesNaming(folder)
    expect(before).toHaveLength(1)
    leaves.abort()
    await refused
    await eventually("the end of its process", () => (processesNaming(folder).length === 0 ? true : undefined), 5_000)
    machine.model.script.push({ events: [], after: "hang" })
    const again = new AbortController()
    const hanging = machine.ask("POST", "/chat/stream", { user_input: "x" }, { signal: again.signal })
    const cut = expect(hanging).rejects.toThrow()
    await eventually("the next request", () => (machine.model.received.length === 2 ? true : undefined))
    again.abort()
    await cut
    await eventually("the end of it", () => (machine.model.received[1]?.left === true ? true : undefined), 5_000)
  })

  it("is told that the daemon ends, which waits for no agent and leaves no process", async () => {
    const machine = await machineWith({ "loop_agent.js": javascript("Loop", "for (;;) {}") })
    const file = join(machine.gateway.home, "agents", "loop_agent.js")
    machine.model.script.push(call({ name: "Loop", arguments: "" }))
    const asked = machine.chat("x")
    await eventually("the call", () => (machine.model.received.length === 1 ? true : undefined))
    await eventually("its process", () => (processesNaming(file).length === 1 ? true : undefined))
    const ended = await machine.gateway.stop()
    expect(await asked).toMatchObject({ status: 503, json: { error: "not_running" } })
    expect(ended).toMatchObject({ code: 0 })
    expect(processesNaming(file)).toEqual([])
  })

  it("names what is wrong with the model, the account or the request, and never takes one for the other", async () => {
    const machine = await machineWith(GOOD)
    machine.model.script.push(refuse(429, { message: "slow down" }, { "retry-after": "7" }))
    expect(await machine.chat("x")).toMatchObject({ status: 429, json: { error: "model_rate_limited" } })
    machine.model.script.push(refuse(500, {}))
    expect(await machine.chat("x")).toMatchObject({ status: 502, json: { error: "model_unavailable" } })
    machine.model.script.push(
      refuse(403, { message: "not for this plan" }),
      refuse(403, { message: "not for this plan" })
    )
    expect(await machine.chat("x")).toMatchObject({ status: 502, json: { error: "model_forbidden" } })
    machine.model.script.push(HALF)
    const cut = eventsOf((await machine.ask("POST", "/chat/stream", { user_input: "x" })).body)
    expect(cut.at(-1)).toMatchObject(["error", { error: "model_answer_cut" }])
    expect(await machine.ask("POST", "/chat", { user_input: 7 })).toMatchObject({
      status: 400,
      json: { error: "invalid_request", detail: expect.stringMatching(/^user_input /) }
    })
  })
})

const LOOPS: Readonly<Record<string, string>> = {
  "bad_loop_agent.py": python("LoopPython", "while True:\n    pass"),
  "bad_loop_agent.js": javascript("LoopNode", "for (;;) {}")
}

const BAD: Readonly<Record<string, string>> = {
  "bad_import_agent.py": "import sys\nsys.exit(3)\n",
  "bad_syntax_agent.py": "def (:\n",
  "bad_syntax_agent.ts": "export default {{{\n",
  "bad_missing_agent.py": "import a_module_that_nobody_has\n",
  "bad_schema_agent.js": `const deep = { type: "object", properties: { a: { type: "object", properties: { b: { type: "object", properties: { c: { type: "object", properties: { d: { type: "strin" } } } } } } } } }
export default { name: "DeepSchema", description: "x", parameters: deep, perform: () => "" }\n`,
  "c_good_agent.py": python("GoodPython", "return 'the second of this name'"),
  "bad_ümlaut_agent.py": python("Umlaut", "return 'ü'"),
  "bad_exit_agent.py": python("ExitPython", "import sys\nsys.exit(3)"),
  "bad_exit_agent.mjs": javascript("ExitNode", "process.exit(5)"),
  "bad_memory_agent.py": python("MemoryPython", "return str(len(bytearray(1 << 30)))"),
  "bad_memory_agent.js": javascript(
    "MemoryNode",
    "const all = []; for (;;) all.push(new Array(1e6).fill(Math.random()))"
  ),
  "bad_output_agent.py": python(
    "OutputPython",
    "import sys\nfor _ in range(100):\n    sys.stdout.write('x' * 1000000)"
  ),
  "bad_answer_agent.js": javascript("AnswerNode", "return 'x'.repeat(100_000_000)")
}

/** How each bad call ends, as the model is told. */
const ENDS: ReadonlyArray<readonly [name: string, failure: CallFailure, message: RegExp]> = [
  ["ExitPython", "exited", /it called sys\.exit\(3\)/],
  ["ExitNode", "exited", /exit code 5/],
  ["LoopPython", "deadline", /longer than 4 s/],
  ["LoopNode", "deadline", /longer than 4 s/],
  ["MemoryPython", "memory", /256 MiB/],
  ["MemoryNode", "memory", /256 MiB/],
  ["OutputPython", "output", /more than it may/],
  ["AnswerNode", "output", /more than 1048576 characters/]
]

describe("bad agents beside a good one", () => {
  it.each([
    // To run out of memory takes a busy machine seconds, and only a loop is to meet its deadline.
    {
      what: "that end",
      seconds: 60,
      files: BAD,
      others: ["Umlaut"],
      ends: ENDS.filter(([, failure]) => failure !== "deadline"),
      broken: [
        expect.stringMatching(/^bad_import_agent\.py: .*sys\.exit\(3\)/),
        expect.stringMatching(/^bad_missing_agent\.py: .*a_module_that_nobody_has/),
        expect.stringMatching(
          /^bad_schema_agent\.js: .*\/properties\/a\/properties\/b\/properties\/c\/properties\/d\/type/
        ),
        expect.stringMatching(/^bad_syntax_agent\.py: .*SyntaxError/s),
        expect.stringMatching(/^bad_syntax_agent\.ts: .*SyntaxError/),
        expect.stringMatching(/^c_good_agent\.py: .*a_good_agent\.py/)
      ]
    },
    {
      what: "without end",
      seconds: 4,
      files: LOOPS,
      others: [],
      ends: ENDS.filter(([, failure]) => failure === "deadline"),
      broken: []
    }
  ])(
    "cost their own calls $what, and neither the good one's nor health",
    { timeout: 120_000 },
    async ({ broken, ends, files, others, seconds }) => {
      const settings = { call_timeout_seconds: seconds, memory_mib: 256 }
      const machine = await machineWith({ ...GOOD, ...files }, { settings })
      const { pid } = machine.gateway
      const roster = await machine.ask("GET", "/agents")
      expect(names(roster)).toEqual(
        expect.arrayContaining(["GoodPython", "GoodTypeScript", ...others, ...ends.map(([name]) => name)])
      )
      const quarantined = roster.json["quarantined"] as ReadonlyArray<{
        readonly file: string
        readonly reason: string
      }>
      expect(quarantined.map(({ file, reason }) => `${file}: ${reason}`)).toEqual(broken)

      // The first request to a model in the life of a process has Node load its fetch, which takes some 80 ms by itself.
      machine.model.script.push(call({ name: "GoodPython", arguments: "{}" }), say("Done."))
      await machine.chat("Call the good one.")
      const health: Array<Answer> = []
      const over = new AbortController()
      const watching = (async () => {
        while (!over.signal.aborted) {
          health.push(await machine.ask("GET", "/health"))
          await sleep(20)
        }
      })()
      const told: Array<ReadonlyArray<unknown>> = []
      for (const [name] of ends) {
        machine.model.script.push(
          call({ name, arguments: "{}" }, { name: "GoodPython", arguments: '{"text":"still here"}' }),
          say("Done.")
        )
        const { status } = await machine.chat("Call both.")
        told.push([status, ...machine.results])
      }
      over.abort()
      await watching
      expect(told).toEqual(
        ends.map(([, failure, message]) => [
          200,
          expect.stringMatching(new RegExp(`^The call failed \\(${failure}\\): .*${message.source}`)),
          "python: still here"
        ])
      )
      for (const { json, status } of health) {
        expect(status).toBe(200)
        expect(json).toMatchObject({ status: "ok", agents: names(roster), quarantined })
      }
      const took = health.map(({ ms }) => ms).toSorted((a, b) => a - b)
      const at = (share: number) => (took[Math.floor((took.length - 1) * share)] ?? 0).toFixed(1)
      console.log(
        `GET /health, ${took.length} times beside bad agents: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`
      )
      const { body } = await machine.ask("GET", "/metrics")
      const counted = Object.fromEntries(
        [...body.matchAll(/^holdfast_agent_calls_total\{outcome="(\w+)"\} (\d+)$/gm)].map(([, outcome, count]) => [
          outcome,
          Number(count)
        ])
      )
      const failed = (wanted: CallFailure) => ends.filter(([, failure]) => failure === wanted).length
      expect(counted).toEqual({
        answered: ends.length + 1,
        exited: failed("exited"),
        deadline: failed("deadline"),
        memory: failed("memory"),
        output: failed("output"),
        failed: 0,
        unknown_agent: 0,
        invalid_arguments: 0
      })
      expect(machine.gateway.pid).toBe(pid)
      expect(machine.gateway.exits).toEqual([])
    }
  )
})

describe("agents that others wrote and those that come with Holdfast", () => {
  it("are called by a model unmodified: memory, a page, a persona", async () => {
    const server = createServer((_, response) => response.end("<title>A page</title>"))
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
    cleanups.push(() => server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const files = ["page_title_agent.py", "persona_agent.py", "remember_agent.py"]
    const machine = await machineWith(Object.fromEntries(files.map((file) => [file, { from: FIXTURES }])))
    machine.model.script.push(
      call(
        { name: "Remember", arguments: '{"fact":"tea"}' },
        { name: "PageTitle", arguments: JSON.stringify({ url }) }
      ),
      call({ name: "Persona", arguments: '{"style":"short"}' }, { name: "Remember", arguments: "" }),
      say("All done.")
    )
    const { json } = await machine.chat("Use all three.")
    expect(json).toMatchObject({
      response: "All done.",
      agent_logs: [
        "[Remember] Kept for everybody: tea",
        '[PageTitle] {"status": 200, "title": "A page"}',
        "[Persona] From now on short.",
        "[Remember] Kept: tea"
      ].join("\n")
    })
    machine.model.script.push(say("Yes."))
    await machine.chat("Are you short now?")
    const [system] = machine.model.received.at(-1)?.body.messages ?? []
    expect(system?.["content"]).toContain("<persona>Speak in a short way.</persona>")
  })

  it.each([
    ["Python", "context_memory_agent.py", "context_memory_agent.ts"],
    ["TypeScript", "context_memory_agent.ts", "context_memory_agent.py"]
  ])("remember in %s what the same agent in the other language recalls", async (_, file, other) => {
    const machine = await machineWith({ [file]: { from: EXAMPLES } })
    const ask = async (args: object): Promise<unknown> => {
      machine.model.script.push(call({ name: "ContextMemory", arguments: JSON.stringify(args) }), say("Done."))
      await machine.chat("Do it.")
      return machine.results[0]
    }
    expect(await ask({ action: "recall" })).toBe("Nothing is remembered of that.")
    expect(await ask({ action: "save", text: "Ann drinks grünen tea" })).toBe("Saved as 1.")
    expect(await ask({ action: "save", text: "Ann drinks grünen tea" })).toBe("That is remembered already.")
    expect(await ask({ action: "save", text: 'Bob said "ignore\nall"' })).toBe("Saved as 2.")
    expect(await ask({ action: "save" })).toMatch(/^Nothing was saved/)
    expect(await ask({ action: "sing" })).toMatch(/^The call was not made: .*action/)
    machine.unlink(file)
    machine.write(other, { from: EXAMPLES })
    expect(JSON.parse(String(await ask({ action: "recall", text: "TEA ann" })))).toEqual([
      { id: 1, text: "Ann drinks grünen tea", at: expect.any(String) }
    ])
    const [system] = machine.model.received.at(-1)?.body.messages ?? []
    expect(system?.["content"]).toContain('"Ann drinks grünen tea"\n"Bob said \\"ignore\\nall\\""')
    expect(await ask({ action: "forget", id: 1 })).toBe("Forgotten: 1.")
    expect(await ask({ action: "forget", id: 1 })).toMatch(/^There is no fact 1\./)
    expect(await ask({ action: "recall", text: "tea" })).toBe("Nothing is remembered of that.")
    const kept = join(machine.gateway.home, "state", "agent-data", "files", "context_memory", "memories.json")
    writeFileSync(kept, "{")
    expect(await ask({ action: "recall" })).toMatch(/^The call failed \(failed\): .*memories\.json/)
    expect(readFileSync(kept, "utf8")).toBe("{")
  })

  it.each([["run_control_agent.py"], ["run_control_agent.ts"]])(
    "look after the runs of the machine: %s",
    async (file) => {
      const machine = await machineWith({ [file]: { from: EXAMPLES } })
      const ask = async (args: object): Promise<string> => {
        machine.model.script.push(call({ name: "RunControl", arguments: JSON.stringify(args) }), say("Done."))
        await machine.chat("Do it.")
        return String(machine.results[0])
      }
      expect(await ask({ action: "list" })).toBe("There are no runs.")
      const argv = ["sh", "-c", "echo wörld; exec sleep 100"]
      const { code, stderr } = await machine.gateway.run("run", "start", "--id", "first", "--", ...argv)
      expect(stderr).toBe("")
      expect(code).toBe(0)
      await eventually("its output", async () =>
        (await ask({ action: "output", id: "first" })).includes("wörld") ? true : undefined
      )
      expect(JSON.parse(await ask({ action: "list" }))).toMatchObject([{ run_id: "first", verdict: null }])
      await ask({ action: "cancel", id: "first" })
      await eventually("its end", async () =>
        JSON.parse(await ask({ action: "show", id: "first" })).verdict === "cancelled" ? true : undefined
      )
      expect(await ask({ action: "show", id: "../x" })).toMatch(/^The call failed \(failed\): .*run/i)
      expect(await ask({ action: "start" })).toMatch(/^Nothing was started/)
      expect(await ask({ action: "show" })).toMatch(/^Say in `id`/)
    }
  )
})

describe("the exported fetch handler and the daemon", () => {
  it("answer the same requests alike, with the same agents", async () => {
    const machine = await machineWith({ ...GOOD, "bad_import_agent.py": BAD["bad_import_agent.py"] ?? "" })
    const { home } = machine.gateway
    const token = "token-of-the-handler"
    const server = agentServer({ baseUrl: machine.model.url, model: "stand-in-1", token, home })
    cleanups.push(() => server.dispose())
    const twoRounds = () => [
      call({ name: "GoodPython", arguments: '{"text":"a"}' }, { name: "Nobody", arguments: "{}" }),
      call({ name: "GoodTypeScript", arguments: '{"text":7}' }, { name: "GoodTypeScript", arguments: '{"text":"b"}' }),
      say("Both, then.")
    ]
    const session_id = "s1"
    const conversation_history = [
      { role: "user", content: "before" },
      { role: "assistant", content: "yes" }
    ]
    const asked: ReadonlyArray<readonly [string, string, unknown?, (() => ReadonlyArray<ModelStep>)?]> = [
      ["GET", "/version"],
      ["GET", "/agents"],
      ["POST", "/chat", { user_input: "x", session_id, conversation_history }, twoRounds],
      ["POST", "/chat/stream", { user_input: "x", session_id, conversation_history }, twoRounds],
      [
        "POST",
        "/chat",
        { user_input: "x", session_id },
        () => [refuse(429, { message: "later" }, { "retry-after": "7" })]
      ],
      ["POST", "/chat/stream", { user_input: "x", session_id }, () => [HALF]],
      ["POST", "/chat", { user_input: "" }],
      ["POST", "/chat", { user_input: "x", conversation_history: [{ role: "king" }] }],
      ["PUT", "/chat/stream"],
      ["POST", "/agents", {}],
      ["GET", "/nowhere"]
    ]
    for (const [method, path, body, script = () => []] of asked) {
      machine.model.script.splice(0, Infinity, ...script())
      const daemon = await machine.ask(method, path, body)
      machine.model.script.splice(0, Infinity, ...script())
      const response = await server.handler(
        new Request(`https://agents.example${path}`, {
          method,
          headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
          body: body === undefined ? null : JSON.stringify(body)
        })
      )
      expect({ path, status: response.status, body: await response.text() }).toEqual({
        path,
        status: daemon.status,
        body: daemon.body
      })
    }
    const { agents, copilot, model, quarantined, status, version } = (await machine.ask("GET", "/health")).json
    const health = await server.handler(
      new Request("https://agents.example/health", { headers: { authorization: `Bearer ${token}` } })
    )
    expect(await health.json()).toMatchObject({ agents, copilot, model, quarantined, status, version })
    const nobody = await server.handler(new Request("https://agents.example/agents"))
    expect(nobody.status).toBe(401)
    expect(existsSync(join(home, "state", "agent-data"))).toBe(true)
  })

  it("is one built file that any program can load", async () => {
    const machine = await machineWith(GOOD)
    const built = join(import.meta.dirname, "..", "..", "dist", "handler.js")
    const { agentServer: loaded } = (await import(built)) as { readonly agentServer: typeof agentServer }
    const server = loaded({ baseUrl: machine.model.url, token: null, home: machine.gateway.home })
    machine.model.script.push(call({ name: "GoodTypeScript", arguments: '{"text":"x"}' }), say("Done."))
    const response = await server.handler(
      new Request("https://agents.example/chat", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ user_input: "x" })
      })
    )
    expect(await response.json()).toMatchObject({ response: "Done.", agent_logs: "[GoodTypeScript] typescript: x" })
    await server.dispose()
    rmSync(join(machine.gateway.home, "agents"), { recursive: true })
  })
})
