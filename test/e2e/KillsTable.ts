/** What a campaign of kills hit, and what came of it, as text. */
import { type Phase, PHASES } from "./KillsDisk.ts"
import type { Plan } from "./KillsPlan.ts"
import type { Comeback, RoundResult } from "./KillsRound.ts"

const COMEBACKS = ["old", "new", "seed", "killed again"] as const satisfies ReadonlyArray<Comeback>

/** How often each phase was hit. */
export const hits = (results: ReadonlyArray<RoundResult>): ReadonlyMap<Phase, number> =>
  new Map(
    PHASES.map((phase) => [phase, results.flatMap(({ kills }) => kills).filter((kill) => kill.phase === phase).length])
  )

const lines = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  ")
    )
    .join("\n")
}

/** Phase at the kill, and what the relaunched daemon was first seen to run; then what became of each kind of round. */
export const table = (results: ReadonlyArray<RoundResult>): string => {
  const kills = results.flatMap((result) => result.kills)
  const byPhase = PHASES.map((phase) => {
    const here = kills.filter((kill) => kill.phase === phase)
    const counts = COMEBACKS.map((comeback) => here.filter((kill) => kill.comeback === comeback).length)
    return [phase, ...[here.length, ...counts].map(String)]
  })
  const kinds = [...new Set(results.map(({ plan }) => roundName(plan)))].sort()
  const outcomes = kinds.map((kind) => {
    const of = results.filter(({ plan }) => roundName(plan) === kind)
    const counted = Map.groupBy(of, ({ outcome }) => outcome)
    return `${kind}: ${of.length} rounds (${[...counted].map(([outcome, some]) => `${some.length} ${outcome}`).join(", ")})`
  })
  return [
    lines([
      [
        "phase at the kill",
        "kills",
        ...COMEBACKS.map((comeback) => (comeback.length > 4 ? comeback : `→ ${comeback}`))
      ],
      ...byPhase
    ]),
    ...outcomes
  ].join("\n")
}

const roundName = ({ kind, nature }: Plan): string => (kind === "rollback" ? `${kind} (${nature})` : kind)
