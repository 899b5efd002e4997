/**
 * One poll of one file: what it finds out, what it delivers, and what the machine hears of it.
 *
 * @ref LLP 0017#a-poll [implements]: the steps that reach the server, and those that suffice on a disk
 */
import { Effect, Schema } from "effect"
import { TAIL_QUIET_POLLS } from "../../machines/index.ts"
import { type EndRecord, EndRecordJson, type Gap } from "../domain/index.ts"
import type { Command, Now } from "../statechart/index.ts"
import { contextOf, modeOf, tell, type TailFile } from "./TailFile.ts"
import { type FileFacts, TailFileError } from "./TailFiles.ts"
import { catchUp, deliverAll, finishLine, type Until } from "./TailRead.ts"
import type { TailWorld } from "./TailWorld.ts"

/** The most that is read again for the hash after a poll. */
const CATCH_UP_BYTES = 16 * 1_048_576
/** A record is a few hundred bytes, padded to 512. */
const RECORD_BYTES_MAX = 65_536

/** As far as there is anything: of a file that nobody finds under its name any more, no record says the end. */
const ON: Until = { end: Infinity, isEnd: false }

/** What the scheduler has found out for several files at once, as far as it has. */
export interface Glance {
  readonly names: ReadonlySet<string> | null
  readonly facts: FileFacts | TailFileError | null
}

/** Whether a glance says that there is nothing to do: the same file, no byte more, and nobody waits for its end. */
export const isUnchanged = (file: TailFile, facts: FileFacts | TailFileError | undefined): boolean => {
  const { doubted, failures } = contextOf(file)
  return (
    facts !== undefined &&
    !(facts instanceof TailFileError) &&
    facts.inode === file.inode &&
    facts.size === file.seen &&
    !doubted &&
    failures === 0
  )
}

/** A poll found no growth. */
export const notGrown = (file: TailFile, now: Now): void => {
  file.readAllAt = file.polledAt
  if (contextOf(file).listensFor !== "quiet") return
  file.quiet++
  if (file.quiet >= TAIL_QUIET_POLLS) tell(file, { type: "QUIET", quietMs: file.polledAt - file.grewAt }, now)
}

/** Polls a file, delivers what there is, and tells the machine. */
export const poll = Effect.fnUntraced(function* (world: TailWorld, file: TailFile, { facts, names }: Glance) {
  if (names?.has(file.spec.logName) === true) {
    file.isListed = true
    if (!contextOf(file).found) tell(file, { type: "FOUND" }, yield* world.uptime.read)
  }
  if (names?.has(file.spec.recordName) === true && file.record === null) yield* readRecord(world, file)
  // A poll that began without it may have looked long ago: its consumer may have stalled meanwhile.
  const promised = file.record
  const end = promised?.bytes ?? Infinity
  switch (modeOf(file)) {
    case "waiting":
    case "settled":
      return
    case "verifying":
      return yield* verify(world, file)
    case "flushing":
      yield* look(world, file, facts, { end, isEnd: true })
      yield* finishLine(file)
      tell(file, { type: "FLUSHED" }, yield* world.uptime.read)
      return
    case "following":
    case "reading":
      yield* look(world, file, facts, { end, isEnd: false })
  }
  if (promised === null || file.offset < promised.bytes || modeOf(file) !== "reading") return
  yield* finishLine(file)
  tell(file, { type: "REACHED" }, yield* world.uptime.read)
  yield* verify(world, file)
})

/** Looks at the file and delivers what is new in it. Whatever goes wrong is trouble, and looked at again. */
const look = Effect.fnUntraced(function* (
  world: TailWorld,
  file: TailFile,
  facts: FileFacts | TailFileError | null,
  until: Until
) {
  if (!contextOf(file).found || (!file.isListed && file.handle === null)) return
  file.hasGrown = false
  yield* (file.spec.reopen ? lookAnew(world, file, until) : lookAgain(world, file, facts, until)).pipe(
    Effect.catchTag("TailFileError", (error) => troubled(world, file, error))
  )
  const { doubted, failures } = contextOf(file)
  if (!file.hasGrown && failures === 0 && !doubted) notGrown(file, yield* world.uptime.read)
})

const troubled = Effect.fnUntraced(function* (world: TailWorld, file: TailFile, error: TailFileError) {
  // A name that is not there must not be asked for: a network volume would remember that, and hide a new file.
  if (error.code === "ENOENT") file.isListed = false
  disturbed(file, yield* world.uptime.read)
  yield* Effect.logDebug(`the output at ${file.path} could not be read: ${error.message}`)
})

/** A poll broke off: what it had seen and not delivered is read again. */
export const disturbed = (file: TailFile, now: Now): void => {
  file.isUnread = true
  tell(file, { type: "TROUBLE" }, now)
}

/** On a disk: one look at the name, which also tells of another file, and a descriptor that is kept. */
const lookAgain = Effect.fnUntraced(function* (
  world: TailWorld,
  file: TailFile,
  known: FileFacts | TailFileError | null,
  until: Until
) {
  const { files } = world
  const facts = known ?? (yield* files.facts([file.path]))[0]
  if (facts === undefined) return
  if (facts instanceof TailFileError) {
    // Removed, and perhaps still written to.
    if (file.handle !== null) yield* deliverAll(world, file, file.handle, until)
    return yield* facts
  }
  const isOther = file.inode !== null && facts.inode !== file.inode
  if (isOther && file.handle !== null) yield* deliverAll(world, file, file.handle, ON)
  if (!(yield* isSound(world, file, facts))) return
  const isWanted = until.isEnd || file.isUnread || until.end < Infinity
  if (facts.size <= (isWanted ? file.offset : file.seen)) return
  file.handle ??= yield* files.open(file.path, false)
  const opened = yield* files.factsOf(file.handle)
  // Replaced between the look and the opening: the next poll sees the same, and says so.
  if (file.inode !== null && opened.inode !== file.inode) return yield* closeHandle(world, file)
  file.inode = opened.inode
  yield* deliverAll(world, file, file.handle, until)
  if (file.digest.at < file.offset) yield* catchUp(world, file, file.handle, nextStop(file))
})

const nextStop = ({ digest, offset }: TailFile): number => Math.min(offset, digest.at + CATCH_UP_BYTES)

/** On a network volume: opened anew, and a byte read, so that size and content are the server's and not a cache's. */
const lookAnew = (world: TailWorld, file: TailFile, until: Until): Effect.Effect<void, TailFileError> =>
  anew(world, file, (handle) => lookThrough(world, file, handle, until)).pipe(
    Effect.catchIf(
      (error) => error.code === "EINVAL" && file.isDirect,
      () => {
        file.isDirect = false
        return lookAnew(world, file, until)
      }
    )
  )

const lookThrough = Effect.fnUntraced(function* (world: TailWorld, file: TailFile, handle: number, until: Until) {
  const byte = new Uint8Array(1)
  yield* world.remote.withPermits(1)(world.files.read(handle, byte, 0, 1, Math.max(0, file.offset - 1)))
  // Of a file that is believed to be empty nothing can be read, and nobody would be asked.
  if (file.seen === 0) yield* world.remote.withPermits(1)(world.files.revalidate(file.spec.directory, file.path))
  const facts = yield* world.remote.withPermits(1)(world.files.factsOf(handle))
  if (!(yield* isSound(world, file, facts))) return
  file.inode = facts.inode
  yield* deliverAll(world, file, handle, until)
  if (file.digest.at < file.offset) yield* catchUp(world, file, handle, nextStop(file))
})

const anew = <A, E>(
  world: TailWorld,
  file: TailFile,
  use: (handle: number) => Effect.Effect<A, E | TailFileError>
): Effect.Effect<A, E | TailFileError> =>
  Effect.acquireUseRelease(world.remote.withPermits(1)(world.files.open(file.path, file.isDirect)), use, (handle) =>
    world.files.close(handle)
  )

/** Whether the file is the one that it was and no shorter; tells the machine, and begins anew where that says so. */
const isSound = Effect.fnUntraced(function* (world: TailWorld, file: TailFile, facts: FileFacts) {
  const now = yield* world.uptime.read
  if (file.inode !== null && facts.inode !== file.inode) {
    yield* carryOut(world, file, tell(file, { type: "REPLACED" }, now))
    file.inode = facts.inode
    return true
  }
  if (facts.size < file.seen) {
    return yield* carryOut(world, file, tell(file, { type: "SHRUNK" }, now))
  }
  const { doubted, failures } = contextOf(file)
  if (doubted || failures > 0) tell(file, { type: "SOUND" }, now)
  file.inode ??= facts.inode
  return true
})

/** A gap, and the file from its beginning; whether that was asked for. */
const carryOut = Effect.fnUntraced(function* (world: TailWorld, file: TailFile, commands: ReadonlyArray<Command>) {
  for (const command of commands) {
    if (command._tag !== "Perform" || command.action.type !== "restart") continue
    const { reason } = command.action.params as { readonly reason: Gap["reason"] }
    const gap: Gap = { from: file.offset, to: null, reason }
    file.isDelivering = true
    yield* file.consumer.gap(gap)
    file.isDelivering = false
    if (file.spec.isMetered === true) world.meter.gap(reason)
    if (reason === "replaced") yield* closeHandle(world, file)
    Object.assign(file, {
      offset: 0,
      line: 0,
      part: 0,
      seen: 0,
      isPlaced: true,
      isUnread: false,
      gaps: [...file.gaps, gap]
    })
    file.digest.reset(0)
    return true
  }
  return false
})

/** Closes the descriptor that is kept, if there is one. */
export const closeHandle = Effect.fnUntraced(function* ({ files }: TailWorld, file: TailFile) {
  const { handle } = file
  file.handle = null
  if (handle !== null) yield* files.close(handle)
})

const readRecord = Effect.fnUntraced(function* (world: TailWorld, file: TailFile) {
  const { files, uptime } = world
  const path = file.path.slice(0, file.path.length - file.spec.logName.length) + file.spec.recordName
  const buffer = new Uint8Array(RECORD_BYTES_MAX)
  yield* Effect.acquireUseRelease(
    files.open(path, false),
    (handle) => files.read(handle, buffer, 0, buffer.length, 0),
    files.close
  ).pipe(
    Effect.flatMap((count) =>
      Schema.decodeUnknownEffect(EndRecordJson)(new TextDecoder().decode(buffer.subarray(0, count)))
    ),
    Effect.flatMap((record) => Effect.map(uptime.read, (now) => learn(file, record, now))),
    // Without a record the end is still bounded, and is not called complete.
    Effect.catch((error) => Effect.logWarning(`the end-of-stream record ${path} cannot be read: ${error.message}`))
  )
})

/** The end-of-stream record is known; the first one counts. */
export const learn = (file: TailFile, record: EndRecord, now: Now): void => {
  if (file.record !== null) return
  file.record = record
  const { bytes, truncated = false, volume_error } = record
  tell(file, { type: "RECORD", promise: { bytes, truncated, volumeError: volume_error !== undefined } }, now)
}

/** Compares what was delivered with the record; what the hash lags behind is read again. */
const verify = Effect.fnUntraced(function* (world: TailWorld, file: TailFile) {
  const { record } = file
  if (record === null || modeOf(file) !== "verifying") return
  const same = yield* isSame(world, file, record).pipe(
    Effect.catchTag("TailFileError", () => {
      file.isDirect = false
      return Effect.succeed(null)
    })
  )
  // What could not be read is tried again at the next poll, until the time for it is over.
  if (same !== null) tell(file, { type: "VERIFIED", same }, yield* world.uptime.read)
})

/** Null: not all that was delivered is there to be read again. */
const isSame = Effect.fnUntraced(function* (world: TailWorld, file: TailFile, record: EndRecord) {
  const { digest, offset } = file
  // Behind the agent's last byte its orphans may have written more, which does not count.
  if (digest.at > record.bytes) digest.rewind()
  if (!(yield* hashTo(world, file, record.bytes))) return null
  const hex = digest.hex()
  if (!(yield* hashTo(world, file, offset))) return null
  return hex === record.sha256.toLowerCase() && digest.isOfDelivered
})

const hashTo = (world: TailWorld, file: TailFile, to: number): Effect.Effect<boolean, TailFileError> => {
  if (file.digest.at >= to) return Effect.succeed(true)
  const { handle } = file
  return handle === null
    ? anew(world, file, (opened) => catchUp(world, file, opened, to))
    : catchUp(world, file, handle, to)
}
