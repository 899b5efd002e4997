/** Reading a file from where its consumer is, and delivering it: the path of every byte. */
import { Effect, Fiber } from "effect"
import type { Lease } from "./TailBuffers.ts"
import { grown, type TailFile } from "./TailFile.ts"
import type { TailFileError } from "./TailFiles.ts"
import { CHUNK_BYTES, cut, partsBefore } from "./TailLines.ts"
import type { TailWorld } from "./TailWorld.ts"

const NEWLINE = 0x0a
const NO_BYTES = Buffer.alloc(0)

/** How far to read. */
export interface Until {
  /** What the record promises, as it was known when the file was looked at; `Infinity` without one. */
  readonly end: number
  /** Nothing follows what is there: the last line needs no newline. */
  readonly isEnd: boolean
}

/** A chunk that is being read while the one before it is delivered. */
interface Ahead {
  readonly lease: Lease
  readonly position: number
  readonly read: Fiber.Fiber<number, TailFileError>
  /** When reading began, in elapsed milliseconds. */
  readonly began: number
}

/** A buffer, and what is being read into it. */
interface Chunk {
  readonly lease: Lease
  readonly read: Ahead["read"] | null
  readonly began: number
}

/** Delivers what there is from the offset on. */
export const deliverAll = Effect.fnUntraced(function* (world: TailWorld, file: TailFile, handle: number, until: Until) {
  const next: { ahead: Ahead | null } = { ahead: null }
  const goOn = Effect.gen(function* () {
    while (!file.isDone && file.offset < until.end) {
      const goesOn = yield* Effect.acquireUseRelease(
        chunkFor(world, file, next),
        (chunk) => meteredChunk(world, file, handle, until, chunk, next),
        (chunk) => giveBack(world, chunk)
      )
      if (!goesOn) return
    }
  })
  yield* Effect.ensuring(
    goOn,
    Effect.suspend(() => (next.ahead === null ? Effect.void : giveBack(world, next.ahead)))
  )
  file.isUnread = false
})

/** The buffer that was read ahead, if that was from here; else another one. */
const chunkFor = Effect.fnUntraced(function* (world: TailWorld, file: TailFile, next: { ahead: Ahead | null }) {
  const { ahead } = next
  next.ahead = null
  if (ahead?.position === file.offset && !ahead.lease.isLost) return ahead
  if (ahead !== null) yield* giveBack(world, ahead)
  const lease = yield* world.buffers.take
  const chunk: Chunk = { lease, read: null, began: (yield* world.uptime.read).uptime }
  return chunk
})

/** What is being read into a buffer is written there whenever it ends. */
const giveBack = ({ buffers }: TailWorld, { lease, read }: Chunk): Effect.Effect<void> =>
  Effect.andThen(
    read === null ? Effect.void : Fiber.await(read),
    Effect.sync(() => buffers.release(lease))
  )

const leased = <A, E>({ buffers }: TailWorld, use: (lease: Lease) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(buffers.take, use, (lease) => Effect.sync(() => buffers.release(lease)))

/** Begins to read what follows the last line of a full chunk, if a buffer is to be had for it. */
const readAhead = Effect.fnUntraced(function* (
  { buffers, files, uptime }: TailWorld,
  file: TailFile,
  handle: number,
  end: number,
  chunk: Buffer
) {
  const lines = chunk.lastIndexOf(NEWLINE) + 1
  const lease = lines > 0 && !file.spec.reopen ? buffers.takeFree() : null
  if (lease === null) return null
  const position = file.offset + lines
  const { uptime: began } = yield* uptime.read
  const read = files.read(handle, lease.buffer, 0, Math.min(CHUNK_BYTES, end - position), position).pipe(
    // What waits for a stalled consumer is anybody's.
    Effect.ensuring(Effect.sync(() => buffers.rest(lease)))
  )
  return { lease, position, began, read: yield* Effect.forkDetach(read, { startImmediately: true }) }
})

/** @ref LLP 0014#metrics [implements]: what is counted of a run's output, and what its lag is */
const meteredChunk = Effect.fnUntraced(function* (
  world: TailWorld,
  file: TailFile,
  handle: number,
  until: Until,
  chunk: Chunk,
  next: { ahead: Ahead | null }
) {
  const before = file.offset
  const meter = Effect.map(world.uptime.read, (now) => {
    if (file.offset > before) world.meter.delivered(file.offset - before, now.uptime - file.readAllAt)
  })
  const delivery = deliverChunk(world, file, handle, until, chunk, next)
  const goesOn = yield* file.spec.isMetered === true ? Effect.ensuring(delivery, meter) : delivery
  if (!goesOn) file.readAllAt = chunk.began
  return goesOn
})

const deliverChunk = Effect.fnUntraced(function* (
  world: TailWorld,
  file: TailFile,
  handle: number,
  { end, isEnd }: Until,
  { lease, read }: Chunk,
  ahead: { ahead: Ahead | null }
) {
  if (!file.isPlaced) yield* place(world, file, handle, lease)
  const left = end - file.offset
  const wanted = Math.min(CHUNK_BYTES, left)
  const filled = yield* read === null ? fill(world, file, handle, lease, wanted, file.offset) : Fiber.join(read)
  if (!world.buffers.resume(lease)) return true
  if (file.offset + filled > file.seen) {
    file.seen = file.offset + filled
    grown(file, yield* world.uptime.read)
  }
  const chunk = lease.buffer.subarray(0, filled)
  const isLast = filled === left || (isEnd && filled < wanted)
  const isBurst = filled === CHUNK_BYTES
  if (isBurst) ahead.ahead = yield* readAhead(world, file, handle, end, chunk)
  const { consumer, digest } = file
  let at = 0
  for (let next = cut(chunk, at, file.part, isLast, consumer.most); next !== null;) {
    const bytes = chunk.subarray(at, next.end)
    const checksum = digest.after(bytes)
    if (!isBurst && digest.at === file.offset) digest.update(bytes)
    const delivery = consumer.deliver(chunk, at, next, file.offset)
    file.isDelivering = true
    world.buffers.rest(lease)
    yield* delivery.effect
    const isOurs = world.buffers.resume(lease)
    file.isDelivering = false
    digest.acknowledge(checksum)
    file.offset += bytes.length
    file.line += delivery.lines
    file.part = next.part === null || next.part.last ? 0 : file.part + 1
    if (!isOurs) return true
    at = next.end
    next = cut(chunk, at, file.part, isLast, consumer.most)
  }
  return filled === wanted
})

/** Reads until there is no more, or enough. On a disk one short read says that there is no more. */
const fill = Effect.fnUntraced(function* (
  { files, remote }: TailWorld,
  { spec: { reopen } }: TailFile,
  handle: number,
  { buffer }: Lease,
  wanted: number,
  position: number
) {
  if (!reopen) return yield* files.read(handle, buffer, 0, wanted, position)
  let filled = 0
  while (filled < wanted) {
    const read = files.read(handle, buffer, filled, wanted - filled, position + filled)
    const count = yield* remote.withPermits(1)(read)
    if (count === 0) break
    filled += count
  }
  return filled
})

/** After a restart: whether the offset lies in a line over 1 MiB, and after which of its parts. */
const place = Effect.fnUntraced(function* (world: TailWorld, file: TailFile, handle: number, lease: Lease) {
  let position = file.offset
  let start = 0
  let size = 1
  while (position > 0) {
    size = Math.min(size, position)
    const filled = yield* fill(world, file, handle, lease, size, position - size)
    const newline = lease.buffer.subarray(0, filled).lastIndexOf(NEWLINE)
    position -= size
    if (newline >= 0) {
      start = position + newline + 1
      break
    }
    size = CHUNK_BYTES
  }
  file.part = partsBefore(file.offset - start)
  file.isPlaced = true
})

/** A line of which parts were delivered ends here: an empty last part says so. */
export const finishLine = Effect.fnUntraced(function* (file: TailFile) {
  if (file.part === 0) return
  file.isDelivering = true
  const last = { end: 0, part: { index: file.part, last: true } }
  yield* file.consumer.deliver(NO_BYTES, 0, last, file.offset).effect
  file.isDelivering = false
  file.line++
  file.part = 0
})

/** Hashes again what was delivered in bursts, or by the process before; whether all of it was there. */
export const catchUp = Effect.fnUntraced(function* (world: TailWorld, file: TailFile, handle: number, to: number) {
  const { digest } = file
  while (digest.at < to) {
    const wanted = Math.min(CHUNK_BYTES, to - digest.at)
    const filled = yield* leased(world, (lease) =>
      Effect.map(fill(world, file, handle, lease, wanted, digest.at), (count) => {
        if (count > 0) digest.update(lease.buffer.subarray(0, count))
        return count
      })
    )
    if (filled === 0) return false
    // Others have something to deliver.
    yield* Effect.yieldNow
  }
  return true
})
