import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { removeMutants } from "../Mutants.ts"
import { runs } from "../Options.ts"
import { type End, judged, REAL, type Survey, surveyed, unwarned, type Verdict } from "./StatusCheck.ts"
import { MEMORY_MUTANTS, TELLING_MUTANTS } from "./StatusMutants.ts"
import { CHARTS } from "./World.ts"

/** A choice is a mishap, or a change of mind of central; the honest course between two of them has no bound. */
const CHOICES = runs > 200 ? 3 : 2
const within = (choices: number) => ({ mishaps: 2, changes: 2, choices })

const every = (ends: ReadonlyArray<End>, name: "_tag" | "reason" | "verdict"): ReadonlyArray<string> => {
  const fates: ReadonlyArray<{ readonly [key in typeof name]?: string }> = ends.flatMap((end) => end.fates)
  return [...new Set(fates.flatMap(({ [name]: word }) => (word === undefined ? [] : [word])))].sort()
}

const firstFault = ({ ambiguous, better, other }: Verdict): string | null =>
  ambiguous[0] ?? better[0] ?? other[0] ?? null

describe("the status of a machine, after every trace", () => {
  let survey: Survey
  let verdict: Verdict
  beforeAll(() => {
    survey = surveyed(CHARTS, within(CHOICES))
    verdict = judged(survey.ends)
    const { ends, finals, moves, points } = survey
    const outcomes = new Set(ends.flatMap(({ fates }) => fates.map((fate) => JSON.stringify(fate))))
    console.log(
      `status after every trace of up to ${CHOICES} choices: ${moves} moves, ${points} points, ${finals} of them final; ` +
        `${outcomes.size} outcomes of a revision, ${verdict.documents} documents, ${verdict.texts} texts, ` +
        `${verdict.ambiguous.length} ambiguous, ${verdict.better.length} too good`
    )
  }, 3_600_000)
  afterAll(removeMutants)

  it("tells two different outcomes of a revision apart, as JSON and as text", () => {
    expect(verdict.ambiguous).toEqual([])
  })

  it("tells them apart also by what central is told, without a warning", () => {
    const { ambiguous, other } = judged(survey.ends, unwarned(REAL.status))
    expect([...ambiguous, ...other]).toEqual([])
  })

  it("claims nothing better than what happened", () => {
    expect(verdict.better).toEqual([])
  })

  it("can be read back: what it says of a revision is what became of it", () => {
    expect(verdict.other).toEqual([])
  })

  it("is looked at after everything that can become of a revision", () => {
    expect(every(survey.ends, "_tag")).toEqual([
      "applied once, lost",
      "applied, restart pending",
      "being applied",
      "failed for now",
      "nothing",
      "on probation",
      "promoted, runs",
      "promoted, without its plugins",
      "quarantined",
      "refused",
      "rolled back",
      "rolled back, restart pending",
      "runs unwatched"
    ])
    expect(every(survey.ends, "reason")).toEqual([
      "artifact_hash_mismatch",
      "crash_loop",
      "probation_expired",
      "slot_corrupt",
      "validation_failed"
    ])
    expect(every(survey.ends, "verdict")).toEqual([
      "apply_io_error",
      "artifact_hash_mismatch",
      "config_invalid",
      "plugin_install_failed"
    ])
  })

  it("is ambiguous, or says what is not so, as soon as it tells less or remembers wrongly", async () => {
    const table: Array<readonly [mutant: string, fault: string | null]> = []
    for (const { load, name } of TELLING_MUTANTS) table.push([name, firstFault(judged(survey.ends, await load()))])
    for (const { charts, name } of MEMORY_MUTANTS) {
      table.push([name, firstFault(judged(surveyed(charts, within(1)).ends))])
    }
    console.log(table.map(([name, fault]) => `${fault === null ? "ALIVE " : "killed"} ${name}`).join("\n"))
    expect(table.filter(([, fault]) => fault === null)).toEqual([])
  })
})
