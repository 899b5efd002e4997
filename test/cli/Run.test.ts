import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { RunView } from "../../src/domain/index.ts"
import { standIn } from "./Gateway.ts"
import { atDesk } from "./InProcess.ts"

const view: RunView = {
  company_id: "local",
  agent_id: "local",
  run_id: "r1",
  backend: "local",
  state: "ended",
  verdict: "failed",
  message: "the agent ended with exit code 3",
  exit_code: 3,
  signal: null,
  created_at: "2026-11-21T20:00:00.000Z",
  started_at: "2026-11-21T20:00:01.000Z",
  ended_at: "2026-11-21T20:00:02.000Z",
  output: { bytes: 12, lines: 2, end: "complete", gaps: [{ from: 0, to: 4, reason: "truncated" }] },
  session: "ses_1",
  summary: "What it said",
  usage: { input: 150, output: 20, cached: 50, cost_usd: 0.000195 },
  stale: false
}

describe("run start", () => {
  it.live("asks the daemon for a program or for OpenCode, with the folder it was called in, and keeps the output", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { asked } = yield* standIn(desk, () => [201, view])
        const said = yield* desk.run([
          "run",
          "start",
          "--agent",
          "a1",
          "--env",
          "A=1",
          "--seconds",
          "9",
          "--",
          "make",
          "-j2"
        ])
        expect(said).toMatchObject({ code: 0, out: "r1" })
        yield* desk.run(["run", "start", "--prompt-file", "-", "--model", "p/m", "--drop-output"], { stdin: "do it\n" })
        expect(asked.map(({ body }) => body)).toMatchObject([
          {
            companyId: "local",
            agentId: "a1",
            prompt: "",
            command: { kind: "exec", argv: ["make", "-j2"] },
            env: { A: "1" },
            cwd: process.cwd(),
            limits: { seconds: 9 },
            retain: true
          },
          { command: { kind: "opencode" }, prompt: "do it\n", model: "p/m", retain: false }
        ])
      })
    )
  )

  it.live.each([
    [["run", "start"], /OpenCode needs a prompt/],
    [["run", "start", "--prompt", "x", "--prompt-file", "y"], /not both/],
    [["run", "start", "--seconds", "0", "--", "true"], /seconds[^]*1 second or more/],
    [["run", "start", "--id", "../x", "--", "true"], /id[^]*1 to 200 letters, digits and dashes/],
    [["run", "start", "--agent", "a b", "--", "true"], /agent[^]*1 to 200 letters, digits and dashes/],
    [["run", "start", "--company", "", "--", "true"], /company[^]*1 to 200 letters, digits and dashes/],
    [["run", "start", "--prompt", "x", "--model", ""], /model[^]*some text/],
    [["run", "logs", "r1", "--from", "-1"], /from[^]*0 bytes or more/]
  ] as const)("explains %j as usage", ([argv, reason]) =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const said = yield* desk.run([...argv])
        expect(said.code).toBe(2)
        expect(said.err).toMatch(reason)
      })
    )
  )
})

describe("run show and list", () => {
  it.live("say in words how it ended, and what is missing", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* standIn(desk, ({ url }) => [200, url === "/runs" ? { runs: [view] } : view])
        const shown = yield* desk.run(["run", "show", "r1"])
        expect(shown.out).toBe(
          [
            "Run r1 of local: failed",
            "the agent ended with exit code 3",
            "Exit code 3",
            "Output: 2 lines, 12 bytes, complete",
            "Gap: bytes 0 to 4 (truncated)",
            "Session ses_1",
            "Tokens: 150 in, 20 out, 50 cached; $0.000195",
            "",
            "What it said"
          ].join("\n")
        )
        const listed = yield* desk.run(["run", "list"])
        expect(listed.out).toMatch(/^RUN +AGENT.*\nr1 +local +ended +failed/)
      })
    )
  )
})

describe("run render", () => {
  const settings = JSON.stringify({ image: "x/opencode:1", pvc: { claim: "data", mountPath: "/data" } })
  const render = ["run", "render", "--agent", "a1", "--company", "c1", "--prompt", "hello", "--settings", "-"]

  it.live("prints the Job, and sends nothing", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const said = yield* desk.run([...render, "--id", "r1"], { stdin: settings })
        expect(said).toMatchObject({ code: 0, err: "" })
        expect(JSON.parse(said.out)).toMatchObject({
          kind: "List",
          items: [{ kind: "Job", metadata: { name: expect.stringMatching(/^agent-run-a1-r1-[0-9a-f]{6}$/) } }]
        })
      })
    )
  )

  it.live("explains settings that cannot be used, and a run without an id", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        expect((yield* desk.run(render, { stdin: settings })).err).toContain("--id")
        const said = yield* desk.run([...render, "--id", "r1"], { stdin: '{"image":7}' })
        expect(said.code).toBe(1)
        expect(said.err).toContain("image")
      })
    )
  )
})
