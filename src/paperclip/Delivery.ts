/**
 * The way of a run's output to the host: in order, one call at a time, each awaited, at most 8 KiB each.
 *
 * @ref LLP 0021#output [implements]
 */
import type { AdapterExecutionContext } from "@paperclipai/adapter-utils"
import { Clock, Effect, Ref, Schedule, Semaphore } from "effect"
import type { RunListener } from "../runs/index.ts"
import { KEEP_ALIVE, OWN } from "./OwnLines.ts"

/** What one call takes, in bytes of UTF-8. */
export const CHUNK_BYTES = 8_192
/** A line is said after so much silence, ms. */
export const KEEP_ALIVE_MS = 15_000
/** How a host that fails to take something is asked again: five times, some eight seconds. */
const AGAIN = { schedule: Schedule.exponential("250 millis"), times: 5 }

export interface Delivery {
  readonly listener: RunListener
  /** A line of the adapter's own. */
  readonly say: (message: string) => Effect.Effect<void>
  /** Says so as long as nothing else is said. */
  readonly keepAlive: (state: Effect.Effect<string>) => Effect.Effect<never>
  /** Bytes that the host did not take. */
  readonly refused: Effect.Effect<number>
}

const isContinued = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80

/** The text in pieces of at most so many bytes, no character split. */
export const pieces = (text: string, bytes: number = CHUNK_BYTES): ReadonlyArray<string> => {
  // No character has more than three bytes for each of its units.
  if (text.length * 3 <= bytes) return text === "" ? [] : [text]
  const all = new TextEncoder().encode(text)
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  const result: Array<string> = []
  for (let from = 0; from < all.length;) {
    let to = Math.min(from + bytes, all.length)
    while (to > from && isContinued(all[to])) to -= 1
    result.push(decoder.decode(all.subarray(from, to)))
    from = to
  }
  return result
}

export const makeDelivery = Effect.fnUntraced(function* (onLog: AdapterExecutionContext["onLog"]) {
  const oneAtATime = yield* Semaphore.make(1)
  const saidAt = yield* Ref.make(yield* Clock.currentTimeMillis)
  const refused = yield* Ref.make(0)
  const begun = yield* Ref.make(false)

  const give = (stream: "stdout" | "stderr", chunk: string) =>
    Effect.tryPromise(() => onLog(stream, chunk)).pipe(
      Effect.retry(AGAIN),
      Effect.catch((error) =>
        Ref.update(refused, (bytes) => bytes + new TextEncoder().encode(chunk).length).pipe(
          Effect.andThen(Effect.logWarning("the host did not take output", error))
        )
      ),
      Effect.andThen(Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.set(saidAt, now)))
    )

  const write = (stream: "stdout" | "stderr", text: string) =>
    oneAtATime.withPermits(1)(Effect.forEach(pieces(text), (chunk) => give(stream, chunk), { discard: true }))

  const say = (message: string) => write("stdout", `${OWN}${message}\n`)

  const listener: RunListener = {
    take: Effect.fnUntraced(function* (_, batch) {
      if (!(yield* Ref.getAndSet(begun, true)) && batch._tag === "Lines" && batch.from > 0) {
        yield* say(`going on at byte ${batch.from} of the output; what was given out last may come twice`)
      }
      if (batch._tag === "Gap") {
        const end = batch.to === null ? "an unknown byte" : `byte ${batch.to}`
        return yield* say(`gap: the output from byte ${batch.from} to ${end} cannot be delivered (${batch.reason})`)
      }
      const text = batch.lines.map((line) => (line.part?.last === false ? line.text : `${line.text}\n`)).join("")
      yield* write("stdout", text)
    }),
    takeErrors: (_, text) => write("stderr", text.endsWith("\n") ? text : `${text}\n`)
  }

  const delivery: Delivery = {
    listener,
    say,
    keepAlive: (state) =>
      Effect.gen(function* () {
        const silent = (yield* Clock.currentTimeMillis) - (yield* Ref.get(saidAt))
        if (silent >= KEEP_ALIVE_MS) {
          yield* say(`${KEEP_ALIVE} ${yield* state}`)
          return
        }
        yield* Effect.sleep(KEEP_ALIVE_MS - silent)
      }).pipe(Effect.forever),
    refused: Ref.get(refused)
  }
  return delivery
})
