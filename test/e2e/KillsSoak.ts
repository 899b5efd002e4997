/**
 * `kill -9` for as long as there is time: `npm run test:soak`. Several runs add up: each appends a line to a summary.
 *
 * `KILL_ROUNDS` rounds (else what is missing to 5,000, at least 60), no round begun after `KILL_MINUTES` (none: 90),
 * `KILL_SUMMARY` names the summary (else in the system's temporary directory), `FC_SEED` repeats the plans.
 */
import { createHash } from "node:crypto"
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Schema } from "effect"
import { seed } from "../../property-tests/Options.ts"
import { script } from "../support/Program.ts"
import { playCampaign } from "./KillsCampaign.ts"
import { describePlan } from "./KillsPlan.ts"
import { table } from "./KillsTable.ts"

const GOAL = 5_000
const LEAST = 60

const Line = Schema.fromJsonString(
  Schema.Struct({
    build: Schema.String,
    at: Schema.String,
    seed: Schema.Int,
    rounds: Schema.Int,
    kills: Schema.Int,
    starts: Schema.Int,
    violations: Schema.Int
  })
)

const numberOf = (name: string, otherwise: number): number => {
  const value = Number(process.env[name] ?? otherwise)
  if (!Number.isFinite(value) || value < 0) throw new Error(`${name} must be a number, not "${process.env[name]}"`)
  return value
}

/** Rounds add up only for the program that played them. */
const buildOf = (): string => {
  const chunks = join(dirname(script), "chunks")
  const files = [script, ...readdirSync(chunks).map((name) => join(chunks, name))].sort()
  const hash = createHash("sha256")
  for (const file of files) hash.update(readFileSync(file))
  return hash.digest("hex").slice(0, 12)
}

const summary = process.env["KILL_SUMMARY"] ?? join(tmpdir(), "holdfast-kills.jsonl")
const readSummary = () =>
  existsSync(summary)
    ? readFileSync(summary, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => Schema.decodeUnknownSync(Line)(line))
    : []

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, each) => total + each, 0)

const build = buildOf()
const known = readSummary().filter((line) => line.build === build)
const rounds = numberOf("KILL_ROUNDS", Math.max(LEAST, GOAL - sum(known.map((line) => line.rounds))))
const until = Date.now() + numberOf("KILL_MINUTES", 90) * 60_000
console.log(`kill -9: up to ${rounds} rounds of build ${build}, seed ${seed}`)

let played = 0
const results = await playCampaign({
  rounds,
  perHome: numberOf("KILL_HOME", 25),
  lanes: numberOf("KILL_LANES", 3),
  seed,
  until,
  onRound: ({ outcome, plan, violations }) => {
    played += 1
    for (const { detail, sentence } of violations) {
      console.log(`VIOLATION: ${sentence}: ${detail} (${describePlan(plan)}: ${outcome})`)
    }
    if (played % 100 === 0) console.log(`${played} rounds`)
  }
})
const line = {
  build,
  at: new Date().toISOString(),
  seed,
  rounds: results.length,
  kills: sum(results.map(({ kills }) => kills.length)),
  starts: sum(results.map(({ starts }) => starts)),
  violations: sum(results.map(({ violations }) => violations.length))
}
appendFileSync(summary, `${JSON.stringify(line)}\n`)
const total = [...known, line]
console.log(table(results))
console.log(
  `this run: ${line.rounds} rounds, ${line.kills} kills, ${line.starts} starts, ${line.violations} violations, seed ${seed}`
)
console.log(
  `this build: ${sum(total.map((each) => each.rounds))} of ${GOAL} rounds, ` +
    `${sum(total.map((each) => each.kills))} kills, ${sum(total.map((each) => each.violations))} violations in ` +
    `${total.length} run(s); ${summary}`
)
process.exitCode = line.violations === 0 ? 0 : 1
