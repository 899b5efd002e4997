/** Listens to the machines for what central wants to know, and keeps it until somebody can write it down. */
import { Clock, Context, Effect, Layer, Queue } from "effect"
import { type EventNews, isoTime } from "../domain/index.ts"
import { Journal, Switchboard } from "../statechart/index.ts"
import { endedRun, type Happening, newsOf } from "./News.ts"

/** One thing to tell: an event, or a run that ended. */
export type Tiding = { readonly at: string; readonly news: EventNews } | { readonly endedRun: string }

/** How much is kept before anybody takes it; past it the oldest are dropped. */
const KEPT = 1_000

export class Tidings extends Context.Service<
  Tidings,
  {
    /** Hears of something; never waits and never fails. */
    readonly hear: (happening: Happening) => void
    /** The next one; waits for it. */
    readonly take: Effect.Effect<Tiding>
    /** What is there now. */
    readonly takeAll: Effect.Effect<ReadonlyArray<Tiding>>
  }
>()("holdfast/daemon/Tidings") {
  static readonly layer = Layer.effect(
    Tidings,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const queue = yield* Queue.sliding<Tiding>(KEPT)
      /** What was last told of each subject. */
      const told = new Map<string, string>()
      return Tidings.of({
        hear: (happening) => {
          if (happening.kind === "transition") {
            const id = endedRun(happening.entry)
            if (id !== undefined) Queue.offerUnsafe(queue, { endedRun: id })
          }
          for (const { about, row } of newsOf(happening)) {
            const words = JSON.stringify(row)
            if (told.get(about) === words) continue
            told.set(about, words)
            Queue.offerUnsafe(queue, { at: isoTime(clock.currentTimeMillisUnsafe()), news: row })
          }
        },
        take: Queue.take(queue),
        takeAll: Queue.clear(queue)
      })
    })
  )
}

/** A journal that tells. */
export const tellingJournal = Layer.effect(
  Journal,
  Effect.gen(function* () {
    const journal = yield* Journal
    const { hear } = yield* Tidings
    return Journal.of({
      ...journal,
      record: (entry) => {
        hear({ kind: "transition", entry })
        journal.record(entry)
      }
    })
  })
)

/** Lines between the machines that tell. */
export const tellingSwitchboard = Layer.effect(
  Switchboard,
  Effect.gen(function* () {
    const switchboard = yield* Switchboard
    const { hear } = yield* Tidings
    return Switchboard.of({
      ...switchboard,
      send: (machine, instance, event, cause) => {
        hear({ kind: "sent", machine, event })
        switchboard.send(machine, instance, event, cause)
      }
    })
  })
)
