import type { AdapterExecutionResult } from "@paperclipai/adapter-utils"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { Stage, until } from "./Stage.ts"

let stage: Stage

beforeAll(async () => {
  stage = await Stage.start()
})
// Each test has a host of its own; the next one takes the agents over from it.
afterEach(() => stage.closeHosts())
afterAll(() => stage.close())

const shown: Array<readonly [string, AdapterExecutionResult]> = []
afterAll(() => {
  for (const [name, result] of shown) console.log(`${name}: ${JSON.stringify(result)}`)
})
const show = (name: string, result: AdapterExecutionResult): AdapterExecutionResult => {
  shown.push([name, result])
  return result
}

const jobsOf = (runId: string) =>
  stage.standIn.jobs().filter(({ metadata }) => metadata.annotations["holdfast/run-id"] === runId)

describe("an execution of the built adapter in a bare host", () => {
  it("delivers the output, and tells session, usage, cost and summary of a success", async () => {
    const host = await stage.host()
    expect(host.lines[0]).toMatchObject({ type: "opencode_k8s", outOfProcess: true })
    const result = show(
      "success",
      await host.execute({
        runId: "good",
        script: 'cat "$FIXTURES/text.stdout.jsonl"; printf "%s\\n" "$*" "$TMPDIR" "$HOME" "$PAPERCLIP_RUN_ID" "$(cat)"',
        config: {
          variant: "high",
          extraArgs: ["--share"],
          promptTemplate: "Do {{context.taskId}} for {{agent.name}}."
        },
        context: { taskId: "T-1", taskTitle: "x" },
        authToken: "for-this-run"
      })
    )
    expect(result).toMatchObject({
      exitCode: 0,
      signal: null,
      timedOut: false,
      errorMessage: null,
      usage: { inputTokens: 150, outputTokens: 20, cachedInputTokens: 50 },
      usageBasis: "per_run",
      costUsd: 0.000195,
      summary: "Hello wörld 漢字 😀",
      sessionId: "ses_e02d35ab4ffestB6nedHyQvQcg",
      provider: "stand-in",
      resultJson: { verdict: "succeeded", output: { end: "complete", lines: 8, gaps: [], refusedByHost: 0 } }
    })
    const lines = host.output("good").split("\n")
    expect(lines.slice(0, 3).join("\n")).toBe(
      readFileSync(join(stage.env["FIXTURES"]!, "text.stdout.jsonl"), "utf8").trimEnd()
    )
    expect(lines[3]).toBe("run --format json --model stand-in/model --variant high --share")
    expect(lines[4]).toMatch(/volumes\/scratch\/tmp$/)
    expect(lines.slice(5, 8)).toEqual([stage.root, "good", "Do T-1 for Writer."])
    expect(host.lines.some(({ op }) => op === "overlap")).toBe(false)
    const order = host.lines.map(({ op }) => op)
    expect(order.slice(0, 4)).toEqual(["loaded", "ready", "meta", "dispatch"])
    expect(JSON.stringify(host.lines.find(({ op }) => op === "meta"))).not.toContain("for-this-run")
    const job = stage.standIn.objects
    expect(job.created.jobs).toBe(1)
    await until("nothing is left on the cluster", () => jobsOf("good").length === 0)
    await until("no output is left", () => readdirSync(join(stage.root, "run-logs/acme/writer")).length === 0)
  })

  it("tells a failure with exit code and OpenCode's own words", async () => {
    const host = await stage.host()
    const result = show(
      "failure",
      await host.execute({ runId: "bad", script: 'cat "$FIXTURES/apierror.stdout.jsonl"; echo oops >&2; exit 1' })
    )
    expect(result).toMatchObject({
      exitCode: 1,
      timedOut: false,
      errorMessage: "the agent ended with exit code 1: bad thing happened",
      errorCode: "opencode_k8s_failed",
      resultJson: { verdict: "failed" }
    })
    expect(host.given("bad", "stderr")).toBe("oops\n")
  })

  it("begins a new session where the old one is not known, and says so", async () => {
    const host = await stage.host()
    const result = show(
      "lost session",
      await host.execute({
        runId: "resumes",
        runtime: { sessionParams: { sessionId: "ses_old" } },
        script:
          'case "$*" in *"--session ses_old"*) cat "$FIXTURES/unknownsession.stderr.txt" >&2; exit 1;; esac; cat "$FIXTURES/resume.stdout.jsonl"'
      })
    )
    expect(result).toMatchObject({
      exitCode: 0,
      errorMessage: null,
      sessionId: "ses_e02d35ab4ffestB6nedHyQvQcg",
      clearSession: false,
      resultJson: { runId: "resumes-fresh" }
    })
    expect(host.given("resumes")).toContain("session ses_old is not known there: a new one is begun")
  })

  it("clears a session that is not known where the new one comes to nothing", async () => {
    const host = await stage.host()
    const result = show(
      "lost session, and a failure",
      await host.execute({
        runId: "resumes-in-vain",
        runtime: { sessionParams: { sessionId: "ses_old" } },
        script: 'cat "$FIXTURES/unknownsession.stderr.txt" >&2; exit 1'
      })
    )
    expect(result).toMatchObject({ exitCode: 1, clearSession: true, sessionParams: null })
    expect(result.errorMessage).toContain("does not know the session")
  })

  it("keeps the session of before when a run names none", async () => {
    const host = await stage.host()
    const result = await host.execute({
      runId: "nameless",
      runtime: { sessionParams: { sessionId: "ses_old", cwd: stage.root } },
      script: "exit 3"
    })
    expect(result).toMatchObject({ exitCode: 3, sessionId: "ses_old", clearSession: false })
  })

  it("ends a run whose time is over", async () => {
    const host = await stage.host()
    const result = show(
      "timeout",
      await host.execute({ runId: "slow", script: "echo up; exec sleep 60", config: { timeoutSec: 1 } })
    )
    expect(result).toMatchObject({ timedOut: true, errorCode: "timeout", resultJson: { verdict: "timed_out" } })
    expect(result.errorMessage).toContain("longer than it may")
    await until("nothing is left", () => jobsOf("slow").length === 0)
  })

  it("ends the work when the host's signal says so, and answers once it is gone", async () => {
    const host = await stage.host()
    const running = host.execute({ runId: "unwanted", script: "echo $$; exec sleep 60" })
    await until("it runs", () => /^\d+$/m.test(host.output("unwanted")))
    const pid = Number(host.output("unwanted"))
    host.send({ op: "abort", runId: "unwanted" })
    const result = show("cancelled", await running)
    expect(() => process.kill(pid, 0)).toThrow("ESRCH")
    expect(result).toMatchObject({
      exitCode: 143,
      signal: "SIGTERM",
      errorMessage: "the run was cancelled",
      errorCode: "cancelled",
      resultJson: { verdict: "cancelled", executionCancellation: { state: "acknowledged", forced: false } }
    })
    await until("the Job is gone", () => jobsOf("unwanted").length === 0)
  })

  it("starts nothing when the end is wanted before the start", async () => {
    const host = await stage.host()
    const before = stage.standIn.objects.created.jobs
    const result = await host.execute({ runId: "never", script: "echo no", options: { aborted: true } })
    expect(result).toMatchObject({
      errorCode: "cancelled",
      executionRecovery: { kind: "bootstrap", providerWorkStarted: false },
      resultJson: { executionCancellation: { state: "acknowledged" } }
    })
    expect(host.lines.some(({ op }) => op === "dispatch")).toBe(false)
    expect(stage.standIn.objects.created.jobs).toBe(before)
  })

  it("runs many agents at once over one watch, and an agent's own runs one after the other", async () => {
    const host = await stage.host()
    const watches = stage.standIn.requests.filter(({ watch }) => watch).length
    const agents = Array.from({ length: 6 }, (_, index) =>
      host.execute({ runId: `many-${index}`, agentId: `agent-${index}`, script: 'seq 1 2000; sleep 1; echo "end"' })
    )
    const own = ["one", "two", "three"].map((name) =>
      host.execute({
        runId: `own-${name}`,
        agentId: "busy",
        script: 'mkdir "$HOME/turn" || { echo together; exit 9; }; sleep 0.3; rmdir "$HOME/turn"'
      })
    )
    const results = await Promise.all([...agents, ...own])
    expect(results.map(({ exitCode }) => exitCode)).toEqual(results.map(() => 0))
    for (let index = 0; index < 6; index += 1) {
      expect(host.output(`many-${index}`)).toBe(
        `${Array.from({ length: 2_000 }, (_, line) => `${line + 1}\n`).join("")}end\n`
      )
    }
    expect(stage.standIn.requests.filter(({ watch }) => watch).length - watches).toBe(2)
  })

  it("gives the host at most 8 KiB at a time, one call after the other, and no character in halves", async () => {
    const host = await stage.host()
    const script = `head -c 1500000 /dev/zero | tr '\\0' 'x'; printf '漢字😀%.0s' $(seq 1 5000); echo; seq 1 20000`
    const result = await host.execute({ runId: "wide", script, options: { slowMs: 1 } })
    expect(result.exitCode).toBe(0)
    const chunks = host.lines.filter(({ op, runId }) => op === "log" && runId === "wide")
    expect(Math.max(...chunks.map(({ bytes }) => bytes))).toBeLessThanOrEqual(8_192)
    expect(host.lines.some(({ op }) => op === "overlap")).toBe(false)
    const numbers = Array.from({ length: 20_000 }, (_, line) => `${line + 1}\n`).join("")
    expect(host.output("wide") === `${"x".repeat(1_500_000)}${"漢字😀".repeat(5_000)}\n${numbers}`).toBe(true)
  })

  it("keeps Job and log where the configuration says so", async () => {
    const host = await stage.host()
    const result = await host.execute({
      runId: "kept",
      agentId: "keeper",
      script: "echo kept",
      config: { retainJobs: "true" }
    })
    expect(result.exitCode).toBe(0)
    expect(jobsOf("kept")).toHaveLength(1)
    expect(readFileSync(join(stage.root, "run-logs/acme/keeper/kept.pod.ndjson"), "utf8")).toBe("kept\n")
  })

  it("takes image, volume and pull secrets of the host's own pod where the configuration leaves them out", async () => {
    stage.standIn.objects.create("pods", stage.standIn.namespace, {
      metadata: { name: "paperclip-0" },
      spec: {
        dnsPolicy: "Default",
        imagePullSecrets: [{ name: "registry" }],
        containers: [
          { name: "server", image: "paperclip/server:1", volumeMounts: [{ name: "data", mountPath: stage.directory }] }
        ],
        volumes: [{ name: "data", persistentVolumeClaim: { claimName: "whole" } }]
      },
      status: { phase: "Running" }
    })
    stage.standIn.addClaim("whole", stage.directory)
    const host = await stage.host({ HOSTNAME: "paperclip-0" })
    const result = await host.execute({
      runId: "heir",
      agentId: "heir",
      script: "echo heir",
      config: {
        image: "",
        pvc: "",
        retainJobs: true,
        tolerations: "- key: gpu\n  operator: Exists",
        "resources.limits.memory": "1Gi",
        nodeSelector: "",
        labels: "team=a\nholdfast/run-id=mine"
      }
    })
    expect(result.exitCode).toBe(0)
    expect(host.output("heir")).toBe("heir\n")
    const [job] = jobsOf("heir")
    expect(job.metadata.labels).toMatchObject({ team: "a", "holdfast/run-id": "heir" })
    expect(job.metadata.annotations["holdfast/agent-name"]).toBe("Writer")
    expect(job.spec.template.spec).toMatchObject({
      dnsPolicy: "Default",
      imagePullSecrets: [{ name: "registry" }],
      tolerations: [{ key: "gpu", operator: "Exists" }],
      containers: [
        { image: "paperclip/server:1", workingDir: stage.root, resources: { limits: { memory: "1Gi", cpu: "4" } } }
      ]
    })
  })

  it("refuses ids and settings that nothing can be made of, and starts nothing", async () => {
    const host = await stage.host()
    const before = stage.standIn.objects.created.jobs
    const odd = await host.execute({ runId: "../odd", script: "echo no" })
    expect(odd.errorMessage).toContain("Invalid runId for log path")
    const settings = await host.execute({ runId: "odd-1", script: "echo no", config: { graceSec: "soon" } })
    expect(settings.errorMessage).toBe('graceSec is "soon": give a number of 0 or more')
    const resources = await host.execute({
      runId: "odd-2",
      script: "echo no",
      config: { "resources.limits.cpu": "many" }
    })
    expect(resources.errorMessage).toContain("resources cannot be used")
    expect(resources.executionRecovery).toEqual({ kind: "bootstrap", providerWorkStarted: false })
    expect(stage.standIn.objects.created.jobs).toBe(before)
    expect(await host.execute({ runId: "mended", script: "echo yes" })).toMatchObject({ exitCode: 0 })
  })

  it("lets the host's process end by itself once nothing is asked of it", async () => {
    const host = await stage.host()
    await host.execute({ runId: "last", script: "echo x" })
    host.process.stdin!.end()
    await until("the process has ended", () => host.process.exitCode !== null, 30_000)
    expect(host.process.exitCode).toBe(0)
    expect(existsSync(join(stage.root, "holdfast/acme/writer/state/runs/records/last.json"))).toBe(true)
  })
})
