/** Every property of tailing by name: what it says, and how a counterexample is searched for. */
import * as fc from "fast-check"
import { Effect, Latch } from "effect"
import type { Sample } from "../machines/Check.ts"
import { histories, MOVES, wrongHistory } from "./TailHistories.ts"
import { type Build, DIRECTORY, inRoom, LOG, recordOf } from "./TailRoom.ts"
import { appearance, bounds, cadence, lag } from "./TailTimes.ts"

export interface Sentence {
  readonly title: string
  /** The share of the runs: a case may be dear. */
  readonly share: number
  readonly find: (build: Build, sample: Sample) => Promise<string | null>
}

const searched =
  <T>(property: (build: Build) => fc.IAsyncProperty<T>): Sentence["find"] =>
  async (build, sample) => {
    const details = await fc.check(property(build), sample)
    if (!details.failed) return null
    const reason = details.errorInstance instanceof Error ? details.errorInstance.message : "it was false"
    return `${reason} — after ${fc.stringify(details.counterexample)} (seed ${details.seed}, path ${details.counterexamplePath})`
  }

/** Lines of a burst, which is delivered before it is hashed. */
const BURST = 130_000

/** Emptied and written again between two looks: sizes cannot tell, the hash does. */
const mixed = (build: Build, burst: number) =>
  fc.asyncProperty(fc.nat(20), fc.integer({ min: 1, max: 20 }), fc.boolean(), async (few, more, isNetwork) => {
    await inRoom(build, isNetwork && burst === 0, (room) =>
      Effect.gen(function* () {
        const next = Buffer.from("new line\n".repeat(burst + few + more))
        room.disk.write(LOG, Buffer.from("old line\n".repeat(burst + few)))
        if (burst > 0) room.stall()
        yield* room.open(null)
        yield* room.pass(300)
        room.disk.truncate(LOG)
        room.disk.write(LOG, next)
        yield* room.resume()
        yield* room.tail.drain({ record: recordOf(next), ended: true })
        yield* room.pass(1_000)
        const isSame = room.arrived.equals(next)
        const { ended } = room
        yield* room.close()
        if (ended === null) throw new Error("it never ended")
        if ((ended.end === "complete") !== isSame) {
          throw new Error(`it ended ${ended.end} after ${isSame ? "the" : "other"} bytes`)
        }
      })
    )
  })

const numbered = (name: string, lines: number): string =>
  Array.from({ length: lines }, (_, line) => `${name} ${line}\n`).join("")

/** Whoever stalls stalls its own file: all others get what is written within a poll, and nobody loses anything. */
const stalls = (build: Build) =>
  fc.asyncProperty(fc.integer({ min: 1, max: 9 }), fc.nat(2), fc.boolean(), async (stalled, bursts, isNetwork) => {
    const burst = isNetwork ? 0 : Math.min(bursts, stalled)
    await inRoom(build, isNetwork, (room) =>
      Effect.gen(function* () {
        const { disk } = room
        yield* room.open(null)
        const isOpen = Latch.makeUnsafe()
        const got = new Map<string, Array<string>>()
        const textOf = (name: string): string => got.get(name)?.join("") ?? ""
        const names = Array.from({ length: stalled + 2 }, (_, index) => `f${index}`)
        for (const [index, name] of names.entries()) {
          const texts: Array<string> = []
          got.set(name, texts)
          disk.write(`${DIRECTORY}/${name}`, Buffer.from(numbered(name, index < burst ? BURST * 2 : 2_000)))
          yield* room.another(name, (batch) =>
            Effect.gen(function* () {
              if (index < stalled) yield* isOpen.await
              if (batch._tag === "Lines") texts.push(batch.lines.map(({ text }) => `${text}\n`).join(""))
            })
          )
          // A burst reads ahead, if it is there before the others.
          if (index < burst) yield* room.pass(300)
        }
        yield* room.pass(1_000)
        for (const name of names) disk.write(`${DIRECTORY}/${name}`, Buffer.from(`${name}, later\n`))
        yield* room.pass(300)
        const waiting = names.slice(stalled).filter((name) => !textOf(name).endsWith("later\n"))
        isOpen.openUnsafe()
        yield* room.pass(20_000)
        const wrong = names.filter((name) => textOf(name) !== disk.contentOf(`${DIRECTORY}/${name}`).toString())
        yield* room.close()
        if (waiting.length > 0) throw new Error(`${waiting.join(", ")} waited for others`)
        if (wrong.length > 0) throw new Error(`${wrong.join(", ")} lost or repeated something`)
      })
    )
  })

const MEGABYTE = 1_048_576

/** A line over 1 MiB comes in parts of whole characters, also over a restart. */
const longLines = (build: Build) =>
  fc.asyncProperty(
    fc.array(
      fc.oneof(
        fc.integer({ min: MEGABYTE - 4, max: MEGABYTE + 4 }),
        fc.integer({ min: 2 * MEGABYTE - 8, max: 2 * MEGABYTE + 8 }),
        fc.integer({ min: 0, max: 20_000 })
      ),
      { minLength: 1, maxLength: 3 }
    ),
    fc.constantFrom("x", "€", "😀"),
    fc.boolean(),
    fc.boolean(),
    async (lengths, character, isRestarted, isTerminated) => {
      await inRoom(build, false, (room) =>
        Effect.gen(function* () {
          const lines = lengths.map((length) => {
            const repeated = character.repeat(Math.floor(length / Buffer.byteLength(character)))
            return "y".repeat(length - Buffer.byteLength(repeated)) + repeated
          })
          const content = Buffer.from(lines.join("\n") + (isTerminated ? "\n" : ""))
          const half = Math.floor(content.length / 2)
          room.disk.write(LOG, content.subarray(0, half))
          yield* room.open(null)
          yield* room.pass(500)
          if (isRestarted) yield* room.restart()
          room.disk.write(LOG, content.subarray(half))
          yield* room.tail.drain({ record: recordOf(content), ended: true })
          yield* room.pass(2_000)
          const { arrived, ended, wrong } = room
          yield* room.close()
          if (wrong.length > 0) throw new Error(wrong.join("; "))
          if (ended?.end !== "complete") throw new Error(`it ended ${ended?.end}: ${ended?.message}`)
          const all =
            content.length === 0 || content.at(-1) === 10 ? content : Buffer.concat([content, Buffer.from("\n")])
          if (!arrived.equals(all)) throw new Error("lines or parts of them are not what was written")
          if (ended.lines !== lines.length - (lines.at(-1) === "" && !isTerminated ? 1 : 0))
            throw new Error(`${ended.lines} lines`)
        })
      )
    }
  )

/** Whatever happened and goes on happening, whoever asks for the end gets one. */
const settles = (build: Build) =>
  fc.asyncProperty(
    histories,
    fc.boolean(),
    fc.constantFrom("stall", "EIO", "remove", "hang", "hide"),
    fc.boolean(),
    async (moves, isNetwork, trouble, isRecorded) => {
      await inRoom(build, isNetwork, (room) =>
        Effect.gen(function* () {
          const { disk } = room
          yield* room.open(null)
          for (const { move, pick } of moves) if (move !== "truncate") yield* MOVES[move](room, pick)
          if (trouble === "stall") room.stall()
          if (trouble === "EIO") disk.faults = Array.from({ length: 100_000 }, () => "EIO")
          if (trouble === "remove") disk.remove(LOG)
          if (trouble === "hang") disk.hang = Effect.never
          if (trouble === "hide") disk.listsFrom = Infinity
          yield* room.tail.drain({ record: isRecorded ? recordOf(Buffer.from("never\n")) : null, ended: true })
          yield* room.pass(91_000)
          const { ended } = room
          if (trouble !== "hang") yield* room.close()
          if (ended === null) throw new Error("it never ended")
          if (ended.end === "complete") throw new Error("it claims to be complete")
        })
      )
    }
  )

export const SENTENCES = {
  conserved: {
    title: "delivers every byte once and in order or tells a gap, over restarts, faults and stalls, and ends complete",
    share: 1,
    find: wrongHistory
  },
  mixed: {
    title: "never calls two files complete that it took for one",
    share: 0.25,
    find: searched((build) => mixed(build, 0))
  },
  mixedBurst: {
    title: "nor after a burst that it delivered before it was hashed",
    share: 0.05,
    find: searched((build) => mixed(build, BURST))
  },
  cadence: {
    title: "polls after 250, 1,000 and 5,000 ms to the millisecond, and delivers at the first poll after a write",
    share: 0.15,
    find: searched((build) => cadence(build, false))
  },
  network: {
    title: "does so on a volume that remembers attributes for 20 seconds",
    share: 0.15,
    find: searched((build) => cadence(build, true))
  },
  metered: {
    title: "tells the meter of every byte once, and of a lag that no line exceeds",
    share: 0.15,
    find: searched(lag)
  },
  appears: {
    title: "finds a file by listing within 250 ms, and calls it missing after 30 s",
    share: 0.25,
    find: searched(appearance)
  },
  bounded: {
    title: "ends truly, and after 90, 10 and 10 s at the latest, when it is asked to",
    share: 0.25,
    find: searched(bounds)
  },
  stalls: { title: "lets a stalled consumer stall its own file only", share: 0.1, find: searched(stalls) },
  longLines: { title: "delivers lines over 1 MiB in parts of whole characters", share: 0.1, find: searched(longLines) },
  settles: { title: "ends whatever goes on going wrong", share: 0.1, find: searched(settles) }
} as const satisfies Readonly<Record<string, Sentence>>
export type SentenceName = keyof typeof SENTENCES
