/** When a file is looked at, and when its tailing is over: sentences about simulated time. */
import * as fc from "fast-check"
import { Effect } from "effect"
import type { EndRecord } from "../../src/domain/index.ts"
import { type Build, inRoom, LOG, recordOf } from "./TailRoom.ts"

const ACTIVE_MS = 250
const IDLE_MS = 1_000
const DORMANT_MS = 5_000

/** The polls until a moment, of a file that is written to at these. */
const expectedPolls = (writes: ReadonlyArray<number>, until: number): ReadonlyArray<number> => {
  const polls: Array<number> = []
  let delay = ACTIVE_MS
  let grewAt = 0
  let quiet = 0
  for (let at = 0; at <= until; at += delay) {
    const last = polls.at(-1) ?? -Infinity
    polls.push(at)
    if (writes.some((write) => write > last && write < at)) {
      grewAt = at
      quiet = 0
      delay = ACTIVE_MS
    } else if (delay === IDLE_MS && at >= grewAt + 60_000) delay = DORMANT_MS
    else if (delay === ACTIVE_MS && ++quiet === 5) delay = IDLE_MS
  }
  return polls
}

/** Polls come at the cadence of the last growth, to the millisecond, and what was written comes with the next one. */
export const cadence = (build: Build, isNetwork: boolean) =>
  fc.asyncProperty(
    fc.array(fc.integer({ min: 1, max: 100_000 }), { maxLength: 5 }),
    fc.boolean(),
    async (pauses, isEmpty) => {
      // Before the first poll, and between two.
      const writes: Array<number> = isEmpty ? [] : [-1]
      for (const pause of pauses) writes.push(Math.floor((Math.max(0, writes.at(-1) ?? 0) + pause) / 50) * 50 + 27)
      const until = (writes.at(-1) ?? 0) + 90_000
      const room = await inRoom(build, isNetwork, (one) =>
        Effect.gen(function* () {
          one.disk.write(LOG, Buffer.from(isEmpty ? "" : "line\n"))
          yield* one.open(null)
          for (const write of writes.filter((at) => at > 0)) {
            yield* one.pass(write - one.now)
            one.disk.write(LOG, Buffer.from("line\n"))
          }
          yield* one.pass(until - one.now)
          yield* one.close()
          return one
        })
      )
      const polls = [...new Set(room.disk.looks.map(({ at }) => at))]
      const expected = expectedPolls(writes, until)
      const wrong = polls.findIndex((at, index) => at !== expected[index])
      if (wrong >= 0 || polls.length !== expected.length) {
        throw new Error(
          `poll ${wrong} came at ${polls[wrong]} and not at ${expected[wrong]} (${polls.length} of ${expected.length})`
        )
      }
      const late = writes.find(
        (write, index) =>
          room.arrivedAt.find(({ to }) => to >= 5 * (index + 1))?.at !== expected.find((at) => at > write)
      )
      if (late !== undefined) throw new Error(`what was written at ${late} did not come with the next poll`)
    }
  )

/** What the meter hears: each byte once, and a lag that no line exceeds, and that is a poll's delay too long at most. */
export const lag = (build: Build) =>
  fc.asyncProperty(
    fc.array(fc.record({ pause: fc.integer({ min: 1, max: 90_000 }), isWhole: fc.boolean(), stalls: fc.boolean() }), {
      maxLength: 6
    }),
    fc.boolean(),
    async (writes, isNetwork) => {
      const isStalling = writes.some(({ stalls }) => stalls)
      /** The end of each line, and when it was written. */
      const ends: Array<{ readonly to: number; readonly at: number }> = []
      const room = await inRoom(build, isNetwork, (one) =>
        Effect.gen(function* () {
          one.disk.write(LOG, Buffer.alloc(0))
          yield* one.open(null)
          let size = 0
          for (const { isWhole, pause, stalls } of writes) {
            yield* one.pass(pause)
            if (stalls) one.stall()
            one.disk.write(LOG, Buffer.from(isWhole ? "line\n" : "li"))
            size += isWhole ? 5 : 2
            if (isWhole) ends.push({ to: size, at: one.now })
            yield* one.pass(stalls ? 7_000 : 0)
            yield* one.resume()
          }
          yield* one.pass(6_000)
          yield* one.close()
          return one
        })
      )
      let told = 0
      for (const { at, bytes, lagMs } of room.metered) {
        const age = at - (ends.find(({ to }) => to > told)?.at ?? Number.NaN)
        told += bytes
        if (!(lagMs >= age)) throw new Error(`a line was there for ${age} ms, and not for ${lagMs}`)
        if (!isStalling && lagMs > age + DORMANT_MS) throw new Error(`${lagMs} ms are too long for ${age}`)
      }
      if (told !== (ends.at(-1)?.to ?? 0)) throw new Error(`the meter heard of ${told} bytes`)
    }
  )

/** A file that appears within half a minute is delivered at the next poll; one that does not is missing then. */
export const appearance = (build: Build) =>
  fc.asyncProperty(fc.integer({ min: 1, max: 40_000 }), fc.boolean(), async (at, isNetwork) => {
    const appearsAt = Math.floor(at / 50) * 50 + 27
    const room = await inRoom(build, isNetwork, (one) =>
      Effect.gen(function* () {
        yield* one.open(null)
        yield* one.pass(appearsAt)
        one.disk.write(LOG, Buffer.from("line\n"))
        yield* one.pass(45_000 - appearsAt)
        yield* one.close()
        return one
      })
    )
    if (appearsAt > 29_750) {
      if (room.ended?.message !== `Pod log file never appeared at ${LOG}` || room.ended.end !== "missing") {
        throw new Error(`it ended ${room.ended?.end}: ${room.ended?.message}`)
      }
      if (room.endedAt !== 30_000) throw new Error(`it was missing after ${room.endedAt} ms`)
    } else {
      const expected = Math.ceil(appearsAt / ACTIVE_MS) * ACTIVE_MS
      if (room.arrivedAt[0]?.at !== expected)
        throw new Error(`it came at ${room.arrivedAt[0]?.at} and not at ${expected}`)
    }
    if (room.disk.guesses.length > 0) throw new Error("it was asked for before a listing had shown it")
  })

const WRITTEN = Buffer.from("one\ntwo\nunfinished")
const PROMISES = {
  promised: {
    record: recordOf(Buffer.from("one\ntwo\nunfinished, and more\n")),
    ended: true,
    ms: 90_000,
    end: "incomplete"
  },
  faulty: {
    record: recordOf(Buffer.alloc(100, "x"), { volume_error: "No space left on device" }),
    ended: true,
    ms: 10_000,
    end: "incomplete"
  },
  unrecorded: { record: null, ended: true, ms: 10_000, end: "incomplete" },
  running: { record: null, ended: false, ms: 90_000, end: "incomplete" },
  truncated: { record: recordOf(Buffer.alloc(100, "x"), { truncated: true }), ended: true, ms: 90_000, end: "corrupt" },
  whole: { record: recordOf(WRITTEN), ended: true, ms: 0, end: "complete" },
  other: { record: recordOf(Buffer.from("ONE\ntwo\nunfinished")), ended: true, ms: 0, end: "corrupt" },
  cut: { record: recordOf(WRITTEN, { truncated: true }), ended: true, ms: 0, end: "corrupt" },
  longer: { record: recordOf(WRITTEN.subarray(0, 4)), ended: true, ms: 0, end: "complete" }
} as const satisfies Readonly<Record<string, { record: EndRecord | null; ended: boolean; ms: number; end: string }>>

/** Asked to stop, each file comes to the end that is the truth, within its bound, whatever its consumer does. */
export const bounds = (build: Build) =>
  fc.asyncProperty(
    fc.constantFrom(...(Object.keys(PROMISES) as ReadonlyArray<keyof typeof PROMISES>)),
    fc.integer({ min: 0, max: 200 }),
    fc.boolean(),
    fc.boolean(),
    async (kind, ticks, isStalled, isNetwork) => {
      const { end, ended, ms, record } = PROMISES[kind]
      const askedAt = ticks * 250
      const room = await inRoom(build, isNetwork, (one) =>
        Effect.gen(function* () {
          one.disk.write(LOG, WRITTEN)
          if (isStalled) one.stall()
          yield* one.open(null)
          yield* one.pass(askedAt)
          yield* one.tail.drain({ record, ended })
          yield* one.pass(95_000)
          yield* one.close()
          return one
        })
      )
      const outcome = room.ended
      if (outcome === null) throw new Error("it never ended")
      const delivered = isStalled ? 0 : Math.min(WRITTEN.length, record?.bytes ?? Infinity)
      // What stalls is given up after the bound, and a second for what is left.
      const bound = isStalled ? (ms === 0 ? 90_000 : ms) + 1_000 : ms
      const expectedEnd =
        isStalled && end === "complete" ? "incomplete" : isStalled && kind === "other" ? "incomplete" : end
      if (room.endedAt !== askedAt + bound)
        throw new Error(`it ended ${room.endedAt - askedAt} ms after it was asked to, not ${bound}`)
      if (outcome.end !== expectedEnd) throw new Error(`it ended ${outcome.end}, not ${expectedEnd}`)
      if (kind !== "longer" && outcome.bytes !== delivered)
        throw new Error(`${outcome.bytes} bytes are counted, not ${delivered}`)
      if ((outcome.message === null) !== (outcome.end === "complete")) throw new Error(`it says ${outcome.message}`)
      if (outcome.end !== "incomplete") return
      const missing = record === null ? 0 : record.bytes - delivered
      const gap = outcome.gaps.at(-1)
      if (outcome.missingBytes !== missing) throw new Error(`${outcome.missingBytes} bytes are missing, not ${missing}`)
      if (gap?.from !== delivered || gap.to !== (record?.bytes ?? null)) throw new Error("what is missing is no gap")
    }
  )
