/** All mutants of the machines, and what became of them. */
import { AGENT_HOST_MUTANTS } from "./AgentHostMutants.ts"
import { CONFIG_APPLY_BOOT_MUTANTS } from "./ConfigApplyBootMutants.ts"
import { CONFIG_APPLY_MUTANTS } from "./ConfigApplyMutants.ts"
import { INGEST_MUTANTS } from "./IngestMutants.ts"
import { LOGIN_MUTANTS } from "./LoginMutants.ts"
import { fatesOf, type Fate, type Mutant } from "./Mutant.ts"
import { CONFIG_PULL_MUTANTS, DAEMON_MUTANTS, JOIN_MUTANTS } from "./OtherMutants.ts"
import { TAILER_MUTANTS } from "./TailerMutants.ts"
import { RUN_MUTANTS } from "./RunMutants.ts"

export const MUTANTS: ReadonlyArray<Mutant> = [
  ...JOIN_MUTANTS,
  ...CONFIG_PULL_MUTANTS,
  ...CONFIG_APPLY_BOOT_MUTANTS,
  ...CONFIG_APPLY_MUTANTS,
  ...DAEMON_MUTANTS,
  ...LOGIN_MUTANTS,
  ...TAILER_MUTANTS,
  ...RUN_MUTANTS,
  ...AGENT_HOST_MUTANTS,
  ...INGEST_MUTANTS
]

/** The fate of every mutant. */
export const allFates = (): ReadonlyArray<Fate> => fatesOf(MUTANTS)

/** A line per mutant and property: who saw it. */
export const renderFates = (fates: ReadonlyArray<Fate>): string =>
  fates
    .map(({ machine, mutant, property, verdict }) =>
      [machine.padEnd(12), verdict === null ? "ALIVE " : "killed", property.padEnd(24), mutant].join(" ")
    )
    .join("\n")
