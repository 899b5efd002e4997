/** How fast, and at what cost. The table is for people; what is asserted is far from what is measured. */
import { afterAll, describe, expect, it } from "vitest"
import { node, PodRun, sha256, sh, shells, sleep, until } from "./PodRun.ts"

const SIZE = 100_000_000
const QUIET_MS = 9_000

interface Row {
  readonly shell: string
  [figure: string]: string
}

const rows = shells.map(({ name }): Row => ({ shell: name }))

afterAll(() => console.table(rows))

const totalCpu = (run: PodRun): number =>
  run.processes().reduce((sum, { command, cpuMs }) => sum + (command.startsWith(process.execPath) ? 0 : cpuMs), 0)

describe("the pod command", () => {
  it("has 100 MB in the log soon after the agent has written them", { timeout: 90_000 }, async () => {
    for (const [i, shell] of shells.entries()) {
      await using run = new PodRun(shell, sh(`yes "a line of some output" | head -c ${SIZE}; exit 2`))
      const end = await run.ended
      expect(end.code).toBe(2)
      const log = run.log()
      expect(run.record()).toEqual({
        exit_code: 2,
        signal: null,
        bytes: SIZE,
        lines: Math.ceil(SIZE / 22),
        sha256: sha256(log)
      })
      Object.assign(rows[i] ?? {}, { "100 MB": `${(end.ms / 1_000).toFixed(2)} s` })
      await run.gone()
    }
  })

  it("shows a line within 0.3 s, and costs little while the agent is silent", { timeout: 90_000 }, async () => {
    const agent = node(`let i = 0
      const line = () => console.log(Date.now())
      const timer = setInterval(() => {
        line()
        if (++i < 15) return
        clearInterval(timer)
        setTimeout(line, ${QUIET_MS})
      }, 330)`)
    await Promise.all(
      shells.flatMap((shell, i) =>
        (["none", "read"] as const).map(async (stdout) => {
          await using run = new PodRun(shell, agent, { stdout })
          const latencies: Array<number> = []
          const seen = async (count: number) => {
            while (latencies.length < count) {
              await until("a line", () => run.size(run.paths.log) >= 14 * (latencies.length + 1), 2)
              latencies.push(Date.now() - Number(run.log().toString().split("\n")[latencies.length]))
            }
          }
          await seen(15)
          const before = totalCpu(run)
          await sleep(QUIET_MS - 1_000)
          const cpu = (totalCpu(run) - before) / (QUIET_MS - 1_000)
          await seen(16)
          const [late = 0] = latencies.splice(15)
          const sorted = latencies.toSorted((a, b) => a - b)
          await run.ended
          const suffix = stdout === "none" ? "" : ", stdout read"
          Object.assign(rows[i] ?? {}, {
            [`line p50/max${suffix}`]: `${sorted[7]}/${sorted.at(-1)} ms`,
            [`after silence${suffix}`]: `${late} ms`,
            [`idle core${suffix}`]: `${(cpu * 100).toFixed(1)} %`
          })
          // Six of them at once, beside other tests: the machine's own delays are in it.
          expect(sorted[7]).toBeLessThan(300)
          expect(cpu).toBeLessThan(0.1)
        })
      )
    )
  })
})
