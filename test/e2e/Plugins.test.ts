/** Plugins that a revision names and this machine does not have: real git over HTTP, a real central, a real daemon. */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { type GitServer, makeRepository, startGitServer, withoutGit } from "../plugins/GitServer.ts"
import { type Central, documentFor, eventually, Gateway, holdfast, scratch, startCentral } from "./Processes.ts"

/** Tells the test what to undo once it is over, the newest first. */
type AtEnd = (cleanup: () => void | Promise<void>) => void

/** It writes down what it was given, so that a test sees that it ran, and as what. */
const code = (behaviour: string) =>
  `import { writeFileSync } from "node:fs"
export const setup = ({ config, data, name, version }) => {
  writeFileSync(data + "/ran.json", JSON.stringify({ config, name, version }))
  ${behaviour}
}
`
const treeOf = (version: string, behaviour = "") => ({
  "holdfast.plugin.json": JSON.stringify({
    schema_version: 1,
    name: "@acme/weather",
    version,
    holdfast_api: "^1.0.0",
    runtime: "node",
    entrypoint: "index.js",
    config_schema: { type: "object", properties: { city: { type: "string" } }, additionalProperties: false }
  }),
  "index.js": code(behaviour)
})

type Tree = ReturnType<typeof treeOf>

const writeTree = (atEnd: AtEnd, tree: Tree): string => {
  const folder = scratch()
  atEnd(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(tree)) writeFileSync(join(folder, name), text)
  return folder
}

/** As its author learns it. */
const hashOf = async (atEnd: AtEnd, tree: Tree): Promise<string> =>
  (await holdfast(["plugin", "hash", writeTree(atEnd, tree)])).stdout.trim()

interface Stage {
  readonly central: Central
  readonly gateway: Gateway
  readonly git: GitServer
  readonly repository: ReturnType<typeof makeRepository>
  readonly source: string
  readonly publish: (version: string, tree: Tree) => string
  readonly put: (plugins: ReadonlyArray<object>) => Promise<string>
  readonly ran: () => unknown
  readonly tree: (hash: string, ...names: ReadonlyArray<string>) => string
}

/** A machine that has joined, and a forge with one repository. */
const openStage = async (atEnd: AtEnd): Promise<Stage> => {
  const data = scratch()
  const forge = scratch()
  const repository = makeRepository(forge, "weather.git")
  const git = await startGitServer(forge)
  const central = await startCentral(data)
  const gateway = new Gateway({ HOLDFAST_TEST_TIME_SCALE: "10" })
  atEnd(() => rmSync(data, { recursive: true, force: true }))
  atEnd(() => rmSync(forge, { recursive: true, force: true }))
  atEnd(git.close)
  atEnd(async () => void (await central.stop()))
  atEnd(() => gateway.remove())
  const first = await central.put(documentFor(central.url))
  const join_ = await gateway.run("join", central.url, await central.token(), "--no-daemon")
  expect(join_.code, join_.stderr).toBe(0)
  gateway.start()
  await gateway.promoted(first)
  return {
    central,
    gateway,
    git,
    repository,
    source: `git+${git.url}weather.git`,
    publish: (version, tree) => {
      const commit = repository.commit(tree)
      repository.git(["tag", "--force", `v${version}`, commit])
      return commit
    },
    put: (plugins) => central.put(documentFor(central.url, { plugins }), { force: true }),
    ran: () => {
      const file = join(gateway.home, "state", "plugin-data", "@acme", "weather", "ran.json")
      return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : null
    },
    tree: (hash, ...names) => join(gateway.home, "state", "plugins", "@acme", "weather", hash, ...names)
  }
}

const lockOf = ({ gateway }: Stage) =>
  JSON.parse(readFileSync(join(gateway.home, "state", "plugin-lock.json"), "utf8")) as {
    readonly plugins: Record<string, Record<string, string>>
  }

const isActive =
  (version: string) =>
  ({ plugins }: { readonly plugins: ReadonlyArray<object> }) =>
    JSON.stringify(plugins).includes(JSON.stringify({ name: "@acme/weather", version, state: "active" }))

describe.skipIf(withoutGit !== null).concurrent("a revision that names a plugin which is not here", () => {
  it("has exactly the pinned artifact installed, validated, applied, and active after the restart", async ({
    onTestFinished
  }) => {
    const stage = await openStage(onTestFinished)
    const tree = treeOf("1.0.0")
    const commit = stage.publish("1.0.0", tree)
    const artifact_hash = await hashOf(onTestFinished, tree)
    const pin = { name: "@acme/weather", version: "1.0.0", artifact_hash, source: stage.source }
    // Full validation knows its settings, although nothing of it has run.
    const wrong = await stage.put([{ ...pin, config: { town: "Bern" } }])
    const refused = await stage.gateway.until("refused", ({ remote_config }) => remote_config?.bad_etag?.etag === wrong)
    expect(refused.remote_config?.last_attempt).toMatchObject({ verdict: "config_invalid" })
    expect(refused.remote_config?.last_attempt?.reason).toContain("/plugins/0/config")
    expect(stage.ran()).toBeNull()

    const etag = await stage.put([{ ...pin, config: { city: "Bern" } }])
    const status = await stage.gateway.promoted(etag)
    expect(isActive("1.0.0")(status)).toBe(true)
    expect(status.overall).toBe("healthy")
    expect(stage.ran()).toEqual({ config: { city: "Bern" }, name: "@acme/weather", version: "1.0.0" })
    expect(readdirSync(stage.tree(artifact_hash)).toSorted()).toEqual(Object.keys(tree))
    expect(lockOf(stage).plugins["@acme/weather"]).toMatchObject({
      version: "1.0.0",
      content_hash: artifact_hash,
      source: `${stage.source}#v1.0.0`,
      resolved_ref: commit,
      installed_by: "revision"
    })
    expect(stage.gateway.exits.map(({ code }) => code)).toEqual([75, 75])
    const list = await stage.gateway.run("plugin", "list")
    console.log(list.stdout)
    expect(list.stdout).toContain(
      `@acme/weather  1.0.0    ${artifact_hash.slice(0, 12)}  revision  ${stage.source}#v1.0.0`
    )
  })

  it("is refused for good when one byte is another, and the last-known-good one stays as it is", async ({
    onTestFinished
  }) => {
    const stage = await openStage(onTestFinished)
    const good = treeOf("1.0.0")
    stage.publish("1.0.0", good)
    const pinOf = async (version: string, tree: Tree) => ({
      name: "@acme/weather",
      version,
      artifact_hash: await hashOf(onTestFinished, tree),
      source: stage.source
    })
    const first = await stage.put([await pinOf("1.0.0", good)])
    await stage.gateway.promoted(first)
    const before = stage.gateway.files("").filter(({ path }) => /config-control\/[ab]\/|plugins\//.test(path))

    const meant = treeOf("1.1.0")
    stage.publish("1.1.0", { ...meant, "index.js": meant["index.js"].replace("ran.json", "ran_json") })
    const moved = await stage.put([await pinOf("1.1.0", meant)])
    const refused = await stage.gateway.until("refused", ({ remote_config }) => remote_config?.bad_etag?.etag === moved)
    expect(refused.remote_config).toMatchObject({
      running_etag: first,
      last_known_good: { etag: first },
      bad_etag: { etag: moved, reason: "artifact_hash_mismatch" },
      last_attempt: { etag: moved, verdict: "artifact_hash_mismatch" }
    })
    console.log(refused.remote_config?.last_attempt?.reason)
    expect(stage.gateway.log).toContain(`"config.pin_hash_mismatch"`)
    expect(isActive("1.0.0")(refused)).toBe(true)
    expect(stage.gateway.files("").filter(({ path }) => /config-control\/[ab]\/|plugins\//.test(path))).toEqual(before)
    // Not asked for again, however often it is offered.
    const asked = stage.git.questions.length
    const next = await stage.put([await pinOf("1.0.0", good), { name: "@holdfast/runs" }])
    await stage.gateway.promoted(next)
    expect(stage.git.questions.length).toBe(asked)
  })

  it("is tried again after a network failure and then applied, and never quarantined", async ({ onTestFinished }) => {
    const stage = await openStage(onTestFinished)
    const tree = treeOf("1.0.0")
    stage.publish("1.0.0", tree)
    stage.git.interfere = (question) => (question === "pack" ? { ends: "cut", after: 100 } : undefined)
    const etag = await stage.put([
      {
        name: "@acme/weather",
        version: "1.0.0",
        artifact_hash: await hashOf(onTestFinished, tree),
        source: stage.source
      }
    ])
    const failed = await stage.gateway.until(
      "the failure",
      ({ remote_config }) => remote_config?.last_attempt?.etag === etag
    )
    expect(failed.remote_config?.last_attempt).toMatchObject({ verdict: "plugin_install_failed", attempt: 1 })
    expect(failed.remote_config?.last_attempt?.reason).toMatch(/^git_clone_failed: /)
    expect(JSON.stringify(failed.diagnostics)).toContain("It is tried again after")
    expect(failed.remote_config?.quarantine).toEqual([])
    stage.git.interfere = () => undefined
    // The minute to the next try is one of the wall clock, which nothing here makes faster.
    const status = await stage.gateway.promoted(etag, 90_000)
    expect(isActive("1.0.0")(status)).toBe(true)
    expect(status.remote_config?.quarantine).toEqual([])
  }, 120_000)

  it("is rolled back to the artifact that ran before when the new one kills the daemon", async ({ onTestFinished }) => {
    const stage = await openStage(onTestFinished)
    const [one, two] = [treeOf("1.0.0"), treeOf("2.0.0", "process.exit(1)")]
    stage.publish("1.0.0", one)
    // Not pinned by its hash: what the slot was staged with decides all the same.
    const good = await stage.put([{ name: "@acme/weather", version: "1.0.0", source: stage.source }])
    await stage.gateway.promoted(good)
    stage.publish("2.0.0", two)
    const bad = await stage.put([{ name: "@acme/weather", version: "2.0.0", source: stage.source }])
    const back = await stage.gateway.until(
      "the rollback",
      (status) =>
        status.remote_config?.last_rollback?.etag === bad &&
        status.daemon.state === "running" &&
        isActive("1.0.0")(status)
    )
    expect(back.remote_config).toMatchObject({
      running_etag: good,
      last_rollback: { etag: bad, reason: "crash_loop" }
    })
    await eventually(
      "the lock says what runs",
      () => lockOf(stage).plugins["@acme/weather"]?.["version"] === "1.0.0" || undefined
    )
    expect(stage.ran()).toMatchObject({ version: "1.0.0" })
  })

  it("does not hold up an orderly stop with a clone that hangs, and is applied by the next process", async ({
    onTestFinished
  }) => {
    const stage = await openStage(onTestFinished)
    const tree = treeOf("1.0.0")
    stage.publish("1.0.0", tree)
    stage.git.interfere = (question) => (question === "pack" ? { ends: "hang", after: 100 } : undefined)
    const etag = await stage.put([
      {
        name: "@acme/weather",
        version: "1.0.0",
        artifact_hash: await hashOf(onTestFinished, tree),
        source: stage.source
      }
    ])
    await eventually("the hang", () => stage.git.questions.includes("pack") || undefined)
    const helpers = () =>
      execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })
        .split("\n")
        .filter((line) => line.includes(stage.git.url))
    expect(helpers()).not.toEqual([])
    const began = Date.now()
    expect((await stage.gateway.stop())?.code).toBe(0)
    expect(Date.now() - began).toBeLessThan(10_000)
    expect(helpers()).toEqual([])
    expect(readdirSync(join(stage.gateway.home, "state", "plugins"))).toEqual([])
    stage.git.interfere = () => undefined
    stage.gateway.start()
    expect(isActive("1.0.0")(await stage.gateway.promoted(etag))).toBe(true)
  })

  it("may not name a path of this machine", async ({ onTestFinished }) => {
    const stage = await openStage(onTestFinished)
    const folder = writeTree(onTestFinished, treeOf("1.0.0"))
    const etag = await stage.put([{ name: "@acme/weather", source: folder }])
    const refused = await stage.gateway.until("refused", ({ remote_config }) => remote_config?.bad_etag?.etag === etag)
    expect(refused.remote_config?.last_attempt?.reason).toMatch(/^source_forbidden: /)
    const document = join(stage.gateway.home, "document.json")
    writeFileSync(
      document,
      JSON.stringify(documentFor(stage.central.url, { plugins: [{ name: "@acme/weather", source: folder }] }))
    )
    const validated = await stage.gateway.run("config", "validate", document)
    expect([validated.code, validated.stdout]).toEqual([1, expect.stringContaining("/plugins/0: source_forbidden: ")])
  })
})

describe.skipIf(withoutGit !== null).concurrent("an installed plugin", () => {
  it("does not run once its files were changed; the machine goes on, and verify --repair brings it back", async ({
    onTestFinished
  }) => {
    const stage = await openStage(onTestFinished)
    const tree = treeOf("1.0.0")
    stage.publish("1.0.0", tree)
    const artifact_hash = await hashOf(onTestFinished, tree)
    const first = await stage.put([{ name: "@acme/weather", version: "1.0.0", artifact_hash, source: stage.source }])
    await stage.gateway.promoted(first)
    await stage.gateway.stop()
    writeFileSync(stage.tree(artifact_hash, "index.js"), code("process.exit(1)"))
    stage.gateway.start()
    const degraded = await stage.gateway.until(
      "degraded",
      ({ daemon, overall }) => daemon.state === "running" && overall === "degraded"
    )
    expect(degraded.plugins).toContainEqual({ name: "@acme/weather", version: "1.0.0", state: "failed" })
    const said = degraded.diagnostics.find(({ kind }) => kind === "plugin_failed")?.message ?? ""
    console.log(said)
    expect(said).toContain("are not the ones that were installed")
    const verified = await stage.gateway.run("plugin", "verify")
    expect([verified.code, verified.stdout]).toEqual([1, "@acme/weather 1.0.0: changed\n"])
    const next = await stage.central.put(documentFor(stage.central.url, {}, { poll_interval_seconds: 6 }))
    await stage.gateway.promoted(next)

    const repaired = await stage.gateway.run("plugin", "verify", "--repair")
    expect([repaired.code, repaired.stdout]).toEqual([0, "@acme/weather 1.0.0: installed again\n"])
    expect(readFileSync(stage.tree(artifact_hash, "index.js"), "utf8")).toBe(tree["index.js"])
    const again = await stage.put([{ name: "@acme/weather", version: "1.0.0", artifact_hash, source: stage.source }])
    expect(isActive("1.0.0")(await stage.gateway.promoted(again))).toBe(true)
  })

  it("is installed from a folder by an operator, with the daemon and without, and runs from the user's own layer", async ({
    onTestFinished
  }) => {
    const gateway = new Gateway()
    onTestFinished(() => gateway.remove())
    const folder = writeTree(onTestFinished, treeOf("1.0.0"))
    const installed = await gateway.run("plugin", "install", folder)
    console.log(installed.stdout)
    expect(installed.code, installed.stderr).toBe(0)
    mkdirSync(join(gateway.home), { recursive: true })
    writeFileSync(
      join(gateway.home, "config.json"),
      JSON.stringify({ version: 2, plugins: [{ name: "@acme/weather" }] })
    )
    gateway.start()
    await gateway.until("active", isActive("1.0.0"))

    writeFileSync(join(folder, "holdfast.plugin.json"), treeOf("1.0.1")["holdfast.plugin.json"])
    const pinned = await gateway.run("plugin", "install", folder, "--hash", "a".repeat(64))
    expect(pinned.code).toBe(1)
    expect(pinned.stderr).toContain("was pinned")
    const newer = await gateway.run("plugin", "install", folder, "--json")
    expect(newer.code, newer.stderr).toBe(0)
    expect(JSON.parse(newer.stdout)).toMatchObject({ version: "1.0.1", installed_by: "operator" })
    expect((await gateway.run("daemon", "restart")).code).toBe(0)
    await gateway.until("the newer one", isActive("1.0.1"))
    const removed = await gateway.run("plugin", "remove", "@acme/weather")
    expect(removed.code, removed.stderr).toBe(0)
    expect((await gateway.run("plugin", "remove", "@acme/weather")).code).toBe(1)
    expect((await gateway.run("daemon", "restart")).code).toBe(0)
    await gateway.until(
      "left out",
      ({ config_layers, plugins }) => plugins.length === 0 && config_layers.local.dropped.length === 1
    )
    const trees = join(gateway.home, "state", "plugins", "@acme", "weather")
    await eventually("the trees are gone", () => readdirSync(trees).length === 0 || undefined)
  })
})
