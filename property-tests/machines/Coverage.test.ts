import { spawnSync } from "node:child_process"
import { resolve } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { catalogue } from "../../machines/index.ts"
import { CHECKS } from "./Checks.ts"
import { MUTANTS } from "./MutantTable.ts"

const SCRIPT = resolve(import.meta.dirname, "../../test/coverage/Machines.ts")

describe("what the proofs are worth", () => {
  let code: number | null
  let lines: ReadonlyArray<string>

  // By itself, as npm run coverage:machines runs it: half the time that it takes in here.
  beforeAll(() => {
    const run = spawnSync(process.execPath, [SCRIPT, "--check"], { encoding: "utf8" })
    code = run.status
    lines = [...run.stdout.split("\n"), ...run.stderr.split("\n").filter((line) => line.startsWith("Error"))]
    process.stdout.write(run.stdout)
  }, 300_000)

  it("takes every transition, hears both answers of every guard, kills every mutant, and coverage.json says so", () => {
    const wrong = lines.filter(
      (line) => / ALIVE |never|says something else|^Error/.test(line) && !line.includes(" killed ")
    )
    expect({ code, wrong }).toEqual({ code: 0, wrong: [] })
  })

  it("counts every machine of the catalogue", () => {
    const counted = catalogue.filter(({ id }) =>
      lines.some((line) => line.startsWith(`${id} `) && / \d+\/\d+ /.test(line))
    )
    expect(counted.map(({ id }) => id)).toEqual(catalogue.map(({ id }) => id))
  })

  it("has a mutant for every property, and at least one for every machine", () => {
    const killing = new Set<string>(MUTANTS.flatMap(({ killedBy }) => killedBy))
    expect(Object.keys(CHECKS).filter((name) => !killing.has(name))).toEqual([])
    const mutated = new Set<string>(MUTANTS.map(({ machine }) => machine))
    expect(catalogue.filter(({ id }) => !mutated.has(id)).map(({ id }) => id)).toEqual([])
  })

  it("names no two mutants of a machine alike", () => {
    const names = MUTANTS.map(({ machine, name }) => `${machine}: ${name}`)
    expect(names.toSorted()).toEqual([...new Set(names)].toSorted())
  })
})
