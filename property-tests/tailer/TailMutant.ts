/** The service with a small wrong change in one of its modules. */
import type { Tails } from "../../src/runs/Tails.ts"
import { loadMutant, writeMutant } from "../Mutants.ts"
import type { Build } from "./TailRoom.ts"

interface TailsModule {
  readonly Tails: typeof Tails
}

/** Who imports whom, up to the service. */
const IMPORTERS = {
  Tails: null,
  TailPoll: "Tails",
  TailRead: "TailPoll",
  TailLines: "TailRead",
  TailFile: "Tails",
  TailDigest: "TailFile",
  TailBuffers: "Tails",
  TailEnd: "Tails",
  TailWheel: "Tails"
} as const
export type TailModule = keyof typeof IMPORTERS

const pathOf = (module: TailModule): string => `src/runs/${module}.ts`

/** Loads it with `search`, which occurs once in the module, replaced. */
export const mutantOf = async (module: TailModule, search: string, replacement: string): Promise<Build> => {
  let change = { module, search, replacement }
  for (let importer = IMPORTERS[change.module]; importer !== null; importer = IMPORTERS[change.module]) {
    const copy = await writeMutant(pathOf(change.module), change.search, change.replacement)
    change = { module: importer, search: `"./${change.module}.ts"`, replacement: JSON.stringify(copy) }
  }
  const { Tails: Mutated } = await loadMutant<TailsModule>(pathOf("Tails"), change.search, change.replacement)
  return Mutated
}
