import { afterAll, describe, expect, it } from "vitest"
import { makeSpool } from "../../src/central/index.ts"
import { loadMutant, removeMutants } from "../Mutants.ts"
import { options } from "../Options.ts"
import { spoolCounterexample } from "./SpoolHistory.ts"

const SPOOL = "src/central/Spool.ts"

/** Small wrong changes, and what takes their place. */
const MUTANTS: ReadonlyArray<readonly [name: string, find: string, replacement: string]> = [
  [
    "rows count as stored before they are synced",
    'Effect.andThen(open.file.sync.pipe(storageStep("fsync", name))),',
    ""
  ],
  [
    "a new file's name is not synced",
    "yield* files.syncDirectory(directory).pipe(Effect.tapError(() => abandon(open)))",
    ""
  ],
  ["what is dropped is not told", "yield* append([...gaps, ...lines])", "yield* append(lines)"],
  ["a refused batch is not told", "yield* append(yield* gapOf(sealed))", ""],
  ["nothing is ever dropped", "if (total <= maxBytes) break", "break"],
  [
    "what a killed process has left is not looked for",
    ".filter(({ segment }) => segment.isOpen).map(",
    ".slice(0, 0).map("
  ],
  ["a torn row is sent", "if (isSound) {", "if (isSound || bytes.length > 0) {"],
  ["what a process has left is taken as it is", "if (isSound) {", "if (isSound || true) {"],
  [
    "after a write that failed its file is written on",
    'Effect.andThen(open.file.sync.pipe(storageStep("fsync", name))),\n      Effect.tapError(() => abandon(open))',
    'Effect.andThen(open.file.sync.pipe(storageStep("fsync", name)))'
  ],
  [
    "rows of a write that failed are forgotten",
    "bounded([...rows, ...later.rows], together(loss, later.loss))",
    "later"
  ],
  [
    "the first that was written is sent last",
    "const [first] = (yield* current).sealed",
    "const first = (yield* current).sealed.at(-1)"
  ]
]

describe("the spool, whatever happens to its process, its disk and its batches", () => {
  afterAll(removeMutants)

  it("delivers every row that it said it has, or tells that it is lost, in batches that never change", () => {
    expect(spoolCounterexample(makeSpool, options())).toBeNull()
  })

  it.each(MUTANTS)("would be seen if %s", async (_, find, replacement) => {
    const mutant = await loadMutant<{ readonly makeSpool: typeof makeSpool }>(SPOOL, find, replacement)
    const sample = { numRuns: 3_000, seed: 20_261_122, endOnFailure: true }
    expect(spoolCounterexample(mutant.makeSpool, sample)).not.toBeNull()
  })
})
