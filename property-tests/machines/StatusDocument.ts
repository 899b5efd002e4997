/** The status of a model world, by the builders that the daemon itself uses. */
import { Option } from "effect"
import type { ConfigApplyContext, ConfigPullContext, DaemonContext, JoinContext } from "../../machines/index.ts"
import { statusLines } from "../../src/cli/StatusText.ts"
import type { StatusFacts } from "../../src/daemon/StatusView.ts"
import type { Status } from "../../src/domain/index.ts"
import { WRITES } from "./DiskModel.ts"
import { contextIn, stateIn, type MachineId, type World } from "./World.ts"

const MACHINES: ReadonlyArray<MachineId> = ["daemon", "join", "configPull", "configApply"]

/** Everything that the status of a running machine is made of; null before boot evaluation is over. */
export const factsIn = (world: World): StatusFacts | null => {
  const { boot, url } = world.process
  if (boot === null) return null
  const apply = contextIn<ConfigApplyContext>(world, "configApply")
  const promotedAt = (slot: "a" | "b") => (world.disk.slots[slot]?.promoted === true ? "T" : null)
  const partLeft = apply.part.ms - (world.now.uptime - apply.part.since)
  return {
    apply,
    join: contextIn<JoinContext>(world, "join"),
    pull: contextIn<ConfigPullContext>(world, "configPull"),
    daemon: contextIn<DaemonContext>(world, "daemon"),
    login: { storageProblem: null },
    provider: null,
    ingest: { storeProblem: null },
    states: Object.fromEntries(MACHINES.map((id) => [id, stateIn(world, id)])),
    config: {
      boot,
      document: { version: 2 },
      central:
        url === null
          ? Option.none()
          : Option.some({ instance: "c", plugin: "@holdfast/central", url, token: Option.none(), pollSeconds: 30 }),
      localUsed: false,
      localProblem: null,
      losses: [],
      trees: {},
      dropped: [],
      localPlugins: [],
      unusedPlugins: [],
      problem: null
    },
    view: {
      disk: apply.disk,
      state: apply.state,
      running: apply.running,
      partLeftMs: apply.state.marker === undefined ? 0 : Math.max(0, partLeft),
      promotedAt: { a: promotedAt("a"), b: promotedAt("b") }
    },
    plugins: [],
    coreLock: { status: null, diagnostics: [] },
    identity: { gateway_id: null, expires_at: null },
    identityStorage: null,
    pid: 1,
    startedAt: "T",
    apiUrl: "http://127.0.0.1:7071",
    version: "0.1.0",
    timeScale: 1,
    localPath: "config.json"
  }
}

/** Times and counts that run down say when, not what. */
const TIME = /\d{4}-\d\d-\d\dT[\d:.]+Z/g
const RUNNING_DOWN = /\(\d+ in a row\)|[\d.]+ s and \d unexplained starts left/g
const COUNTING = new Set(["remaining_seconds", "attempts_left"])

/** What a status says about the configuration alone: how far this process has come, and since when, tells nothing. */
const plain = (status: Status): Status => ({
  ...status,
  daemon: { ...status.daemon, state: "running", last_start: null, started_at: null },
  identity: { gateway_id: null, expires_at: null, state: "" },
  machines: {}
})

/** The status as JSON, without times, without what runs down, and without the names of the machines' states. */
export const documentOf = (status: Status): string =>
  JSON.stringify(plain(status), (key, value: unknown) =>
    COUNTING.has(key)
      ? 0
      : typeof value === "string"
        ? value.replaceAll(TIME, "T").replaceAll(RUNNING_DOWN, "N")
        : value
  )

/** The same for people. */
export const textOf = (status: Status, lines = statusLines): string =>
  lines(plain(status)).join("\n").replaceAll(TIME, "T").replaceAll(RUNNING_DOWN, "N")

const AT_WORK: ReadonlySet<string> = new Set([...WRITES, "inspect", "readTime"])

/**
 * The apply engine waits for something that takes longer than a look at the disk or a write, and it is not that a
 * process that waited for its disk makes room for the next one.
 */
export const isFinal = (world: World): boolean => {
  const { boot, tasks } = world.process
  const isAtWork = tasks.some(({ machine, src }) => machine === "configApply" && AT_WORK.has(src))
  const isOver = /^(restarting|closing|closed)/.test(stateIn(world, "configApply"))
  return !isAtWork && !(isOver && boot !== null && boot.impaired !== null)
}
