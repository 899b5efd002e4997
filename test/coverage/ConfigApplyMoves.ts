/** What happens to ConfigApply: its tasks end on the disk model, its neighbours speak, time passes, things break. */
import type { AnyStateMachine } from "xstate"
import { STABLE_MS, type ConfigApplyContext, type ConfigApplyEvent } from "../../machines/index.ts"
import { dangled, type Disk, isWrite, rotted } from "../../property-tests/machines/DiskModel.ts"
import { handleOf } from "../../property-tests/machines/Revisions.ts"
import {
  begin,
  contextIn,
  disturb,
  exit,
  finish,
  jumpWall,
  kill,
  reboot,
  send,
  stateIn,
  tick,
  type World
} from "../../property-tests/machines/World.ts"
import type { Outcome } from "../../property-tests/machines/Tasks.ts"
import type { Move, Moves } from "./Explore.ts"

/** Two parts instead of twenty-four, so that a probation is short. */
const WINDOWS = { windowMs: 2, intervalMs: 30_000 }

const stage = (etag: string, world: World): ConfigApplyEvent => ({
  type: "STAGE",
  etag,
  offer: handleOf(etag),
  wall: world.now.wall
})

const OFFERS = ["G1", "G2", "I1", "H1", "T1", "V1", ""] as const

const SIGNALS: ReadonlyArray<ConfigApplyEvent> = [
  { type: "POLL_CONFIRMED" },
  { type: "POLL_THROTTLED" },
  { type: "POLL_REFUSED" },
  { type: "POLL_SETTLED", stale: false },
  { type: "POLL_SETTLED", stale: true },
  { type: "PLUGINS_SETTLED" },
  { type: "GAP" },
  { type: "RETRY", etag: "G1" },
  { type: "STABLE" },
  { type: "HOLD_OVER" },
  { type: "NORMAL_ASKED" },
  { type: "CLOSE" }
]

const DAMAGE: ReadonlyArray<readonly [cost: number, label: string, what: string, change: (disk: Disk) => Disk]> = [
  [3, "slot a rots", "rot", (disk) => rotted(disk, "a")],
  [3, "slot b rots", "rot", (disk) => rotted(disk, "b")],
  [5, "the active link dangles", "dangle", dangled],
  [5, "state.json becomes unreadable", "state", (disk) => ({ ...disk, state: "unreadable" })],
  [3, "identity.json is lost", "identity", (disk) => ({ ...disk, confirmedUrl: null, seed: false })],
  [5, "the disk becomes read-only", "read-only", (disk) => ({ ...disk, readOnly: "the file system is read-only" })],
  [2, "the disk can be written again", "read-only", (disk) => ({ ...disk, readOnly: null })],
  [6, "join.json is written", "join", (disk) => ({ ...disk, join: true })],
  [6, "leave.json is written", "leave", (disk) => ({ ...disk, leave: true })]
]

const ends = (src: string, world: World): ReadonlyArray<Outcome> =>
  isWrite(src)
    ? world.disk.readOnly === null
      ? ["ok", "failsBefore", "failsAfter"]
      : ["failsBefore"]
    : ["ok", "failsBefore"]

/** Where a command's intent or a change of the whole disk is made: it is read at the next boot anyway. */
const RESTING = new Set([
  "steady.idle",
  "steady.judging",
  "steady.committing.reviewing",
  "impaired.waiting",
  "boot.inspecting"
])

/** Signals cost less where they mean something: everywhere else they are kept for last. */
const costOf = (type: string, state: string): number => {
  if (type === "CLOSE") return 2
  const onProbation = state.startsWith("probation") || state.startsWith("rollingBack")
  if (OF_PROBATION.has(type)) return onProbation ? 1 : 4
  return type === "STAGE" && state === "steady.idle" ? 1 : 5
}
const OF_PROBATION = new Set(["POLL_CONFIRMED", "POLL_THROTTLED", "PLUGINS_SETTLED", "GAP", "POLL_SETTLED"])

const next = (world: World): ReadonlyArray<Move<World>> => {
  const state = stateIn(world, "configApply")
  const moves: Array<Move<World>> = []
  const may = (cost: number, label: string, play: () => World): void => void moves.push({ label, play, cost })
  for (const [index, task] of world.process.tasks.entries()) {
    for (const outcome of ends(task.src, world)) {
      may(outcome === "ok" ? 1 : 3, `${task.src} ${String(outcome)}`, () => finish(world, index, outcome))
    }
  }
  may(1, "time passes", () => tick(world))
  for (const event of SIGNALS) {
    may(costOf(event.type, state), event.type, () => send(world, "configApply", event))
  }
  for (const etag of OFFERS) {
    may(costOf("STAGE", state), `STAGE ${etag}`, () => send(world, "configApply", stage(etag, world)))
  }
  if (state === "closed") may(1, "the process ends", () => exit(world))
  may(2, "the process is killed", () => kill(world))
  may(5, "the machine reboots", () => reboot(world))
  may(3, "two hours later", () => jumpWall(world, STABLE_MS * 12))
  for (const [cost, label, what, change] of DAMAGE) {
    if (cost < 5 || RESTING.has(state)) may(cost, label, () => disturb(world, what, change))
  }
  return moves
}

/** Two situations are one when no guard can tell them apart; texts and exact times are left out. */
const key = (world: World): string => {
  const context = contextIn<ConfigApplyContext>(world, "configApply")
  const known = (slot: World["disk"]["slots"]["a"] | ConfigApplyContext["disk"]["slots"]["a"]): string =>
    slot === null ? "-" : `${slot.etag}${slot.promoted ? "+" : ""}${slot.intact ? "" : "!"}`
  const state = (file: World["disk"]["state"]): string =>
    typeof file === "string"
      ? file
      : JSON.stringify([
          file.marker === undefined ? null : [file.marker.slot, file.marker.budget_ms, file.marker.attempts_left],
          file.marker?.saved_quarantine?.etag,
          file.quarantine.map((entry) => [entry.etag, (entry.retry_at ?? 0) <= world.now.wall]),
          file.last_exit,
          file.boot_id === world.disk.bootId,
          file.last_attempt?.retry_at === undefined ? null : file.last_attempt.retry_at > world.now.wall
        ])
  const { disk } = world
  return [
    stateIn(world, "configApply"),
    disk.active,
    known(disk.slots.a),
    known(disk.slots.b),
    context.disk.active,
    known(context.disk.slots.a),
    known(context.disk.slots.b),
    disk.leave,
    disk.join,
    disk.seed,
    disk.confirmedUrl,
    disk.readOnly,
    state(disk.state),
    state(context.state),
    context.running.etag,
    // These decide nothing but the fate of a probation.
    context.state.marker === undefined
      ? ""
      : [context.confirmed, context.pluginsSettled, context.throttled, context.gap].join(),
    context.closing,
    context.exitRecorded,
    context.offer?.etag,
    context.pending?.etag,
    context.impaired !== null
  ].join("|")
}

/** Lets every task succeed until the machine rests. */
const settled = (world: World): World => {
  let current = world
  for (let count = 0; count < 50 && current.process.tasks.length > 0; count++) current = finish(current, 0)
  return current
}

const applied = (world: World, etag: string): World =>
  settled(
    exit(settled(send(settled(send(world, "configApply", stage(etag, world))), "configApply", { type: "CLOSE" })))
  )

const promoted = (world: World): World =>
  settled(send(send(world, "configApply", { type: "PLUGINS_SETTLED" }), "configApply", { type: "POLL_CONFIRMED" }))

/** Where the search begins: situations that every machine comes to, each reached by moves alone. */
const beginnings = (machine: AnyStateMachine): ReadonlyArray<readonly [label: string, play: () => World]> => {
  const joining = (): World => begin({ configApply: { machine } }, { windows: WINDOWS })
  const first = (): World => applied(settled(joining()), "G1")
  const second = (): World => applied(promoted(first()), "G2")
  return [
    ["told to join", joining],
    ["running on the seed", () => settled(joining())],
    ["G1 is the first, on probation", first],
    ["G1 is promoted", () => promoted(first())],
    ["G2 is on probation after G1", second],
    ["G2 is on probation after G1, its last part in use", () => settled(tick(second()))],
    ["G2 is promoted after G1", () => promoted(second())]
  ]
}

export const ConfigApplyMoves: Moves<World> = {
  begin: (machine: AnyStateMachine) => beginnings(machine).map(([label, play]) => ({ label, play, cost: 1 })),
  next,
  key,
  bound: 20_000
}
