/**
 * A file system as tailing sees it: names, inodes, descriptors that outlive names, calls that fail, listings that are
 * late, attributes and missing names that a network volume remembers for 20 seconds.
 */
import { Effect, Layer } from "effect"
import { Uptime } from "../../src/statechart/index.ts"
import { type FileFacts, TailFileError, TailFiles } from "../../src/runs/TailFiles.ts"

/** What was ever written to a file between two moments at which it was emptied. */
export interface Generation {
  readonly path: string
  /** How much of it a look has shown. */
  shown: number
  bytes: Buffer
}

interface Inode {
  readonly number: bigint
  content: Generation
  /** What a network volume still believes of its size, and until when. */
  believed: { readonly size: number; readonly until: number } | null
}

/** A network volume believes what it saw for so long. */
const BELIEF_MS = 20_000
/** A network volume answers with no more at once. */
const SHORT_BYTES = 4_096
const NO_BYTES: Generation = { path: "", shown: 0, bytes: Buffer.alloc(0) }

export class ModelDisk {
  readonly generations: Array<Generation> = []
  /** When each path was looked at: the moments of its polls. */
  readonly looks: Array<{ readonly path: string; readonly at: number }> = []
  /** Names that were asked for although no listing had shown them. */
  readonly guesses: Array<string> = []
  readonly isNetwork: boolean
  /** The errors of the next calls that concern a file. */
  faults: Array<string> = []
  /** Listings until then show nothing. */
  listsFrom = 0
  now = 0
  openHandles = 0
  /** Reads hang until then. */
  hang: Effect.Effect<void> = Effect.void
  private readonly names = new Map<string, Inode>()
  private readonly handles = new Map<number, Inode>()
  private readonly listed = new Set<string>()
  private lastHandle = 0
  private lastInode = 0n

  constructor(isNetwork: boolean) {
    this.isNetwork = isNetwork
  }

  write(path: string, bytes: Uint8Array): void {
    const { content } = this.names.get(path) ?? this.create(path)
    content.bytes = Buffer.concat([content.bytes, bytes])
  }

  /** Another file under the name; whoever has the old one open still reads it. */
  create(path: string): Inode {
    const inode: Inode = { number: ++this.lastInode, content: this.generation(path), believed: null }
    this.names.set(path, inode)
    return inode
  }

  truncate(path: string): void {
    const inode = this.names.get(path)
    if (inode !== undefined) inode.content = this.generation(path)
  }

  remove(path: string): void {
    this.names.delete(path)
  }

  contentOf(path: string): Buffer {
    return (this.names.get(path)?.content ?? NO_BYTES).bytes
  }

  has(path: string): boolean {
    return this.names.has(path)
  }

  private generation(path: string): Generation {
    const generation = { path, shown: 0, bytes: Buffer.alloc(0) }
    this.generations.push(generation)
    return generation
  }

  private factsOf(inode: Inode): FileFacts {
    const { content } = inode
    const size = content.bytes.length
    if (!this.isNetwork) {
      content.shown = size
      return { inode: inode.number, size }
    }
    if (inode.believed === null || inode.believed.until <= this.now) {
      inode.believed = { size, until: this.now + BELIEF_MS }
    }
    content.shown = Math.max(content.shown, Math.min(size, inode.believed.size))
    return { inode: inode.number, size: inode.believed.size }
  }

  private found(path: string): Inode {
    if (this.isNetwork && !this.listed.has(path)) this.guesses.push(path)
    this.looks.push({ path, at: this.now })
    this.fail()
    const inode = this.names.get(path)
    if (inode !== undefined) return inode
    this.listed.delete(path)
    throw failed("ENOENT")
  }

  private fail(): void {
    const code = this.faults.shift()
    if (code !== undefined) throw failed(code)
  }

  readonly layer: Layer.Layer<TailFiles, never, Uptime> = Layer.effect(
    TailFiles,
    Effect.gen({ self: this }, function* () {
      const uptime = yield* Uptime
      const at = <A>(body: () => A): Effect.Effect<A, TailFileError> =>
        Effect.flatMap(uptime.now, (now) => {
          this.now = now
          try {
            return Effect.succeed(body())
          } catch (error) {
            if (error instanceof TailFileError) return Effect.fail(error)
            throw error
          }
        })
      const inodeOf = (handle: number): Inode => {
        const inode = this.handles.get(handle)
        if (inode === undefined) throw new Error(`the descriptor ${handle} is not open`)
        return inode
      }
      return TailFiles.of({
        list: (directory) =>
          at(() => {
            if (this.now < this.listsFrom) return []
            const paths = [...this.names.keys()].filter((path) => path.startsWith(`${directory}/`))
            for (const path of paths) this.listed.add(path)
            return paths.map((path) => path.slice(directory.length + 1))
          }),
        facts: (paths) =>
          Effect.forEach(paths, (path) =>
            at(() => this.factsOf(this.found(path))).pipe(Effect.catch((error) => Effect.succeed(error)))
          ),
        open: (path) =>
          at(() => {
            const inode = this.found(path)
            this.handles.set(++this.lastHandle, inode)
            this.openHandles++
            return this.lastHandle
          }),
        factsOf: (handle) => at(() => this.factsOf(inodeOf(handle))),
        read: (handle, into, offset, length, position) =>
          Effect.andThen(
            this.hang,
            at(() => {
              this.fail()
              const inode = inodeOf(handle)
              if (!this.isNetwork) return inode.content.bytes.subarray(position, position + length).copy(into, offset)
              // Nothing beyond the size that is believed; and where nothing can be read, nobody asks the server.
              const believed = this.factsOf(inode).size
              if (position >= believed) return 0
              inode.believed = null
              const end = Math.min(believed, position + Math.min(length, SHORT_BYTES))
              return inode.content.bytes.subarray(position, end).copy(into, offset)
            })
          ),
        revalidate: (_, path) =>
          Effect.sync(() => {
            const inode = this.names.get(path)
            if (inode !== undefined) inode.believed = null
          }),
        close: (handle) =>
          Effect.sync(() => {
            if (!this.handles.delete(handle)) throw new Error(`the descriptor ${handle} is closed twice`)
            this.openHandles--
          })
      })
    })
  )
}

const failed = (code: string): TailFileError => new TailFileError({ code, message: `${code} happened` })
