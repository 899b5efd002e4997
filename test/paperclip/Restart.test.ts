import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it, type TestContext } from "vitest"
import { Stage, until } from "./Stage.ts"

const staged = async ({ onTestFinished }: TestContext): Promise<Stage> => {
  const stage = await Stage.start()
  onTestFinished(() => stage.close())
  return stage
}

const LINES = 6_000
const WRITES = `i=0; while [ $i -lt ${LINES} ]; do i=$((i + 1)); echo "line $i"; [ $((i % 100)) -ne 0 ] || sleep 0.1; done`
const whole = Array.from({ length: LINES }, (_, index) => `line ${index + 1}\n`).join("")

describe.concurrent("a host that is killed in the middle of a run", () => {
  it("takes the run up when it is asked for again: started once, and no byte is missing", async (context) => {
    const stage = await staged(context)
    const first = await stage.host()
    void first.execute({ runId: "long", script: WRITES }).catch(() => undefined)
    await until("some is delivered", () => first.output("long").length > 4_000)
    // What was taken is written down every two seconds.
    await sleep(2_600)
    await first.close("SIGKILL")
    const before = first.output("long")
    await sleep(300)
    const second = await stage.host()
    const result = await second.execute({ runId: "long", script: WRITES })
    const [, from = "0"] = /going on at byte (\d+) of the output/.exec(second.given("long")) ?? []
    const after = second.output("long")
    console.log(
      `killed after ${before.length} of ${whole.length} bytes; the second host goes on at byte ${from} and gets ${after.length}; ` +
        `${Number(from) + after.length - whole.length} bytes are missing, ${before.length - Number(from)} came twice; ` +
        `Jobs ever made: ${stage.standIn.objects.created.jobs}`
    )
    expect(result).toMatchObject({
      exitCode: 0,
      errorMessage: null,
      resultJson: { output: { bytes: whole.length, lines: LINES, end: "complete", gaps: [] } }
    })
    expect(second.given("long")).toContain("run long is there already and is taken up")
    expect(whole.startsWith(before)).toBe(true)
    expect(Number(from)).toBeGreaterThan(0)
    expect(Number(from)).toBeLessThanOrEqual(before.length)
    expect(after).toBe(whole.slice(Number(from)))
    expect(stage.standIn.objects.created).toMatchObject({ jobs: 1, pods: 1 })
  })

  it("is told the end of a run that ended while it was away, and of one whose end it was told before", async (context) => {
    const stage = await staged(context)
    const first = await stage.host()
    void first.execute({ runId: "short", script: "echo up; sleep 1.5; echo down; exit 4" }).catch(() => undefined)
    await until("it runs", () => first.output("short") === "up\n")
    await first.close("SIGKILL")
    await until("it has ended", () => stage.standIn.pods()[0]?.status.phase === "Failed")
    const second = await stage.host()
    const result = await second.execute({ runId: "short", script: "echo again" })
    expect(result).toMatchObject({ exitCode: 4, errorMessage: "the agent ended with exit code 4" })
    expect(`${first.output("short")}${second.output("short")}`).toMatch(/^(up\n){1,2}down\n$/)
    await second.close("SIGKILL")
    const third = await stage.host()
    expect(await third.execute({ runId: "short", script: "echo again" })).toMatchObject({ exitCode: 4 })
    expect(stage.standIn.objects.created).toMatchObject({ jobs: 1, pods: 1 })
  })

  it("ends, when it is asked to, what an earlier host has started", async (context) => {
    const stage = await staged(context)
    const first = await stage.host()
    void first.execute({ runId: "old", script: "echo $$; exec sleep 60" }).catch(() => undefined)
    await until("it runs", () => first.output("old") !== "")
    const pid = Number(first.output("old"))
    await first.close("SIGKILL")
    const second = await stage.host()
    const result = await second.execute({ runId: "old", script: "", options: { aborted: true } })
    expect(result).toMatchObject({
      errorCode: "cancelled",
      resultJson: { verdict: "cancelled", executionCancellation: { state: "acknowledged" } }
    })
    expect(result.executionRecovery).toBeUndefined()
    expect(() => process.kill(pid, 0)).toThrow("ESRCH")
  })

  it("lets the agent's next run wait for what is left of one that it is not asked for again, and keeps its output", async (context) => {
    const stage = await staged(context)
    const first = await stage.host()
    void first.execute({ runId: "left", script: "echo left; sleep 3; echo over" }).catch(() => undefined)
    await until("it runs", () => first.output("left") !== "")
    await first.close("SIGKILL")
    const second = await stage.host({ HOLDFAST_TEST_TIME_SCALE: "100" })
    const result = await second.execute({
      runId: "next",
      script: 'cat "$HOME"/run-logs/acme/writer/left.pod.ndjson'
    })
    expect(result.exitCode).toBe(0)
    expect(second.output("next")).toBe("left\nover\n")
    expect(readFileSync(join(stage.root, "run-logs/acme/writer/left.pod.ndjson"), "utf8")).toBe("left\nover\n")
    expect(await second.execute({ runId: "left", script: "echo again" })).toMatchObject({
      exitCode: 0,
      resultJson: { output: { end: "incomplete" } }
    })
    expect(second.given("left")).toMatch(/of its output the bytes from \d+ on were not taken: .*left\.pod\.ndjson/)
    expect(stage.standIn.objects.created.jobs).toBe(2)
  })

  it("lets a second host wait for an agent that the first one still has", async (context) => {
    const stage = await staged(context)
    const [first, second] = [await stage.host(), await stage.host()]
    const running = first.execute({ runId: "one", script: "sleep 1; echo one" })
    await first.line("dispatch", "one")
    const waiting = second.execute({ runId: "two", script: "echo two" })
    await until("it waits", () => second.given("two").includes("in the hands of process"))
    expect((await running).exitCode).toBe(0)
    expect((await waiting).exitCode).toBe(0)
    expect(second.output("two")).toBe("two\n")
  })
})

describe.concurrent("a run whose end nobody can prove", () => {
  it("is unknown: a failure with a message, and no cancellation is claimed", async (context) => {
    const stage = await staged(context)
    const host = await stage.host({ HOLDFAST_TEST_TIME_SCALE: "100" })
    const running = host.execute({ runId: "where", script: "echo up; exec sleep 60" })
    await until("it runs", () => host.output("where") === "up\n")
    await stage.standIn.goAway()
    host.send({ op: "abort", runId: "where" })
    const result = await running
    console.log(`unknown: ${JSON.stringify(result)}`)
    expect(result).toMatchObject({
      exitCode: null,
      signal: null,
      timedOut: false,
      errorCode: "opencode_k8s_unknown",
      resultJson: { verdict: "unknown" }
    })
    expect(result.errorMessage).toContain("may still run")
    expect(result.resultJson).not.toHaveProperty("executionCancellation")
    await stage.standIn.comeBack()
  })

  it("is lost when the cluster says that it is gone", async (context) => {
    const stage = await staged(context)
    const host = await stage.host({ HOLDFAST_TEST_TIME_SCALE: "10" })
    const running = host.execute({ runId: "gone", script: "trap '' TERM; echo up; sleep 60" })
    await until("it runs", () => host.output("gone") === "up\n")
    await stage.standIn.kubelet.kill(stage.standIn.pods()[0], "ContainerStatusUnknown")
    const result = await running
    console.log(`lost: ${JSON.stringify(result)}`)
    expect(result).toMatchObject({ exitCode: null, errorCode: "opencode_k8s_lost" })
    expect(result.errorMessage).toContain("gone")
  })
})

describe.concurrent("a host without a signal", () => {
  it("is asked for the state of the run, and its word ends it", async (context) => {
    const stage = await staged(context)
    const asked: Array<string> = []
    const answers = { status: "running" }
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.authorization}`)
      response.end(JSON.stringify({ id: "polled", ...answers }))
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    const host = await stage.host({ PAPERCLIP_API_URL: `http://127.0.0.1:${port}` })
    const running = host.execute({
      runId: "polled",
      script: "echo $PAPERCLIP_API_URL; exec sleep 60",
      authToken: "for-this-run",
      options: { signal: false }
    })
    await until("it was asked", () => asked.length > 0)
    expect(asked[0]).toBe("GET /api/heartbeat-runs/polled Bearer for-this-run")
    expect(host.output("polled")).toBe(`http://127.0.0.1:${port}\n`)
    answers.status = "cancelled"
    expect(await running).toMatchObject({ errorCode: "cancelled", resultJson: { verdict: "cancelled" } })
    server.close()
  })
})
