import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { node, PodRun, sh, sha256, shells, sleep, until } from "./PodRun.ts"

/** Kills it, if there is one still: a copier may end between the look and this. */
const kill = (pid: number | undefined): void => {
  if (pid === undefined) return
  try {
    process.kill(pid, "SIGKILL")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
  }
}

describe.each(shells)("the pod command in $name", { concurrent: true }, (shell) => {
  it("passes TERM on to the agent, which ends in its own way", async () => {
    const agents = [
      ["trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done", 7, "up\nbye\n"],
      ["trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done", 0, "up\n"],
      // As if there was nothing to wait for.
      ["trap 'exit 127' TERM; echo up; while :; do sleep 0.05; done", 127, "up\n"],
      ["echo up; exec sleep 100", 143, "up\n"]
    ] as const
    await Promise.all(
      agents.map(async ([script, code, log]) => {
        await using run = new PodRun(shell, sh(script), { graceSeconds: 20 })
        await until("the agent", () => run.log().length > 0)
        run.child.kill("SIGTERM")
        const end = await run.ended
        expect([end.code, end.signal, run.log().toString()]).toEqual([code, null, log])
        expect(run.record()?.exit_code).toBe(code)
        await run.gone()
      })
    )
  })

  it("sends KILL to an agent that does not hear TERM, after its grace", async () => {
    await using run = new PodRun(shell, sh("trap '' TERM; echo up; while :; do sleep 0.05; done"), { graceSeconds: 1 })
    await until("the agent", () => run.log().length > 0)
    const asked = performance.now()
    run.child.kill("SIGTERM")
    await sleep(100)
    // A second one changes nothing.
    run.child.kill("SIGTERM")
    expect((await run.ended).code).toBe(137)
    expect(performance.now() - asked).toBeGreaterThan(950)
    expect(performance.now() - asked).toBeLessThan(8_000)
    expect(run.record()).toMatchObject({ exit_code: 137, signal: 9, bytes: 3 })
    await run.gone()
  })

  it("starts no agent when TERM comes first, and still leaves a record", async () => {
    await using run = new PodRun(shell, sh("echo started"), {
      text: (text) => text.replace("\n", () => "\nkill -TERM $$\n")
    })
    expect((await run.ended).code).toBe(143)
    expect(run.record()).toMatchObject({ exit_code: 143, signal: 15, bytes: 0, lines: 0 })
    expect(run.record()).not.toHaveProperty("volume_error")
    await run.gone()
  })

  it("ends at once when TERM comes in any of the moments in which an agent is started", async () => {
    const codes: Array<number | null> = []
    await Promise.all(
      Array.from({ length: 4 }, async (_, lane) => {
        for (let round = 0; round < 3; round++) {
          await using run = new PodRun(shell, ["sleep", "100"], { graceSeconds: 30 })
          // From when the trap is set: before that a process without one has nothing to say.
          const status = () => readFileSync(`/proc/${run.child.pid}/status`, "utf8")
          await until("the trap", () => (BigInt(`0x${/SigCgt:\s+(\w+)/.exec(status())?.[1]}`) & 0x4000n) !== 0n, 0)
          await sleep(lane * 3 + round)
          run.child.kill("SIGTERM")
          const end = await run.ended
          codes.push(end.code)
          expect(end.ms).toBeLessThan(10_000)
          expect(run.record()?.exit_code).toBe(143)
        }
      })
    )
    expect(codes).toEqual(Array.from({ length: 12 }, () => 143))
  })

  it("hears TERM when all of its group gets it, and goes on copying", async () => {
    await using run = new PodRun(
      shell,
      sh("trap 'echo bye; while [ ! -e go ]; do sleep 0.05; done; exit 3' TERM; echo up; while :; do sleep 0.05; done"),
      { graceSeconds: 20 }
    )
    await until("the agent", () => run.log().length > 0)
    process.kill(-(run.child.pid ?? 0), "SIGTERM")
    await until("what it says then", () => run.log().toString().includes("bye"))
    run.write("go")
    expect((await run.ended).code).toBe(3)
    expect(run.record()).toMatchObject({ exit_code: 3, bytes: run.log().length })
    expect(run.record()).not.toHaveProperty("volume_error")
    await run.gone()
  })

  it("does not wait for what an agent leaves behind, and does not count what that writes", async () => {
    await using run = new PodRun(shell, sh("(while [ ! -e go ]; do sleep 0.1; done; echo late) & echo early; exit 5"))
    expect((await run.ended).code).toBe(5)
    const text = run.log().toString()
    run.write("go")
    await run.gone()
    expect([text, run.log().toString()]).toEqual(["early\n", "early\n"])
    expect(run.record()).toMatchObject({ bytes: 6, lines: 1 })
  })

  it("is not held up by an orphan that writes for ever", async () => {
    await using run = new PodRun(shell, sh("(ulimit -f 600000; exec yes orphan) & echo agent; sleep 0.05; exit 6"), {
      stdout: "read and dropped"
    })
    const end = await run.ended
    const orphan = run.processes().find(({ command }) => command.startsWith("yes"))
    kill(orphan?.pid)
    expect(end.code).toBe(6)
    const record = run.record()
    expect(record?.bytes).toBeGreaterThan(0)
    expect(record).not.toHaveProperty("volume_error")
    expect(run.log().length).toBeGreaterThanOrEqual(record?.bytes ?? 0)
    await run.gone()
  })

  it("starts a copier again that was killed three times", async () => {
    await using run = new PodRun(shell, sh("while [ ! -e go ]; do echo tick; sleep 0.05; done"))
    for (const copier of [1, 2, 3]) {
      await until(`copier ${copier}`, () => run.pidOf(`vol${copier}.c`) !== undefined)
      const before = run.log().length
      await until("growth", () => run.log().length > before)
      kill(run.pidOf(`vol${copier}.c`))
    }
    run.write("go")
    expect((await run.ended).code).toBe(0)
    expect(run.record()).toMatchObject({ bytes: run.log().length })
    expect(run.record()).not.toHaveProperty("volume_error")
    expect(run.log().toString()).toMatch(/^(tick\n)+$/)
    await run.gone()
  })

  it("says so when the copier is killed a fourth time", async () => {
    await using run = new PodRun(shell, sh("echo one; while [ ! -e go ]; do sleep 0.05; done; echo two"))
    for (const copier of [1, 2, 3, 4]) {
      await until(`copier ${copier}`, () => run.pidOf(`vol${copier}.c`) !== undefined)
      if (copier === 1) await until("a line", () => run.log().length > 0)
      kill(run.pidOf(`vol${copier}.c`))
    }
    await until("the end of copying", () => run.has("vol.done"))
    run.write("go")
    expect((await run.ended).code).toBe(0)
    expect(run.record()).toMatchObject({ bytes: 8, volume_error: "the copier died" })
    expect(run.log().toString()).toBe("one\n")
    await run.gone()
  })

  it("brings all to the log when keeper, copier and second copier get in each other's way", async () => {
    await using run = new PodRun(
      shell,
      node(`for (let i = 0; i < 200_000 || !fs.existsSync("go"); i++) fs.writeSync(1, \`line \${i}\n\`.repeat(10))
        fs.writeSync(1, "end")`)
    )
    await until("copier 1", () => run.pidOf("vol1.c") !== undefined)
    // Its parent gone, the copier goes on; another one is started at the end and they work side by side.
    const keeper = parentOf(run.pidOf("vol1.c"))
    expect(keeper).not.toBe(run.child.pid)
    kill(keeper)
    await until("output", () => run.log().length > 1_000_000)
    kill(run.pidOf("vol1.d"))
    run.write("go")
    expect((await run.ended).code).toBe(0)
    expect(run.record()).toMatchObject({ bytes: run.log().length })
    expect(run.record()).not.toHaveProperty("volume_error")
    await run.gone()
  })

  it("lets two copiers write the same log from beginning to end", async () => {
    const second = "hf_keep vol second </dev/null >/dev/null 2>&1 &"
    await using run = new PodRun(
      shell,
      node("for (let i = 0; i < 60_000; i++) fs.writeSync(1, `line ${i}\\n`.repeat(1 + (i % 20)))"),
      { text: (text) => text.replace("\nhf_v=$!\n", () => `\nhf_v=$!\n${second}\n`) }
    )
    await until("both", () => run.pidOf("vol1.c") !== undefined && run.pidOf("volsecond1.c") !== undefined)
    expect((await run.ended).code).toBe(0)
    expect(run.record()).toMatchObject({ bytes: run.log().length, sha256: sha256(run.log()) })
    await run.gone()
  })

  it("copies to a stdout that is read, gives up on one that stalls, and on one whose reader has gone", async () => {
    const lines = Array.from({ length: 60_000 }, (_, i) => `line ${i}\n`).join("")
    const agent = node("for (let i = 0; i < 60_000; i++) fs.writeSync(1, `line ${i}\\n`); process.exit(9)")
    await Promise.all([
      (async () => {
        await using run = new PodRun(shell, agent, { stdout: "read" })
        expect((await run.ended).code).toBe(9)
        await until("the last line", () => run.stdout.length >= lines.length)
        expect(run.stdout.toString()).toBe(lines)
        await run.gone()
      })(),
      (async () => {
        await using run = new PodRun(shell, agent, { stdout: "stalled" })
        const end = await run.ended
        expect(end.code).toBe(9)
        expect(end.ms).toBeGreaterThan(3_000)
        expect(end.ms).toBeLessThan(12_000)
        expect(run.log().toString()).toBe(lines)
        expect(run.record()).toMatchObject({ bytes: lines.length, lines: 60_000 })
        expect(run.record()).not.toHaveProperty("volume_error")
        await run.gone()
      })(),
      (async () => {
        await using run = new PodRun(shell, agent, { stdout: "stalled" })
        run.child.stdout?.destroy()
        const end = await run.ended
        expect([end.code, run.log().toString()]).toEqual([9, lines])
        expect(end.ms).toBeLessThan(8_000)
        await run.gone()
      })(),
      (async () => {
        await using run = new PodRun(shell, agent, { text: (text) => text.replace("\n", "\nexec >&- 2>&- <&-\n") })
        expect([(await run.ended).code, run.log().toString()]).toEqual([9, lines])
        await run.gone()
      })()
    ])
  })
})

const parentOf = (pid: number | undefined): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])
}
