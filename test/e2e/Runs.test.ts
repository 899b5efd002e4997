import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { namespace, noMounts } from "../runs/OwnVolume.ts"
import { RunMachine } from "./RunMachine.ts"
import { eventually, sleep } from "./Processes.ts"

let machine: RunMachine
beforeAll(async () => {
  machine = await RunMachine.start({ HOLDFAST_LOG_LEVEL: "debug" })
}, 30_000)
afterAll(() => machine.gateway.remove())

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

const started = async (atEnd: (cleanup: () => Promise<void>) => void): Promise<RunMachine> => {
  const own = await RunMachine.start({ HOLDFAST_LOG_LEVEL: "debug" })
  atEnd(() => own.gateway.remove())
  return own
}

/** Each run is another agent's, so that none waits for another. */
let agents = 0
const alone = (more: object = {}) => ({ agentId: `agent-${++agents}`, ...more })

describe.concurrent("a run on this machine", { timeout: 60_000 }, () => {
  it("succeeds with exit code 0, and its output is what was written", async () => {
    const id = await machine.sh("printf 'one\\nzwei wörld 漢字 😀\\nno newline'; echo quiet >&2", alone())
    expect(await machine.ended(id)).toMatchObject({
      verdict: "succeeded",
      message: null,
      exit_code: 0,
      output: { lines: 3, end: "complete", gaps: [] }
    })
    expect(await machine.log(id)).toBe("one\nzwei wörld 漢字 😀\nno newline")
  })

  it("fails with another, or with a signal, and says so", async () => {
    const seven = await machine.sh("exit 7", alone())
    const killed = await machine.sh("kill -9 $$", alone())
    expect(await machine.ended(seven)).toMatchObject({ verdict: "failed", exit_code: 7, signal: null })
    expect(await machine.ended(killed)).toMatchObject({ verdict: "failed", exit_code: 137, signal: 9 })
    expect((await machine.view(seven)).message).toContain("exit code 7")
  })

  it("is ended by a cancel, also one that does not listen to TERM", async () => {
    const limits = { grace_seconds: 1 }
    const polite = await machine.sh("sleep 100", alone({ limits }))
    const deaf = await machine.sh("trap '' TERM; while :; do sleep 0.2; done", alone({ limits }))
    for (const id of [polite, deaf]) {
      await machine.state(id, "live")
      expect((await machine.ask("POST", `/runs/${id}/cancel`)).status).toBe(202)
    }
    expect(await machine.ended(polite)).toMatchObject({ verdict: "cancelled", message: "the run was cancelled" })
    expect(await machine.ended(deaf)).toMatchObject({ verdict: "cancelled" })
    // One that has ended stays as it is.
    expect((await machine.ask("POST", `/runs/${polite}/cancel`)).json).toMatchObject({ verdict: "cancelled" })
  })

  it("is ended by its limit", async () => {
    const id = await machine.sh("sleep 100", alone({ limits: { seconds: 1, grace_seconds: 1 } }))
    expect(await machine.ended(id)).toMatchObject({ verdict: "timed_out" })
  })

  it("waits for the run before it of the same agent, and can be cancelled while it waits", async () => {
    const agentId = "one-at-a-time"
    const first = await machine.sh("sleep 1; echo first", { agentId })
    const second = await machine.sh("echo second", { agentId })
    const third = await machine.sh("echo third", { agentId })
    await machine.ask("POST", `/runs/${third}/cancel`)
    expect((await machine.view(second)).state).toBe("queued")
    expect(await machine.ended(third)).toMatchObject({ verdict: "cancelled", started_at: null })
    const ends = [await machine.ended(first), await machine.ended(second)]
    expect(ends.map(({ verdict }) => verdict)).toEqual(["succeeded", "succeeded"])
    expect(String(ends[1]?.started_at) >= String(ends[0]?.ended_at)).toBe(true)
  })

  it("gives its prompt on standard input, whatever is in it, and keeps it out of every list of processes", async () => {
    const prompt = `quotes ' " \` $HOME\n\\n %s 漢字 ${"x".repeat(100 * 1_024)}`
    const id = await machine.sh("cat; echo; ps -ww -eo args | grep -c [x]xxxxxxxx || true", alone({ prompt }))
    expect(await machine.ended(id)).toMatchObject({ verdict: "succeeded" })
    expect(await machine.log(id)).toBe(`${prompt}\n0\n`)
    const holders = () =>
      machine.gateway.files("xxxxxxxxxxxxxxxx").filter(({ contains, path }) => contains && !path.endsWith(".ndjson"))
    await eventually("the prompt is gone", () => (holders().length === 0 ? true : undefined))
  })

  it("takes a prompt of 5 MiB, and none that holds a NUL", async () => {
    const prompt = "y".repeat(5 * 1_048_576)
    const id = await machine.sh("wc -c", alone({ prompt }))
    await machine.ended(id)
    expect((await machine.log(id)).trim()).toBe(String(prompt.length))
    const refused = await machine.submit({ command: { kind: "exec", argv: ["true"] }, prompt: "a\u0000b" })
    expect(refused).toMatchObject({ status: 422, json: { error: "run_invalid" } })
  })

  it("whose output is not kept leaves nothing but its verdict", async () => {
    const id = await machine.sh("echo gone", alone({ retain: false }))
    await machine.ended(id)
    await eventually("the output is gone", async () =>
      (await machine.ask("GET", `/runs/${id}/log`)).status === 404 ? true : undefined
    )
    expect(await machine.view(id)).toMatchObject({ verdict: "succeeded", output: { lines: 1 } })
    // Its log goes first.
    const left = () => machine.gateway.files("").flatMap(({ path }) => (path.includes(id) ? [path] : []))
    await eventually("nothing else is left", () => (left().length === 1 ? true : undefined))
    expect(left()).toEqual([`state/runs/records/${id}.json`])
  })

  it("answers who follows it before it has written anything", async () => {
    const id = await machine.sh("sleep 100", alone())
    const asked = performance.now()
    const response = await fetch(`${await machine.up()}/runs/${id}/log`, {
      headers: { authorization: `Bearer ${machine.token}`, accept: "text/event-stream" }
    })
    expect([response.status, performance.now() - asked < 3_000]).toEqual([200, true])
    await response.body?.cancel()
    await machine.ask("POST", `/runs/${id}/cancel`)
  })

  it("is refused with an id that a path could be made of", async () => {
    const ids = ["../x", "a/b", "a'b", "a\nb", "a b", "", "x".repeat(300), "..", "a\u0000"]
    for (const field of ["runId", "agentId", "companyId"]) {
      for (const id of ids) {
        const { json, status } = await machine.submit({ command: { kind: "exec", argv: ["true"] }, [field]: id })
        expect([field, id, status, json["error"]]).toEqual([field, id, 422, "run_invalid"])
        expect(String(json["detail"])).toContain(`Invalid ${field} for log path`)
      }
    }
    expect((await machine.submit({ command: { kind: "exec", argv: [] } })).status).toBe(422)
    expect((await machine.ask("GET", "/runs/..%2fx")).status).toBe(404)
  })

  it("has one id for good", async () => {
    await machine.sh("true", alone({ runId: "only-once" }))
    expect(await machine.submit({ command: { kind: "exec", argv: ["true"] }, runId: "only-once" })).toMatchObject({
      status: 409,
      json: { error: "run_exists" }
    })
  })

  it("shows its output from a byte on, and a range of it", async () => {
    const id = await machine.sh("printf 0123456789", alone())
    await machine.ended(id)
    expect((await machine.ask("GET", `/runs/${id}/log?from=7`)).body).toBe("789")
    const range = await machine.ask("GET", `/runs/${id}/log`, { headers: { range: "bytes=2-4" } })
    expect([range.status, range.body]).toEqual([206, "234"])
    expect((await machine.ask("GET", `/runs/${id}/log?from=99`)).status).toBe(416)
    expect((await machine.ask("GET", `/runs/${id}/log?from=-1`)).status).toBe(422)
  })
})

describe.concurrent("a document that allows more than one run of an agent", { timeout: 60_000 }, () => {
  it("has so many at the same time, and lets the others wait", async () => {
    const plugins = [{ name: "@holdfast/runs", config: { concurrency: 2 } }]
    const two = await RunMachine.start({}, { version: 2, plugins })
    try {
      const ids = [await two.sh("sleep 1"), await two.sh("sleep 1"), await two.sh("sleep 1")]
      await Promise.all([two.state(ids[0] ?? "", "live"), two.state(ids[1] ?? "", "live")])
      expect((await two.view(ids[2] ?? "")).state).toBe("queued")
      for (const id of ids) expect(await two.ended(id)).toMatchObject({ verdict: "succeeded" })
    } finally {
      await two.gateway.remove()
    }
  })
})

describe.skipIf(noMounts !== null).concurrent("a volume that is full", { timeout: 60_000 }, () => {
  it("costs a run neither its status nor its verdict, and what is missing is told", async () => {
    const mount = `d="$HOLDFAST_HOME/state/runs/run-logs"; mkdir -p "$d"; mount -t tmpfs -o size=128k none "$d" && exec "$@"`
    const full = await RunMachine.start({}, undefined, [...namespace, "/bin/sh", "-c", mount, "sh"])
    try {
      const id = await full.sh("head -c 300000 /dev/zero | tr '\\0' x; exit 3")
      const view = await full.ended(id, 40_000)
      expect(view).toMatchObject({ verdict: "failed", exit_code: 3, output: { end: "incomplete", gaps: [] } })
      expect(view.output.bytes).toBeGreaterThan(80_000)
      expect(view.message).toContain("exit code 3")
    } finally {
      await full.gateway.remove()
    }
  })
})

describe("a daemon that is killed", { timeout: 60_000 }, () => {
  // Beside what the runs above have left.
  it.concurrent("takes its runs up again: once each, with every byte delivered once, and the right verdict", async () => {
    const script = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i of many; sleep 0.05; done; exit "
    const codes = [0, 3, 0, 5]
    const ids = await Promise.all(
      codes.map((code, index) => machine.sh(`${script}${code}`, { agentId: `adopted-${index}` }))
    )
    const readers = ids.map((id) => machine.follow(id))
    const early = await machine.sh("sleep 0.3; echo early", { agentId: "adopted-early" })
    for (let kills = 0; kills < 3; kills++) {
      await sleep(700)
      await machine.kill()
    }
    const views = await Promise.all(ids.map((id) => machine.ended(id)))
    expect(views.map(({ exit_code }) => exit_code)).toEqual(codes)
    expect(views.map(({ verdict }) => verdict)).toEqual(["succeeded", "failed", "succeeded", "failed"])
    expect(await machine.ended(early)).toMatchObject({ verdict: "succeeded" })
    for (const [index, reader] of (await Promise.all(readers)).entries()) {
      const text = await machine.log(ids[index] ?? "")
      expect([reader.gaps, reader.sha256]).toEqual([[], sha256(text)])
      expect(reader.connections).toBeGreaterThan(1)
      expect(text.match(/^line 1 of many$/gm)).toHaveLength(1)
    }
  })

  it.concurrent("finds what ended while it was away, and loses nothing to a planned stop either", async ({
    onTestFinished
  }) => {
    const own = await started(onTestFinished)
    const id = await own.sh("sleep 1; echo done", { agentId: "detached" })
    await own.state(id, "live")
    await own.gateway.stop()
    await sleep(2_000)
    own.gateway.start()
    expect(await own.ended(id)).toMatchObject({ verdict: "succeeded", output: { lines: 1, end: "complete" } })
  })

  it.concurrent("takes work up whose record cannot be read, and says so", async ({ onTestFinished }) => {
    const own = await started(onTestFinished)
    const id = await own.sh("sleep 3; echo done; exit 4", { agentId: "no-record" })
    await own.state(id, "live")
    await own.gateway.stop()
    const records = join(own.gateway.home, "state", "runs", "records")
    writeFileSync(join(records, `${id}.json`), "{")
    own.gateway.start()
    expect(await own.ended(id)).toMatchObject({ verdict: "failed", exit_code: 4, output: { lines: 1 } })
    expect(await own.log(id)).toBe("done\n")
    expect(readdirSync(records).filter((name) => name.startsWith(id))).toHaveLength(2)
    expect(own.gateway.log).toContain("run_without_record")
  })

  it.concurrent("says that work is lost whose process was killed with all of its group, and guesses no outcome", async ({
    onTestFinished
  }) => {
    const own = await started(onTestFinished)
    const id = await own.sh("sleep 100", { agentId: "lost" })
    await own.state(id, "live")
    const file = join(own.gateway.home, "state", "runs", "work", id, "process.json")
    const { pid } = JSON.parse(readFileSync(file, "utf8")) as { readonly pid: number }
    process.kill(-pid, "SIGKILL")
    const view = await own.ended(id, 40_000)
    expect(view).toMatchObject({ verdict: "lost", exit_code: null })
    expect(view.message).toContain("left no record")
    await eventually("it is cleaned up", () => (existsSync(file) ? undefined : true))
  })
})
