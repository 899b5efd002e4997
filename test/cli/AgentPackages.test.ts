/** Packages that `holdfast agent install` brings along: a real interpreter, its real pip, wheels of a local folder. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, vi } from "vitest"
import { python } from "../agents/AgentStage.ts"
import { makeRuntime, makeWheels, withoutPython } from "../boundary/Python.ts"
import { atDesk, type Desk } from "./InProcess.ts"

const root = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-agent-packages-")))
const index = join(root, "index")
let runtime = ""

const wheel = (name: string, version: string, file: string, requires: ReadonlyArray<string> = []) => ({
  name,
  version,
  requires,
  files: { [file]: `VERSION = "${version}"\n` }
})

const importing = (name: string, module: string): string =>
  python(name, `return "${module} " + ${module}.VERSION`, `import ${module}\n`)

describe.skipIf(withoutPython !== null)("agent install, with packages", () => {
  beforeAll(() => {
    makeWheels(index, [
      wheel("modelkit", "1.4.0", "modelkit.py"),
      wheel("modelkit", "2.0.0", "modelkit.py"),
      wheel("markdownify", "1.0", "markdownify.py", ["words>=1"]),
      wheel("Markdown", "3.0", "markdown.py", ["modelkit>=2"]),
      wheel("words", "1.2", "words.py")
    ])
    runtime = makeRuntime(join(root, "runtime"), index, ["modelkit==1.4.0"])
  })
  afterAll(() => rmSync(root, { recursive: true }))
  beforeEach(() => {
    vi.stubEnv("PIP_NO_INDEX", "1")
    vi.stubEnv("PIP_FIND_LINKS", index)
  })
  afterEach(() => vi.unstubAllEnvs())

  const run = (desk: Desk, ...argv: ReadonlyArray<string>) =>
    desk.run(["agent", ...argv], { stdin: "", env: { HOLDFAST_PYTHON: runtime } })
  const packagesOf = (desk: Desk, file: string): ReadonlyArray<string> => {
    const place = desk.path("home", "state", "packages", file)
    return existsSync(place) ? readdirSync(place).filter((name) => name.endsWith(".py")) : []
  }

  it.live("shows what a file needs, installs it before the file, and takes it away with the file", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const file = yield* desk.write("mine/md_agent.py", importing("Md", "markdownify"))
        const asked = yield* run(desk, "install", file)
        expect(asked).toMatchObject({ code: 1, err: expect.stringMatching(/add --yes/) })
        expect(asked.out).toMatch(
          /package markdownify 1\.0 +for md_agent\.py\npackage words 1\.2 +for md_agent\.py, needed by another/
        )
        expect(existsSync(desk.path("home", "agents"))).toBe(false)

        expect(yield* run(desk, "install", file, "--yes")).toMatchObject({ code: 0, err: "" })
        expect(packagesOf(desk, "md_agent.py")).toEqual(["markdownify.py", "words.py"])
        expect(yield* run(desk, "test", "md_agent.py", "{}")).toMatchObject({ code: 0, out: "markdownify 1.0" })
        expect((yield* run(desk, "install", file)).out).toContain("Nothing is to be changed.")
        expect(yield* run(desk, "remove", "md_agent.py", "--yes")).toMatchObject({ code: 0 })
        expect(readdirSync(desk.path("home", "state", "packages"))).toEqual([])
      })
    )
  )

  it.live("writes nothing of a source whose packages would replace a part of the core", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.write("mine/good_agent.py", python("Good", "return 'good'"))
        yield* desk.write("mine/bad_agent.py", importing("Bad", "markdown"))
        const refused = yield* run(desk, "install", desk.path("mine"), "--yes")
        expect(refused).toMatchObject({ code: 1, err: expect.stringMatching(/modelkit/) })
        expect(existsSync(desk.path("home", "agents"))).toBe(false)
        expect(packagesOf(desk, "bad_agent.py")).toEqual([])
      })
    )
  )

  it.live("installs nothing for a name that nobody knows, until it is named", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        mkdirSync(desk.path("home", "agents"), { recursive: true })
        writeFileSync(desk.path("home", "agents", "w_agent.py"), importing("W", "words"))
        const told = yield* run(desk, "install", "w_agent.py", "--yes")
        expect(told).toMatchObject({
          code: 0,
          out: expect.stringMatching(/imports words, which is no well-known name.*--package/)
        })
        expect(packagesOf(desk, "w_agent.py")).toEqual([])
        const verified = yield* run(desk, "verify")
        expect(verified).toMatchObject({ code: 1, out: expect.stringMatching(/w_agent\.py: quarantined: .*words/) })
        expect(packagesOf(desk, "w_agent.py")).toEqual([])
        const file = desk.path("home", "agents", "w_agent.py")
        expect(yield* run(desk, "install", file, "--package", "words", "--yes")).toMatchObject({ code: 0 })
        expect(yield* run(desk, "test", "w_agent.py", "{}")).toMatchObject({ code: 0, out: "words 1.2" })
        const [listed] = JSON.parse((yield* run(desk, "list", "--json")).out).agents
        expect(listed).toMatchObject({ condition: "local", source: null, quarantined: [] })
      })
    )
  )
})
