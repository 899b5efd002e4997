/** What was tried and what it cost, for people. */
import { type Explored, type Run } from "./FaultExplorer.ts"
import { CODES, OPERATIONS } from "./FaultKinds.ts"
import { OUTCOMES, type Outcome } from "./Outcome.ts"

const count = (runs: ReadonlyArray<Run>, holds: (run: Run) => boolean): string => {
  const found = runs.filter(holds).length
  return found === 0 ? "." : String(found)
}

const row = (name: string, cells: ReadonlyArray<string>): string =>
  name.padEnd(10) + cells.map((cell) => cell.padStart(9)).join("")

const present = (runs: ReadonlyArray<Run>): ReadonlyArray<Outcome> =>
  (Object.keys(OUTCOMES) as ReadonlyArray<Outcome>).filter((name) => runs.some(({ outcome }) => outcome === name))

/** Operation by code, and by what it cost; the same codes by what they cost. */
export const renderFaults = (explored: ReadonlyArray<Explored>): string => {
  const runs = explored.flatMap((one) => one.runs)
  const outcomes = present(runs)
  const total = (of: (one: Explored) => number) => explored.reduce((sum, one) => sum + of(one), 0)
  const lasting = runs.filter((run) => run.lasting !== "once").length
  return [
    `faults: ${runs.length - lasting} once and ${lasting} lasting, in lives of ${explored[0]?.operations ?? 0} calls and more; ` +
      `${total(({ powerCuts }) => powerCuts)} power cuts after them`,
    row("", [...CODES, ...outcomes]),
    ...OPERATIONS.map((operation) => {
      const its = runs.filter((run) => run.operation === operation)
      return row(operation, [
        ...CODES.map((code) => count(its, (run) => run.code === code)),
        ...outcomes.map((outcome) => count(its, (run) => run.outcome === outcome))
      ])
    }),
    ...CODES.map((code) => {
      const its = runs.filter((run) => run.code === code)
      return row(code, [
        ...CODES.map(() => ""),
        ...outcomes.map((outcome) => count(its, (run) => run.outcome === outcome))
      ])
    }),
    ...outcomes.map((outcome) => `${outcome}: ${OUTCOMES[outcome]}`)
  ].join("\n")
}
