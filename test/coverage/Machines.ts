/**
 * `npm run coverage:machines`: explores every machine, judges every mutant, prints both and writes
 * `llp/machines/coverage.json`. Exits 1 when a transition, a guard's outcome or a mutant is left.
 * With `--check` nothing is written, and it also exits 1 when the file says something else.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { allFates, renderFates } from "../../property-tests/machines/MutantTable.ts"
import { isFull, reportOn, serialised, table } from "./Report.ts"

const directory = resolve(import.meta.dirname, "../../llp/machines")
const file = join(directory, "coverage.json")
const fates = allFates()
const report = reportOn(fates)
const content = serialised(report)
process.stdout.write(`${renderFates(fates)}\n\n${table(report)}\n`)

const isStale = process.argv.includes("--check") && readFileSync(file, "utf8") !== content
if (isStale) process.stdout.write(`${file} says something else: npm run coverage:machines writes it anew\n`)
if (!process.argv.includes("--check")) {
  mkdirSync(directory, { recursive: true })
  writeFileSync(file, content)
}
process.exitCode = isFull(report) && !isStale ? 0 : 1
