/** `holdfast agent install` and `update`: real files, real git over HTTP, real archives. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, vi } from "vitest"
import { serveBytes, tgzOf } from "../plugins/Archives.ts"
import { type GitServer, makeRepository, startGitServer, withoutGit } from "../plugins/GitServer.ts"
import { contentOf, namesIn, one, other, put, two } from "./AgentFolder.ts"
import { atDesk } from "./InProcess.ts"

describe("agent install of what Holdfast brings", () => {
  it.live("puts the examples there by their names, which answer, and says which there are", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const unknown = yield* desk.run(["agent", "install", "bundled:none_agent.py", "--yes"])
        expect(unknown.code).toBe(1)
        const names = [
          "context_memory_agent.py",
          "context_memory_agent.ts",
          "run_control_agent.py",
          "run_control_agent.ts"
        ]
        expect(unknown.err).toContain(`It brings ${names.map((name) => `bundled:${name}`).join(", ")}.`)
        for (const name of ["context_memory_agent.py", "run_control_agent.ts"]) {
          expect(yield* desk.run(["agent", "install", `bundled:${name}`, "--yes"])).toMatchObject({ code: 0, err: "" })
        }
        expect(yield* desk.run(["agent", "verify"])).toMatchObject({ code: 0 })
        const saved = yield* desk.run(["agent", "test", "context_memory_agent.py", '{"action":"save","text":"tea"}'])
        expect(saved).toMatchObject({ code: 0, out: "Saved as 1." })
        expect((yield* desk.run(["agent", "update", "--all"])).out).toContain("Nothing is to be changed.")
      })
    )
  )
})

describe.skipIf(withoutGit !== null)("agent install and update, from a repository", () => {
  const served = mkdtempSync(join(tmpdir(), "holdfast-agents-git-"))
  let server: GitServer
  beforeAll(async () => {
    server = await startGitServer(served)
  })
  afterAll(async () => {
    await server.close()
    rmSync(served, { recursive: true })
  })
  afterEach(() => vi.unstubAllEnvs())

  const repository = (name: string) => ({ ...makeRepository(served, name), source: `git+${server.url}${name}` })

  it.live("shows what it would write and at which commit, writes it, and records it; the agents answer", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { commit, git, source } = repository("a.git")
        const id = commit({
          "one_agent.mjs": one,
          "two_agent.py": two,
          "README.md": "no agent",
          "x/three_agent.py": two
        })
        git(["tag", "v1.0.0", id])
        const asked = yield* desk.run(["agent", "install", `${source}#v1.0.0`], { stdin: "y\n" })
        expect(asked).toMatchObject({ code: 1 })
        expect(asked.out).toContain(`at v1.0.0, commit ${id}`)
        expect(asked.err).toMatch(/Nobody can be asked here, and nothing was changed: add --yes/)
        expect(namesIn(desk.path("home"))).toEqual([])

        const done = yield* desk.run(["agent", "install", `${source}#v1.0.0`, "--yes"])
        expect(done).toMatchObject({ code: 0, err: "" })
        expect(done.out).toMatch(/new +one_agent\.mjs.*\nnew +two_agent\.py.*\nDone: the next request/)
        expect(namesIn(desk.path("home", "agents"))).toEqual(["one_agent.mjs", "two_agent.py"])
        expect(contentOf(desk, "two_agent.py")).toBe(two)

        const listed = yield* desk.run(["agent", "list", "--json"])
        expect(JSON.parse(listed.out).agents).toMatchObject([
          { file: "one_agent.mjs", agents: ["one"], condition: "intact", source, ref: "v1.0.0", commit: id },
          { file: "two_agent.py", agents: ["Two"], language: "python", quarantined: [] }
        ])
        expect((yield* desk.run(["agent", "list"])).out).toMatch(/two_agent\.py +Two +python +\S+@v1\.0\.0 +ok$/)
        expect(yield* desk.run(["agent", "test", "two_agent.py", '{"text":"x"}'])).toMatchObject({
          code: 0,
          out: "two x"
        })
        const again = yield* desk.run(["agent", "install", `${source}#v1.0.0`])
        expect(again).toMatchObject({ code: 0 })
        expect(again.out).toContain("Nothing is to be changed.")
      })
    )
  )

  it.live("updates to what the branch is now, says both commits, and asks", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { commit, source } = repository("b.git")
        const first = commit({ "agents/one_agent.mjs": one, "agents/two_agent.py": two })
        yield* desk.run(["agent", "install", `${source}#main`, "--yes"])
        const second = commit({ "agents/one_agent.mjs": other })
        const asked = yield* desk.run(["agent", "update", "--all"], { stdin: "" })
        expect(asked).toMatchObject({
          code: 1,
          out: expect.stringContaining(`${first.slice(0, 12)} -> ${second.slice(0, 12)}`)
        })
        expect(contentOf(desk, "one_agent.mjs")).toBe(one)

        const done = yield* desk.run(["agent", "update", "--all", "--yes"])
        // The other file is gone from its source: told, and left to its owner.
        expect(done).toMatchObject({
          code: 1,
          err: expect.stringMatching(/two_agent\.py is gone from its source, and stays/)
        })
        expect(contentOf(desk, "one_agent.mjs")).toBe(other)
        expect(contentOf(desk, "two_agent.py")).toBe(two)
        const [listed] = JSON.parse((yield* desk.run(["agent", "list", "--json"])).out).agents
        expect(listed).toMatchObject({ file: "one_agent.mjs", commit: second, condition: "intact" })
        expect(yield* desk.run(["agent", "update", "one_agent.mjs"])).toMatchObject({
          code: 0,
          out: expect.stringContaining("Nothing")
        })
      })
    )
  )

  it.live("never loses an edit: it is named and kept, and --force is needed", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { commit, source } = repository("c.git")
        commit({ "one_agent.mjs": one })
        yield* desk.run(["agent", "install", source, "--yes"])
        put(desk, "one_agent.mjs", "mine")
        const kept = yield* desk.run(["agent", "update", "--all", "--yes"])
        expect(kept).toMatchObject({
          code: 0,
          err: expect.stringMatching(/was edited here, and its source has nothing new/)
        })
        commit({ "one_agent.mjs": other })
        for (const argv of [
          ["update", "--all"],
          ["install", source]
        ]) {
          const refused = yield* desk.run(["agent", ...argv, "--yes"])
          expect(refused).toMatchObject({ code: 1, err: expect.stringMatching(/edited or put there by hand.*--force/) })
          expect(contentOf(desk, "one_agent.mjs")).toBe("mine")
        }
        expect((yield* desk.run(["agent", "verify"])).out).toMatch(/one_agent\.mjs: modified since it was installed/)
        expect(yield* desk.run(["agent", "update", "one_agent.mjs", "--yes", "--force"])).toMatchObject({ code: 0 })
        expect(contentOf(desk, "one_agent.mjs")).toBe(other)
        expect(yield* desk.run(["agent", "verify"])).toMatchObject({ code: 0 })
      })
    )
  )

  it.live("explains every source that is of no use, and writes nothing", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { commit, source } = repository("d.git")
        const huge = Buffer.alloc(4 * 1024 * 1024 + 1, "#")
        const trees = [
          ["empty", { "README.md": "" }, /has no agent file, neither at its top nor in its folder agents/],
          ["link", { "one_agent.mjs": { mode: "120000", to: "/etc/passwd" } }, /"one_agent\.mjs" is a link/],
          ["huge", { "one_agent.mjs": huge }, /longer than 4 MiB/],
          ["twins", { "One_agent.mjs": one, "one_agent.mjs": other }, /two files that some disks take for one/],
          ["hidden", { ".one_agent.mjs": one }, /is no name of an agent file: it begins with/],
          [
            "unseen",
            { "o\u202ene_agent.mjs": one },
            /is no name of an agent file: it holds characters that nobody sees/
          ]
        ] as const
        for (const [branch, tree, why] of trees) {
          commit(tree, branch)
          const said = yield* desk.run(["agent", "install", `${source}#${branch}`, "--yes"])
          expect(said).toMatchObject({ code: 1, err: expect.stringMatching(why) })
        }
        const wrong: ReadonlyArray<readonly [string, RegExp]> = [
          [`${source}#v9`, /is not there: the repository has no such tag or branch/],
          [`git+${server.url}none.git`, /could not be fetched/],
          ["git+http://127.0.0.1:1/a.git", /could not be fetched.*Check address and network/],
          ["http://h.example/a.tgz", /in the clear/],
          ["git+https://user:secret@h.example/a", /has a password or a token/],
          ["--upload-pack=x", /Unrecognized|begins with/],
          ["weather", /names no kind of source.*github\.com\/ORG\/REPO@REF/],
          [desk.path("nowhere"), /There is no folder/]
        ]
        for (const [named, why] of wrong) {
          const said = yield* desk.run(["agent", "install", named, "--yes"])
          expect(said.code).toBeGreaterThan(0)
          expect(said.err).toMatch(why)
          expect(said.err).not.toContain("secret")
        }
        vi.stubEnv("https_proxy", "http://127.0.0.1:1")
        const offline = yield* desk.run(["agent", "install", "github.com/example/agents@v1.0", "--yes"])
        expect(offline).toMatchObject({ code: 1 })
        expect(offline.err).toMatch(/git\+https:\/\/github\.com\/example\/agents#v1\.0 could not be fetched/)
        vi.stubEnv("PATH", desk.root)
        const noGit = yield* desk.run(["agent", "install", source, "--yes"])
        expect(noGit).toMatchObject({ code: 1, err: expect.stringMatching(/needs git.*install git/) })
        expect(namesIn(desk.path("home"))).toEqual([])
      })
    )
  )
})

describe("agent install, from elsewhere", () => {
  it.live("takes a folder or one file of this machine, and no link", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const folder = desk.path("mine")
        yield* desk.write("mine/one_agent.mjs", one)
        yield* desk.write("mine/two_agent.py", two)
        expect(yield* desk.run(["agent", "install", `${folder}/two_agent.py`, "--yes"])).toMatchObject({ code: 0 })
        expect(namesIn(desk.path("home", "agents"))).toEqual(["two_agent.py"])
        yield* desk.write("mine/two_agent.py", `${two}\n`)
        expect(yield* desk.run(["agent", "update", "two_agent.py", "--yes"])).toMatchObject({ code: 0 })
        expect(contentOf(desk, "two_agent.py")).toBe(`${two}\n`)
        const said = yield* desk.run(["agent", "install", folder, "--yes", "--json"])
        expect(JSON.parse(said.out).files).toMatchObject([
          { file: "one_agent.mjs", change: "new", source: folder, commit: null },
          { file: "two_agent.py", change: "same" }
        ])
        symlinkSync(`${folder}/one_agent.mjs`, `${folder}/link_agent.mjs`)
        for (const named of [folder, `${folder}/link_agent.mjs`]) {
          const refused = yield* desk.run(["agent", "install", named, "--yes"])
          expect(refused).toMatchObject({ code: 1, err: expect.stringMatching(/"link_agent\.mjs" of .* is a link/) })
        }
      })
    )
  )

  it.live("updates the others where one source is gone, which is named with its file: exit code 1", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.write("gone/one_agent.mjs", one)
        yield* desk.write("kept/two_agent.py", two)
        for (const file of ["gone/one_agent.mjs", "kept/two_agent.py"]) {
          expect(yield* desk.run(["agent", "install", desk.path(file), "--yes"])).toMatchObject({ code: 0 })
        }
        rmSync(desk.path("gone"), { recursive: true })
        yield* desk.write("kept/two_agent.py", `${two}\n`)
        const said = yield* desk.run(["agent", "update", "--all", "--yes"])
        expect(said).toMatchObject({ code: 1, out: expect.stringContaining("Done: the next request") })
        expect(said.err).toMatch(
          /^one_agent\.mjs stays as it is: There is no folder .*gone\/one_agent\.mjs: check the path/
        )
        expect(said.err).toMatch(/gone for good, install from another one, or: holdfast agent remove one_agent\.mjs$/)
        expect(contentOf(desk, "one_agent.mjs")).toBe(one)
        expect(contentOf(desk, "two_agent.py")).toBe(`${two}\n`)
      })
    )
  )

  it.live("takes an archive whose one folder holds the agents", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const url = yield* serveBytes(
          tgzOf([
            { name: "agents-1.0/", type: "5" },
            { name: "agents-1.0/one_agent.mjs", body: one }
          ])
        )
        expect(yield* desk.run(["agent", "install", `${url}/a.tgz`, "--yes"])).toMatchObject({ code: 0 })
        expect(contentOf(desk, "one_agent.mjs")).toBe(one)
        const escaping = yield* serveBytes(tgzOf([{ name: "../one_agent.mjs", body: other }]))
        const refused = yield* desk.run(["agent", "install", `${escaping}/a.tgz`, "--yes"])
        expect(refused).toMatchObject({ code: 1, err: expect.stringMatching(/leads out of/) })
        const loose = yield* serveBytes(
          tgzOf([
            { name: "two_agent.py", body: two },
            { name: "docs/x", body: "" }
          ])
        )
        expect(yield* desk.run(["agent", "install", `${loose}/b.tgz`, "--yes"])).toMatchObject({ code: 0 })
        expect(namesIn(desk.path("home", "agents"))).toEqual(["one_agent.mjs", "two_agent.py"])
      })
    )
  )
})
