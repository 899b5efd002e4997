/** Whether statuses tell what happened: every end of every trace to a depth, and what its status says. */
import { PROBATION_ATTEMPTS } from "../../machines/index.ts"
import { statusOf, type StatusFacts } from "../../src/daemon/StatusView.ts"
import type { Status } from "../../src/domain/index.ts"
import { claimed, goodness } from "./StatusClaims.ts"
import { documentOf, factsIn, isFinal, textOf } from "./StatusDocument.ts"
import { type Fate, fateOf, machineFate } from "./StatusFate.ts"
import { type Depth, everyPoint, SERVED, traceOf } from "./StatusTraces.ts"
import type { Charts } from "./World.ts"

/** An end of a trace: what its status is made of, and what happened. */
export interface End {
  readonly facts: StatusFacts
  /** Of each revision that central may serve. */
  readonly fates: ReadonlyArray<Fate>
  readonly machine: string
  /** Why the machine is not healthy; empty where it is. */
  readonly problems: ReadonlyArray<string>
  /** Every revision that was promoted since this machine joined, and how often the probation that is on crashed. */
  readonly promoted: ReadonlyArray<string>
  readonly crashes: number
  readonly trace: string
}

export interface Survey {
  readonly points: number
  readonly moves: number
  /** Points at which the status is final. */
  readonly finals: number
  /** One of each kind: all that differ in their status or in what happened. */
  readonly ends: ReadonlyArray<End>
}

/** How a status is made and printed; a mutant makes or prints it otherwise. */
export interface Builder {
  readonly status: (facts: StatusFacts) => Status
  readonly text: (status: Status) => string
}

export const REAL: Builder = { status: statusOf, text: textOf }

const WARNINGS: ReadonlySet<string> = new Set(["revision_refused", "revision_failed", "rolled_back"])

/** A status without the warnings about revisions: `remote_config` alone, as central is told, has to say as much. */
export const unwarned = (status: Builder["status"]): Builder => ({
  status: (facts) => {
    const said = status(facts)
    return { ...said, diagnostics: said.diagnostics.filter(({ kind }) => !WARNINGS.has(kind)) }
  },
  text: documentOf
})

/** Every end of every trace to a depth. */
export const surveyed = (charts: Charts, depth: Depth): Survey => {
  const ends = new Map<string, End>()
  let finals = 0
  const { moves, points } = everyPoint(charts, depth, (point) => {
    const { ledger, world } = point
    const facts = factsIn(world)
    if (facts === null || !isFinal(world)) return
    finals++
    const fates = SERVED.map((etag) => fateOf(etag, ledger, world))
    const machine = machineFate(ledger, world)
    const problems = [...machine.problems, ...(ledger.writeFailed ? ["the last write failed"] : [])]
    const { crashes, promoted } = world.ghost
    const told = [statusOf(facts).remote_config?.probation?.attempts_left, crashes, promoted.toSorted()]
    const key = [documentOf(statusOf(facts)), JSON.stringify([fates, machine, problems, told])].join("\n")
    if (ends.has(key)) return
    const trace = traceOf(point)
    ends.set(key, { facts, fates, machine: JSON.stringify(machine), problems, promoted, crashes, trace })
  })
  return { points, moves, finals, ends: [...ends.values()] }
}

/** What is wrong with the statuses of these ends. */
export interface Verdict {
  readonly documents: number
  readonly texts: number
  /** Two different outcomes, one document or one text. */
  readonly ambiguous: ReadonlyArray<string>
  /** A status claims something else than what happened: `better` is what must never be. */
  readonly better: ReadonlyArray<string>
  readonly other: ReadonlyArray<string>
}

/** Judges how a builder tells the ends. */
export const judged = (ends: ReadonlyArray<End>, { status, text }: Builder = REAL): Verdict => {
  const documents = new Map<string, End>()
  const texts = new Map<string, End>()
  const ambiguous: Array<string> = []
  const better: Array<string> = []
  const other: Array<string> = []
  for (const end of ends) {
    const said = status(end.facts)
    ambiguous.push(...confused(documents, documentOf(said), end), ...confused(texts, text(said), end))
    end.fates.forEach(({ _tag }, index) => {
      const etag = SERVED[index] ?? ""
      const claim = claimed(etag, said)
      if (claim === _tag) return
      const wrong = goodness(claim) > goodness(_tag) ? better : other
      wrong.push(`${etag} was "${_tag}", and the status says "${claim}" after ${end.trace}`)
    })
    better.push(...praise(said, end).map((claim) => `${claim} after ${end.trace}`))
  }
  return { documents: documents.size, texts: texts.size, ambiguous, better, other }
}

/** What a status says of the machine that is better than it is. */
const praise = ({ overall, remote_config }: Status, end: End): ReadonlyArray<string> => {
  const good = remote_config?.last_known_good?.etag ?? null
  const { attempts_left = 0, etag = "" } = remote_config?.probation ?? {}
  const isOn = end.fates[SERVED.indexOf(etag)]?._tag === "on probation"
  return [
    ...(overall === "healthy" && end.problems.length > 0 ? [`healthy, although: ${end.problems.join(", ")}`] : []),
    ...(good !== null && !end.promoted.includes(good) ? [`${good} is known good, and was never promoted`] : []),
    ...(isOn && attempts_left > PROBATION_ATTEMPTS - end.crashes
      ? [`${attempts_left} unexplained starts left, after ${end.crashes} crashes`]
      : [])
  ]
}

const confused = (known: Map<string, End>, printed: string, end: End): ReadonlyArray<string> => {
  const same = known.get(printed)
  if (same === undefined) {
    known.set(printed, end)
    return []
  }
  const outcomes = ({ fates, machine }: End) => [...fates.map((fate) => JSON.stringify(fate)), machine]
  const before = outcomes(same)
  const index = outcomes(end).findIndex((outcome, at) => outcome !== before[at])
  if (index < 0) return []
  const whose = SERVED[index] ?? "the machine"
  return [`${whose}: ${before[index]} after ${same.trace} is told like ${outcomes(end)[index]} after ${end.trace}`]
}
