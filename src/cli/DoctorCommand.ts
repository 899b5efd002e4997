/** `holdfast doctor`. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { Home, Version } from "../domain/index.ts"
import { jsonFlag } from "./CentralData.ts"
import { checkCentral, checkCluster, checkDaemon } from "./DoctorFleet.ts"
import { checkHome, checkPermissions } from "./DoctorHome.ts"
import type { Finding } from "./DoctorFinding.ts"
import { checkNode, checkPython, checkService } from "./DoctorMachine.ts"
import { Unsuccessful } from "./Failures.ts"
import { homeLayer } from "./LocalServices.ts"
import { plain, print, printPretty } from "./Output.ts"
import { wantsColour } from "./Status.ts"
import { ansiPaint, noPaint, type Paint } from "./StatusText.ts"

/** Looks at everything that a daemon needs here, and says what to do about it. Changes nothing. */
export const doctorCommand = Command.make(
  "doctor",
  { json: jsonFlag },
  Effect.fnUntraced(function* ({ json }) {
    const findings = yield* examine
    const wrong = findings.filter(({ verdict }) => verdict === "wrong").length
    if (json) {
      yield* printPretty({ version: yield* Version, home: (yield* Home).root, findings })
    } else {
      const paint = (yield* wantsColour) ? ansiPaint : noPaint
      yield* print(doctorLines(findings, paint).join("\n"))
    }
    if (wrong > 0) return yield* new Unsuccessful({ message: "the doctor found something wrong" })
  }, Effect.provide(homeLayer))
).pipe(
  Command.withDescription(
    "Look at what a daemon needs on this machine, and say what to do about whatever is wrong: Node, home, permissions, " +
      "daemon, service, central, clock, cluster, Python. Changes nothing. Exit code 1 when something is wrong."
  ),
  Command.withShortDescription("What is wrong with this machine, and what to do about it"),
  Command.withExamples([
    { command: "holdfast doctor" },
    { command: "holdfast doctor --json", description: "For programs" }
  ])
)

const examine = Effect.map(
  Effect.all(
    [checkNode, checkHome, checkPermissions, checkDaemon, checkService, checkCentral, checkCluster, checkPython],
    // One after the other but for those that wait for others: trusting a certificate authority is for the process.
    { concurrency: 2 }
  ),
  (found): ReadonlyArray<Finding> => found.flat()
)

const MARKS = { fine: "✓", doubtful: "!", wrong: "✗", skipped: "-" } as const

/** A line for each finding, and below it what to do. */
const doctorLines = (findings: ReadonlyArray<Finding>, paint: Paint): ReadonlyArray<string> => {
  const count = (verdict: Finding["verdict"]): number => findings.filter((one) => one.verdict === verdict).length
  const colour = (verdict: Finding["verdict"], text: string): string =>
    verdict === "fine" ? paint.good(text) : verdict === "skipped" ? paint.dim(text) : paint.bad(text)
  return [
    ...findings.flatMap(({ check, found, repair, verdict }) => [
      `${colour(verdict, MARKS[verdict])} ${check.padEnd(12)}${plain(found)}`,
      ...repair.map((step) => `${" ".repeat(14)}→ ${plain(step)}`)
    ]),
    "",
    `${count("wrong")} wrong, ${count("doubtful")} doubtful, ${count("fine")} fine`
  ]
}
