import { assert, describe, expect, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Effect, Fiber, FileSystem, Layer, type Path } from "effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { copyArtifact, readArtifact } from "../../src/plugins/Artifact.ts"
import { DurableFiles } from "../../src/storage/index.ts"
import { layerRecording, makeRecording, type Recording } from "../storage/RecordingFileSystem.ts"

/** What other implementations compute the same for. */
const VECTOR: Readonly<Record<string, string>> = {
  "hypaware.plugin.json": '{"schema_version":1}\n',
  "index.js": "export {}\n",
  "a/b.txt": "b",
  "a.txt": "dot",
  "a-b.txt": "dash",
  ".hidden": "h",
  "Z.txt": "Z",
  "é.txt": "e"
}
const VECTOR_HASH = "a1704f86ee93778f2318718dd9060e55ba8b92e9f752a273716ad707c153e477"

const write = (root: string, files: Readonly<Record<string, string>>): void => {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(join(root, name, ".."), { recursive: true })
    fs.writeFileSync(join(root, name), content)
  }
}

/** A scratch directory on the real disk, every change recorded. */
const onDisk = <A, E>(
  body: (disk: {
    readonly root: string
    readonly recording: Recording
  }) => Effect.Effect<A, E, DurableFiles | FileSystem.FileSystem | Path.Path>
) => {
  const root = fs.mkdtempSync(join(fs.realpathSync(tmpdir()), "holdfast-artifact-"))
  const recording = makeRecording()
  return body({ root, recording }).pipe(
    Effect.provide(Layer.provideMerge(DurableFiles.layer, layerRecording(recording, root))),
    Effect.provide(NodeServices.layer),
    Effect.ensuring(Effect.sync(() => fs.rmSync(root, { recursive: true })))
  )
}

/** A tree to read, and the place for its copy. */
const places = (root: string) => {
  fs.mkdirSync(join(root, "from"))
  return { from: join(root, "from"), to: join(root, "to") }
}

const listing = (root: string): ReadonlyArray<string> =>
  fs.readdirSync(root, { recursive: true, encoding: "utf8" }).sort()

const sizedFile = (file: string, size: number): void => {
  fs.writeFileSync(file, "")
  fs.truncateSync(file, size)
}

describe("the hash of an artifact", () => {
  it.effect("is what every implementation computes for the shared vector, with skipped entries and without", () =>
    onDisk(({ root }) =>
      Effect.gen(function* () {
        const { from } = places(root)
        write(from, VECTOR)
        fs.mkdirSync(join(from, "empty"))
        const plain = yield* readArtifact(from)
        expect(plain.hash).toBe(VECTOR_HASH)
        expect(plain.bytes).toBe(21 + 10 + 1 + 3 + 4 + 1 + 1 + 1)
        expect(plain.files.map(({ path }) => path)).toEqual([
          ".hidden",
          "Z.txt",
          "a-b.txt",
          "a.txt",
          "a/b.txt",
          "hypaware.plugin.json",
          "index.js",
          "é.txt"
        ])
        write(from, { ".git/HEAD": "x", "a/node_modules/x/index.js": "x", ".DS_Store": "x", "a/.svn": "x" })
        for (const name of [".hg", "a/.npm", ".yarn", ".pnpm"]) fs.symlinkSync("/", join(from, name))
        execFileSync("mkfifo", [join(from, "node_modules")])
        expect(yield* readArtifact(from)).toEqual(plain)
      })
    )
  )

  it.effect("says of each file how large it is and what its own hash is", () =>
    onDisk(({ root }) =>
      Effect.gen(function* () {
        const { from } = places(root)
        write(from, { x: "abc", empty: "" })
        expect((yield* readArtifact(from)).files).toEqual([
          { path: "empty", size: 0, sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
          { path: "x", size: 3, sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }
        ])
      })
    )
  )

  it.effect("of nothing is that of no bytes", () =>
    onDisk(({ root }) =>
      Effect.gen(function* () {
        expect(yield* readArtifact(places(root).from)).toEqual({
          hash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          files: [],
          bytes: 0
        })
      })
    )
  )
})

const deep = (names: number): string => Array.from({ length: names }, () => "d").join("/")

/** Of five names. */
const long = (characters: number): string =>
  [...Array.from({ length: 4 }, () => "d".repeat(200)), "f".repeat(characters - 804)].join("/")

/** Makes a tree that is refused. */
type Damage = (from: string) => void

const refusals: ReadonlyArray<readonly [what: string, damage: Damage, reason: string, message: RegExp]> = [
  [
    "a link to a file",
    (from) => fs.symlinkSync("x", join(from, "l")),
    "artifact_symlink_unsupported",
    /^"l" is a link/
  ],
  [
    "a link to a directory",
    (from) => {
      fs.mkdirSync(join(from, "d"))
      fs.symlinkSync("/etc", join(from, "d", "etc"))
    },
    "artifact_symlink_unsupported",
    /^"d\/etc" is a link.*put the file itself in its place\.$/
  ],
  ["a dangling link", (from) => fs.symlinkSync("nowhere", join(from, "l")), "artifact_symlink_unsupported", /^"l" is/],
  ["a pipe", (from) => void execFileSync("mkfifo", [join(from, "p")]), "artifact_invalid", /^"p" is a pipe/],
  [
    "a name that is no UTF-8",
    (from) => fs.writeFileSync(Buffer.concat([Buffer.from(`${from}/`), Buffer.from([0x61, 0xff])]), ""),
    "artifact_invalid",
    /^"a�" has .*no UTF-8 in its name: rename it/
  ],
  ["a backslash in a name", (from) => fs.writeFileSync(join(from, "a\\b"), ""), "artifact_invalid", /a backslash/],
  ["a line break in a name", (from) => fs.writeFileSync(join(from, "a\nb"), ""), "artifact_invalid", /^"a\\nb" has/],
  ["a file of 2 GiB", (from) => sizedFile(join(from, "x"), 2 ** 31), "artifact_invalid", /larger than 256 MiB/],
  [
    "files that are too large together",
    (from) => {
      sizedFile(join(from, "x"), 2 ** 28)
      fs.writeFileSync(join(from, "y"), "1")
    },
    "artifact_invalid",
    /larger than 256 MiB: leave out/
  ],
  [
    "65 names in a path",
    (from) => write(from, { [deep(65)]: "" }),
    "artifact_invalid",
    /deeper than 64 directories: shorten/
  ],
  [
    "a path of 1,025 characters",
    (from) => write(from, { [long(1_025)]: "" }),
    "artifact_invalid",
    /longer than 1024 char/
  ]
]

describe("a tree that is no artifact", () => {
  it.effect.each(refusals)("is refused for %s, and nothing of it is copied", ([, damage, reason, message]) =>
    onDisk(({ root, recording }) =>
      Effect.gen(function* () {
        const { from, to } = places(root)
        write(from, { x: "x" })
        damage(from)
        for (const attempt of [readArtifact(from), copyArtifact(from, to)]) {
          const refused = yield* Effect.flip(attempt)
          expect(refused.reason).toBe(reason)
          expect(refused.message).toMatch(message)
        }
        expect(recording.calls).toEqual([])
      })
    )
  )

  it.effect("is none with 65 names in a path or 1,025 characters, and is one with one less", () =>
    onDisk(({ root }) =>
      Effect.gen(function* () {
        const { from } = places(root)
        write(from, { [deep(64)]: "", [long(1_024)]: "" })
        expect((yield* readArtifact(from)).files.map(({ path }) => path)).toEqual([deep(64), long(1_024)])
      })
    )
  )

  it.effect("is refused for a socket and for more than 10,000 files and directories; 10,000 are read", () =>
    onDisk(({ root }) =>
      Effect.gen(function* () {
        const { from } = places(root)
        write(from, Object.fromEntries(Array.from({ length: 9_999 }, (_, index) => [`d/${index}`, ""])))
        expect((yield* readArtifact(from)).files.length).toBe(9_999)
        const server = createServer().listen(join(from, "s"))
        yield* Effect.promise(() => new Promise((resolve) => server.once("listening", resolve)))
        expect((yield* Effect.flip(readArtifact(from))).message).toMatch(/^"s" is a socket/)
        yield* Effect.promise(() => new Promise((resolve) => server.close(resolve)))
        fs.writeFileSync(join(from, "one more"), "")
        const refused = yield* Effect.flip(readArtifact(from))
        expect(refused).toMatchObject({ reason: "artifact_invalid" })
        expect(refused.message).toMatch(/more than 10000 files and directories/)
      })
    )
  )

  it.effect("is refused when it is itself a link, a file or missing", () =>
    onDisk(({ root }) =>
      Effect.gen(function* () {
        const { from } = places(root)
        fs.symlinkSync(from, join(root, "l"))
        fs.writeFileSync(join(root, "f"), "")
        const reasonOf = (directory: string) => Effect.map(Effect.flip(readArtifact(directory)), ({ reason }) => reason)
        expect(yield* reasonOf(join(root, "l"))).toBe("artifact_symlink_unsupported")
        expect(yield* reasonOf(`${join(root, "l")}/`)).toBe("artifact_symlink_unsupported")
        expect(yield* reasonOf(join(root, "f"))).toBe("artifact_invalid")
        expect(yield* reasonOf(join(root, "no such"))).toBe("artifact_invalid")
      })
    )
  )

  it.effect("is refused when a file becomes a link, or grows, after it was looked at", () =>
    onDisk(({ root }) =>
      Effect.gen(function* () {
        const { from } = places(root)
        const real = yield* FileSystem.FileSystem
        const withSwap = (swap: () => void) =>
          Effect.flip(readArtifact(from)).pipe(
            Effect.provideService(
              FileSystem.FileSystem,
              FileSystem.make({
                ...real,
                open: (path, options) => Effect.suspend(() => (swap(), real.open(path, options)))
              })
            )
          )
        write(from, { x: "x" })
        fs.writeFileSync(join(root, "secret"), "secret")
        const linked = yield* withSwap(() => {
          fs.rmSync(join(from, "x"))
          fs.symlinkSync(join(root, "secret"), join(from, "x"))
        })
        expect(linked).toMatchObject({ reason: "artifact_symlink_unsupported" })
        fs.rmSync(join(from, "x"))
        write(from, { x: "x" })
        const grown = yield* withSwap(() => sizedFile(join(from, "x"), 2 ** 28 + 1))
        expect(grown).toMatchObject({ reason: "artifact_invalid" })
        expect(grown.message).toMatch(/larger than 256 MiB/)
      })
    )
  )
})

describe("the copy of an artifact", () => {
  it.effect("holds the files that count and no more, private to their owner, and has the same hash", () =>
    onDisk(({ root }) =>
      Effect.gen(function* () {
        const { from, to } = places(root)
        write(from, { ...VECTOR, ".git/HEAD": "x", "a/node_modules/y/index.js": "y" })
        fs.mkdirSync(join(from, "empty"))
        fs.chmodSync(join(from, "index.js"), 0o4777)
        fs.chmodSync(join(from, "a"), 0o777)
        const copied = yield* copyArtifact(from, to)
        expect(copied.hash).toBe(VECTOR_HASH)
        expect(copied).toEqual(yield* readArtifact(from))
        expect(listing(to)).toEqual([...Object.keys(VECTOR), "a"].sort())
        for (const [name, content] of Object.entries(VECTOR)) {
          expect(fs.readFileSync(join(to, name), "utf8")).toBe(content)
          expect(fs.statSync(join(to, name)).mode & 0o7777).toBe(0o600)
        }
        expect([to, join(to, "a")].map((each) => fs.statSync(each).mode & 0o7777)).toEqual([0o700, 0o700])
      })
    )
  )

  it.effect("is on the disk: every file is synced, and then every directory", () =>
    onDisk(({ root, recording }) =>
      Effect.gen(function* () {
        const { from, to } = places(root)
        write(from, { x: "x", "d/e/y": "y" })
        yield* copyArtifact(from, to)
        const synced = recording.calls.filter((call) => call.startsWith("fsync"))
        expect([...synced].sort()).toEqual(["fsync to", "fsync to/d", "fsync to/d/e", "fsync to/d/e/y", "fsync to/x"])
        for (const name of ["x", "d/e/y"]) {
          const calls = recording.calls.filter((call) => call.endsWith(` to/${name}`))
          expect(calls).toEqual([`create to/${name}`, `write to/${name}`, `fsync to/${name}`])
        }
        const names = recording.calls.findLastIndex((call) => /^(create|mkdir|write)/.test(call))
        expect(recording.calls.slice(names).filter((call) => /fsync to(\/d|\/d\/e)?$/.test(call)).length).toBe(3)
      })
    )
  )

  for (const call of [
    "mkdir to",
    "mkdir to/d",
    "create to/d/y",
    "write to/d/y",
    "fsync to/d/y",
    "fsync to/d",
    "fsync to"
  ]) {
    it.effect(`is not there, for another try, when the disk fills up at "${call}"`, () =>
      onDisk(({ root, recording }) =>
        Effect.gen(function* () {
          const { from, to } = places(root)
          write(from, { x: "x", "d/y": "y" })
          recording.fault = (each) => (each === call ? "ENOSPC" : undefined)
          const failure = yield* Effect.flip(copyArtifact(from, to))
          expect(failure.reason).toBe("artifact_write_error")
          expect(failure.message).toMatch(/the disk is full\. Free space/)
        })
      )
    )
  }

  it.effect("is not there, for another try, when other bytes lie there than were written", () =>
    onDisk(({ root, recording }) =>
      Effect.gen(function* () {
        const { from, to } = places(root)
        write(from, { x: "x" })
        recording.fault = (call) => {
          if (call === "fsync to") fs.writeFileSync(join(to, "x"), "y")
          return undefined
        }
        const failure = yield* Effect.flip(copyArtifact(from, to))
        expect(failure.reason).toBe("artifact_write_error")
        expect(failure.message).toMatch(/differ from those just written/)
      })
    )
  )

  it.effect("is refused for good when the file system takes two names for one", () =>
    onDisk(({ root, recording }) =>
      Effect.gen(function* () {
        const { from, to } = places(root)
        write(from, { x: "x", X: "X" })
        recording.fault = (call) => (call === "create to/x" ? "EEXIST" : undefined)
        const failure = yield* Effect.flip(copyArtifact(from, to))
        expect(failure.reason).toBe("artifact_invalid")
        expect(failure.message).toMatch(/takes it for another one of the same source\. Rename it/)
      })
    )
  )

  it.effect("is not made over what is there already", () =>
    onDisk(({ root }) =>
      Effect.gen(function* () {
        const { from, to } = places(root)
        write(from, { x: "x" })
        fs.mkdirSync(to)
        expect(yield* Effect.flip(copyArtifact(from, to))).toMatchObject({ reason: "artifact_write_error" })
        expect(listing(to)).toEqual([])
      })
    )
  )

  it.effect("of 256 MiB goes through little memory", () =>
    onDisk(({ root }) =>
      Effect.gen(function* () {
        const { from, to } = places(root)
        sizedFile(join(from, "x"), 2 ** 28)
        const before = process.memoryUsage().arrayBuffers
        let most = 0
        const watch = yield* Effect.forkChild(
          Effect.forever(
            Effect.andThen(
              Effect.sync(() => (most = Math.max(most, process.memoryUsage().arrayBuffers - before))),
              Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
            )
          )
        )
        const copied = yield* copyArtifact(from, to)
        yield* Fiber.interrupt(watch)
        expect(copied).toMatchObject({ bytes: 2 ** 28 })
        console.log(`a copy of 256 MiB held ${Math.round(most / 1_024)} KiB at most`)
        assert.isBelow(most, 2 ** 23)
      })
    )
  )
})
