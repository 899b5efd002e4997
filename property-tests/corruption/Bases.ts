/** Disks on which files rot: moments of a life, each with what a person would expect of it. */
import { type Disk, emptyDisk, makeDirectory, readFile, sync, treeOf, type Ino } from "../crash/Disk.ts"
import { createFile, write } from "../crash/Disk.ts"
import { MAIN_URL, OTHER_URL } from "../crash/Central.ts"
import { type Goal, Life, type Moment } from "../crash/Life.ts"
import { CONTROL, HOME, REAL } from "../crash/Services.ts"
import { NEWBORN } from "../crash/Witness.ts"

export interface Base {
  readonly name: string
  readonly disk: Disk
  readonly now: Moment["now"]
  readonly issued: number
  /** The fleet that the machine is in, or will be in once the intent on its disk is carried out. */
  readonly url: string
}

const joined: ReadonlyArray<Goal> = [
  { aim: "join", url: MAIN_URL },
  { aim: "promote", revision: "G1" }
]

/** The user's own layer: a plugin, and a central of its own for when none is served. */
const LOCAL = JSON.stringify({
  version: 2,
  plugins: [{ name: "strict", config: { path: "/x", level: "low" } }],
  sinks: { own: { plugin: "@holdfast/central", config: { url: MAIN_URL, identity: {}, poll_interval_seconds: 5 } } }
})

const home = makeDirectory(emptyDisk, HOME)

const withLocal = (): Disk => {
  const [created, ino]: readonly [Disk, Ino] = createFile(home, `${HOME}/config.json`)
  return sync(write(created, ino, new TextEncoder().encode(LOCAL)), ino)
}

/** Everything that was pending is durable, and in order. */
const settled = (disk: Disk): Disk => [...disk.inodes.keys()].reduce((now, ino) => sync(now, ino), disk)

/** Lives to the goals; the first moment at which `when` holds, or else the end, is the base. */
const base = (
  name: string,
  goals: ReadonlyArray<Goal>,
  when: (moment: Moment) => boolean = () => false,
  { disk = home, url = MAIN_URL } = {}
): Base => {
  let found: Moment | undefined
  const note = (moment: Moment): void => {
    if (found === undefined && when(moment)) found = moment
  }
  const life = new Life(
    { engine: REAL, goals, onMoment: note, onLaunch: note },
    { disk, witness: NEWBORN, now: { uptime: 0, wall: 1_700_000_000_000 } }
  )
  life.run()
  const { witness, ...moment } = found ?? { disk: life.disk, witness: life.witness, now: life.around.now }
  return { name, disk: settled(moment.disk), now: { ...moment.now }, issued: witness.issued, url }
}

const at = (label: string) => (moment: Moment) => moment.label.endsWith(label)
const has = (path: string) => (moment: Moment) => path in treeOf(moment.disk)

/** In the order of a machine's life. */
export const makeBases = (): ReadonlyArray<Base> => [
  base("asked to join", joined, (moment) => moment.label === "launch" && has(`${CONTROL}/join.json`)(moment)),
  base("enrolled, no revision yet", joined, at("/a.new")),
  base("first revision on probation", joined, at("b/promoted.tmp")),
  base("first revision promoted", joined),
  base("second revision on probation", [...joined, { aim: "promote", revision: "G2" }], at("a/promoted.tmp")),
  base("second revision promoted", [...joined, { aim: "promote", revision: "G2" }], undefined, { disk: withLocal() }),
  base("second revision rolled back", [...joined, { aim: "rollBack", revision: "B1" }]),
  base("first revision rolled back", [joined[0]!, { aim: "rollBack", revision: "X1" }]),
  base(
    "asked to join another fleet",
    [...joined, { aim: "join", url: OTHER_URL }],
    (moment) => moment.label === "launch" && has(`${CONTROL}/join.json`)(moment) && has(`${CONTROL}/active`)(moment),
    { url: OTHER_URL }
  ),
  base(
    "asked to leave",
    [...joined, { aim: "leave" }],
    (moment) => moment.label.startsWith("unlink") && has(`${CONTROL}/leave.json`)(moment)
  )
]

export const textOf = (disk: Disk, path: string): string => Buffer.from(readFile(disk, path)).toString("utf8")
