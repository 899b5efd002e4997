/** Arbitrary histories of a file and of whoever reads it, and the sentences that hold of all of them. */
import * as fc from "fast-check"
import { Effect } from "effect"
import type { Sample } from "../machines/Check.ts"
import { type Build, inRoom, LOG, RECORD, recordOf, type TailRoom } from "./TailRoom.ts"

/** While the consumer stalls over the file another one takes its place. */
const swap = Effect.fnUntraced(function* (room: TailRoom, pick: number) {
  room.stall()
  room.disk.write(LOG, piece(pick))
  yield* room.pass(500)
  room.disk.create(LOG)
  room.disk.write(LOG, piece(pick))
})

/** What happens next; `pick` chooses among its variants. */
export const MOVES = {
  write: (room, pick) => Effect.sync(() => room.disk.write(LOG, piece(pick))),
  tear: (room, pick) =>
    Effect.gen(function* () {
      const bytes = piece(pick)
      const cut = pick % bytes.length
      room.disk.write(LOG, bytes.subarray(0, cut))
      yield* room.pass(500)
      room.disk.write(LOG, bytes.subarray(cut))
    }),
  breath: (room) => room.pass(250),
  wait: (room, pick) => room.pass([500, 1_500, 3_000, 12_000, 70_000][pick % 5] ?? 0),
  // As long as a look and its confirmation may take, nobody writes: what is gone then is told.
  truncate: (room) =>
    Effect.gen(function* () {
      if (!room.disk.has(LOG)) return
      room.disk.truncate(LOG)
      yield* room.resume()
      yield* room.pass(30_000)
    }),
  replace: (room, pick) =>
    Effect.sync(() => {
      room.disk.create(LOG)
      if (pick % 2 === 0) room.disk.write(LOG, piece(pick))
    }),
  remove: (room) => Effect.sync(() => room.disk.remove(LOG)),
  fault: (room, pick) =>
    Effect.sync(() => {
      const code = ["EIO", "ESTALE", "ENOENT", "EIO"][pick % 4] ?? "EIO"
      room.disk.faults = Array.from({ length: 1 + (pick % 4) }, () => code)
    }),
  hide: (room, pick) => Effect.sync(() => void (room.disk.listsFrom = room.now + 1_000 * (pick % 20))),
  stall: (room) => Effect.sync(() => room.stall()),
  resume: (room) => room.resume(),
  swap: (room, pick) => swap(room, pick),
  // At the same moment, so that what is under way meets the end of the process.
  crash: (room, pick) =>
    Effect.gen(function* () {
      yield* swap(room, pick)
      yield* room.resume()
      yield* room.restart()
    }),
  breaks: (room) => Effect.sync(() => void (room.breaksNext = true)),
  restart: (room) => room.restart()
} satisfies Readonly<Record<string, (room: TailRoom, pick: number) => Effect.Effect<unknown>>>
type MoveName = keyof typeof MOVES

export interface Move {
  readonly move: MoveName
  readonly pick: number
}

const TEXTS = ["a", "two words", "ä€😀", '{"type":"text"}', "日本語 テキスト 😀😀", ""]

/** Some lines, of characters of all widths; the last one may have no newline yet. */
const piece = (pick: number): Buffer => {
  const text = (TEXTS[pick % TEXTS.length] ?? "") + "x".repeat(pick % 7 === 0 ? 5_000 : pick % 50)
  return Buffer.from(`${text}${pick}\n`.repeat(1 + (pick % 5)) + (pick % 3 === 0 ? "unfinished €" : ""))
}

const WEIGHTS: ReadonlyArray<readonly [weight: number, move: MoveName]> = [
  [10, "write"],
  [5, "tear"],
  [8, "breath"],
  [4, "wait"],
  [1, "truncate"],
  [1, "replace"],
  [1, "remove"],
  [2, "fault"],
  [1, "hide"],
  [2, "stall"],
  [3, "resume"],
  [1, "swap"],
  [1, "crash"],
  [1, "breaks"],
  [2, "restart"]
]

export const histories: fc.Arbitrary<ReadonlyArray<Move>> = fc.array(
  fc.record({
    move: fc.oneof(...WEIGHTS.map(([weight, move]) => ({ weight, arbitrary: fc.constant(move) }))),
    pick: fc.nat(1_023)
  }),
  { minLength: 4, maxLength: 40, size: "max" }
)

/** What had gone wrong is over. */
const calmed = (room: TailRoom) => {
  const { disk } = room
  if (!disk.has(LOG)) disk.create(LOG)
  disk.faults = []
  disk.listsFrom = 0
  room.breaksNext = false
  return room.resume()
}

/** The same, and every whole line arrives, also if nothing more is written. */
const calm = Effect.fnUntraced(function* (room: TailRoom) {
  yield* calmed(room)
  yield* room.pass(15_000)
  const content = room.disk.contentOf(LOG)
  const whole = content.subarray(0, content.lastIndexOf(10) + 1)
  if (room.ended === null && !room.arrived.subarray(0, whole.length).equals(whole)) {
    room.say("lines that were written have not arrived after 15 s")
  }
})

/** The record is on the volume or comes from elsewhere, and everything works from now on. */
const endOf = Effect.fnUntraced(function* (room: TailRoom, isOnVolume: boolean) {
  const { disk } = room
  const content = disk.contentOf(LOG)
  const record = recordOf(content)
  if (isOnVolume) {
    disk.create(RECORD)
    disk.write(RECORD, Buffer.from(JSON.stringify(record).padEnd(512)))
  }
  yield* room.tail.drain({ record: isOnVolume ? null : record, ended: true })
  yield* room.pass(9_500)
  return content
})

/** Lives a history to its end; what is wrong with it, in words. */
export const judged = (
  build: Build,
  moves: ReadonlyArray<Move>,
  isNetwork: boolean,
  isOnVolume: boolean,
  isHasty: boolean
) =>
  inRoom(build, isNetwork, (room) =>
    Effect.gen(function* () {
      room.disk.create(LOG)
      yield* room.open(null)
      yield* room.pass(500)
      for (const { move, pick } of moves) yield* MOVES[move](room, pick)
      if (!isHasty) yield* calm(room)
      const early = room.ended
      if (early !== null) {
        // Nothing was there for half a minute after a start.
        if (early.end !== "missing") room.say(`the tail ended ${early.end} before it was asked to`)
        yield* room.close()
        return room.wrong
      }
      if (isHasty) yield* calmed(room)
      const content = yield* endOf(room, isOnVolume)
      const { arrived, ended: outcome, segments, wrong } = room
      const last = segments.at(-1)
      if (outcome === null) room.say("the tail did not settle")
      else if (outcome.end !== "complete") room.say(`the tail ended ${outcome.end}: ${outcome.message}`)
      const known = arrived.subarray(0, content.length)
      if (!known.equals(content)) room.say(`of ${content.length} bytes ${known.length} arrived, or others`)
      if (outcome !== null && outcome.bytes !== last?.to)
        room.say(`${last?.to} bytes arrived, and ${outcome.bytes} are counted`)
      if (outcome !== null && outcome.lines !== linesIn(content))
        room.say(`of ${linesIn(content)} lines ${outcome.lines} are counted`)
      const told = segments.filter(({ gap }) => gap !== null)
      if (outcome !== null && outcome.gaps.length !== told.length) room.say("a gap was told, or counted, alone")
      for (const { from, gap, to } of told) {
        if (gap !== null && (gap.from !== to || from > to)) room.say(`a gap from ${gap.from} came after ${to} bytes`)
      }
      // A file that is not there any more was delivered, or there is a gap.
      const shown = room.disk.generations
        .filter(({ path }) => path === LOG)
        .map((one) => one.bytes.subarray(0, one.shown))
      const gone = shown.filter((bytes) => !content.subarray(0, bytes.length).equals(bytes))
      if (gone.length > 0 && told.length === 0) room.say("bytes are gone without a word")
      for (const path of room.disk.guesses) room.say(`${path} was asked for before a listing had shown it`)
      yield* room.close()
      if (room.disk.openHandles > 0) room.say(`${room.disk.openHandles} descriptors are still open`)
      return wrong
    })
  )

const linesIn = (content: Buffer): number => {
  const text = content.toString()
  return text === "" ? 0 : text.split("\n").length - (text.endsWith("\n") ? 1 : 0)
}

/** Searches for a history with something wrong that `concerns` says matters; the first, shrunk, or null. */
export const wrongHistory = async (
  build: Build,
  sample: Sample,
  concerns: (sentence: string) => boolean = () => true
): Promise<string | null> => {
  const details = await fc.check(
    fc.asyncProperty(
      histories,
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      async (moves, isNetwork, isOnVolume, isHasty) => {
        const found = (await judged(build, moves, isNetwork, isOnVolume, isHasty)).filter(concerns)
        if (found.length > 0) throw new Error(found.join("; "))
      }
    ),
    sample
  )
  if (!details.failed) return null
  const reason = details.errorInstance instanceof Error ? details.errorInstance.message : "?"
  return `${reason} — after ${fc.stringify(details.counterexample)} (seed ${details.seed}, path ${details.counterexamplePath})`
}
