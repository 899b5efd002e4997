/** Arbitrary histories of a machine room, as fast-check commands: what can happen, and the honest course of things. */
import * as fc from "fast-check"
import type { PollAnswerKind } from "../../machines/index.ts"
import { dangled, type Disk, isWrite, rotted } from "./DiskModel.ts"
import { NEXT_GOOD, REVISIONS } from "./Revisions.ts"
import { disturb, finish, jumpWall, kill, land, reboot, send, serve, suspend, tick, wait, type World } from "./World.ts"
import type { Outcome } from "./Tasks.ts"

// ---------------------------------------------------------------------------------------------- the honest course

/** One step in a world where nothing goes wrong: a task ends as it should, or time passes until something is due. */
export const honestly = (world: World): World => {
  const index = world.process.tasks.findIndex((task) => task.src !== "sendReport")
  if (index >= 0) return finish(world, index)
  return world.process.tasks.length > 0 ? finish(world, 0) : tick(world)
}

/** Like `honestly`, but plugins take longer than anything else. */
export const withSlowPlugins = (world: World): World => {
  const index = world.process.tasks.findIndex((task) => task.src !== "loadPlugins")
  return index >= 0 ? finish(world, index) : tick(world)
}

/** So many honest steps, or fewer when the goal is reached. */
export const live = (world: World, steps: number, isGoal: (world: World) => boolean = () => false): World => {
  let current = world
  for (let count = 0; count < steps && !isGoal(current); count++) current = honestly(current)
  return current
}

/** The next good revision was received, ran, and was promoted. */
export const hasNextGood = (world: World): boolean => world.ghost.promoted.includes(NEXT_GOOD)

/** Honest steps within which a machine that can receive its next configuration has done so. */
export const PATIENCE = 700

/** From here on nothing goes wrong, and central serves the next good revision. */
export const recovers = (world: World): World => {
  const writable = disturb(serve(world, NEXT_GOOD), "read-only", (disk) => ({ ...disk, readOnly: null, leave: false }))
  return live(writable, PATIENCE, hasNextGood)
}

// ---------------------------------------------------------------------------------------------- moves

/** What a history may contain beside the honest course. */
export interface Dangers {
  /** Bits rot, links dangle. */
  readonly damage: boolean
  /** identity.json and its second copy are lost: the design promises no way back from there. */
  readonly identity: boolean
  /** state.json disappears or becomes unreadable. */
  readonly loss: boolean
  /** Writes fail before or after their effect. */
  readonly faults: boolean
  /** Operators join again, leave, retry, stop. */
  readonly operators: boolean
}

export const ALL_DANGERS: Dangers = { damage: true, identity: true, loss: true, faults: true, operators: true }

/** The model of a history is its world; there is no other system beside it. */
export interface Course {
  world: World
}
type Step = (world: World) => World

class Move implements fc.Command<Course, null> {
  private readonly label: string
  private readonly play: Step
  private readonly judge: (world: World) => void
  constructor(label: string, play: Step, judge: (world: World) => void) {
    this.label = label
    this.play = play
    this.judge = judge
  }
  check(): boolean {
    return true
  }
  run(course: Course): void {
    course.world = this.play(course.world)
    this.judge(course.world)
  }
  toString(): string {
    return this.label
  }
}

const POLLS: ReadonlyArray<PollAnswerKind> = [
  "throttled",
  "unauthorized",
  "not_found",
  "http_error",
  "network_error",
  "missing_etag",
  "invalid_json",
  "document_too_large"
]

/** The outcome of the task that a history picks; only what can happen to it. */
const outcomeOf = (src: string, badly: number): Outcome => {
  if (src === "poll") return { answer: POLLS[badly % POLLS.length] ?? "http_error", retryAfterSeconds: badly * 60 }
  if (src === "refresh" || src === "bootstrap") return badly % 2 === 0 ? "refused" : "failsBefore"
  return isWrite(src) && badly % 2 === 0 ? "failsAfter" : "failsBefore"
}

const withTask = (world: World, pick: number, then: (index: number) => World): World =>
  world.process.tasks.length === 0 ? tick(world) : then(pick % world.process.tasks.length)

const DAMAGE: ReadonlyArray<readonly [label: string, what: string, change: (disk: Disk) => Disk]> = [
  ["slot a rots", "rot", (disk) => rotted(disk, "a")],
  ["slot b rots", "rot", (disk) => rotted(disk, "b")],
  ["the active slot is gone", "dangle", dangled]
]

const STEPS: Readonly<Record<string, (a: number, b: number) => readonly [label: string, play: Step]>> = {
  live: (a) => [`${a} honest steps`, (world) => live(world, a)],
  liveLong: (a) => [`${a * 8} honest steps`, (world) => live(world, a * 8)],
  liveSlowly: (a) => [
    `${a} steps while plugins start`,
    (world) => {
      let current = world
      for (let count = 0; count < a; count++) current = withSlowPlugins(current)
      return current
    }
  ],
  finish: (a, b) => [`task ${a} ends`, (world) => withTask(world, a, (index) => finish(world, index, "ok", b))],
  land: (a) => [`task ${a} has its effect`, (world) => withTask(world, a, (index) => land(world, index))],
  tick: (a) => [`time passes`, (world) => tick(world, a)],
  wait: (a) => [`${a} s pass`, (world) => wait(world, a * 1_000)],
  kill: () => ["the process is killed", kill],
  landAndKill: (a) => [
    `task ${a} has its effect, and the process is killed`,
    (world) => kill(withTask(world, a, (index) => land(world, index)))
  ],
  reboot: () => ["the machine reboots", reboot],
  suspend: (a) => [`nothing runs for ${a} min`, (world) => suspend(world, a * 60_000)],
  jump: (a) => [`the wall clock jumps by ${a - 10} h`, (world) => jumpWall(world, (a - 10) * 3_600_000)],
  serve: (a) => {
    const etag = REVISIONS[a % (REVISIONS.length - 2)] ?? "G1"
    return [`central serves ${etag}`, (world) => serve(world, etag)]
  },
  answer: (_, b) => [
    `a poll is answered ${POLLS[b % POLLS.length]}`,
    (world) => {
      const index = world.process.tasks.findIndex((task) => task.src === "poll")
      return index < 0 ? honestly(world) : finish(world, index, outcomeOf("poll", b))
    }
  ],
  fail: (a, b) => [
    `task ${a} fails (${b})`,
    (world) => withTask(world, a, (index) => finish(world, index, outcomeOf(world.process.tasks[index]?.src ?? "", b)))
  ],
  readOnly: (a) => [
    a % 3 === 0 ? "the disk becomes read-only" : "the disk can be written",
    (world) =>
      disturb(world, "read-only", (disk) => ({
        ...disk,
        readOnly: a % 3 === 0 ? "the file system is read-only" : null
      }))
  ],
  damage: (a) => {
    const [label, what, change] = DAMAGE[a % DAMAGE.length] ?? ["", "", (disk: Disk) => disk]
    return [label, (world) => disturb(world, what, change)]
  },
  identity: () => [
    "identity.json and its copy are lost",
    (world) => disturb(world, "identity", (disk) => ({ ...disk, confirmedUrl: null, identities: [] }))
  ],
  loss: (a) => [
    a % 2 === 0 ? "state.json is lost" : "state.json becomes unreadable",
    (world) => disturb(world, "state", (disk) => ({ ...disk, state: a % 2 === 0 ? "absent" : "unreadable" }))
  ],
  retry: (a) => {
    const etag = REVISIONS[a % (REVISIONS.length - 2)] ?? "G1"
    return [`config retry ${etag}`, (world) => send(world, "configApply", { type: "RETRY", etag })]
  },
  pollNow: () => ["an operator asks for a poll", (world) => send(world, "configPull", { type: "POLL_NOW" })],
  stop: () => [
    "the daemon is stopped",
    (world) => live(send(world, "daemon", { type: "STOP_REQUESTED", leave: false }), 12)
  ],
  restart: () => ["daemon restart --normal", (world) => send(world, "configApply", { type: "NORMAL_ASKED" })],
  rejoin: () => ["join is run again", (world) => disturb(world, "join", (disk) => ({ ...disk, join: true }))]
}

const WEIGHTS: ReadonlyArray<readonly [name: keyof typeof STEPS, weight: number, danger: keyof Dangers | null]> = [
  ["live", 8, null],
  ["liveLong", 8, null],
  ["liveSlowly", 2, null],
  ["finish", 6, null],
  ["tick", 2, null],
  ["wait", 1, null],
  ["kill", 4, null],
  ["land", 1, null],
  ["landAndKill", 4, null],
  ["reboot", 1, null],
  ["suspend", 2, null],
  ["jump", 1, null],
  ["serve", 7, null],
  ["answer", 3, null],
  ["fail", 4, "faults"],
  ["readOnly", 1, "faults"],
  ["damage", 2, "damage"],
  ["identity", 1, "identity"],
  ["loss", 1, "loss"],
  ["retry", 1, "operators"],
  ["pollNow", 1, "operators"],
  ["stop", 1, "operators"],
  ["restart", 1, "operators"],
  ["rejoin", 1, "operators"]
]

/** Histories of up to `maxCommands` moves; `judge` looks at the world after each and throws where it is wrong. */
export const histories = (
  dangers: Dangers,
  judge: (world: World) => void,
  maxCommands = 40
): fc.Arbitrary<Iterable<fc.Command<Course, null>>> =>
  fc.commands(
    WEIGHTS.filter(([, , danger]) => danger === null || dangers[danger]).flatMap(([name, weight]) => {
      const arbitrary = fc.tuple(fc.integer({ min: 1, max: 20 }), fc.nat(20)).map(([a, b]) => {
        const [label, play] = STEPS[name]?.(a, b) ?? ["nothing", (world: World) => world]
        return new Move(label, play, judge)
      })
      return Array.from({ length: weight }, () => arbitrary)
    }),
    { maxCommands, size: "max" }
  )
