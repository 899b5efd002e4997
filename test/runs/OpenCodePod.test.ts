import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ModelStandIn } from "./ModelStandIn.ts"
import { noMounts, onTmpfs, taken } from "./OwnVolume.ts"
import { PodRun, type PodRunOptions, sha256, type Shell, shells } from "./PodRun.ts"
import { installOpenCode } from "./RealOpenCode.ts"

const installed = installOpenCode()
if ("missing" in installed) console.log(`skipped, for there is no OpenCode: ${installed.missing}`)
const isMissing = "missing" in installed && process.env["CI"] === undefined

/** More than a pipe holds: the real OpenCode loses what a stalled reader does not take, and exits with 0. */
const WORDS = Array.from({ length: 20 }, () => "wörld漢字😀".repeat(500)).join(" ")

let model: ModelStandIn
let homes: string
beforeAll(async () => {
  model = await ModelStandIn.start({ words: WORDS })
  homes = mkdtempSync(join(tmpdir(), "holdfast-opencode-homes-"))
})
afterAll(async () => {
  await model.close()
  rmSync(homes, { recursive: true, force: true })
})

const run = (shell: Shell, more: PodRunOptions) => {
  if ("missing" in installed) throw new Error(installed.missing)
  const argv = [join(installed.bin, "opencode"), "run", "--format", "json", "--model", "standin/words"]
  // The shells find nothing but the programs that the pod command needs; the agent finds everything.
  const agent = ["/bin/sh", "-c", `PATH='${process.env["PATH"]}' exec "$@"`, "sh", ...argv]
  const env = { ...model.environment, HOME: mkdtempSync(join(homes, "home-")) }
  return new PodRun(shell, agent, { prompt: "hello", env, ...more })
}

const textOf = (log: string): string =>
  log
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly part?: { readonly text?: string } })
    .map(({ part }) => part?.text ?? "")
    .join("")

describe.skipIf(isMissing)("the real OpenCode under the pod command", { concurrent: true, timeout: 90_000 }, () => {
  it.each(shells)("loses no byte to a reader that does not read, in $name", async (shell) => {
    await using pod = run(shell, { stdout: "stalled" })
    expect((await pod.ended).code).toBe(0)
    const log = pod.log()
    expect(textOf(log.toString())).toBe(WORDS)
    expect(pod.record()).toEqual({ exit_code: 0, signal: null, bytes: log.length, lines: 3, sha256: sha256(log) })
  })

  it.skipIf(noMounts !== null).each(shells)("keeps its status on a full volume, in $name", async (shell) => {
    await using pod = run(shell, onTmpfs("128k"))
    expect((await pod.ended).code).toBe(0)
    const log = readFileSync(taken(pod).log)
    const told = pod.told()
    expect(told).toMatchObject({ exit_code: 0, lines: 3 })
    expect(told.bytes).toBeGreaterThan(Buffer.byteLength(WORDS))
    expect(log.length).toBeLessThan(told.bytes)
    expect(JSON.parse(readFileSync(taken(pod).record, "utf8"))).toEqual({
      ...told,
      volume_error: "write: No space left on device"
    })
  })
})
