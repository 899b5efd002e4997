import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { KubernetesStandIn } from "../runs/kubernetes/KubernetesStandIn.ts"
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

describe.skipIf(isMissing)("the real OpenCode as a Job of a stand-in cluster", { timeout: 120_000 }, () => {
  it("runs by the pod command that the Job carries, and ends with the same usage, session and verdict", async () => {
    if ("missing" in installed) throw new Error(installed.missing)
    const directory = mkdtempSync(join(tmpdir(), "holdfast-opencode-cluster-"))
    const cluster = await KubernetesStandIn.start({ directory: join(directory, "cluster") })
    const root = join(directory, "volume")
    cluster.addClaim("shared", root)
    const model = await ModelStandIn.start()
    const pvc = { claim: "shared", mountPath: "/holdfast-shared" }
    const kubernetes = { kubeconfig: cluster.kubeconfig, image: "stand-in/agent", pvc, root }
    const machine = await RunMachine.start(
      {},
      { version: 2, plugins: [{ name: "@holdfast/runs", config: { kubernetes } }] }
    )
    try {
      const { body, json, status } = await machine.submit({
        command: { kind: "opencode" },
        model: "standin/words",
        prompt: "Say $HOME and $(hello)",
        env: { ...model.environment, HOME: directory, PATH: `${installed.bin}:${process.env["PATH"] ?? ""}` },
        retain: true
      })
      expect([status, body]).toEqual([201, expect.stringContaining('"backend":"kubernetes"')])
      const id = String(json["run_id"])
      const reader = await machine.follow(id)
      expect(await machine.ended(id, 60_000)).toMatchObject({
        verdict: "succeeded",
        exit_code: 0,
        summary: "Hello wörld 漢字 😀",
        session: expect.stringMatching(/^ses_/),
        usage: { input: 150, output: 20 },
        output: { end: "complete", gaps: [] }
      })
      expect(reader.lines).toHaveLength(3)
      expect(model.prompts.some((prompt) => prompt.includes("Say $HOME and $(hello)"))).toBe(true)
    } finally {
      await machine.gateway.remove()
      await model.close()
      await cluster.close()
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
