/** The product of the machines, the disk and central, enumerated: for liveness on every state instead of a sample. */
import type { ConfigApplyContext } from "../../machines/index.ts"
import { rotted } from "./DiskModel.ts"
import { honestly, hasNextGood, PATIENCE } from "./Histories.ts"
import { NEXT_GOOD } from "./Revisions.ts"
import {
  begin,
  disturb,
  finish,
  kill,
  land,
  reboot,
  serve,
  stateIn,
  suspend,
  type Charts,
  type MachineId,
  type World
} from "./World.ts"

/** Two parts of probation instead of twenty-four: how many there are decides nothing. */
const WINDOWS = { windowMs: 2, intervalMs: 30_000 }

/** What can go wrong at a state; each costs one of the mishaps that a path may contain. */
const mishaps = (world: World): ReadonlyArray<World> => {
  const [task] = world.process.tasks
  const poll = world.process.tasks.findIndex(({ src }) => src === "poll")
  const { active } = world.disk
  return [
    kill(world),
    reboot(world),
    suspend(world, 60_000),
    ...(task === undefined
      ? []
      : [finish(world, 0, "failsBefore"), finish(world, 0, "failsAfter"), kill(land(world, 0))]),
    ...(poll < 0 ? [] : [finish(world, poll, { answer: "throttled", retryAfterSeconds: 600 })]),
    disturb(world, "rot", (disk) => rotted(disk, "a")),
    disturb(world, "rot", (disk) => rotted(disk, "b")),
    disturb(world, "state", (disk) => ({ ...disk, state: "unreadable" })),
    ...(active === "a" || active === "b" ? [disturb(world, "join", (disk) => ({ ...disk, join: true }))] : [])
  ]
}

/** What central may change its mind to, at any state of rest. */
const servings = (world: World): ReadonlyArray<World> =>
  world.process.tasks.length === 0 && stateIn(world, "configApply") === "steady.idle"
    ? ["G2", "B1", "X1", "W1", "I1"].filter((etag) => etag !== world.serving).map((etag) => serve(world, etag))
    : []

const MACHINES: ReadonlyArray<MachineId> = ["daemon", "join", "configPull", "configApply"]

/** Times, texts and everything derived from them say nothing about what can happen next. */
const UNTOLD = new Set([
  "at",
  "recorded_at",
  "applied_at",
  "since",
  "bootedAt",
  "wall",
  "jitter",
  "detail",
  "message",
  "problem",
  "reason",
  "delayMs",
  "ran_ms",
  "ranMs",
  "boot_id",
  "last_rollback",
  "bootId"
])

/** Counts that nothing distinguishes beyond a few. */
const COUNTS = new Set(["attempt", "attempts", "count", "sinceReport"])
const COUNTED = 4

/** Two worlds with the same key have the same futures, but for exact times. */
export const keyOf = (world: World): string => {
  const told = (key: string, value: unknown): unknown => {
    if (UNTOLD.has(key)) return undefined
    if (COUNTS.has(key)) return Math.min(value as number, COUNTED)
    return key === "retry_at" ? (value as number) > world.now.wall : value
  }
  const { disk, process } = world
  const instances = MACHINES.map((id) => {
    const instance = process.instances[id]
    const timers = [...(instance?.timers ?? [])].sort((x, y) => x.dueAt - y.dueAt).map((timer) => timer.id)
    return [stateIn(world, id), instance?.snapshot.context as ConfigApplyContext | undefined, timers]
  })
  const isSameBoot = typeof disk.state !== "string" && disk.state.boot_id === disk.bootId
  const tasks = process.tasks.map(({ landed, machine, src }) => [machine, src, landed !== null])
  return JSON.stringify([world.serving, disk, isSameBoot, instances, tasks, process.url], told)
}

/** What the enumeration came to. */
export interface Liveness {
  readonly states: number
  /** Every state within the mishaps and changes was looked at. */
  readonly isWhole: boolean
  /** States from which the next good revision was not received and promoted; at most a few. */
  readonly stuck: ReadonlyArray<World>
}

/** How far the enumeration goes: mishaps and changes of mind on one path, and states in all. */
export interface Bounds {
  readonly mishaps: number
  readonly changes: number
  readonly states: number
}

/** Enumerates every state within the bounds, and looks for a way from each to the next good revision. */
export const enumerated = (charts: Charts, bounds: Bounds): Liveness => {
  const first = begin(charts, { windows: WINDOWS })
  const seen = new Map<string, number>()
  const queue: Array<readonly [world: World, mishaps: number, changes: number]> = []
  const stuck: Array<World> = []
  const live = new Set<string>()
  const visit = (world: World, mishapsLeft: number, changesLeft: number): void => {
    const key = `${keyOf(world)} ${changesLeft}`
    if ((seen.get(key) ?? -1) >= mishapsLeft) return
    seen.set(key, mishapsLeft)
    queue.push([world, mishapsLeft, changesLeft])
  }
  visit(first, bounds.mishaps, bounds.changes)
  for (let index = 0; index < queue.length && index < bounds.states && stuck.length < 3; index++) {
    const item = queue[index]
    if (item === undefined) break
    const [world, left, changes] = item
    if (!isLive(world, live)) stuck.push(world)
    visit(honestly(world), left, changes)
    if (changes > 0) for (const next of servings(world)) visit(next, left, changes - 1)
    if (left > 0) for (const next of mishaps(world)) visit(next, left - 1, changes)
  }
  return { states: seen.size, isWhole: queue.length <= bounds.states, stuck }
}

/** Walks the honest course with the next good revision served, until it is promoted or known to be. */
const isLive = (world: World, live: Set<string>): boolean => {
  const walked: Array<string> = []
  let current = serve(world, NEXT_GOOD)
  for (let count = 0; count < PATIENCE; count++) {
    const key = keyOf(current)
    if (hasNextGood(current) || live.has(key)) {
      for (const known of walked) live.add(known)
      return true
    }
    walked.push(key)
    current = honestly(current)
  }
  return false
}
