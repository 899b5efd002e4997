import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join, resolve } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { python, staged, type Staged } from "./AgentStage.ts"

const FIXTURES = resolve(import.meta.dirname, "../fixtures/agents")
const fixture = (stage: Staged, file: string): void => stage.write(file, readFileSync(join(FIXTURES, file), "utf8"))

const said = (stage: Staged, name: string, args: Readonly<Record<string, unknown>>) =>
  Effect.map(stage.call(name, args), (outcome) =>
    outcome.ok ? outcome.output : `${outcome.failure}: ${outcome.message}`
  )

const data = ({ home }: Staged, ...names: ReadonlyArray<string>) => join(home, "state", "agent-data", ...names)

/** An agent that hands its arguments to the storage. */
const STORAGE = python(
  "Store",
  `storage = AzureFileStorageManager()
storage.set_memory_context(kwargs.get("user"))
return getattr(storage, kwargs["method"])(*kwargs.get("with", []))`,
  "from utils.azure_file_storage import AzureFileStorageManager"
).replace(/"properties": \{.*\}\}\n/, '"properties": {}}\n')

describe("an agent file of the Brainstem family, unmodified,", () => {
  it.live("keeps memory through utils.azure_file_storage, for one user and for everybody", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        fixture(stage, "remember_agent.py")
        expect(yield* said(stage, "Remember", {})).toBe("Nothing is kept.")
        expect(yield* said(stage, "Remember", { fact: "tea" })).toBe("Kept for everybody: tea")
        expect(yield* said(stage, "Remember", { fact: "süß", user_guid: "../ann" })).toBe("Kept for ../ann: süß")
        expect(yield* said(stage, "Remember", {})).toBe("Kept: tea")
        expect(yield* said(stage, "Remember", { user_guid: "../ann" })).toBe("Kept: süß")
        expect(yield* said(stage, "Remember", { importance: 9 })).toMatch(/^invalid_arguments: .*importance/)
        expect(readdirSync(data(stage, "files", "memory"))).toEqual(["%2E%2E%2Fann"])
        const file = data(stage, "files", "shared_memories", "memory.json")
        expect(statSync(file).mode & 0o777).toBe(0o600)
        expect(readdirSync(data(stage, "files", "shared_memories"))).toEqual(["memory.json"])
      })
    )
  )

  it.live("fetches a page by urllib", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        const server = createServer((request, response) => {
          response.writeHead(request.url === "/" ? 200 : 404, { "content-type": "text/html" })
          response.end(`<title>${request.headers["user-agent"]}</title>`)
        })
        yield* Effect.promise(() => new Promise<void>((done) => server.listen(0, "127.0.0.1", done)))
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        fixture(stage, "page_title_agent.py")
        expect(yield* said(stage, "PageTitle", { url })).toBe('{"status": 200, "title": "page-title-agent"}')
        expect(yield* said(stage, "PageTitle", { url: `${url}/x` })).toBe('{"status": 404, "title": null}')
        expect(yield* said(stage, "PageTitle", {})).toBe("invalid_arguments: /url: is required")
        server.close()
      })
    )
  )

  it.live("adds its system_context to the prompt, and nothing while it has none", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        fixture(stage, "persona_agent.py")
        fixture(stage, "remember_agent.py")
        expect(yield* stage.contexts).toEqual([])
        expect(yield* said(stage, "Persona", { style: "short" })).toBe("From now on short.")
        expect(yield* stage.contexts).toEqual(["<persona>Speak in a short way.</persona>"])
        writeFileSync(data(stage, "files", "persona", "style.json"), "{")
        expect(yield* stage.contexts).toEqual([])
      })
    )
  )
})

describe("the storage of agents", () => {
  it.live("tells corrupt JSON instead of taking it for nothing", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        stage.write("store_agent.py", STORAGE)
        expect(yield* said(stage, "Store", { method: "read_json" })).toBe("{}")
        mkdirSync(data(stage, "files", "shared_memories"), { recursive: true })
        writeFileSync(data(stage, "files", "shared_memories", "memory.json"), '{"a": ')
        expect(yield* said(stage, "Store", { method: "read_json" })).toMatch(/^failed: ValueError: .*is not JSON/)
      })
    )
  )

  it.live("takes texts and paths as agents write them", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        stage.write("store_agent.py", STORAGE)
        const ask = (method: string, ...args: ReadonlyArray<unknown>) => said(stage, "Store", { method, with: args })
        expect(yield* ask("write_file", "notes", "a.txt", "ä")).toBe("true")
        expect(yield* ask("write_file", "notes/b.txt", "b")).toBe("true")
        expect(yield* ask("read_file", "notes/a.txt")).toBe("ä")
        expect(yield* ask("list_files", "notes")).toBe('["a.txt", "b.txt"]')
        expect(yield* ask("file_exists", "notes", "b.txt")).toBe("true")
        expect(yield* ask("delete_file", "/notes/b.txt")).toBe("true")
        expect(yield* ask("read_file", "notes/b.txt")).toBe("")
        expect(yield* ask("list_files", "none")).toBe("[]")
      })
    )
  )

  it.live("is not left by dots, links or absolute paths", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        stage.write("store_agent.py", STORAGE)
        const ask = (method: string, ...args: ReadonlyArray<unknown>) => said(stage, "Store", { method, with: args })
        const outside = join(stage.home, "outside")
        mkdirSync(outside)
        writeFileSync(join(outside, "secret"), "s")
        expect(yield* ask("write_file", "inside", "in")).toBe("true")
        symlinkSync(outside, data(stage, "files", "link"))
        symlinkSync("inside", data(stage, "files", "alias"))
        expect(yield* ask("read_file", "link/secret")).toMatch(/^failed: PermissionError: a link leads out/)
        expect(yield* ask("write_file", "link/new", "x")).toMatch(/PermissionError/)
        expect(yield* ask("read_file", "../../../outside/secret")).toMatch(/PermissionError: a path must stay below/)
        expect(yield* ask("read_file", join(outside, "secret"))).toBe("")
        expect(yield* ask("read_file", "alias")).toBe("in")
        expect(readdirSync(outside)).toEqual(["secret"])
      })
    )
  )

  it.live("leaves the file as it was when it cannot be replaced", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        stage.write("store_agent.py", STORAGE)
        const ask = (method: string, ...args: ReadonlyArray<unknown>) => said(stage, "Store", { method, with: args })
        expect(yield* ask("write_json", { a: 1 })).toBe("true")
        const folder = data(stage, "files", "shared_memories")
        mkdirSync(join(folder, "taken"))
        expect(yield* ask("write_file", "shared_memories/taken", "x")).toMatch(/^failed: IsADirectoryError/)
        expect(readdirSync(folder)).toEqual(["memory.json", "taken"])
        expect(yield* ask("read_json")).toBe('{"a": 1}')
      })
    )
  )

  it.live("has a place of its own for each share and each user, whatever they are called", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        stage.write(
          "share_agent.py",
          STORAGE.replace("AzureFileStorageManager()", 'AzureFileStorageManager(kwargs.get("share"))')
        )
        const ask = (more: Readonly<Record<string, unknown>>) => said(stage, "Store", more)
        yield* ask({ method: "write_json", share: "a/b", with: [{ is: "share" }] })
        yield* ask({ method: "write_json", user: "a/b", with: [{ is: "a/b" }] })
        yield* ask({ method: "write_json", user: "a%2Fb", with: [{ is: "a%2Fb" }] })
        yield* ask({ method: "write_json", user: "u".repeat(5_000), with: [{ is: "long" }] })
        expect(yield* ask({ method: "read_json", share: "a/b" })).toBe('{"is": "share"}')
        expect(yield* ask({ method: "read_json", user: "a/b" })).toBe('{"is": "a/b"}')
        expect(yield* ask({ method: "read_json", user: "a%2Fb" })).toBe('{"is": "a%2Fb"}')
        expect(yield* ask({ method: "read_json", user: "u".repeat(5_000) })).toBe('{"is": "long"}')
        expect(yield* ask({ method: "read_json" })).toBe("{}")
      })
    )
  )
})
