import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ModelStandIn } from "../runs/ModelStandIn.ts"
import { installOpenCode } from "../runs/RealOpenCode.ts"
import { RunMachine } from "./RunMachine.ts"

const installed = installOpenCode()
if ("missing" in installed) console.log(`skipped, for there is no OpenCode: ${installed.missing}`)
const isMissing = "missing" in installed && process.env["CI"] === undefined

describe.skipIf(isMissing)("the real OpenCode as a run of this machine", { timeout: 120_000 }, () => {
  let machine: RunMachine
  let model: ModelStandIn
  let home: string

  beforeAll(async () => {
    if ("missing" in installed) throw new Error(installed.missing)
    model = await ModelStandIn.start({ words: "Hello wörld 漢字 😀", pauseMs: 300 })
    home = mkdtempSync(join(tmpdir(), "holdfast-opencode-home-"))
    machine = await RunMachine.start({
      ...model.environment,
      HOME: home,
      PATH: `${installed.bin}:${process.env["PATH"] ?? ""}`
    })
  }, 300_000)
  afterAll(async () => {
    await machine.gateway.remove()
    await model.close()
    rmSync(home, { recursive: true, force: true })
  })

  const run = async (more: object = {}) => {
    const { json } = await machine.submit({
      command: { kind: "opencode" },
      model: "standin/words",
      retain: true,
      ...more
    })
    return String(json["run_id"])
  }

  it("takes a prompt, prints as it goes, and ends with usage, session and verdict; the session goes on", async () => {
    const id = await run({ prompt: "Say hello, in 'quotes' and\nover two lines" })
    const reader = await machine.follow(id)
    const view = await machine.ended(id, 60_000)
    expect(view).toMatchObject({
      verdict: "succeeded",
      exit_code: 0,
      summary: "Hello wörld 漢字 😀",
      usage: { input: 150, output: 20 },
      output: { end: "complete", gaps: [] }
    })
    expect(view.session).toMatch(/^ses_/)
    expect(reader.lines.map((line) => (JSON.parse(line) as { readonly type: string }).type)).toEqual([
      "step_start",
      "text",
      "step_finish"
    ])
    expect(model.prompts.some((prompt) => prompt.includes("Say hello, in 'quotes' and\nover two lines"))).toBe(true)
    const next = await run({ prompt: "And again", session: view.session })
    expect(await machine.ended(next, 60_000)).toMatchObject({ verdict: "succeeded", session: view.session })
  })

  it("fails as it says itself, for a session that it does not know and for a model that refuses", async () => {
    const unknown = await run({ prompt: "x", session: "ses_000000000000000000000000000" })
    const view = await machine.ended(unknown, 60_000)
    expect(view).toMatchObject({ verdict: "failed", exit_code: 1, session: null })
    expect(view.message).toContain("does not know the session")
    model.failNext = { status: 400, body: { error: { message: "bad thing happened", type: "invalid_request_error" } } }
    const refused = await machine.ended(await run({ prompt: "y" }), 60_000)
    expect(refused.verdict).not.toBe("unknown")
  })
})
