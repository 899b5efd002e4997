/**
 * Rows of one signal on their way to central: in memory, then in files of which each becomes a batch.
 *
 * @ref LLP 0029#the-spool [implements]: what is on the disk when, what is dropped, and how that is told
 */
import { Clock, Effect, Exit, FileSystem, Option, Path, Ref, Schema, Scope, Semaphore } from "effect"
import { type IngestSignal, isoTime } from "../domain/index.ts"
import { randomId } from "../http/index.ts"
import { DurableFiles, fileMode, type StorageError, storageStep } from "../storage/index.ts"
import {
  gapRow,
  inParts,
  type Loss,
  lossOf,
  readLines,
  readSegmentName,
  type Segment,
  type SealedBatch,
  segmentName,
  sizeOf,
  together
} from "./SpoolFiles.ts"

/** A file is sealed at so many rows, or bytes. */
export const SEGMENT_ROWS = 5_000
export const SEGMENT_BYTES = 1_048_576
/** A signal has so many bytes on the disk at most. */
export const SPOOL_BYTES = 16 * 1_048_576
/** Rows that wait in memory for a disk that takes none; beyond it the oldest are counted and forgotten. */
export const MEMORY_ROWS = 2_000

/** A row: `id` names it for good, `at` says when (ISO 8601). */
export interface Row {
  readonly id: string
  readonly at: string
}

export interface SpoolOptions {
  readonly directory: string
  readonly signal: IngestSignal
  /** Default: {@link SPOOL_BYTES}. */
  readonly maxBytes?: number
  /** Default: {@link SEGMENT_BYTES}. */
  readonly segmentBytes?: number
  /** So many names of rows that were written are remembered, over restarts: such a row is not written again. */
  readonly remember?: number
  /** Told of rows that central will never get. */
  readonly lost?: (rows: number) => Effect.Effect<void>
}

interface Sealed {
  readonly name: string
  readonly segment: Segment
  readonly bytes: number
}

interface Open {
  readonly segment: Segment
  readonly file: FileSystem.File
  readonly scope: Scope.Closeable
  readonly bytes: number
  readonly rows: number
}

interface Waiting extends Row {
  readonly line: string
}

interface Left {
  readonly segment: Segment
  /** All of it was synced by this process, and no write of it failed. */
  readonly isSound: boolean
}

/** What one life of the daemon knows of the files; null until it has looked. */
interface Known {
  readonly stream: string
  readonly next: number
  /** The oldest first. */
  readonly sealed: ReadonlyArray<Sealed>
  readonly open: Open | null
  /** Open files that nobody writes any more: they are sealed before anything else is done. */
  readonly left: ReadonlyArray<Left>
}

const TAKEN = "taken.json"
const TakenJson = Schema.fromJsonString(Schema.Array(Schema.String))

/** Makes the spool of a signal; the disk is not touched before it is asked for. */
export const makeSpool = Effect.fnUntraced(function* (options: SpoolOptions) {
  const { directory, maxBytes = SPOOL_BYTES, remember = 0, segmentBytes = SEGMENT_BYTES } = options
  const { lost = () => Effect.void } = options
  const files = yield* DurableFiles
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const room = yield* Effect.scope
  const oneAtATime = yield* Semaphore.make(1)
  const memory = yield* Ref.make<{ readonly rows: ReadonlyArray<Waiting>; readonly loss: Loss | null }>({
    rows: [],
    loss: null
  })
  const known = yield* Ref.make<Known | null>(null)
  const taken = new Set<string>()
  /** The file that is being sent: it is not dropped under the request. */
  const inFlight = yield* Ref.make<string | null>(null)

  const now = Effect.map(Clock.currentTimeMillis, isoTime)
  const at = (name: string) => path.join(directory, name)

  const change = (how: (state: Known) => Known) => Ref.update(known, (state) => (state === null ? null : how(state)))
  const totalOf = ({ open, sealed }: Known): number =>
    sealed.reduce((sum, { bytes }) => sum + bytes, open === null ? 0 : open.bytes)

  const addLoss = (more: Loss | null) => Ref.update(memory, ({ loss, rows }) => ({ rows, loss: together(loss, more) }))

  /** Keeps so many rows in memory; what is more is a loss. */
  const bounded = (rows: ReadonlyArray<Waiting>, loss: Loss | null) => {
    const gone = rows.slice(0, Math.max(0, rows.length - MEMORY_ROWS))
    return {
      rows: rows.slice(gone.length),
      loss: gone.reduce((sum, { at }) => together(sum, { rows: 1, from: at, to: at }), loss)
    }
  }

  /** Seals what an earlier life, or a write that failed, has left open: its whole lines are a batch. */
  const sealLeft = Effect.fnUntraced(function* (left: Left) {
    const { isSound, segment } = left
    const name = segmentName({ ...segment, isOpen: true })
    const sealedName = segmentName({ ...segment, isOpen: false })
    const found = yield* files.read(at(name))
    const bytes = Option.isSome(found)
      ? yield* sealFile(name, sealedName, found.value, isSound)
      : yield* renamedBefore(sealedName)
    yield* change((state) => ({
      ...state,
      left: state.left.filter((other) => other !== left),
      sealed: [
        ...state.sealed.filter((other) => other.name !== sealedName),
        ...(bytes === 0 ? [] : [{ name: sealedName, segment, bytes }])
      ].toSorted(byNumber)
    }))
  })

  /** The rename was done, and said that it was not. */
  const renamedBefore = Effect.fnUntraced(function* (sealedName: string) {
    yield* files.syncDirectory(directory)
    return Option.match(yield* files.read(at(sealedName)), { onNone: () => 0, onSome: (bytes) => bytes.length })
  })

  /** Answers how many bytes the sealed file has. */
  const sealFile = Effect.fnUntraced(function* (name: string, sealedName: string, bytes: Uint8Array, isSound: boolean) {
    if (isSound) {
      yield* files.rename(directory, name, sealedName)
      return bytes.length
    }
    const { damaged, lines } = readLines(bytes)
    const whole = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""))
    // A new inode: the one there is may be marked clean by a sync that failed, and never reach the disk.
    if (whole.length > 0) yield* files.write(directory, sealedName, whole)
    yield* files.remove(at(name))
    yield* files.syncDirectory(directory)
    const time = yield* now
    if (damaged > 0) yield* addLoss({ rows: damaged, from: time, to: time })
    return whole.length
  })

  const look = Effect.gen(function* () {
    yield* files.makeDirectory(directory)
    const names = yield* fs.readDirectory(directory).pipe(storageStep("readDirectory", directory))
    const found = names.flatMap((name) => {
      const segment = readSegmentName(name)
      return segment === undefined ? [] : [{ name, segment }]
    })
    const sealed = yield* Effect.forEach(
      found.filter(({ segment }) => !segment.isOpen),
      ({ name, segment }) =>
        Effect.map(fs.stat(at(name)).pipe(storageStep("stat", at(name))), ({ size }) => ({
          name,
          segment,
          bytes: Number(size)
        }))
    )
    if (remember > 0) {
      const text = Option.map(yield* files.read(at(TAKEN)), (bytes) => new TextDecoder().decode(bytes))
      for (const id of Option.getOrElse(Option.flatMap(text, Schema.decodeUnknownOption(TakenJson)), () => [])) {
        taken.add(id)
      }
    }
    const state: Known = {
      stream: yield* randomId(8),
      next: found.reduce((most, { segment }) => Math.max(most, segment.number), 0) + 1,
      sealed: sealed.toSorted(byNumber),
      open: null,
      left: found.filter(({ segment }) => segment.isOpen).map(({ segment }) => ({ segment, isSound: false }))
    }
    yield* Ref.set(known, state)
  })

  /** The files as they are, with nothing left open that nobody writes. */
  const current = Effect.gen(function* () {
    if ((yield* Ref.get(known)) === null) yield* look
    for (const left of (yield* Ref.get(known))?.left ?? []) yield* sealLeft(left)
    const state = yield* Ref.get(known)
    return state ?? (yield* Effect.die("a spool that was looked at is known"))
  })

  const letGo = (open: Open) => Scope.close(open.scope, Exit.void)

  /** What is in the open file is on the disk; only its name changes. */
  const sealOpen = Effect.gen(function* () {
    const { open } = yield* current
    if (open === null) return
    yield* letGo(open)
    yield* change((state) => ({
      ...state,
      open: null,
      left: [...state.left, { segment: open.segment, isSound: true }]
    }))
    yield* current
  })

  const begin = Effect.gen(function* () {
    const { next, stream } = yield* current
    const segment: Segment = { number: next, stream, isOpen: true }
    const scope = yield* Scope.fork(room)
    const name = segmentName(segment)
    const file = yield* fs
      .open(at(name), { flag: "wx", mode: fileMode })
      .pipe(storageStep("open", at(name)), Scope.provide(scope))
    const open: Open = { segment, file, scope, bytes: 0, rows: 0 }
    yield* change((state) => ({ ...state, open, next: next + 1 }))
    yield* files.syncDirectory(directory).pipe(Effect.tapError(() => abandon(open)))
    return open
  })

  const abandon = (open: Open) =>
    Effect.andThen(
      letGo(open),
      change((state) => ({ ...state, open: null, left: [...state.left, { segment: open.segment, isSound: false }] }))
    )

  /** The lines are on the disk when this succeeds; when it fails some may be, and they come again. */
  const append = Effect.fnUntraced(function* (lines: ReadonlyArray<string>) {
    if (lines.length === 0) return
    const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""))
    const before = (yield* current).open
    const isFull =
      before !== null && (before.rows + lines.length > SEGMENT_ROWS || before.bytes + bytes.length > segmentBytes)
    if (isFull) yield* sealOpen
    const open = (yield* current).open ?? (yield* begin)
    const name = at(segmentName(open.segment))
    yield* open.file.writeAll(bytes).pipe(
      storageStep("write", name),
      Effect.andThen(open.file.sync.pipe(storageStep("fsync", name))),
      Effect.tapError(() => abandon(open))
    )
    const grown = { ...open, rows: open.rows + lines.length, bytes: open.bytes + bytes.length }
    yield* change((state) => ({ ...state, open: grown }))
  })

  /** What is in a sealed file; null when it is gone. Of one that cannot be read no row is shorter than this says. */
  const bytesOf = ({ bytes, name }: Sealed) =>
    files.read(at(name)).pipe(
      Effect.map(Option.getOrNull),
      Effect.orElseSucceed(() => new Uint8Array(Math.ceil(bytes / SHORTEST_ROW)).fill(0x0a))
    )

  /** The row that tells that a file is gone. The same file gives the same row: told twice, it counts once. */
  const gapOf = Effect.fnUntraced(function* (sealed: Sealed) {
    const time = yield* now
    const bytes = yield* bytesOf(sealed)
    const loss = bytes === null ? null : lossOf(bytes, time)
    if (loss === null) return []
    yield* Effect.logWarning("ingest_rows_lost").pipe(
      Effect.annotateLogs({ signal: options.signal, rows: loss.rows, from: loss.from, to: loss.to })
    )
    yield* lost(loss.rows)
    const { number, stream } = sealed.segment
    return [JSON.stringify(gapRow(`gap-${stream}-${number}`, time, loss))]
  })

  const forgetSealed = (name: string) =>
    change((state) => ({ ...state, sealed: state.sealed.filter((other) => other.name !== name) }))

  const remove = (name: string) =>
    files.remove(at(name)).pipe(Effect.andThen(files.syncDirectory(directory)), Effect.andThen(forgetSealed(name)))

  /** The oldest files that must go so that so many bytes fit. */
  const tooMuch = Effect.fnUntraced(function* (incoming: number) {
    const state = yield* current
    const sending = yield* Ref.get(inFlight)
    const victims: Array<Sealed> = []
    let total = totalOf(state) + incoming
    for (const sealed of state.sealed) {
      if (total <= maxBytes) break
      if (sealed.name === sending) continue
      victims.push(sealed)
      total -= sealed.bytes
    }
    return victims
  })

  const rememberTaken = Effect.fnUntraced(function* (rows: ReadonlyArray<Row>) {
    if (remember === 0 || rows.length === 0) return
    for (const { id } of rows) {
      taken.delete(id)
      taken.add(id)
    }
    for (const id of [...taken].slice(0, Math.max(0, taken.size - remember))) taken.delete(id)
    // Without it rows would only be told once more.
    yield* Effect.ignore(files.write(directory, TAKEN, JSON.stringify([...taken])))
  })

  /** No more than fits into one file. */
  const writeLines = Effect.fnUntraced(function* (lines: ReadonlyArray<string>) {
    const victims = yield* tooMuch(sizeOf(lines))
    const gaps = (yield* Effect.forEach(victims, gapOf)).flat()
    // Told before it is done: who is cut in between tells of a loss that is none, and never the other way round.
    yield* append([...gaps, ...lines])
    // One that cannot be removed now is the first to go next time.
    for (const { name } of victims) yield* Effect.ignore(remove(name))
    const { open } = yield* current
    if (open !== null && (open.rows >= SEGMENT_ROWS || open.bytes >= segmentBytes)) yield* sealOpen
  })

  const write = Effect.fnUntraced(function* (rows: ReadonlyArray<Waiting>, loss: Loss | null) {
    yield* current
    const fresh = rows.filter(({ id }) => !taken.has(id))
    const told = loss === null ? [] : [JSON.stringify(gapRow(`gap-${yield* randomId(8)}`, yield* now, loss))]
    yield* Effect.forEach(inParts([...told, ...fresh.map(({ line }) => line)], segmentBytes), writeLines)
    if (loss !== null) yield* lost(loss.rows)
    yield* rememberTaken(fresh)
  })

  const oldest: Effect.Effect<Option.Option<SealedBatch>, StorageError> = Effect.gen(function* () {
    if ((yield* current).sealed.length === 0) yield* sealOpen
    const [first] = (yield* current).sealed
    if (first === undefined) return Option.none()
    const bytes = yield* bytesOf(first)
    // It was removed, and the disk said that it was not.
    if (bytes === null) return yield* Effect.andThen(forgetSealed(first.name), oldest)
    yield* Ref.set(inFlight, first.name)
    const { number: position, stream } = first.segment
    return Option.some({ name: first.name, stream, position, bytes })
  })

  const store = Effect.gen(function* () {
    const { loss, rows } = yield* Ref.getAndSet(memory, { rows: [], loss: null })
    yield* write(rows, loss).pipe(
      Effect.onError(() => Ref.update(memory, (later) => bounded([...rows, ...later.rows], together(loss, later.loss))))
    )
    return hasBatch(yield* current)
  }).pipe(Effect.uninterruptible, oneAtATime.withPermits(1))

  return {
    /** Puts a row into memory; never waits, never fails. */
    record: (row: Row): Effect.Effect<void> =>
      Ref.update(memory, ({ loss, rows }) =>
        bounded([...rows, { id: row.id, at: row.at, line: JSON.stringify(row) }], loss)
      ),
    /** Forgets what is in memory. */
    forget: Ref.set(memory, { rows: [], loss: null }),
    /** Writes what is in memory; whether there is a batch. When it fails, the rows are in memory again. */
    store,
    /** Seals what is open: it is a batch, for this life of the daemon or the next. */
    seal: oneAtATime.withPermits(1)(Effect.uninterruptible(sealOpen)),
    /** The oldest batch, kept from being dropped until it is removed, set aside or let go. */
    oldest: oneAtATime.withPermits(1)(Effect.uninterruptible(oldest)),
    /** Central has it. */
    remove: (name: string) =>
      remove(name).pipe(Effect.andThen(Ref.set(inFlight, null)), Effect.uninterruptible, oneAtATime.withPermits(1)),
    /** Central will never take it: it is told as a gap. */
    setAside: (name: string) =>
      Effect.gen(function* () {
        const sealed = (yield* current).sealed.find((other) => other.name === name)
        if (sealed === undefined) return
        yield* append(yield* gapOf(sealed))
        yield* remove(name)
      }).pipe(Effect.ensuring(Ref.set(inFlight, null)), Effect.uninterruptible, oneAtATime.withPermits(1)),
    /** It is still to be sent. */
    letGo: Ref.set(inFlight, null),
    /** Whether there is a batch, as far as is known. */
    hasBatch: Effect.map(Ref.get(known), (state) => state !== null && hasBatch(state)),
    /** Bytes on the disk. */
    bytes: Effect.map(Ref.get(known), (state) => (state === null ? 0 : totalOf(state)))
  }
})

export type Spool = Effect.Success<ReturnType<typeof makeSpool>>

const hasBatch = ({ left, open, sealed }: Known): boolean => sealed.length > 0 || open !== null || left.length > 0

const byNumber = (a: Sealed, b: Sealed): number => a.segment.number - b.segment.number

/** Bytes of the shortest row that there can be. */
const SHORTEST_ROW = 32
