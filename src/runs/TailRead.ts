/** Reading a file from where its consumer is, and delivering it: the path of every byte. */
import { Effect } from "effect"
import type { Lease } from "./TailBuffers.ts"
import { grown, type TailFile } from "./TailFile.ts"
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

/** Delivers what there is from the offset on. */
export const deliverAll = Effect.fnUntraced(function* (world: TailWorld, file: TailFile, handle: number, until: Until) {
  while (!file.isDone && file.offset < until.end) {
    const goesOn = yield* leased(world, (lease) => deliverChunk(world, file, handle, until, lease))
    if (!goesOn) break
  }
  file.isUnread = false
})

const leased = <A, E>({ buffers }: TailWorld, use: (lease: Lease) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(buffers.take, use, (lease) => Effect.sync(() => buffers.release(lease)))

const deliverChunk = Effect.fnUntraced(function* (
  world: TailWorld,
  file: TailFile,
  handle: number,
  { end, isEnd }: Until,
  lease: Lease
) {
  if (!file.isPlaced) yield* place(world, file, handle, lease)
  const left = end - file.offset
  const wanted = Math.min(CHUNK_BYTES, left)
  const filled = yield* fill(world, file, handle, lease, wanted, file.offset)
  if (file.offset + filled > file.seen) {
    file.seen = file.offset + filled
    grown(file, yield* world.uptime.read)
  }
  const chunk = lease.buffer.subarray(0, filled)
  const isLast = filled === left || (isEnd && filled < wanted)
  const isBurst = filled === CHUNK_BYTES
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
