import type { AdapterEnvironmentTestResult } from "@paperclipai/adapter-utils"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { type Host, Stage } from "./Stage.ts"

/** An image that lacks the tools leaves no record, which is waited for. */
const FAST = { HOLDFAST_TEST_TIME_SCALE: "10" }

let stage: Stage

beforeAll(async () => {
  stage = await Stage.start()
})
afterEach(() => stage.closeHosts())
afterAll(() => stage.close())

const tested = async (host: Host, changes: Readonly<Record<string, unknown>> = {}) => {
  const from = host.lines.length
  const { env = {}, ...others } = changes as { readonly env?: Record<string, string> }
  const config = { ...stage.config, env: { ...stage.env, ...env }, ...others }
  host.send({ op: "test", ctx: { companyId: "acme", adapterType: "opencode_k8s", config } })
  return (await host.line("tested", "test", 50_000, from))["result"] as AdapterEnvironmentTestResult
}

const codes = ({ checks }: AdapterEnvironmentTestResult) => checks.map(({ code, level }) => `${level} ${code}`)

describe("the test of the environment", () => {
  it("proves cluster, rights, volume, root and image, and leaves nothing behind", async () => {
    const host = await stage.host({ PAPERCLIP_API_URL: "http://paperclip.example:3100" })
    const result = await tested(host)
    console.log(result.checks.map(({ level, message }) => `${level}: ${message}`).join("\n"))
    expect(result.status).toBe("pass")
    expect(codes(result)).toEqual([
      "info k8s_rights",
      "info k8s_pvc",
      "info root_writable",
      "info api_url",
      "info image"
    ])
  })

  it("names rights that are missing", async () => {
    stage.standIn.forbidden.add("create jobs").add("patch secrets")
    const result = await tested(await stage.host(FAST))
    stage.standIn.forbidden.clear()
    expect(result.status).toBe("fail")
    expect(result.checks[0]).toMatchObject({
      code: "k8s_rights_missing",
      message: "Not allowed in the namespace agents: create jobs, patch secrets.",
      hint: expect.stringContaining("rbac.yaml")
    })
  })

  it("names a claim that is not there, and a root that cannot be written", async () => {
    const file = join(stage.directory, "file")
    writeFileSync(file, "")
    const result = await tested(await stage.host(FAST), {
      pvc: { claim: "elsewhere", mountPath: "/v" },
      root: `${file}/data`
    })
    expect(codes(result)).toEqual([
      "info k8s_rights",
      "error k8s_pvc_missing",
      "error root_not_writable",
      "warn api_url_unset"
    ])
  })

  it("names the tools that an image lacks, and the program", async () => {
    const bin = join(stage.directory, "poor")
    mkdirSync(bin)
    for (const tool of ["sh", "sleep", "wc", "mv", "rm", "cat", "mkdir"])
      symlinkSync(`/usr/bin/${tool}`, join(bin, tool))
    const host = await stage.host(FAST)
    const poor = await tested(host, { env: { PATH: bin } })
    expect(poor.checks.at(-1)).toMatchObject({
      code: "image_incomplete",
      message: "stand-in/agent lacks dd, sha256sum."
    })
    const other = await tested(host, { command: "no-such-agent" })
    expect(other.checks.at(-1)).toMatchObject({ message: "stand-in/agent lacks no-such-agent." })
  })

  it("says when an image cannot be had", async () => {
    stage.standIn.imageProblems.set("stand-in/none", "ErrImagePull")
    const result = await tested(await stage.host(FAST), { image: "stand-in/none" })
    expect(result.checks.at(-1)).toMatchObject({ code: "image_failed", level: "error" })
    expect(result.checks.at(-1)?.message).toContain("ErrImagePull")
  })

  it("notices that what the pod writes does not arrive here", async () => {
    const result = await tested(await stage.host(FAST), { root: join(stage.directory, "another") })
    expect(result.checks.at(-1)).toMatchObject({ code: "volume_not_shared", level: "error" })
  })

  it("says that a cluster does not answer, and what is wrong with a configuration", async () => {
    const host = await stage.host(FAST)
    await stage.standIn.goAway()
    const away = await tested(host)
    await stage.standIn.comeBack()
    expect(away.checks[0]).toMatchObject({ code: "k8s_unreachable", level: "error" })
    expect((await tested(host, { image: "" })).checks[0]).toMatchObject({
      code: "config_unusable",
      message: expect.stringContaining("image is not set")
    })
    expect((await tested(host, { timeoutSec: "soon" })).checks[0]).toMatchObject({ code: "config_invalid" })
  })
})
