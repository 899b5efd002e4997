import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Layer, Path, Redacted } from "effect"
import { Home, type IdentityEntry } from "../../src/domain/index.ts"
import { DurableFiles, IdentityStore } from "../../src/storage/index.ts"
import { layerRecording, makeRecording, type Recording } from "./RecordingFileSystem.ts"

const URL_A = "https://a.example"
const URL_B = "https://b.example/fleet"

const entry = (jwt: string): IdentityEntry => ({
  jwt: Redacted.make(jwt),
  expires_at: 2_000_000_000,
  obtained_at: 1_900_000_000,
  gateway_id: "gw-1",
  bootstrap_token_fp: "f".repeat(64)
})

interface Disk {
  readonly store: IdentityStore["Service"]
  readonly fs: FileSystem.FileSystem
  readonly state: string
  readonly main: string
  readonly copy: string
  readonly recording: Recording
}

const onDisk = <A, E>(body: (disk: Disk) => Effect.Effect<A, E>): Effect.Effect<A, unknown> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const root = yield* Effect.flatMap(fs.makeTempDirectoryScoped({ prefix: "holdfast-identity-" }), fs.realPath)
    const state = path.join(root, "state")
    const recording = makeRecording()
    const layer = IdentityStore.layer.pipe(
      Layer.provide(DurableFiles.layer),
      Layer.provide(Home.layerOf(root)),
      Layer.provide(layerRecording(recording, root))
    )
    return yield* Effect.gen(function* () {
      const store = yield* IdentityStore
      const [main, copy] = [path.join(state, "identity.json"), path.join(state, "identity.bak.json")]
      return yield* body({ store, fs, state, main, copy, recording })
    }).pipe(Effect.provide(layer))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const jwtOf = (store: IdentityStore["Service"], url = URL_A) =>
  Effect.map(store.read, ({ file, source }) => {
    const known = file.identities[url]
    return [known === undefined ? undefined : Redacted.value(known.jwt), source]
  })

describe("IdentityStore", () => {
  it.effect("has nothing on a new machine", () =>
    onDisk(({ store }) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* store.read, { file: { version: 1, identities: {} }, source: "none" })
      })
    )
  )

  it.effect("keeps one credential per central, in two private files of the same bytes", () =>
    onDisk(({ copy, fs, main, store }) =>
      Effect.gen(function* () {
        yield* store.put(URL_A, entry("jwt-a"))
        yield* store.put(URL_B, entry("jwt-b"))
        yield* store.put(URL_A, entry("jwt-a2"))
        assert.deepStrictEqual(yield* jwtOf(store, URL_A), ["jwt-a2", "main"])
        assert.deepStrictEqual(yield* jwtOf(store, URL_B), ["jwt-b", "main"])
        const [first, second] = [yield* fs.readFileString(main), yield* fs.readFileString(copy)]
        assert.strictEqual(first, second)
        for (const file of [main, copy]) assert.strictEqual((yield* fs.stat(file)).mode & 0o777, 0o600)
        const { digest, ...rest } = JSON.parse(first) as Record<string, unknown>
        assert.match(String(digest), /^[0-9a-f]{64}$/)
        assert.deepStrictEqual(rest["version"], 1)
        assert.deepStrictEqual((rest["identities"] as Record<string, object>)[URL_B], {
          ...entry("x"),
          jwt: "jwt-b"
        })
      })
    )
  )

  it.effect("writes the copy after the file is durable", () =>
    onDisk(({ recording, store }) =>
      Effect.gen(function* () {
        yield* store.put(URL_A, entry("jwt-a"))
        const order = recording.calls.filter((call) => /^rename|^fsync state$/.test(call))
        assert.deepStrictEqual(order.slice(-4), [
          "rename state/identity.json.tmp → state/identity.json",
          "fsync state",
          "rename state/identity.bak.json.tmp → state/identity.bak.json",
          "fsync state"
        ])
      })
    )
  )

  it.effect("reads the copy when the file is missing, truncated anywhere, or has any byte flipped", () =>
    onDisk(({ fs, main, store }) =>
      Effect.gen(function* () {
        yield* store.put(URL_A, entry("jwt-a"))
        const whole = yield* fs.readFile(main)
        for (let at = 0; at < whole.length; at++) {
          const flipped = Uint8Array.from(whole)
          flipped[at] = flipped[at]! ^ (1 << (at % 8))
          yield* fs.writeFile(main, flipped)
          // A flip in the name or the digits of the digest itself may pass: what it protects is whole then.
          assert.strictEqual((yield* jwtOf(store))[0], "jwt-a", `flipped at ${at}`)
          yield* fs.writeFile(main, whole.slice(0, at))
          assert.deepStrictEqual(yield* jwtOf(store), ["jwt-a", "copy"], `truncated at ${at}`)
        }
        yield* fs.remove(main)
        assert.deepStrictEqual(yield* jwtOf(store), ["jwt-a", "copy"])
      })
    )
  )

  it.effect("repairs the file with the next write, and takes what others have written without a digest", () =>
    onDisk(({ copy, fs, main, store }) =>
      Effect.gen(function* () {
        yield* store.put(URL_A, entry("jwt-a"))
        yield* fs.writeFileString(main, "rotten")
        yield* store.put(URL_B, entry("jwt-b"))
        assert.deepStrictEqual(yield* jwtOf(store, URL_A), ["jwt-a", "main"])
        const { digest: _, ...rest } = JSON.parse(yield* fs.readFileString(main)) as Record<string, unknown>
        yield* fs.writeFileString(main, JSON.stringify(rest, null, 2))
        yield* fs.remove(copy)
        assert.deepStrictEqual(yield* jwtOf(store, URL_B), ["jwt-b", "main"])
      })
    )
  )

  it.effect("brings a copy up to date that a cut between the two writes has left behind", () =>
    onDisk(({ copy, fs, main, recording, store }) =>
      Effect.gen(function* () {
        yield* store.put(URL_A, entry("jwt-a"))
        yield* store.confirm(URL_A, "all")
        recording.fault = (call) => (call.includes("identity.bak.json") ? "EIO" : undefined)
        yield* Effect.flip(store.forgetConfirmed)
        recording.fault = () => undefined
        yield* store.forgetConfirmed
        assert.strictEqual(yield* fs.readFileString(copy), yield* fs.readFileString(main))
        assert.notInclude(yield* fs.readFileString(copy), "last_confirmed_url")
      })
    )
  )

  it.effect("says that identities are lost when neither file can be understood, also of an unknown version", () =>
    onDisk(({ copy, fs, main, state, store }) =>
      Effect.gen(function* () {
        yield* fs.makeDirectory(state, { recursive: true })
        for (const content of ["", "{}", "[]", '{"version":2,"identities":{}}', '{"version":1,"identities":[]}']) {
          yield* fs.writeFileString(main, content)
          assert.deepStrictEqual((yield* store.read).source, "lost", content)
          yield* fs.writeFileString(copy, content)
          assert.deepStrictEqual((yield* store.read).source, "lost", content)
        }
      })
    )
  )

  it.effect("notes the URL that confirmed, and drops only what nothing names any more", () =>
    onDisk(({ recording, store }) =>
      Effect.gen(function* () {
        yield* store.put(URL_A, entry("jwt-a"))
        yield* store.put(URL_B, entry("jwt-b"))
        yield* store.put("https://c.example", entry("jwt-c"))
        yield* store.confirm(URL_A, "all")
        assert.lengthOf(Object.keys((yield* store.read).file.identities), 3)
        yield* store.confirm(URL_A, [URL_B])
        const { file } = yield* store.read
        assert.deepStrictEqual(Object.keys(file.identities), [URL_A, URL_B])
        assert.strictEqual(file.last_confirmed_url, URL_A)
        // A poll that confirms what is known writes nothing: it comes every few minutes for years.
        recording.calls.length = 0
        yield* store.confirm(URL_A, [URL_B])
        assert.deepStrictEqual(
          recording.calls.filter((call) => !call.startsWith("read ")),
          []
        )
        yield* store.forgetConfirmed
        assert.notProperty((yield* store.read).file, "last_confirmed_url")
        assert.lengthOf(Object.keys((yield* store.read).file.identities), 2)
      })
    )
  )

  it.effect("loses nothing when a write fails at any step, and says why", () =>
    onDisk(({ recording, store }) =>
      Effect.gen(function* () {
        yield* store.put(URL_A, entry("old"))
        recording.calls.length = 0
        yield* store.put(URL_A, entry("old"))
        const steps = recording.calls.length
        for (let failing = 0; failing < steps; failing++) {
          let call = 0
          recording.fault = () => (call++ === failing ? "ENOSPC" : undefined)
          const outcome = yield* Effect.result(store.put(URL_A, entry(`new-${failing}`)))
          recording.fault = () => undefined
          const [jwt] = yield* jwtOf(store)
          assert.oneOf(jwt, ["old", `new-${failing}`], `call ${failing}`)
          if (outcome._tag === "Success") assert.strictEqual(jwt, `new-${failing}`)
          else assert.include(outcome.failure.message, "the disk is full")
          yield* store.put(URL_A, entry("old"))
        }
        assert.isAbove(steps, 15)
      })
    )
  )

  it.effect("keeps what it cannot understand aside before it writes anew, and forgets that as well", () =>
    onDisk(({ copy, fs, main, state, store }) =>
      Effect.gen(function* () {
        yield* fs.makeDirectory(state)
        const newer = '{"version":2,"identities":{"https://a.example":"a credential in another form"}}'
        yield* fs.writeFileString(main, newer)
        yield* fs.writeFileString(copy, newer)
        yield* store.put(URL_A, entry("jwt-a"))
        assert.deepStrictEqual(yield* jwtOf(store), ["jwt-a", "main"])
        for (const file of [main, copy]) assert.strictEqual(yield* fs.readFileString(`${file}.unreadable`), newer)
        yield* store.remove
        assert.deepStrictEqual(yield* fs.readDirectory(state), [])
      })
    )
  )

  it.effect("forgets everything, the copy first, so that an older credential never outlives the newer one", () =>
    onDisk(({ fs, recording, state, store }) =>
      Effect.gen(function* () {
        yield* store.put(URL_A, entry("jwt-a"))
        recording.calls.length = 0
        yield* store.remove
        assert.deepStrictEqual(
          recording.calls.filter((call) => /^remove .*(json)$/.test(call)),
          ["remove state/identity.bak.json", "remove state/identity.json"]
        )
        assert.deepStrictEqual(yield* fs.readDirectory(state), [])
        yield* store.remove
      })
    )
  )
})
