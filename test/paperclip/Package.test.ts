import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { runInNewContext } from "node:vm"
import { afterAll, describe, expect, it } from "vitest"
import { ADAPTER, FIXTURES } from "./Stage.ts"

const folder = dirname(ADAPTER)
const scratch = mkdtempSync(join(tmpdir(), "holdfast-package-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))

/** As the host's pages do it: in a function of its own, without anything of the world. */
const parser = (() => {
  const source = readFileSync(join(folder, "ui-parser.cjs"), "utf8")
  const module = { exports: {} as Record<string, any> }
  const evaluate = runInNewContext("Function", {})(
    "exports",
    "module",
    "self",
    "globalThis",
    `"use strict";\n{\n${source}\n}`
  )
  evaluate(module.exports, module, undefined, undefined)
  return module.exports as { parseStdoutLine: (line: string, ts: string) => Array<any> }
})()

const parsed = (name: string) =>
  readFileSync(join(FIXTURES, `${name}.stdout.jsonl`), "utf8")
    .split("\n")
    .flatMap((line) => parser.parseStdoutLine(line, "t"))

describe("the adapter's package", () => {
  it("is an ES module with a parser for the pages, of this version, and needs the Kubernetes client alone", () => {
    const root = JSON.parse(readFileSync(join(folder, "../../package.json"), "utf8"))
    expect(manifest).toMatchObject({
      type: "module",
      version: readFileSync(join(folder, "../../VERSION"), "utf8").trim(),
      exports: { ".": "./index.js", "./ui-parser": "./ui-parser.cjs" },
      paperclip: { adapterUiParser: "1.0.0" },
      dependencies: { "@kubernetes/client-node": root.dependencies["@kubernetes/client-node"] }
    })
    expect(readdirSync(folder).toSorted()).toEqual(["index.js", "package.json", "ui-parser.cjs"])
  })

  it("is there at once, wherever it lies: nothing in it waits while it is loaded", () => {
    cpSync(folder, join(scratch, "adapter"), { recursive: true })
    const script = `
      const adapter = require(${JSON.stringify(join(scratch, "adapter"))})
      const made = adapter.createServerAdapter()
      console.log(JSON.stringify([made.type, made.hasOutOfProcessLiveness, Object.keys(made).sort(),
        adapter.buildPodLogPath({ companyId: "c", agentId: "a", runId: "r" }), process.getActiveResourcesInfo().length]))
      try { adapter.buildPodLogPath({ companyId: "../c", agentId: "a", runId: "r" }) } catch (error) { console.log(error.message) }`
    const [line = "", refusal] = execFileSync(process.execPath, ["-e", script], { encoding: "utf8" }).split("\n")
    const [type, isOutside, members, path, resources] = JSON.parse(line)
    expect([type, isOutside, resources]).toEqual(["opencode_k8s", true, 0])
    for (const member of ["agentConfigurationDoc", "execute", "getConfigSchema", "listModels", "models"]) {
      expect(members).toContain(member)
    }
    expect(path).toBe("/paperclip/instances/default/data/run-logs/c/a/r.pod.ndjson")
    expect(refusal).toContain("Invalid companyId for log path")
  })

  it("asks for nothing in its schema that its documentation does not name", async () => {
    const { createServerAdapter } = await import(ADAPTER)
    const { agentConfigurationDoc, getConfigSchema } = createServerAdapter()
    const { fields } = getConfigSchema()
    const unnamed = fields.filter(({ key }: { key: string }) => !agentConfigurationDoc.includes(key.split(".")[0]))
    expect(unnamed).toEqual([])
  })
})

describe("the parser of the host's pages", () => {
  it("shows what OpenCode says, its steps and what they cost", () => {
    expect(parsed("text")).toEqual([
      { kind: "system", ts: "t", text: "step" },
      { kind: "assistant", ts: "t", text: "Hello wörld 漢字 😀" },
      {
        kind: "result",
        ts: "t",
        text: "stop",
        subtype: "stop",
        isError: false,
        errors: [],
        inputTokens: 150,
        outputTokens: 20,
        cachedTokens: 50,
        costUsd: 195e-6
      }
    ])
  })

  it("shows tools with their results, and those that failed", () => {
    expect(parsed("tool").filter(({ kind }) => kind.startsWith("tool"))).toEqual([
      {
        kind: "tool_call",
        ts: "t",
        name: "bash",
        toolUseId: "call_1",
        input: {
          command: "echo tool-output",
          description: "echo"
        }
      },
      {
        kind: "tool_result",
        ts: "t",
        toolUseId: "call_1",
        toolName: "bash",
        content: "tool-output\n",
        isError: false
      }
    ])
    expect(parsed("toolerror").find(({ kind }) => kind === "tool_result")).toMatchObject({
      content: "File not found: /nonexistent/file.txt",
      isError: true
    })
  })

  it("shows errors in OpenCode's own words", () => {
    expect(parsed("apierror")).toEqual([{ kind: "stderr", ts: "t", text: "bad thing happened" }])
  })

  it("leaves signs of life out, shows gaps, and passes everything else through", () => {
    expect(parser.parseStdoutLine("[holdfast] keep-alive: run r is live", "t")).toEqual([])
    expect(
      parser.parseStdoutLine("[holdfast] gap: the output from byte 1 to byte 2 cannot be delivered (truncated)", "t")
    ).toEqual([
      { kind: "system", ts: "t", text: "gap: the output from byte 1 to byte 2 cannot be delivered (truncated)" }
    ])
    for (const line of [
      "plain",
      "{not json",
      "{}",
      '{"type":"new","x":1}',
      "null",
      '{"type":"tool_use"}',
      '{"type":5}'
    ]) {
      expect(parser.parseStdoutLine(line, "t")).toEqual([{ kind: "stdout", ts: "t", text: line }])
    }
  })
})
