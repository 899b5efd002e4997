/** What is known of one file that is tailed, and the events that its machine hears. */
import type { Deferred, Effect, Fiber } from "effect"
import { Tailer, type TailerContext, type TailerEvent } from "../../machines/index.ts"
import type { EndRecord, Gap, TailOutcome } from "../domain/index.ts"
import { advance, type Chart, type Command, type Instance, type Now, start, step } from "../statechart/index.ts"
import type { TailSpec } from "./Tail.ts"
import { TailDigest } from "./TailDigest.ts"
import type { Cut } from "./TailLines.ts"

/** A delivery to a consumer, and how many lines end in it. */
export interface Delivery {
  readonly effect: Effect.Effect<void>
  readonly lines: number
}

/** Who takes what was read. */
export interface TailConsumer {
  /** The most bytes that a batch of several lines has. */
  readonly most: number
  /** Bytes `at` to the end of the cut, which begin at `from` of the file. The chunk is not to be kept. */
  readonly deliver: (chunk: Buffer, at: number, cut: Cut, from: number) => Delivery
  readonly gap: (gap: Gap) => Effect.Effect<void>
}

/** One of many: no fibre, no queue, no descriptor until it has something to read. */
export interface TailFile {
  readonly spec: TailSpec
  readonly path: string
  readonly consumer: TailConsumer
  readonly settled: Deferred.Deferred<TailOutcome>
  readonly digest: TailDigest
  instance: Instance<typeof Tailer>
  /** When the scheduler looks at it again, in elapsed milliseconds. */
  due: number
  /** When it is polled again, when it was, and when it had grown. */
  pollAt: number
  polledAt: number
  grewAt: number
  /** All that was there at this moment has been read: what is read later came since, for all that anybody knows. */
  readAllAt: number
  /** It had grown when it was polled last. */
  hasGrown: boolean
  /** Polls without growth in a row. */
  quiet: number
  /** A poll is under way. */
  isBusy: boolean
  /** Its consumer has a batch and has not acknowledged it. */
  isDelivering: boolean
  /** Over, or closed. */
  isDone: boolean
  fiber: Fiber.Fiber<void> | null
  /** Its name was in the directory when that was listed last. */
  isListed: boolean
  inode: bigint | null
  /** Kept open where the specification says so. */
  handle: number | null
  /** Whether reading past the page cache has not been refused yet. */
  isDirect: boolean
  /** Bytes and lines that are acknowledged, and parts of the line at the offset. */
  offset: number
  line: number
  part: number
  /** Whether `part` is known: not yet after a restart. */
  isPlaced: boolean
  /** Bytes that were there when it was read last. */
  seen: number
  /** Some of that was not delivered, because something broke off. */
  isUnread: boolean
  gaps: ReadonlyArray<Gap>
  record: EndRecord | null
}

const chart: Chart<typeof Tailer> = { machine: Tailer }

/** A file of which nothing is known but where tailing went on before a restart. */
export const begin = (
  spec: TailSpec,
  path: string,
  consumer: TailConsumer,
  settled: Deferred.Deferred<TailOutcome>,
  now: Now
): TailFile => {
  const { from } = spec
  const offset = from?.offset ?? 0
  const digest = new TailDigest()
  digest.reset(offset)
  return {
    spec,
    path,
    consumer,
    settled,
    digest,
    instance: start(chart, undefined, now)[0],
    due: Infinity,
    pollAt: now.uptime,
    polledAt: now.uptime,
    grewAt: now.uptime,
    readAllAt: now.uptime,
    hasGrown: false,
    quiet: 0,
    isBusy: false,
    isDelivering: false,
    isDone: false,
    fiber: null,
    isListed: false,
    inode: from === null ? null : BigInt(from.inode),
    handle: null,
    isDirect: true,
    offset,
    line: from?.line ?? 0,
    part: 0,
    isPlaced: offset === 0,
    seen: offset,
    isUnread: false,
    gaps: from?.gaps ?? [],
    record: null
  }
}

export const contextOf = (file: TailFile): TailerContext => file.instance.snapshot.context

/** What a poll of the file is for. */
export type TailMode = "waiting" | "following" | "reading" | "flushing" | "verifying" | "settled"

export const modeOf = ({ instance: { snapshot } }: TailFile): TailMode => {
  if (snapshot.hasTag("settled")) return "settled"
  if (snapshot.matches("waitingForFile")) return "waiting"
  if (snapshot.matches("following")) return "following"
  if (snapshot.matches({ draining: "flushing" })) return "flushing"
  return snapshot.matches({ draining: "verifying" }) ? "verifying" : "reading"
}

/** Tells the machine; what it asks for is the caller's to do. */
export const tell = (file: TailFile, event: TailerEvent, now: Now): ReadonlyArray<Command> => {
  const [instance, commands] = step(chart, file.instance, event, now)
  file.instance = instance
  return commands
}

/** Lets the machine's time pass; none of its timers asks for anything. */
export const pass = (file: TailFile, now: Now): void => {
  file.instance = advance(chart, file.instance, now)[0]
}

/** The file had grown when it was polled. */
export const grown = (file: TailFile, now: Now): void => {
  file.hasGrown = true
  file.quiet = 0
  file.grewAt = file.polledAt
  if (contextOf(file).listensFor === "growth") tell(file, { type: "GREW" }, now)
}
