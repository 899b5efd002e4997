import { spawn } from "node:child_process"
import { once } from "node:events"
import { resolve } from "node:path"
import { describe, expect, it } from "vitest"

const CHILD = resolve(import.meta.dirname, "UptimeChild.ts")

describe("the uptime of a real process", () => {
  it("spends two seconds at most while the process is stopped", async () => {
    const child = spawn(process.execPath, [CHILD], { stdio: ["ignore", "pipe", "inherit"] })
    const lines: Array<{ readonly uptime: number; readonly real: number; readonly gap?: number }> = []
    let rest = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const parts = (rest + text).split("\n")
      rest = parts.pop() ?? ""
      lines.push(...parts.map((part) => JSON.parse(part)))
    })
    const wait = (ms: number) => new Promise((done) => setTimeout(done, ms))
    while (lines.length === 0) await wait(20)
    child.kill("SIGSTOP")
    await wait(4_500)
    child.kill("SIGCONT")
    await once(child, "exit")
    const [first, last] = [lines[0]!, lines.at(-1)!]
    const lost = last.real - first.real - (last.uptime - first.uptime)
    expect(last.real - first.real).toBeGreaterThan(4_000)
    expect(lost).toBeGreaterThan(1_000)
    expect(lines.some((line) => line.gap !== undefined && Math.abs(line.gap - lost) < 100)).toBe(true)
  }, 20_000)
})
