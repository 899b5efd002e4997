/** The folder of agents as a store: real files, real routes. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { HttpEffect, HttpRouter } from "effect/http"
import { createHash } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { agentFileRoutes, type AgentFileRefused, agentNameProblem, AgentStore } from "../../src/agents/index.ts"
import { AGENTS_PLUGIN, ConfigControl, type ConfigDocument, Home } from "../../src/domain/index.ts"
import { apiAnswers, mountRoutes, withToken } from "../../src/http/index.ts"
import { DurableFiles } from "../../src/storage/index.ts"

const sha = (text: string): string => createHash("sha256").update(text).digest("hex")
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const origin = { source: "git+https://h.example/agents", ref: "v1", commit: "a".repeat(40) }

const documentWith = (agents_path?: string): ConfigDocument => ({
  version: 2,
  ...(agents_path === undefined ? {} : { plugins: [{ name: AGENTS_PLUGIN, config: { agents_path } }] })
})

/** A store over a home of its own. */
const stored = <A, E>(use: (store: AgentStore["Service"], home: string) => Effect.Effect<A, E>, agents_path?: string) =>
  Effect.suspend(() => {
    const home = join(mkdtempSync(join(tmpdir(), "holdfast-store-")), "home")
    return AgentStore.use((store) => use(store, home)).pipe(
      Effect.provide(
        AgentStore.layer.pipe(
          Layer.provide(DurableFiles.layer),
          Layer.provide(Layer.mock(ConfigControl, { document: Effect.succeed(documentWith(agents_path)) })),
          Layer.provide(Home.layerOf(home)),
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))),
          Layer.provide(NodeServices.layer)
        )
      ),
      Effect.ensuring(Effect.sync(() => rmSync(join(home, ".."), { recursive: true })))
    )
  })

const reasonOf = <A>(effect: Effect.Effect<A, AgentFileRefused>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

describe("a name of an agent file", () => {
  it.each(["a_agent.py", "a b_agent.js", "météo_agent.mjs", "天気_agent.ts", "_agent.py", "x..y_agent.py"])(
    "is kept as it was typed: %j",
    (file) => expect(agentNameProblem(file)).toBeUndefined()
  )

  it.each([
    ["", /must end in/],
    ["..", /must end in/],
    ["agent.py", /must end in/],
    ["a_agent.pyc", /must end in/],
    ["a_agent.py\n", /nobody sees/],
    ["../a_agent.py", /not a path/],
    ["..\\a_agent.py", /not a path/],
    ["/etc/a_agent.py", /not a path/],
    ["a\u0000_agent.py", /nobody sees/],
    ["a\u202e_agent.py", /nobody sees/],
    ["a\ufffd_agent.py", /nobody sees/],
    ["\ud800_agent.py", /nobody sees/],
    [".a_agent.py", /begins with/],
    ["-a_agent.py", /begins with/],
    [`${"ä".repeat(97)}_agent.py`, /200 bytes/]
  ])("is refused, never changed: %j", (file, why) => expect(agentNameProblem(file)).toMatch(why))
})

describe("the store", () => {
  it.live("writes a file and where it came from, readable for everybody who may enter the home", () =>
    stored((store, home) =>
      Effect.gen(function* () {
        const written = yield* store.write({ file: "a_agent.py", bytes: bytes("one"), origin, replaces: null })
        expect(written).toMatchObject({ condition: "intact", sha256: sha("one"), size: 3 })
        expect(statSync(join(home, "agents", "a_agent.py")).mode & 0o777).toBe(0o644)
        expect(statSync(home).mode & 0o777).toBe(0o700)
        const record = JSON.parse(readFileSync(join(home, "state", "agents", "a_agent.py.json"), "utf8"))
        expect(record).toEqual({
          version: 1,
          file: "a_agent.py",
          ...origin,
          sha256: sha("one"),
          installed_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/)
        })
      })
    )
  )

  it.live("tells what was edited, what is gone, and what was put there by hand", () =>
    stored((store, home) =>
      Effect.gen(function* () {
        for (const file of ["a_agent.py", "b_agent.js", "c_agent.ts"]) {
          yield* store.write({ file, bytes: bytes(file), origin, replaces: null })
        }
        writeFileSync(join(home, "agents", "b_agent.js"), "edited")
        rmSync(join(home, "agents", "c_agent.ts"))
        writeFileSync(join(home, "agents", "d_agent.mjs"), "mine")
        writeFileSync(join(home, "agents", "notes.txt"), "no agent")
        const found = yield* store.list
        expect(found.map(({ condition, file }) => [file, condition])).toEqual([
          ["a_agent.py", "intact"],
          ["b_agent.js", "modified"],
          ["c_agent.ts", "missing"],
          ["d_agent.mjs", "local"]
        ])
        expect(yield* reasonOf(store.read("c_agent.ts"))).toBe("file_unknown")
        expect(yield* reasonOf(store.look("e_agent.py"))).toBe("file_unknown")
      })
    )
  )

  it.live("replaces only what it was told to: an edit between question and answer is not lost", () =>
    stored((store, home) =>
      Effect.gen(function* () {
        const file = "a_agent.py"
        const place = join(home, "agents", file)
        yield* store.write({ file, bytes: bytes("one"), origin, replaces: null })
        expect(yield* reasonOf(store.write({ file, bytes: bytes("two"), origin, replaces: null }))).toBe("file_exists")
        writeFileSync(place, "edited meanwhile")
        const late = store.write({ file, bytes: bytes("two"), origin, replaces: sha("one") })
        expect(yield* reasonOf(late)).toBe("file_exists")
        expect(readFileSync(place, "utf8")).toBe("edited meanwhile")
        yield* store.write({ file, bytes: bytes("two"), origin, replaces: sha("edited meanwhile") })
        expect(readFileSync(place, "utf8")).toBe("two")
      })
    )
  )

  it.live(
    "leaves a runnable file behind when it cannot record it, and is as it should be once that is done again",
    () =>
      stored((store, home) =>
        Effect.gen(function* () {
          const write = { file: "a_agent.py", bytes: bytes("one"), origin, replaces: null }
          mkdirSync(join(home, "state"), { recursive: true })
          writeFileSync(join(home, "state", "agents"), "in the way of the records")
          expect(yield* reasonOf(store.write(write))).toBe("storage_failed")
          expect(readFileSync(join(home, "agents", "a_agent.py"), "utf8")).toBe("one")
          rmSync(join(home, "state", "agents"))
          expect((yield* store.look("a_agent.py")).condition).toBe("local")
          expect((yield* store.write(write)).condition).toBe("intact")
        })
      )
  )

  it.live("takes a record that cannot be read for none, and replaces it", () =>
    stored((store, home) =>
      Effect.gen(function* () {
        const write = { file: "a_agent.py", bytes: bytes("one"), origin, replaces: null }
        yield* store.write(write)
        const record = join(home, "state", "agents", "a_agent.py.json")
        for (const text of [
          "",
          "{",
          "[]",
          JSON.stringify({ version: 2 }),
          readFileSync(record, "utf8").replace("a_agent", "b_agent")
        ]) {
          writeFileSync(record, text)
          expect((yield* store.look("a_agent.py")).condition).toBe("local")
        }
        expect((yield* store.write(write)).condition).toBe("intact")
      })
    )
  )

  it.live("never removes or replaces what is no file", () =>
    stored((store, home) =>
      Effect.gen(function* () {
        mkdirSync(join(home, "agents", "a_agent.py"), { recursive: true })
        writeFileSync(join(home, "agents", "a_agent.py", "precious"), "")
        const write = store.write({ file: "a_agent.py", bytes: bytes("one"), origin, replaces: "any" })
        expect(yield* reasonOf(write)).toBe("not_a_file")
        expect(yield* reasonOf(store.remove("a_agent.py"))).toBe("not_a_file")
        assert.isTrue(existsSync(join(home, "agents", "a_agent.py", "precious")))
        expect(yield* store.list).toEqual([])
      })
    )
  )

  it.live("lists what can be read beside a link that leads nowhere, and removes that", () =>
    stored((store, home) =>
      Effect.gen(function* () {
        yield* store.write({ file: "good_agent.py", bytes: bytes("one"), origin, replaces: null })
        symlinkSync(join(home, "none"), join(home, "agents", "lost_agent.py"))
        expect((yield* store.list).map(({ file }) => file)).toEqual(["good_agent.py"])
        const { message } = yield* Effect.flip(store.look("lost_agent.py"))
        expect(message).toMatch(/lost_agent\.py is a link that leads nowhere: remove it\.$/)
        yield* store.remove("lost_agent.py")
        expect(readdirSync(join(home, "agents"))).toEqual(["good_agent.py"])
      })
    )
  )

  it.live("removes a link and not what it leads to, and the file's packages and record with it", () =>
    stored((store, home) =>
      Effect.gen(function* () {
        const outside = join(home, "..", "mine_agent.py")
        writeFileSync(outside, "mine")
        mkdirSync(join(home, "agents"), { recursive: true })
        symlinkSync(outside, join(home, "agents", "a_agent.py"))
        mkdirSync(join(home, "state", "packages", "a_agent.py", "bs4"), { recursive: true })
        yield* store.write({ file: "a_agent.py", bytes: bytes("mine"), origin, replaces: null })
        yield* store.remove("a_agent.py")
        expect(readFileSync(outside, "utf8")).toBe("mine")
        expect(readdirSync(join(home, "agents"))).toEqual([])
        expect(readdirSync(join(home, "state", "agents"))).toEqual([])
        expect(readdirSync(join(home, "state", "packages"))).toEqual([])
        expect(yield* reasonOf(store.remove("a_agent.py"))).toBe("file_unknown")
      })
    )
  )

  it.live("lies where the document says", () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "holdfast-elsewhere-"))
    return stored(
      (store) =>
        Effect.gen(function* () {
          yield* store.write({ file: "a_agent.py", bytes: bytes("one"), origin: null, replaces: null })
          expect(readdirSync(elsewhere)).toEqual(["a_agent.py"])
          expect(yield* store.folder).toBe(elsewhere)
          rmSync(elsewhere, { recursive: true })
        }),
      elsewhere
    )
  })

  it.live("takes no file that discovery would not", () =>
    stored((store) =>
      Effect.gen(function* () {
        const large = { file: "a_agent.py", bytes: new Uint8Array(4 * 1024 * 1024 + 1), origin, replaces: null }
        expect(yield* reasonOf(store.write(large))).toBe("too_large")
        expect(yield* reasonOf(store.write({ ...large, bytes: bytes("x"), file: "../a_agent.py" }))).toBe(
          "name_invalid"
        )
        expect((yield* store.write({ ...large, bytes: large.bytes.subarray(1) })).size).toBe(4 * 1024 * 1024)
      })
    )
  )
})

describe("the routes of agent files", () => {
  const answering = <A>(
    use: (
      ask: (
        method: string,
        path: string,
        body?: unknown,
        token?: string
      ) => Promise<readonly [number, Readonly<Record<string, unknown>>]>,
      home: string
    ) => Promise<A>
  ) =>
    stored((store, home) =>
      Effect.gen(function* () {
        const app = yield* HttpRouter.toHttpEffect(mountRoutes(agentFileRoutes(store)))
        const door = withToken({ token: Redacted.make("token"), isOpen: () => false })
        const handler = HttpEffect.toWebHandler(apiAnswers(door(app)))
        const ask = async (method: string, path: string, body?: unknown, token = "token") => {
          const response = await handler(
            new Request(`http://127.0.0.1${path}`, {
              method,
              headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
              ...(body === undefined ? {} : { body: JSON.stringify(body) })
            })
          )
          return [response.status, (await response.json()) as Record<string, unknown>] as const
        }
        return yield* Effect.promise(() => use(ask, home))
      }).pipe(Effect.scoped)
    )

  const import_ = (file: string, content: string, more = {}) => ({ file, content, sha256: sha(content), ...more })

  it.live("take a file whose hash is right, give it back, and remove it", () =>
    answering(async (ask, home) => {
      expect(await ask("POST", "/agents/import", import_("météo_agent.py", "x = 'é'\n"))).toEqual([
        201,
        expect.objectContaining({
          file: "météo_agent.py",
          sha256: sha("x = 'é'\n"),
          size: 9,
          condition: "local",
          source: null
        })
      ])
      expect(readFileSync(join(home, "agents", "météo_agent.py"), "utf8")).toBe("x = 'é'\n")
      const path = `/agents/${encodeURIComponent("météo_agent.py")}`
      expect(await ask("GET", path)).toEqual([200, expect.objectContaining({ content: "x = 'é'\n" })])
      expect(await ask("DELETE", path)).toEqual([200, { file: "météo_agent.py", removed: true }])
      expect(await ask("GET", path)).toEqual([404, expect.objectContaining({ error: "file_unknown" })])
    })
  )

  it.live("refuse another hash, another file's name without being told, and every name that is none", () =>
    answering(async (ask, home) => {
      const wrong = { ...import_("a_agent.py", "one"), sha256: sha("two") }
      expect(await ask("POST", "/agents/import", wrong)).toMatchObject([422, { error: "hash_mismatch" }])
      expect(existsSync(join(home, "agents"))).toBe(false)
      expect((await ask("POST", "/agents/import", import_("a_agent.py", "one")))[0]).toBe(201)
      expect((await ask("POST", "/agents/import", import_("a_agent.py", "one")))[0]).toBe(201)
      expect(await ask("POST", "/agents/import", import_("a_agent.py", "two"))).toMatchObject([
        409,
        { error: "file_exists", detail: expect.stringContaining('To have it replaced: "replace": true.') }
      ])
      expect(readFileSync(join(home, "agents", "a_agent.py"), "utf8")).toBe("one")
      expect((await ask("POST", "/agents/import", import_("a_agent.py", "two", { replace: true })))[0]).toBe(201)
      for (const file of ["../a_agent.py", "a.py", "x/a_agent.py", "a\u0000_agent.py"]) {
        expect(await ask("POST", "/agents/import", import_(file, "x"))).toMatchObject([422, { error: "name_invalid" }])
        const [status, { error }] = await ask("DELETE", `/agents/${encodeURIComponent(file)}`)
        expect([status, error]).toEqual([422, "name_invalid"])
      }
      expect((await ask("POST", "/agents/import", { file: "b_agent.py" }))[0]).toBe(422)
      expect(readdirSync(join(home, "agents"))).toEqual(["a_agent.py"])
    })
  )

  it.live("leave alone what is no file, and advise nothing that would not help", () =>
    answering(async (ask, home) => {
      const place = join(home, "agents", "dir_agent.py")
      mkdirSync(place, { recursive: true })
      const refused = [409, { error: "not_a_file", detail: `${place} is no file (Directory): move it away.` }]
      for (const method of ["GET", "DELETE"]) expect(await ask(method, "/agents/dir_agent.py")).toEqual(refused)
      for (const replace of [true, false]) {
        expect(await ask("POST", "/agents/import", import_("dir_agent.py", "one", { replace }))).toEqual(refused)
      }
      expect(statSync(place).isDirectory()).toBe(true)
    })
  )

  it.live("give no text where there is none, and nothing to who shows no token", () =>
    answering(async (ask, home) => {
      mkdirSync(join(home, "agents"), { recursive: true })
      writeFileSync(join(home, "agents", "a_agent.py"), Buffer.from([0xff, 0xfe]))
      expect(await ask("GET", "/agents/a_agent.py")).toMatchObject([200, { content: null, size: 2 }])
      expect((await ask("GET", "/agents/a_agent.py", undefined, "other"))[0]).toBe(401)
      expect((await ask("PUT", "/agents/a_agent.py", {}))[0]).toBe(405)
    })
  )
})
