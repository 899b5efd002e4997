import { readFileSync } from "node:fs"
import { basename } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { checkedPodCommand, podCommand, type PodCommandSpec } from "../../src/runs/index.ts"
import { node, PodRun, type PodRunOptions, sha256, sh, type Shell, shells, until } from "./PodRun.ts"

/** Runs to the end and tells how it was. */
const ran = async (shell: Shell, argv: ReadonlyArray<string>, options?: PodRunOptions) => {
  await using run = new PodRun(shell, argv, options)
  const end = await run.ended
  const log = run.log()
  await run.gone()
  return {
    code: end.code,
    ms: end.ms,
    log,
    record: run.record(),
    told: run.told(),
    stderr: readFileSync(run.paths.stderr, "utf8")
  }
}

/** Output that is hard to copy, as Node's source of an agent that writes `bytes`, and as what it writes. */
const outputs: ReadonlyArray<readonly [what: string, argv: ReadonlyArray<string>, bytes: Buffer, lines: number]> = [
  ["nothing", sh("true"), Buffer.alloc(0), 0],
  ["one newline", sh("echo"), Buffer.from("\n"), 1],
  ["no last newline", sh("printf 'a\\nb'"), Buffer.from("a\nb"), 2],
  [
    "every byte, NUL among them",
    node("for (let i = 0; i < 300; i++) fs.writeSync(1, Buffer.from(Array.from({ length: 256 }, (_, n) => n)))"),
    Buffer.concat(Array.from({ length: 300 }, () => Buffer.from(Array.from({ length: 256 }, (_, n) => n)))),
    301
  ],
  [
    "characters in halves, each in a poll of its own",
    node(`const b = Buffer.from("ö😀\\n")
      let i = 0
      const one = () => { fs.writeSync(1, b, i, 1); if (++i < b.length) setTimeout(one, 230) }
      one()`),
    Buffer.from("ö😀\n"),
    1
  ],
  [
    "single bytes",
    node('for (let i = 0; i < 70_001; i++) fs.writeSync(1, i % 70 === 0 ? "\\n" : "x")'),
    Buffer.from(Array.from({ length: 70_001 }, (_, i) => (i % 70 === 0 ? "\n" : "x")).join("")),
    1_001
  ],
  ["one block exactly", node("fs.writeSync(1, 'y'.repeat(65536))"), Buffer.from("y".repeat(65_536)), 1],
  [
    "a line a while before the end and one in its last moment",
    sh("echo first; sleep 0.5; echo last; kill -KILL $$"),
    Buffer.from("first\nlast\n"),
    2
  ]
]

describe.each(shells)("the pod command in $name", { concurrent: true }, (shell) => {
  it("ends with the agent's exit status, and the record says it", async () => {
    const agents: ReadonlyArray<readonly [script: string, code: number, signal: number | null]> = [
      ["exit 0", 0, null],
      ["exit 1", 1, null],
      ["exit 42", 42, null],
      ["exit 255", 255, null],
      ["kill -TERM $$", 143, 15],
      ["kill -KILL $$", 137, 9]
    ]
    const ends = await Promise.all(agents.map(([script]) => ran(shell, sh(script))))
    expect(ends.map(({ code }) => code)).toEqual(agents.map(([, code]) => code))
    expect(ends.map(({ record }) => [record?.exit_code, record?.signal])).toEqual(
      agents.map(([, code, signal]) => [code, signal])
    )
    expect(ends.map(({ told }) => told)).toEqual(ends.map(({ record }) => record))
  })

  it("says why an agent could not be started", async () => {
    const [absent, forbidden, promptless] = await Promise.all([
      ran(shell, ["/nowhere/agent"]),
      ran(shell, ["/etc/passwd"]),
      (async () => {
        await using run = new PodRun(shell, sh("echo no"), { promptFile: "/nowhere/prompt" })
        const { code } = await run.ended
        await until("the shell's words", () => run.stderr !== "")
        return { code, stderr: run.stderr, log: run.log().length, record: run.record() }
      })()
    ])
    expect([absent.code, absent.stderr]).toEqual([127, expect.stringContaining("/nowhere/agent")])
    expect([forbidden.code, forbidden.stderr]).toEqual([126, expect.stringMatching(/[Pp]ermission denied/)])
    expect(promptless).toMatchObject({ code: 125, stderr: expect.stringContaining("/nowhere/prompt"), log: 0 })
  })

  it("has every byte of the output in the log, and counts and hashes it", async () => {
    const ends = await Promise.all(outputs.map(([, argv]) => ran(shell, argv)))
    expect(ends.map(({ log }, i) => [outputs[i]?.[0], sha256(log)])).toEqual(
      outputs.map(([what, , bytes]) => [what, sha256(bytes)])
    )
    expect(ends.map(({ record }) => ({ ...record, exit_code: 0, signal: null }))).toEqual(
      outputs.map(([, , bytes, lines]) => ({
        exit_code: 0,
        signal: null,
        bytes: bytes.length,
        lines,
        sha256: sha256(bytes)
      }))
    )
  })

  it("gives the agent its words, its environment and its prompt as they are, and shows no prompt to others", async () => {
    const words = ["", " ", "it's", '"$(touch pwned)" `id`', "a\nb\\n", "*", "ö😀", "-n", "${hf_d}"]
    const prompt = `don't "expand" $HOME \`id\`\n\\n${"é".repeat(51_200 - 20)}`
    const env = { LC_ALL: "de_DE.UTF-8", hf_x: "mine" }
    await using run = new PodRun(
      shell,
      [
        ...node(`const prompt = fs.readFileSync(0, "utf8")
          console.log(JSON.stringify({ words: process.argv.slice(1), env: process.env, prompt }))
          setTimeout(() => {}, 300)`),
        "--",
        ...words
      ],
      { prompt, env }
    )
    await until("the agent's words", () => run.log().length > 0)
    expect(run.processes().filter(({ command }) => command.includes("expand"))).toEqual([])
    await run.ended
    const seen = JSON.parse(run.log().toString())
    expect(seen.words).toEqual(words)
    expect(seen.prompt).toBe(prompt)
    expect(seen.env).toMatchObject(env)
    expect(Object.keys(seen.env).filter((name) => name.startsWith("hf_"))).toEqual(["hf_x"])
  })

  it("keeps of stderr its head and its tail, 1 MiB in all, and all of it when it is no more", async () => {
    const line = (i: number) => `${i} ${"e".repeat(1_000)}`.slice(0, 999)
    const script = (count: number) =>
      node(`for (let i = 0; i < ${count}; i++) fs.writeSync(2, (i + " " + "e".repeat(1000)).slice(0, 999) + "\\n")`)
    const [much, whole] = await Promise.all([ran(shell, script(3_000)), ran(shell, script(1_000))])
    expect(whole.stderr).toBe(Array.from({ length: 1_000 }, (_, i) => `${line(i)}\n`).join(""))
    expect(much.stderr.length).toBeLessThanOrEqual(1_048_576)
    expect(much.stderr.length).toBeGreaterThan(1_040_000)
    expect(much.stderr.startsWith(`${line(0)}\n${line(1)}\n`)).toBe(true)
    expect(much.stderr.endsWith(`\n${line(2_998)}\n${line(2_999)}\n`)).toBe(true)
    const [marker = "", left] = /\n\[(\d+) bytes of stderr are left out here\]\n/.exec(much.stderr) ?? []
    expect(Number(left) + much.stderr.length - marker.length).toBe(3_000_000)
    expect(much.record?.bytes).toBe(0)
  })

  it("shows a record under its name only when all of it is there, after the last byte", async () => {
    await using run = new PodRun(shell, sh("echo line"))
    const seen = new Set<string>()
    const state = () => `${JSON.stringify(run.record())} with ${run.log().length} bytes`
    await until(
      "the end",
      () => {
        if (run.record() !== undefined) seen.add(state())
        return run.child.exitCode !== null
      },
      0
    )
    for (const each of seen) expect(each).toBe(state())
    expect(run.size(run.paths.recordTmp)).toBe(0)
    expect(basename(run.paths.record)).toBe("run-1.pod.exit")
  })
})

describe("the text of the pod command", () => {
  const spec: PodCommandSpec = {
    argv: ["agent"],
    paths: { scratch: "/s", log: "/l", stderr: "/e", record: "/r", recordTmp: "/t", termination: "/d" },
    promptFile: null,
    graceSeconds: 10
  }

  it("begins with the trap, and is far from the longest word that a system takes", () => {
    expect(podCommand(spec)).toMatch(/^trap '[^\n]+' TERM INT HUP;/)
    expect(podCommand(spec).length).toBeLessThan(16_384)
  })

  it.effect.each<readonly [string, Partial<PodCommandSpec>]>([
    ["no program", { argv: [] }],
    ["an empty program", { argv: [""] }],
    ["an option instead of a program", { argv: ["-a"] }],
    ["a NUL byte", { argv: ["agent", "a\0b"] }],
    ["a path that is not absolute", { promptFile: "prompt" }],
    ["a path of two lines", { paths: { ...spec.paths, log: "/a\nb" } }],
    ["a grace that is no number", { graceSeconds: Number.NaN }],
    ["a grace of less than nothing", { graceSeconds: -1 }]
  ])("is not made of %s", ([, change]) =>
    Effect.map(Effect.flip(checkedPodCommand({ ...spec, ...change })), ({ _tag }) =>
      expect(_tag).toBe("PodCommandInvalid")
    )
  )
})
