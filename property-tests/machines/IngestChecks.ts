/** What must hold of Ingest, over arbitrary histories of rows, of the disk, of central, of its process and of time. */
import * as fc from "fast-check"
import { GATHER_MS, INGEST_ANSWERS, POLL_LADDER_MS } from "../../machines/index.ts"
import { counterexample, type Check, type Sample } from "./Check.ts"
import { type Happening, INGEST_INVARIANTS, type IngestInvariant, IngestRoom } from "./IngestRoom.ts"
import type { Charts } from "./World.ts"

const of = <T extends Happening["type"]>(type: T) => fc.constant({ type })

/** Times that meet the bounds, and others. */
const pause = fc.oneof(
  fc.constantFrom(1_999, 2_000, 4_999, 5_000, 60_000, 3_600_000),
  fc.constantFrom(...POLL_LADDER_MS),
  fc.nat(40_000)
)

const answer = fc.record({
  type: fc.constant("ANSWER" as const),
  kind: fc.oneof({ weight: 3, arbitrary: fc.constant("accepted" as const) }, fc.constantFrom(...INGEST_ANSWERS)),
  jitter: fc.constantFrom(-1, 0, 0.5, 1),
  seconds: fc.constantFrom(0, 0, 7, 600, 100_000)
})

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant("PASS" as const), ms: pause }) },
  { weight: 5, arbitrary: of("RECORD") },
  { weight: 5, arbitrary: of("STORED") },
  { weight: 4, arbitrary: of("NOT_STORED") },
  { weight: 6, arbitrary: answer },
  { weight: 2, arbitrary: of("IDENTITY") },
  { weight: 1, arbitrary: of("DEFECT") },
  { weight: 2, arbitrary: of("END") },
  { weight: 1, arbitrary: of("SEALED") },
  { weight: 1, arbitrary: of("KILL") },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("BEGIN" as const),
      central: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.constant(false))
    })
  }
)

/** What goes well up to the answer. */
const sent: fc.Arbitrary<ReadonlyArray<Happening>> = fc
  .tuple(answer, pause, fc.boolean())
  .map(([said, ms, announced]) => [
    { type: "RECORD" },
    { type: "STORED" },
    { type: "PASS", ms: GATHER_MS },
    ...(announced ? [{ type: "IDENTITY" as const }] : []),
    said,
    { type: "PASS", ms }
  ])

const part = fc.oneof(
  { weight: 3, arbitrary: happening.map((one): ReadonlyArray<Happening> => [one]) },
  { weight: 1, arbitrary: sent }
)
const histories = fc
  .tuple(fc.array(happening, { maxLength: 2 }), fc.boolean(), fc.array(part, { maxLength: 25, size: "max" }))
  .map(([before, central, after]): ReadonlyArray<Happening> => [
    ...before,
    ...(central ? [{ type: "BEGIN" as const, central: true }, { type: "STORED" as const }] : []),
    ...after.flat()
  ])

const lived = (charts: Charts, happenings: ReadonlyArray<Happening>): IngestRoom => {
  const room = new IngestRoom(charts.ingest)
  for (const one of happenings) room.happens(one)
  return room
}

const invariantChecks = Object.fromEntries(
  Object.entries(INGEST_INVARIANTS).map(([name, title]) => [
    name,
    {
      title,
      find: (charts: Charts, sample: Sample) =>
        counterexample(
          fc.property(histories, (happenings) => {
            const found = lived(charts, happenings).violations.find(({ invariant }) => invariant === name)
            if (found !== undefined) throw new Error(`${found.invariant}: ${found.detail}`)
          }),
          sample
        )
    }
  ])
) as Readonly<Record<IngestInvariant, Check>>

/** Rounds after which a central that takes everything has everything. */
const ROUNDS = 60

const ingestDelivers: Check = {
  title: "whatever happened, once disk, identity and central work again central gets every row there is",
  find: (charts, sample) =>
    counterexample(
      fc.property(histories, (happenings) => {
        const room = lived(charts, happenings)
        if (!room.isOpen) {
          room.happens({ type: "KILL" })
          room.happens({ type: "BEGIN", central: true })
        }
        if (room.lacksIdentity) room.happens({ type: "IDENTITY" })
        room.happens({ type: "RECORD" })
        for (let round = 0; round < ROUNDS; round++) {
          room.happens({ type: "STORED" })
          room.happens({ type: "ANSWER", kind: "accepted", jitter: 0, seconds: 0 })
          if (Number.isFinite(room.rest)) room.happens({ type: "PASS", ms: room.rest })
        }
        if (room.memory > 0) throw new Error(`${room.memory} rows wait in memory for ever in ${room.state}`)
        if (room.disk > 0) throw new Error(`${room.disk} rows wait on the disk for ever in ${room.state}`)
        if (Number.isFinite(room.rest)) throw new Error(`it does not come to rest in ${room.state}`)
      }),
      sample
    )
}

export const INGEST_CHECKS = { ...invariantChecks, ingestDelivers } as const satisfies Readonly<Record<string, Check>>
