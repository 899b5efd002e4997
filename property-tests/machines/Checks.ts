/** Every property of the machines by name: what it says, and how a counterexample is searched for. */
import * as fc from "fast-check"
import { AGENT_HOST_CHECKS } from "./AgentHostChecks.ts"
import { DAEMON_CHECKS } from "./DaemonChecks.ts"
import { INVARIANTS, type Invariant } from "./Ghost.ts"
import { ALL_DANGERS, type Dangers, hasNextGood, histories, recovers } from "./Histories.ts"
import { INGEST_CHECKS } from "./IngestChecks.ts"
import { JOIN_CHECKS } from "./JoinChecks.ts"
import { LOGIN_CHECKS } from "./LoginChecks.ts"
import { PROBATION_CHECKS } from "./ProbationChecks.ts"
import { PULL_CHECKS } from "./PullChecks.ts"
import { TAILER_CHECKS } from "./TailerChecks.ts"
import { RUN_CHECKS } from "./RunChecks.ts"
import { counterexample, type Check, type Sample } from "./Check.ts"
import { SCENARIOS } from "./Scenarios.ts"
import { begin, stateIn, type Charts, type World } from "./World.ts"

/** Plays a history on a fresh machine room. */
const played = (charts: Charts, commands: Iterable<fc.Command<{ world: World }, null>>): World => {
  const model = { world: begin(charts) }
  fc.modelRun(() => ({ model, real: null }), commands)
  return model.world
}

/** Fails at the first violation of one of these invariants. */
const holding =
  (invariants: ReadonlyArray<Invariant>) =>
  (world: World): void => {
    const found = world.ghost.violations.find(({ invariant }) => invariants.includes(invariant))
    if (found !== undefined) throw new Error(`${found.invariant}: ${found.detail}`)
  }

/** Searches scripted scenarios, then arbitrary histories, for a violation of these invariants. */
export const violated = (
  charts: Charts,
  invariants: ReadonlyArray<Invariant>,
  sample: Sample,
  dangers: Dangers = ALL_DANGERS
): string | null => {
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    const found = scenario(charts).ghost.violations.find(({ invariant }) => invariants.includes(invariant))
    if (found !== undefined) return `${name}: ${found.invariant}: ${found.detail}`
  }
  const judge = holding(invariants)
  return counterexample(
    fc.property(histories(dangers, judge), (commands) => void played(charts, commands)),
    sample
  )
}

const invariantChecks = Object.fromEntries(
  Object.entries(INVARIANTS).map(([name, title]) => [
    name,
    { title, find: (charts: Charts, sample: Sample) => violated(charts, [name as Invariant], sample) }
  ])
) as Readonly<Record<Invariant, Check>>

const stuck = (world: World): string =>
  (["daemon", "join", "configPull", "configApply"] as const).map((id) => stateIn(world, id)).join(" | ")

const RECOVERS: Check = {
  title: "from every state the next good revision is received and promoted",
  find: (charts, sample) => {
    for (const [name, scenario] of Object.entries(SCENARIOS)) {
      const world = scenario(charts)
      if (world.ghost.identityLost) continue
      const end = recovers(world)
      if (!hasNextGood(end)) return `${name}: ${stuck(end)}`
    }
    const dangers = { ...ALL_DANGERS, identity: false }
    return counterexample(
      fc.property(
        histories(dangers, () => {}),
        (commands) => {
          const end = recovers(played(charts, commands))
          if (!hasNextGood(end)) throw new Error(`stuck in ${stuck(end)}`)
        }
      ),
      sample
    )
  }
}

export const CHECKS = {
  ...invariantChecks,
  ...PROBATION_CHECKS,
  ...PULL_CHECKS,
  ...JOIN_CHECKS,
  ...DAEMON_CHECKS,
  ...LOGIN_CHECKS,
  ...TAILER_CHECKS,
  ...RUN_CHECKS,
  ...AGENT_HOST_CHECKS,
  ...INGEST_CHECKS,
  recovers: RECOVERS
}
export type CheckName = keyof typeof CHECKS
