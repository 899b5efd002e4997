/** The coverage of every machine in numbers and paths, and the fate of every mutant, as one document. */
import type { AnyStateMachine } from "xstate"
import { catalogue } from "../../machines/index.ts"
import type { Fate } from "../../property-tests/machines/Mutant.ts"
import { AgentHostMoves } from "./AgentHostMoves.ts"
import { ConfigApplyMoves } from "./ConfigApplyMoves.ts"
import { ConfigPullMoves } from "./ConfigPullMoves.ts"
import { DaemonMoves } from "./DaemonMoves.ts"
import { DeviceLoginMoves } from "./DeviceLoginMoves.ts"
import { explore, missing, type Exploration } from "./Explore.ts"
import { IngestMoves } from "./IngestMoves.ts"
import { JoinMoves } from "./JoinMoves.ts"
import { TailerMoves } from "./TailerMoves.ts"
import { RunMoves } from "./RunMoves.ts"

type MachineId = (typeof catalogue)[number]["id"]

/** How each machine is explored. A machine without moves does not compile. */
const explorations: Readonly<Record<MachineId, (machine: AnyStateMachine) => Exploration>> = {
  join: (machine) => explore(machine, JoinMoves),
  configPull: (machine) => explore(machine, ConfigPullMoves),
  configApply: (machine) => explore(machine, ConfigApplyMoves),
  daemon: (machine) => explore(machine, DaemonMoves),
  deviceLogin: (machine) => explore(machine, DeviceLoginMoves),
  tailer: (machine) => explore(machine, TailerMoves),
  run: (machine) => explore(machine, RunMoves),
  agentHost: (machine) => explore(machine, AgentHostMoves),
  ingest: (machine) => explore(machine, IngestMoves)
}

/** What is known of one machine. */
export interface MachineCoverage {
  readonly states: number
  readonly transitions: { readonly all: number; readonly taken: number }
  /** Pairs of transitions that the generated paths take one right after the other. */
  readonly pairs: number
  readonly guardOutcomes: { readonly all: number; readonly heard: number }
  readonly mutants: { readonly killed: number; readonly alive: number }
  /** What is missing for full coverage, as sentences; empty when nothing is. */
  readonly missing: ReadonlyArray<string>
  /** The path that covers each transition, as the labels of its moves. */
  readonly paths: Readonly<Record<string, ReadonlyArray<string>>>
  /** Each mutant with the properties that see it, or null where one does not. */
  readonly fates: Readonly<Record<string, Readonly<Record<string, "killed" | "alive">>>>
}

export type Report = Readonly<Record<MachineId, MachineCoverage>>

const coverageOf = (exploration: Exploration, fates: ReadonlyArray<Fate>): MachineCoverage => {
  const { definition, outcomes, pairs, paths } = exploration
  const guarded = definition.transitions.filter(({ guard }) => guard !== null)
  const heard = guarded.flatMap(({ id }) => {
    const known = outcomes.get(id)
    return [known?.true === true, known?.false === true]
  })
  const byMutant: Record<string, Record<string, "killed" | "alive">> = {}
  for (const { mutant, property, verdict } of fates) {
    byMutant[mutant] = { ...byMutant[mutant], [property]: verdict === null ? "alive" : "killed" }
  }
  const alive = Object.values(byMutant).filter((known) => Object.values(known).includes("alive")).length
  return {
    states: definition.states.length,
    transitions: { all: definition.transitions.length, taken: paths.size },
    pairs: pairs.size,
    guardOutcomes: { all: heard.length, heard: heard.filter(Boolean).length },
    mutants: { killed: Object.keys(byMutant).length - alive, alive },
    missing: missing(exploration),
    paths: Object.fromEntries(definition.transitions.map(({ id }) => [id, paths.get(id) ?? []])),
    fates: byMutant
  }
}

/** Explores every machine of the catalogue. */
export const reportOn = (fates: ReadonlyArray<Fate>): Report =>
  Object.fromEntries(
    catalogue.map(({ id, machine }) => [
      id,
      coverageOf(
        explorations[id](machine as AnyStateMachine),
        fates.filter((fate) => fate.machine === id)
      )
    ])
  ) as Report

/** Whether nothing is missing and no mutant is alive. */
export const isFull = (report: Report): boolean =>
  Object.values(report).every(({ missing: left, mutants }) => left.length === 0 && mutants.alive === 0)

/** The report as the committed file holds it. */
export const serialised = (report: Report): string => `${JSON.stringify(report, null, 2)}\n`

const cell = (text: string | number, width: number): string => String(text).padStart(width)

/** The report as a table for people. */
export const table = (report: Report): string =>
  [
    `${"machine".padEnd(12)}${cell("states", 8)}${cell("transitions", 13)}${cell("pairs", 7)}${cell("guard outcomes", 16)}${cell("mutants killed", 16)}${cell("alive", 7)}`,
    ...Object.entries(report).map(([id, known]) =>
      [
        id.padEnd(12),
        cell(known.states, 8),
        cell(`${known.transitions.taken}/${known.transitions.all}`, 13),
        cell(known.pairs, 7),
        cell(`${known.guardOutcomes.heard}/${known.guardOutcomes.all}`, 16),
        cell(known.mutants.killed, 16),
        cell(known.mutants.alive, 7)
      ].join("")
    ),
    ...Object.entries(report).flatMap(([id, known]) => known.missing.map((sentence) => `${id}: ${sentence}`))
  ].join("\n")
