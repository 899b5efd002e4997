/** Every trace of a machine room to a depth, with the ledger of what happened on it. */
import { createHash } from "node:crypto"
import { type ConfigApplyContext, PROBATION_ATTEMPTS } from "../../machines/index.ts"
import { dangled, type Disk, isWrite, rotted } from "./DiskModel.ts"
import { BLANK_LEDGER, type Ledger, type Moved, noted } from "./StatusLedger.ts"
import type { Outcome } from "./Tasks.ts"
import {
  begin,
  disturb,
  finish,
  jumpWall,
  kill,
  land,
  reboot,
  send,
  serve,
  stateIn,
  tick,
  type Charts,
  type MachineId,
  type World
} from "./World.ts"

/** How a point was reached, the last move first. */
interface Path {
  readonly label: string
  readonly before: Path | null
}

/** A world with its history. */
export interface Point {
  readonly world: World
  readonly ledger: Ledger
  readonly path: Path
}

/** Six parts of probation instead of twenty-four: more than there are unexplained starts. */
const WINDOWS = { windowMs: 6, intervalMs: 30_000 }

const HOURS = 7_200_000

// ---------------------------------------------------------------------------------------------- moves

const moved = (point: Point, label: string, move: Moved, world: World): Point =>
  quiet({ world, ledger: noted(point.ledger, point.world, move, world), path: { label, before: point.path } })

/** Reports change nothing: they end at once. */
const quiet = (point: Point): Point => {
  const index = point.world.process.tasks.findIndex(({ src }) => src === "sendReport")
  return index < 0 ? point : quiet({ ...point, world: finish(point.world, index) })
}

const ends = (point: Point, index: number, outcome: Outcome): Point => {
  const task = point.world.process.tasks[index]
  if (task === undefined) return point
  const how = typeof outcome === "string" ? outcome : outcome.answer
  return moved(point, `${task.src} ${how}`, { _tag: "ended", task, outcome }, finish(point.world, index, outcome))
}

const lands = (point: Point, index: number): Point => {
  const task = point.world.process.tasks[index]
  if (task === undefined) return point
  return moved(point, `${task.src} lands`, { _tag: "landed", task }, land(point.world, index))
}

const killed = (point: Point): Point => moved(point, "killed", { _tag: "killed" }, kill(point.world))
const changed = (point: Point, label: string, world: World): Point => moved(point, label, { _tag: "other" }, world)

const damaged = (point: Point, label: string, what: string, change: (disk: Disk) => Disk): Point =>
  changed(point, label, disturb(point.world, what, change))

/** The course of things where nothing goes wrong. */
const honest = (point: Point): Point =>
  point.world.process.tasks.length > 0 ? ends(point, 0, "ok") : changed(point, "time passes", tick(point.world))

const isAt = ({ world }: Point, state: string): boolean => stateIn(world, "configApply").startsWith(state)

/** Unexplained starts in a row, each evaluated: as many as a probation is given, and more than safe start needs. */
const crashesAgain = (point: Point): Point => {
  let current = point
  for (let count = 0; count < PROBATION_ATTEMPTS; count++) {
    current = killed(current)
    for (let steps = 0; steps < 12 && current.world.process.boot === null; steps++) current = honest(current)
  }
  return current
}

/** What central may serve; G1 is what the machine begins with. */
export const SERVED = ["G1", "G2", "B1", "X1", "I1", "V1", "H1", "T1"]

/** Central changes its mind; only the answer to a poll can tell. */
const changes = (point: Point): ReadonlyArray<Point> => {
  const poll = point.world.process.tasks.findIndex(({ src }) => src === "poll")
  if (poll < 0) return []
  return SERVED.filter((etag) => etag !== point.world.serving).map((etag) =>
    ends(changed(point, `central serves ${etag}`, serve(point.world, etag)), poll, "ok")
  )
}

const DAMAGE: ReadonlyArray<readonly [label: string, what: string, change: (disk: Disk) => Disk]> = [
  ["slot a rots", "rot", (disk) => rotted(disk, "a")],
  ["slot b rots", "rot", (disk) => rotted(disk, "b")],
  ["the active link dangles", "dangle", dangled],
  ["state.json is unreadable", "state", (disk) => ({ ...disk, state: "unreadable" })],
  ["the disk is read-only", "read-only", (disk) => ({ ...disk, readOnly: "EROFS" })],
  ["join.json is written", "join", (disk) => ({ ...disk, join: true })],
  [
    "there is nowhere to go back to",
    "identity",
    (disk) => ({
      ...(disk.active === "a" || disk.active === "b" ? rotted(disk, disk.active === "a" ? "b" : "a") : disk),
      seed: false,
      confirmedUrl: null,
      identities: []
    })
  ]
]

/** What can go wrong. */
const mishaps = (point: Point): ReadonlyArray<Point> => {
  const { ledger, world } = point
  const { tasks } = world.process
  const apply = tasks.findIndex(({ machine }) => machine === "configApply")
  const poll = tasks.findIndex(({ src }) => src === "poll")
  const isAtRest = apply < 0
  const looks = tasks[apply]?.src === "inspect"
  const failing = tasks.flatMap((task, index) => [
    ...(task.src === "poll" ? [] : [ends(point, index, "failsBefore")]),
    ...(isWrite(task.src) ? [ends(point, index, "failsAfter"), killed(lands(point, index))] : []),
    ...(index === 0 ? [] : [ends(point, index, "ok")])
  ])
  const answers = (["http_error", "not_found", "throttled", "document_too_large"] as const).map((answer) =>
    ends(point, poll, { answer, retryAfterSeconds: 600 })
  )
  const known = new Set([...Object.keys(ledger.live.bad), ledger.live.newest?.etag].filter((etag) => etag != null))
  return [
    killed(point),
    ...failing,
    ...(poll < 0 ? [] : answers),
    ...(!looks ? [] : DAMAGE.map(([label, what, change]) => ends(damaged(point, label, what, change), apply, "ok"))),
    ...(!isAtRest
      ? []
      : [
          ...DAMAGE.map(([label, what, change]) => killed(damaged(point, label, what, change))),
          moved(point, "reboot", { _tag: "killed" }, reboot(world)),
          changed(point, "two hours pass", jumpWall(world, HOURS)),
          ...(isAt(point, "steady.idle") || isAt(point, "probation.using") ? [crashesAgain(point)] : []),
          ...[...known].map((etag) =>
            moved(
              point,
              `retry ${etag}`,
              { _tag: "retried", etag },
              send(world, "configApply", { type: "RETRY", etag })
            )
          )
        ]),
    ...(world.disk.readOnly === null
      ? []
      : [damaged(point, "writable", "read-only", (disk) => ({ ...disk, readOnly: null }))])
  ]
}

// ---------------------------------------------------------------------------------------------- the enumeration

const MACHINES: ReadonlyArray<MachineId> = ["daemon", "join", "configPull", "configApply"]

/** Times, and what reports are about, decide nothing that the status tells. */
const UNTOLD = new Set([
  "at",
  "recorded_at",
  "applied_at",
  "since",
  "bootedAt",
  "wall",
  "jitter",
  "delayMs",
  "ran_ms",
  "ranMs",
  "boot_id",
  "bootId",
  "apart",
  "sinceReport",
  "reportAgain"
])
const COUNTED = 4

/** Two points with the same key have the same futures and the same past, but for exact times. */
const keyOf = ({ ledger, world }: Point): string => {
  const told = (key: string, value: unknown): unknown => {
    if (UNTOLD.has(key)) return undefined
    if (key === "count") return Math.min(value as number, COUNTED)
    return key === "retry_at" ? (value as number) > world.now.wall : value
  }
  const { disk, process } = world
  const state = typeof disk.state === "string" ? null : disk.state
  const instances = MACHINES.map((id) => {
    const instance = process.instances[id]
    const timers = [...(instance?.timers ?? [])].sort((x, y) => x.dueAt - y.dueAt).map((timer) => timer.id)
    const value: unknown = instance?.snapshot.value
    const isPull = id === "configPull" && typeof value === "object" && value !== null && "pull" in value
    return [isPull ? value.pull : value, instance?.snapshot.context as ConfigApplyContext | undefined, timers]
  })
  const later = (state?.last_attempt?.at ?? 0) > (state?.last_rollback?.at ?? 0)
  const tasks = process.tasks.map(({ landed, machine, src }) => [machine, src, landed !== null])
  return JSON.stringify(
    [world.serving, disk, state?.boot_id === disk.bootId, later, instances, tasks, process.url, ledger],
    told
  )
}

/** How far the enumeration goes: mishaps, changes of mind of central, and both together, on one trace. */
export interface Depth {
  readonly mishaps: number
  readonly changes: number
  readonly choices: number
}

const isWithin = (wide: Depth, narrow: Depth): boolean =>
  wide.mishaps >= narrow.mishaps && wide.changes >= narrow.changes && wide.choices >= narrow.choices

/** Visits every point within the depth once; the number of points, and of moves that led to them. */
export const everyPoint = (charts: Charts, depth: Depth, visit: (point: Point) => void) => {
  const seen = new Map<string, Array<Depth>>()
  let layer: Array<readonly [point: Point, left: Depth]> = []
  let moves = 0
  const reach = (point: Point, left: Depth): void => {
    moves++
    const key = createHash("md5").update(keyOf(point)).digest("base64")
    const known = seen.get(key)
    if (known?.some((before) => isWithin(before, left)) === true) return
    seen.set(key, [...(known ?? []), left])
    if (known === undefined) visit(point)
    layer.push([point, left])
  }
  const world = begin(charts, { windows: WINDOWS })
  reach({ world, ledger: BLANK_LEDGER, path: { label: "join", before: null } }, depth)
  while (layer.length > 0) {
    const reached = layer
    layer = []
    for (const [point, left] of reached) {
      reach(honest(point), left)
      if (left.choices === 0) continue
      const choices = left.choices - 1
      if (left.changes > 0)
        for (const next of changes(point)) reach(next, { ...left, changes: left.changes - 1, choices })
      if (left.mishaps > 0)
        for (const next of mishaps(point)) reach(next, { ...left, mishaps: left.mishaps - 1, choices })
    }
  }
  return { points: seen.size, moves }
}

/** The trace that led to a point, without the honest steps between. */
export const traceOf = ({ path, world }: Point): string => {
  const labels: Array<string> = []
  for (let at: Path | null = path; at !== null; at = at.before) {
    if (!/ ok$|^time passes$/.test(at.label) || at === path) labels.unshift(at.label)
  }
  return `${labels.join(" · ")} → ${stateIn(world, "configApply")}`
}
