/** The counterexamples of the design, played: what each step of the apply sequences is there for. */
import { rotted } from "./DiskModel.ts"
import { live, withSlowPlugins } from "./Histories.ts"
import {
  begin,
  disturb,
  finish,
  jumpWall,
  kill,
  land,
  serve,
  stateIn,
  suspend,
  tick,
  type Charts,
  type World
} from "./World.ts"

const HOUR = 3_600_000
const STEPS = 400

/** Honest steps until the apply engine is in a state. */
export const until = (world: World, state: string): World =>
  live(world, STEPS, (now) => stateIn(now, "configApply").startsWith(state))

/** G1 runs, promoted, and the machine rests. */
export const settledOn = (charts: Charts): World =>
  until(
    live(begin(charts), STEPS, (now) => now.ghost.promoted.includes("G1")),
    "steady.idle"
  )

const onProbation = (charts: Charts, etag: string): World => until(serve(settledOn(charts), etag), "probation.using")
const rolledBack = (charts: Charts, etag: string): World =>
  until(
    live(
      onProbation(charts, etag),
      STEPS,
      (now) => stateIn(now, "configApply") === "restarting" || now.disk.active === "b"
    ),
    "steady.idle"
  )

const task = (world: World, src: string): number => world.process.tasks.findIndex((one) => one.src === src)

/** The rollback target of the probation that is being served. */
const previousRots = (world: World): World => {
  const state = world.disk.state
  const slot = typeof state === "string" ? undefined : state.marker?.previous_slot
  return slot === undefined ? world : disturb(world, "rot", (disk) => rotted(disk, slot))
}

const stateBecomesUnreadable = (world: World): World =>
  disturb(world, "state", (disk) => ({ ...disk, state: "unreadable" }))

/** The first world in which something is broken, else the last. */
const worst = (worlds: Iterable<World>): World => {
  let last: World | undefined
  for (const world of worlds) {
    last = world
    if (world.ghost.violations.length > 0) break
  }
  if (last === undefined) throw new Error("a scenario without worlds")
  return last
}

/** The process is killed after each number of steps, before and after the effect of the task at hand. */
const killedAnywhere = function* (from: World, steps: number, after = 60): Generator<World> {
  let current = from
  for (let count = 0; count < steps; count++) {
    yield live(kill(current), after)
    if (current.process.tasks.length > 0) yield live(kill(land(current, 0)), after)
    current = live(current, 1)
  }
}

export const SCENARIOS: Readonly<Record<string, (charts: Charts) => World>> = {
  "X ends the process each time its plugin starts": (charts) => live(onProbation(charts, "X1"), STEPS),
  "W moves to another central and ends the process": (charts) => live(onProbation(charts, "W1"), STEPS),
  "P takes the operating system down": (charts) => live(onProbation(charts, "P1"), STEPS),
  "B is on probation, and its previous slot rots": (charts) => live(previousRots(onProbation(charts, "B1")), STEPS),
  "B is on probation, its previous slot rots, and it is started again": (charts) =>
    live(kill(previousRots(onProbation(charts, "B1"))), STEPS),
  "B is rolled back, and then the slot of G1 rots": (charts) =>
    live(kill(disturb(rolledBack(charts, "B1"), "rot", (disk) => rotted(disk, "b"))), 60),
  "X is on probation, and state.json becomes unreadable": (charts) =>
    live(kill(stateBecomesUnreadable(onProbation(charts, "X1"))), STEPS),
  "B is on probation, and state.json becomes unreadable": (charts) =>
    live(kill(stateBecomesUnreadable(onProbation(charts, "B1"))), 40),
  "B is on probation, state.json is unreadable, and the disk is read-only for a while": (charts) => {
    const lost = disturb(stateBecomesUnreadable(onProbation(charts, "B1")), "read-only", (disk) => ({
      ...disk,
      readOnly: "the file system is read-only"
    }))
    const impaired = live(kill(lost), 10)
    return live(
      disturb(impaired, "read-only", (disk) => ({ ...disk, readOnly: null })),
      60
    )
  },
  "P is promoted while its plugin fails, and takes the system down later": (charts) => {
    const loading = live(onProbation(charts, "P1"), STEPS, (now) => task(now, "loadPlugins") >= 0)
    const promoted = live(finish(loading, task(loading, "loadPlugins"), "failsBefore"), 40)
    return live(kill(promoted), 60)
  },
  "X is on probation, and the disk cannot be read at one of its starts": (charts) => {
    const crashed = live(kill(onProbation(charts, "X1")), 6, (now) => task(now, "inspect") >= 0)
    return live(finish(crashed, task(crashed, "inspect"), "failsBefore"), STEPS)
  },
  "a flip ends in an error after its rename": (charts) => {
    const flipping = until(serve(settledOn(charts), "G2"), "steady.committing.flip")
    return live(finish(flipping, task(flipping, "flip"), "failsAfter"), 60)
  },
  "a flip ends in an error before its rename": (charts) => {
    const flipping = until(serve(settledOn(charts), "G2"), "steady.committing.flip")
    return live(finish(flipping, task(flipping, "flip"), "failsBefore"), 60)
  },
  "a promotion ends in an error after its effect, and the probation expires": (charts) => {
    const marking = until(onProbation(charts, "G2"), "probation.promoting.marking")
    let current = finish(marking, task(marking, "writePromoted"), "failsAfter")
    for (let count = 0; count < 300 && !stateIn(current, "configApply").startsWith("steady"); count++) {
      const poll = task(current, "poll")
      current = poll >= 0 ? finish(current, poll, { answer: "http_error" }) : live(current, 1)
    }
    return live(current, 20)
  },
  "B is tried again, has nowhere to go back to, and expires at boot": (charts) => {
    const again = until(jumpWall(rolledBack(charts, "B1"), 2 * HOUR), "probation.using")
    const cutOff = disturb(previousRots(again), "identity", (disk) => ({ ...disk, confirmedUrl: null, identities: [] }))
    let current = cutOff
    for (let count = 0; count < 8; count++) current = live(kill(current), 5)
    return live(current, 20)
  },
  "the first poll of a probation is answered before its plugins start": (charts) => {
    let current = onProbation(charts, "X1")
    for (let count = 0; count < 30; count++) current = withSlowPlugins(current)
    return live(current, STEPS)
  },
  "a newer revision is served while one is on probation": (charts) => {
    const started = live(onProbation(charts, "G2"), 40, (now) => task(now, "poll") >= 0)
    const polled = finish(serve(started, "G3"), task(started, "poll"))
    return live(polled, STEPS)
  },
  "the active slot rots": (charts) => live(kill(disturb(settledOn(charts), "rot", (disk) => rotted(disk, "b"))), 60),
  "a revision is applied while plugins start, and polls go on": (charts) => {
    let current = serve(kill(settledOn(charts)), "G2")
    for (let count = 0; count < 60; count++) current = withSlowPlugins(current)
    return live(current, 60)
  },
  "the process stands still at the end of a probation": (charts) =>
    worst(
      (function* () {
        let current = onProbation(charts, "B1")
        for (let count = 0; count < 120; count++) {
          yield live(suspend(current, HOUR), 3)
          yield live(suspend(suspend(current, HOUR), HOUR), 6)
          yield tick(suspend(current, HOUR))
          current = live(current, 1)
        }
      })()
    ),
  "the first revision is applied, with a kill anywhere": (charts) => worst(killedAnywhere(begin(charts), 45)),
  "the second revision is applied, with a kill anywhere": (charts) =>
    worst(killedAnywhere(serve(settledOn(charts), "G2"), 45)),
  "B is rolled back, with a kill anywhere": (charts) => {
    const expiring = live(onProbation(charts, "B1"), STEPS, (now) =>
      stateIn(now, "configApply").startsWith("rollingBack")
    )
    return worst(killedAnywhere(expiring, 25))
  },
  "B is tried again when its retry is due, with a kill anywhere": (charts) =>
    worst(killedAnywhere(jumpWall(rolledBack(charts, "B1"), 2 * HOUR), 40))
}
