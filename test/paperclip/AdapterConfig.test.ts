import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { readAdapterConfig } from "../../src/paperclip/AdapterConfig.ts"
import { listOf, nestedOf, tableOf } from "../../src/paperclip/Forms.ts"
import { podEnvironment } from "../../src/paperclip/PodEnvironment.ts"
import { podPlace } from "../../src/paperclip/PodPlace.ts"
import { promptOf } from "../../src/paperclip/Prompt.ts"
import { sessionCodec } from "../../src/paperclip/SessionCodec.ts"

const read = (config: Readonly<Record<string, unknown>>) => Effect.runSync(readAdapterConfig(config))

describe("the forms of the host", () => {
  it.each([
    ["an object", { a: "1" }],
    ["JSON", '{"a":"1"}'],
    ["YAML", 'a: "1"'],
    ["lines", "a=1\n# a comment\n"]
  ])("take a table as %s", (_, value) => {
    expect(tableOf(value)).toMatchObject({ success: { a: "1" } })
  })

  it.each([
    ["an array", ["a", "b"]],
    ["JSON", '["a","b"]'],
    ["YAML", "- a\n- b"],
    ["words", "a, b"]
  ])("take a list as %s", (_, value) => {
    expect(listOf(value)).toMatchObject({ success: ["a", "b"] })
  })

  it("refuse what is neither, in words", () => {
    expect(tableOf("just words")).toMatchObject({ failure: expect.stringContaining("is no table") })
    expect(listOf("[a")).toMatchObject({ failure: expect.stringContaining("neither JSON nor YAML") })
  })

  it("let dotted keys count more than nested ones", () => {
    expect(nestedOf({ pvc: { claim: "a", subPath: "s" }, "pvc.claim": "b" }, "pvc")).toMatchObject({
      success: { claim: "b", subPath: "s" }
    })
  })
})

describe("the configuration of an agent", () => {
  it("has its defaults here, for those of the schema do not arrive", () => {
    expect(read({})).toMatchObject({
      root: "/paperclip/instances/default/data",
      stateDirectory: "/paperclip/instances/default/data/holdfast",
      graceSeconds: 20,
      timeoutSeconds: 0,
      retain: false,
      skipPermissions: true,
      env: {},
      access: {}
    })
  })

  it("leaves alone what belongs to the host, and reads empty fields of forms as left out", () => {
    const { cluster } = read({ promptTemplate: "x", heartbeatEnabled: true, image: " ", nodeSelector: "", pvc: "" })
    expect(Object.keys(cluster)).toEqual(["root"])
  })

  it("takes the claim's name alone, mounted where the host has its folder", () => {
    expect(read({ pvc: "data" }).cluster["pvc"]).toEqual({ claim: "data", mountPath: "/paperclip" })
  })

  it("takes values of the environment that the host has bound", () => {
    expect(
      read({ env: { A: "1", B: { type: "plain", value: "2" }, C: { type: "secret_ref", id: "x" }, D: 4 } }).env
    ).toEqual({
      A: "1",
      B: "2",
      D: "4"
    })
  })
})

describe("places of the host in pods", () => {
  it("are the same where both mount the volume at the same place", () => {
    const { home, inPods } = podPlace("/paperclip/instances/default/data", "/paperclip/instances/default/data")
    expect(home).toBe("/paperclip")
    expect(inPods("/paperclip/workspaces/a")).toBe("/paperclip/workspaces/a")
    expect(inPods("/tmp/a")).toBeUndefined()
    expect(inPods("/paperclipped")).toBeUndefined()
  })

  it("are translated where they do not", () => {
    const { home, inPods } = podPlace("/srv/pc/instances/x/data", "/paperclip/instances/x/data")
    expect(home).toBe("/paperclip")
    expect(inPods("/srv/pc/instances/x/data/w")).toBe("/paperclip/instances/x/data/w")
    expect(inPods("/srv/pc/work")).toBe("/paperclip/work")
  })
})

const execution = {
  runId: "r1",
  agent: { id: "a1", companyId: "c1", name: "Ada", adapterType: null, adapterConfig: {} },
  authToken: "token",
  context: {
    issueId: "i1",
    wakeReason: "comment",
    issueIds: ["i1", "i2"],
    paperclipWorkspace: { cwd: "/paperclip/w", worktreePath: "/tmp/elsewhere", repoUrl: "https://example.org/r.git" },
    paperclipWake: {
      reason: "issue_commented",
      issue: { identifier: "PC-7", title: "Mend it", status: "todo", description: "It is broken." },
      comments: [{ authorType: "user", body: "Please hurry." }]
    }
  }
}

describe("the environment of a run", () => {
  const env = podEnvironment({
    execution,
    place: podPlace("/paperclip/instances/default/data", "/paperclip/instances/default/data"),
    cwd: "/paperclip/w",
    apiUrl: "http://paperclip:3100",
    own: { PAPERCLIP_API_KEY: "of the configuration", HOME: "/home/me", PAPERCLIP_SCRATCH_DIR: "/var/host/x" },
    skipPermissions: true,
    scratch: "/scratch/tmp"
  })

  it("has what the host's agents rely on", () => {
    expect(env).toMatchObject({
      PAPERCLIP_AGENT_ID: "a1",
      PAPERCLIP_COMPANY_ID: "c1",
      PAPERCLIP_RUN_ID: "r1",
      PAPERCLIP_API_URL: "http://paperclip:3100",
      PAPERCLIP_TASK_ID: "i1",
      PAPERCLIP_WAKE_REASON: "comment",
      PAPERCLIP_LINKED_ISSUE_IDS: "i1,i2",
      PAPERCLIP_WORKSPACE_CWD: "/paperclip/w",
      PAPERCLIP_WORKSPACE_REPO_URL: "https://example.org/r.git",
      OPENCODE_DISABLE_PROJECT_CONFIG: "true",
      OPENCODE_PERMISSION: '{"external_directory":"allow"}',
      HOME: "/home/me"
    })
  })

  it("has the host's word for this run, and no path that pods do not have", () => {
    expect(env["PAPERCLIP_API_KEY"]).toBe("token")
    expect(env["PAPERCLIP_SCRATCH_DIR"]).toBe("/scratch/tmp")
    expect(env).not.toHaveProperty("PAPERCLIP_WORKSPACE_WORKTREE_PATH")
  })
})

describe("the prompt", () => {
  const config = {
    promptTemplate: "Go on, {{agent.name}}: {{context.wakeReason}} {{context.nothing}}.",
    bootstrapPromptTemplate: "Begin."
  }

  it("begins with the instructions, says why the agent was woken, and ends with the template", () => {
    const { metrics, text } = promptOf({
      execution,
      config,
      instructions: { path: "/i.md", text: "Be kind." },
      resumes: false
    })
    expect(text).toMatch(/^Be kind\.\n\nThese instructions are those of \/i\.md/)
    expect(text).toContain(
      "Begin.\n\n# Why you were woken\n\nYou were woken: issue_commented.\n\nTask PC-7: Mend it (todo)"
    )
    expect(text).toContain("Comment (user):\nPlease hurry.")
    expect(text).toMatch(/Go on, Ada: comment \.$/)
    expect(metrics["promptChars"]).toBe(text.length)
  })

  it("repeats to a session that goes on only why it was woken", () => {
    const { text } = promptOf({ execution, config, instructions: undefined, resumes: true })
    expect(text).toMatch(/^# Why you were woken/)
    expect(text).not.toContain("Go on, Ada")
    expect(text).not.toContain("Begin.")
  })
})

describe("the codec of sessions", () => {
  it("reads the words of the host's adapters, and keeps nothing without an id", () => {
    expect(sessionCodec.deserialize({ session_id: " s1 ", workdir: "/w", repo_url: "u", other: 1 })).toEqual({
      sessionId: "s1",
      cwd: "/w",
      repoUrl: "u"
    })
    expect(sessionCodec.serialize({ cwd: "/w" })).toBeNull()
    expect(sessionCodec.deserialize("s1")).toBeNull()
    expect(sessionCodec.getDisplayId?.({ sessionID: "s1" })).toBe("s1")
  })
})
