/** What names an artifact, against a second implementation that never sees the disk, and what its copy holds. */
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import * as fc from "fast-check"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import * as Artifact from "../../src/plugins/Artifact.ts"
import { DurableFiles } from "../../src/storage/index.ts"
import { loadMutant, removeMutants, writeMutant } from "../Mutants.ts"
import { describeFailure, hunt, options } from "../Options.ts"

/** Bytes by path. */
type Tree = ReadonlyMap<string, Buffer>

const SKIPPED = [".git", ".svn", ".hg", "node_modules", ".npm", ".pnpm", ".yarn", ".DS_Store"]

// `-` and `.` come before `/`; U+10000 is D800 DC00, and so before U+FF5E; é is spelled in two ways.
const traps = ["a", "a-b", "a.txt", "a/b", "b", "A", "Z", "é", "e\u0301", "\u{10000}", "\uFF5E", "😀", " ", "a b", "~"]
const odd = ["\u0001", "a\r", "\t", "__proto__", "-", "...", ".hidden", "node_modules2", ".GIT", "%2e%2e", "\uE000"]
const isName = (name: string): boolean =>
  /^[^/\\\0\n\uFFFD]+$/.test(name) && !SKIPPED.includes(name) && name !== "." && name !== ".."
const name = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...traps, ...odd) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 12 }).filter(isName) }
)
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"))
const content = fc.oneof(
  { weight: 20, arbitrary: fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)) },
  // Around what is read at once.
  { weight: 1, arbitrary: fc.constantFrom(131_071, 131_072, 131_073, 300_000).map((size) => Buffer.alloc(size, "x")) }
)

/** macOS takes names that differ in case or spelling for one. */
const keyOf = (file: string): string => (process.platform === "darwin" ? file.normalize().toLowerCase() : file)

/** Without paths that are a file and a directory. */
const treeOf = (entries: ReadonlyArray<readonly [string, Buffer]>): Tree => {
  const tree = new Map<string, Buffer>()
  for (const [file, bytes] of entries) {
    const isFree = [...tree.keys()].every((other) => {
      const [one, two] = [`${keyOf(file)}/`, `${keyOf(other)}/`]
      return !one.startsWith(two) && !two.startsWith(one)
    })
    if (isFree) tree.set(file, bytes)
  }
  return tree
}
const trees = fc.array(fc.tuple(path, content), { maxLength: 12 }).map(treeOf)

/** What must not make a difference, by the directory (as a number) that it is put into. */
interface Noise {
  readonly skipped: ReadonlyArray<readonly [number, string]>
  readonly empty: ReadonlyArray<readonly [number, string]>
  readonly modes: ReadonlyArray<number>
  readonly isReversed: boolean
}
const noise: fc.Arbitrary<Noise> = fc.record({
  skipped: fc.array(fc.tuple(fc.nat(20), fc.constantFrom(...SKIPPED)), { maxLength: 4 }),
  empty: fc.array(fc.tuple(fc.nat(20), fc.constantFrom("zz empty", "0", "zz/deep")), { maxLength: 3 }),
  modes: fc.array(fc.constantFrom(0o400, 0o644, 0o755, 0o4711), { maxLength: 4 }),
  isReversed: fc.boolean()
})
const quiet: Noise = { skipped: [], empty: [], modes: [], isReversed: false }

const write = (root: string, tree: Tree, { empty, isReversed, modes, skipped }: Noise): void => {
  fs.mkdirSync(root)
  const files = [...tree].map(([file, bytes]) => ({ file: join(root, file), bytes }))
  for (const { bytes, file } of isReversed ? files.toReversed() : files) {
    fs.mkdirSync(dirname(file), { recursive: true })
    fs.writeFileSync(file, bytes)
  }
  const directories = [...new Set([root, ...files.map(({ file }) => dirname(file))])]
  const within = (at: number, entry: string): string => join(directories[at % directories.length] ?? root, entry)
  for (const [at, entry] of empty)
    if (!fs.existsSync(within(at, entry))) fs.mkdirSync(within(at, entry), { recursive: true })
  for (const [at, entry] of skipped) {
    const place = within(at, entry)
    if (fs.lstatSync(place, { throwIfNoEntry: false }) !== undefined) continue
    if (at % 3 === 0) fs.writeFileSync(place, "skipped")
    else if (at % 3 === 1) fs.symlinkSync("/", place)
    else {
      fs.mkdirSync(join(place, "in it"), { recursive: true })
      fs.writeFileSync(join(place, "in it", "a"), "skipped")
    }
  }
  for (const [at, mode] of modes.entries()) {
    const chosen = files[at % Math.max(1, files.length)]
    if (chosen === undefined) continue
    fs.chmodSync(chosen.file, mode)
    fs.utimesSync(chosen.file, at, 1_000_000 * at)
  }
}

/** The definition once more: by UTF-16 code units is by the bytes of UTF-16 in network order. */
const reference = (tree: Tree): string => {
  const records = [...tree].map(([file, bytes]) => {
    const record = [file, "\0", createHash("sha256").update(bytes).digest("hex"), "\n"].join("")
    return { record, key: Buffer.from(record, "utf16le").swap16() }
  })
  records.sort((one, other) => Buffer.compare(one.key, other.key))
  return createHash("sha256")
    .update(records.map(({ record }) => record).join(""), "utf8")
    .digest("hex")
}

type Subject = Pick<typeof Artifact, "copyArtifact" | "readArtifact">

const world = Layer.provideMerge(DurableFiles.layer, NodeServices.layer)

/** A scratch directory, and the subject as promises. */
const within = async <A>(
  subject: Subject,
  body: (tools: {
    readonly root: string
    readonly read: (directory: string) => Promise<Artifact.Artifact>
    readonly copy: (from: string, to: string) => Promise<Artifact.Artifact>
  }) => Promise<A>
): Promise<A> => {
  const root = fs.mkdtempSync(join(tmpdir(), "holdfast-artifact-"))
  try {
    return await body({
      root,
      read: (directory) => Effect.runPromise(Effect.provide(subject.readArtifact(directory), world)),
      copy: (from, to) => Effect.runPromise(Effect.provide(subject.copyArtifact(from, to), world))
    })
  } finally {
    fs.rmSync(root, { recursive: true })
  }
}

/** One step away: another byte, another name, another place, one file less or more. */
const edited = (tree: Tree, at: number, way: number): Tree => {
  const entries = [...tree]
  const [file, bytes] = entries[at % Math.max(1, entries.length)] ?? ["first", Buffer.alloc(0)]
  const changed = new Map(entries)
  if (way !== 0) changed.delete(file)
  if (way === 0) changed.set(file, Buffer.concat([bytes, Buffer.from("+")]))
  if (way === 1) changed.set(`${file}+`, bytes)
  if (way === 2) changed.set(`${dirname(file)}/into/${file.split("/").at(-1)}`.replace(/^\.\//, ""), bytes)
  if (way === 3)
    changed.set(file, Buffer.from(bytes.map((byte, index) => (index === bytes.length - 1 ? byte ^ 1 : byte))))
  return treeOf([...changed])
}

const sameTree = (one: Tree, other: Tree): boolean =>
  one.size === other.size && [...one].every(([file, bytes]) => other.get(file)?.equals(bytes) === true)

const filesIn = (root: string): Tree => {
  const entries = fs.readdirSync(root, { recursive: true, withFileTypes: true })
  const places = entries.map((entry) => join(entry.parentPath, entry.name))
  const files = places.filter((place) => !fs.lstatSync(place).isDirectory())
  return new Map(files.map((place) => [place.slice(root.length + 1), fs.readFileSync(place)]))
}

const SENTENCES = {
  "its hash is that of its files by the definition, whatever else is there": {
    share: 1,
    property: (subject: Subject) =>
      fc.asyncProperty(trees, noise, (tree, noise) =>
        within(subject, async ({ read, root }) => {
          write(join(root, "t"), tree, noise)
          const artifact = await read(join(root, "t"))
          expect(artifact.hash).toBe(reference(tree))
          expect(artifact.bytes).toBe([...tree.values()].reduce((sum, { length }) => sum + length, 0))
        })
      )
  },
  "its hash is another one when a byte, a name or a place is": {
    share: 0.5,
    property: (subject: Subject) =>
      fc.asyncProperty(trees, fc.nat(20), fc.nat(4), (tree, at, way) =>
        within(subject, async ({ read, root }) => {
          const other = edited(tree, at, way)
          fc.pre(!sameTree(tree, other))
          write(join(root, "t"), tree, quiet)
          write(join(root, "u"), other, quiet)
          expect((await read(join(root, "t"))).hash).not.toBe((await read(join(root, "u"))).hash)
        })
      )
  },
  "its copy holds its files, byte for byte and for the owner alone, and nothing else": {
    share: 0.5,
    property: (subject: Subject) =>
      fc.asyncProperty(trees, noise, (tree, noise) =>
        within(subject, async ({ copy, root }) => {
          const [from, to] = [join(root, "t"), join(root, "u")]
          write(from, tree, noise)
          expect((await copy(from, to)).hash).toBe(reference(tree))
          expect(sameTree(filesIn(to), tree)).toBe(true)
          for (const entry of fs.readdirSync(to, { recursive: true, withFileTypes: true })) {
            const place = join(entry.parentPath, entry.name)
            expect(fs.lstatSync(place).mode & 0o7777).toBe(entry.isDirectory() ? 0o700 : 0o600)
            if (entry.isDirectory()) expect(fs.readdirSync(place)).not.toEqual([])
          }
        })
      )
  },
  "a link anywhere is refused, wherever it leads": {
    share: 0.5,
    property: (subject: Subject) =>
      fc.asyncProperty(trees, fc.nat(20), fc.constantFrom("/", "/nowhere", "x", "../o", "."), (tree, at, leadsTo) =>
        within(subject, async ({ copy, read, root }) => {
          const from = join(root, "t")
          write(from, tree, quiet)
          write(join(root, "o"), new Map([["x", Buffer.from("x")]]), quiet)
          const directories = [from, ...[...tree.keys()].map((file) => dirname(join(from, file)))]
          fs.symlinkSync(leadsTo, join(directories[at % directories.length] ?? from, "a link"))
          const refused = { reason: "artifact_symlink_unsupported" }
          await expect(read(from)).rejects.toMatchObject(refused)
          await expect(copy(from, join(root, "u"))).rejects.toMatchObject(refused)
          expect(fs.existsSync(join(root, "u"))).toBe(false)
        })
      )
  }
}
type SentenceName = keyof typeof SENTENCES

const check = async (sentence: SentenceName, subject: Subject, sample: { numRuns: number; seed: number }) => {
  // Of another type for each sentence, and run the same way.
  const property = SENTENCES[sentence].property(subject) as fc.IAsyncProperty<unknown>
  const details = await fc.check(property, { ...sample, endOnFailure: true })
  return details.failed ? `${describeFailure(details)}: ${String(details.errorInstance)}` : null
}

const names = Object.keys(SENTENCES) as ReadonlyArray<SentenceName>
const [HASH, DIFFERENT, COPY, LINK] = names as [SentenceName, SentenceName, SentenceName, SentenceName]

describe("an artifact", () => {
  it.each(names)("%s", async (sentence) => {
    expect(await check(sentence, Artifact, options(SENTENCES[sentence].share))).toBeNull()
  })
})

const MUTANTS: ReadonlyArray<readonly [name: string, killedBy: SentenceName, search: string, replacement: string]> = [
  [
    "sorts as people do",
    HASH,
    "(recordOf(one) < recordOf(other) ? -1 : 1)",
    "recordOf(one).localeCompare(recordOf(other))"
  ],
  [
    "sorts by code points",
    HASH,
    "(recordOf(one) < recordOf(other) ? -1 : 1)",
    "Buffer.compare(Buffer.from(recordOf(one)), Buffer.from(recordOf(other)))"
  ],
  ["does not sort", HASH, "(recordOf(one) < recordOf(other) ? -1 : 1)", "0"],
  ["puts nothing between name and hash", HASH, "`${path}\\0${sha256}\\n`", "`${path}${sha256}\\n`"],
  ["puts nothing between two files", HASH, "`${path}\\0${sha256}\\n`", "`${path}\\0${sha256}`"],
  ["hashes what is to be skipped", HASH, "if (SKIPPED_NAMES.has(entry)) continue", ""],
  ["skips at the top only", HASH, "SKIPPED_NAMES.has(entry)", 'directory === "" && SKIPPED_NAMES.has(entry)'],
  ["skips whatever begins like that", HASH, "SKIPPED_NAMES.has(entry)", "/^(node_modules|\\.git)/i.test(entry)"],
  ["hashes the first chunk only", HASH, "hash.update(chunk)", "if (size === count) hash.update(chunk)"],
  ["hashes names and no bytes", DIFFERENT, "hash.update(chunk)", "void chunk"],
  ["forgets where a file lies", DIFFERENT, "`${path}\\0", '`${path.split("/").at(-1)}\\0'],
  ["hashes bytes and no names", DIFFERENT, "`${path}\\0", "`\\0"],
  ["writes nothing", COPY, "yield* take(chunk)", "void take"],
  ["copies for everybody", COPY, "mode: fileMode", "mode: 0o644"],
  ["makes directories for everybody", COPY, "mode: directoryMode", "mode: 0o755"],
  ["copies what is to be skipped", COPY, "if (SKIPPED_NAMES.has(entry)) continue", ""],
  ["follows links", LINK, "fs.lstat(target)", "fs.stat(target)"],
  [
    "takes a link for nothing",
    LINK,
    'if (type === "SymbolicLink") return yield* linkRefused(name)',
    'if (type === "SymbolicLink") continue'
  ]
]

describe("wrong versions of it", () => {
  afterAll(removeMutants)

  it.each(MUTANTS)("one that %s is seen: %s", async (_, killedBy, search, replacement) => {
    const mutant = await loadMutant<Subject>("src/plugins/Artifact.ts", search, replacement)
    expect(await check(killedBy, mutant, hunt)).not.toBeNull()
  })

  it.each(SKIPPED)("one that does not skip %s is seen", async (name) => {
    const rules = await writeMutant("src/plugins/ArtifactRules.ts", `"${name}"`, `"${name}?"`)
    const mutant = await loadMutant<Subject>("src/plugins/Artifact.ts", '"./ArtifactRules.ts"', JSON.stringify(rules))
    expect(await check(HASH, mutant, hunt)).not.toBeNull()
  })

  it("are seen for what they change: a copy of the program without a change is not", async () => {
    const same = await loadMutant<Subject>("src/plugins/Artifact.ts", "const CHUNK_BYTES", "const CHUNK_BYTES")
    for (const sentence of names) expect(await check(sentence, same, { ...hunt, numRuns: 40 })).toBeNull()
  })

  it("has one for every sentence", () => {
    const seen = new Set(MUTANTS.map(([, killedBy]) => killedBy))
    expect(names.filter((sentence) => !seen.has(sentence))).toEqual([])
  })
})
