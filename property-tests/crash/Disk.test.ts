/** The disk of the explorer is held against the real one: the same operations, the same answers, the same tree. */
import { NodeServices } from "@effect/platform-node"
import { Cause, Effect, Exit, FileSystem } from "effect"
import * as fc from "fast-check"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { options } from "../Options.ts"
import { emptyDisk, makeDirectory, treeOf } from "./Disk.ts"
import { layerMounted, mount } from "./DiskFileSystem.ts"
import { powerCuts } from "./PowerCut.ts"

const NAMES = ["a", "b", "a.new", "a.old", "link", "c/x", "c", "a/x", "a/y", "b/x", "link/x", "a/y/z"] as const
const TARGETS = ["a", "b", "c", "nowhere", "a/x", ".", "link"] as const

type Call =
  | { readonly does: "create"; readonly path: string; readonly bytes: Uint8Array }
  | {
      readonly does: "mkdir" | "remove" | "removeAll" | "readdir" | "readLink" | "read" | "readByHandle" | "sync"
      readonly path: string
    }
  | { readonly does: "lstat" | "stat"; readonly path: string }
  | { readonly does: "rename"; readonly path: string; readonly to: string }
  | { readonly does: "symlink"; readonly path: string; readonly target: string }

const name = fc.constantFrom(...NAMES)
/** Names of one directory, which are renamed most. */
const siblings = fc
  .tuple(
    fc.constantFrom("", "a/", "b/"),
    fc.constantFrom("a", "b", "a.new", "x", "y", "link"),
    fc.constantFrom("a", "b", "x", "y", "link")
  )
  .map(([directory, from, to]) => ({ does: "rename" as const, path: directory + from, to: directory + to }))

const call: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant("create" as const),
      path: name,
      bytes: fc.uint8Array({ maxLength: 1_200 })
    })
  },
  { weight: 3, arbitrary: fc.record({ does: fc.constant("mkdir" as const), path: name }) },
  { weight: 4, arbitrary: siblings },
  { weight: 3, arbitrary: fc.record({ does: fc.constant("rename" as const), path: name, to: name }) },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant("symlink" as const), path: name, target: fc.constantFrom(...TARGETS) })
  },
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constantFrom(
        "remove",
        "removeAll",
        "readdir",
        "readLink",
        "read",
        "readByHandle",
        "sync",
        "lstat",
        "stat"
      ),
      path: name
    })
  }
)

/** What a call answers, as text: its result, or the system's code. */
const answer = (root: string, one: Call) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = `${root}/${one.path}`
    switch (one.does) {
      case "create": {
        const file = yield* fs.open(path, { flag: "wx" })
        yield* file.writeAll(one.bytes)
        yield* file.sync
        return "created"
      }
      case "mkdir":
        return yield* Effect.as(fs.makeDirectory(path), "made")
      case "remove":
        return yield* Effect.as(fs.remove(path, { recursive: true, force: true }), "removed")
      case "removeAll":
        return yield* Effect.as(fs.remove(path, { recursive: true }), "removed")
      case "readdir":
        return (yield* fs.readDirectory(path)).sort().join()
      case "readLink":
        return yield* fs.readLink(path)
      case "read":
        return Buffer.from(yield* fs.readFile(path)).toString("base64")
      case "readByHandle": {
        const file = yield* fs.open(path, { flag: "r", noFollow: true })
        const { type } = yield* file.stat
        const buffer = new Uint8Array(500)
        const chunks: Array<string> = []
        for (let count = yield* file.read(buffer); count > 0; count = yield* file.read(buffer)) {
          chunks.push(Buffer.from(buffer.subarray(0, count)).toString("base64"))
        }
        return `${type} ${chunks.join()}`
      }
      case "sync":
        return yield* Effect.as(
          Effect.flatMap(fs.open(path, { flag: "r" }), (file) => file.sync),
          "synced"
        )
      case "lstat":
        return (yield* fs.lstat(path)).type
      case "stat":
        return (yield* fs.stat(path)).type
      case "rename":
        return yield* Effect.as(fs.rename(path, `${root}/${one.to}`), "renamed")
      case "symlink":
        return yield* Effect.as(fs.symlink(one.target, path), "linked")
    }
  }).pipe(
    Effect.scoped,
    Effect.exit,
    Effect.map((exit) => {
      if (Exit.isSuccess(exit)) return exit.value
      const error = Cause.squash(exit.cause) as { readonly reason?: { readonly cause?: { readonly code?: string } } }
      return error.reason?.cause?.code ?? String(error)
    })
  )

const realTree = (root: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const tree: Record<string, string> = {}
    const visit: (path: string) => Effect.Effect<void, unknown> = Effect.fnUntraced(function* (path: string) {
      for (const entry of (yield* fs.readDirectory(`${root}${path}`)).sort()) {
        const at = `${path}/${entry}`
        const { type } = yield* fs.lstat(`${root}${at}`)
        if (type === "SymbolicLink") tree[at] = `→ ${yield* fs.readLink(`${root}${at}`)}`
        else if (type === "File") tree[at] = Buffer.from(yield* fs.readFile(`${root}${at}`)).toString("latin1")
        else {
          tree[at] = "/"
          yield* visit(at)
        }
      }
    })
    yield* visit("")
    return tree
  })

describe("the disk of the explorer", () => {
  it("answers as the real file system does, and shows the same tree, whatever is done to both", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 40 }), async (calls) => {
        const root = mkdtempSync(join(tmpdir(), "holdfast-disk-"))
        const mounted = mount(makeDirectory(emptyDisk, "/root"))
        try {
          const model = layerMounted(mounted, () => "boot")
          for (const one of calls) {
            const real = await Effect.runPromise(answer(root, one).pipe(Effect.provide(NodeServices.layer)))
            const said = await Effect.runPromise(answer("/root", one).pipe(Effect.provide(model)))
            expect([one, said]).toEqual([one, real])
          }
          const real = await Effect.runPromise(realTree(root).pipe(Effect.provide(NodeServices.layer)))
          const modelled = Object.entries(treeOf(mounted.disk)).filter(([path]) => path !== "/root")
          expect(Object.fromEntries(modelled.map(([path, what]) => [path.slice("/root".length), what]))).toEqual(real)
        } finally {
          rmSync(root, { recursive: true, force: true })
        }
      }),
      options()
    )
  })

  const run = <A, E>(disk: ReturnType<typeof mount>, effect: Effect.Effect<A, E, FileSystem.FileSystem>) =>
    Effect.runSync(effect.pipe(Effect.provide(layerMounted(disk, () => "boot"))))

  const trees = (disk: ReturnType<typeof mount>) =>
    [...new Set(powerCuts(disk.disk).disks.map((cut) => JSON.stringify(treeOf(cut))))].sort()

  it("keeps what was synced, with its name only if the directory was synced too", () => {
    const disk = mount(emptyDisk)
    run(
      disk,
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const file = yield* fs.open("/x", { flag: "wx" })
        yield* file.writeAll(new TextEncoder().encode("hello"))
        yield* file.sync
      }).pipe(Effect.scoped)
    )
    expect(trees(disk)).toEqual(['{"/x":"hello"}', "{}"])
    run(
      disk,
      Effect.scoped(
        Effect.flatMap(
          FileSystem.FileSystem.use((fs) => fs.open("/")),
          (file) => file.sync
        )
      )
    )
    expect(trees(disk)).toEqual(['{"/x":"hello"}'])
  })

  /** A folder in one directory, synced; then it is moved to another one, and `path` is synced, if any. */
  const moved = (path?: string) => {
    const disk = mount(emptyDisk)
    run(
      disk,
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const sync = (one: string) => Effect.scoped(Effect.flatMap(fs.open(one), (file) => file.sync))
        for (const one of ["/from", "/to", "/from/tree"]) yield* fs.makeDirectory(one)
        for (const one of ["/", "/from"]) yield* sync(one)
        yield* fs.rename("/from/tree", "/to/place")
        if (path !== undefined) yield* sync(path)
      })
    )
    return trees(disk)
  }
  const whole = ['{"/from":"/","/from/tree":"/","/to":"/"}', '{"/from":"/","/to":"/","/to/place":"/"}']

  it("loses or keeps a rename between two directories, and never half of it", () => {
    expect(moved()).toEqual(whole)
  })

  it.each(["/from", "/to"])("keeps a rename between two directories once %s is synced", (path) => {
    expect(moved(path)).toEqual(whole.slice(1))
  })

  it("keeps such a rename with all that led to it, and not the other names of the directory that was not synced", () => {
    const disk = mount(emptyDisk)
    run(
      disk,
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        for (const one of ["/from", "/to"]) yield* fs.makeDirectory(one)
        yield* Effect.scoped(Effect.flatMap(fs.open("/"), (file) => file.sync))
        for (const one of ["/from/tree", "/from/other"]) yield* fs.makeDirectory(one)
        yield* fs.rename("/from/tree", "/to/place")
        yield* Effect.scoped(Effect.flatMap(fs.open("/to"), (file) => file.sync))
      })
    )
    expect(trees(disk)).toEqual([
      '{"/from":"/","/from/other":"/","/to":"/","/to/place":"/"}',
      '{"/from":"/","/to":"/","/to/place":"/"}'
    ])
  })

  it("loses, keeps, zeroes or tears what was not synced, and never half of a rename", () => {
    const disk = mount(emptyDisk)
    run(
      disk,
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const file = yield* fs.open("/x", { flag: "wx" })
        yield* file.writeAll(new TextEncoder().encode("h".repeat(600)))
        yield* fs.rename("/x", "/y")
      }).pipe(Effect.scoped)
    )
    const contents = ["", "h".repeat(600), "\0".repeat(600), "h".repeat(512), "\0".repeat(512) + "h".repeat(88)]
    const expected = [{}, ...contents.flatMap((content) => [{ "/x": content }, { "/y": content }])]
    expect(trees(disk)).toEqual(expected.map((tree) => JSON.stringify(tree)).sort())
  })
})
