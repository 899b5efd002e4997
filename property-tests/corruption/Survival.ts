/** A machine boots from a damaged disk: what it says, and whether its next revision reaches it. */
import { Context, Effect } from "effect"
import type { AnyMachineSnapshot } from "xstate"
import type { BootOutcome } from "../../machines/index.ts"
import type { ConfigApplyContext, ConfigPullContext, DaemonContext, JoinContext } from "../../machines/index.ts"
import { type EffectiveConfig, Inspection, RunningConfig } from "../../src/config/index.ts"
import { normaliseUrl, type Status } from "../../src/domain/index.ts"
import { statusOf } from "../../src/daemon/StatusView.ts"
import { stateName } from "../../src/statechart/Core.ts"
import { documentOf, MAIN_URL, NEXT_GOOD, OTHER_URL, revisionOf } from "../crash/Central.ts"
import { type Disk, treeOf } from "../crash/Disk.ts"
import { mount } from "../crash/DiskFileSystem.ts"
import { Life } from "../crash/Life.ts"
import { type Seen, slotOf } from "../crash/Oracle.ts"
import {
  baseOf,
  type Engine,
  HOME,
  type MachineId,
  processServices,
  referencesOf,
  type Surroundings
} from "../crash/Services.ts"
import { NEWBORN, newFleet, Violated, type Witness } from "../crash/Witness.ts"
import type { Base } from "./Bases.ts"
import type { Readings } from "./Readings.ts"

/** How it went on: the next good revision was promoted, or nothing is polled, because … */
export type End = "promoted" | "credentialDead" | "unjoined" | "left"

export interface Survival {
  readonly end: End
  /** The status of the first process, when its boot evaluation is over. */
  readonly booted: Status
  /** The status when it became clear that nothing is polled. */
  readonly dead: Status | null
  /** The central that the first process runs by. */
  readonly url: string | null
}

/** The machine came to rest without a poll. */
class AtRest extends Error {
  readonly end: Exclude<End, "promoted">
  constructor(end: Exclude<End, "promoted">) {
    super(end)
    this.end = end
  }
}

/** Boots machines with one engine; what a machine does after a boot that was seen before is remembered. */
export class Survivals {
  /** Lives that were lived to their end. */
  lived = 0
  /** Boots that were carried out. */
  booted = 0
  private readonly engine: Engine
  private readonly readings: Readings
  private readonly after = new Map<string, Pick<Survival, "end" | "dead">>()
  private readonly aside: Surroundings
  private readonly base: ReturnType<typeof baseOf>

  constructor(engine: Engine, readings: Readings) {
    this.engine = engine
    this.readings = readings
    this.aside = {
      mounted: mount({ inodes: new Map(), next: 2, seq: 1 }),
      central: { serving: null, issued: 0, refuses: false },
      bootId: "",
      now: { uptime: 0, wall: 0 }
    }
    this.base = baseOf(engine, this.aside)
  }

  of(base: Base, disk: Disk): Survival {
    this.booted++
    const snapshots = new Map<MachineId, AnyMachineSnapshot>()
    let first: { readonly boot: BootOutcome; readonly config: EffectiveConfig; readonly status: Status } | undefined
    let key: string | undefined
    let known: Pick<Survival, "end" | "dead"> | undefined
    const judged = (witness: Witness, boot: BootOutcome, _before: Seen, now: Seen): Witness => {
      if (boot.impaired !== null) throw new Violated("bootsUnimpaired", boot.impaired)
      runsWhatWasServed(boot, now)
      const config = this.configOf(life.disk, boot)
      const url = config.central._tag === "Some" ? normaliseUrl(config.central.value.url) : null
      first ??= { boot, config, status: status(snapshots, config) }
      const facts = witness.facts ?? newFleet(base.url)
      return { ...witness, facts: { ...facts, url: url ?? base.url } }
    }
    const life = new Life(
      {
        engine: this.engine,
        goals: [{ aim: "promote", revision: NEXT_GOOD }],
        evaluated: judged,
        isKnown: ({ disk: now }, memory) => {
          if (key !== undefined) return false
          key = `${base.name}\n${memory}\n${this.readings.all(now)}`
          known = this.after.get(key)
          return known !== undefined
        },
        onStep: (id, snapshot) => {
          snapshots.set(id, snapshot)
          if (id !== "join") return
          const state = stateName(snapshot.value)
          if (state === "credentialDead") throw new AtRest("credentialDead")
          if (state === "unjoined") throw new AtRest(holdsFleet(life.disk) ? "unjoined" : "left")
        }
      },
      { disk, witness: { ...NEWBORN, issued: base.issued, facts: newFleet(base.url) }, now: base.now }
    )
    let end: End = "promoted"
    try {
      life.run()
    } catch (reason) {
      if (!(reason instanceof AtRest)) throw reason
      end = reason.end
    }
    if (first === undefined || key === undefined) throw new Error("no boot was evaluated")
    if (known === undefined) {
      this.lived++
      known = { end, dead: end === "credentialDead" ? status(snapshots, first.config) : null }
      this.after.set(key, known)
    }
    const { central } = first.config
    return { ...known, booted: first.status, url: central._tag === "Some" ? normaliseUrl(central.value.url) : null }
  }

  /** What the process freezes, read by a second one beside it. */
  private configOf(disk: Disk, boot: BootOutcome): EffectiveConfig {
    this.aside.mounted.disk = disk
    const references = referencesOf(this.aside)
    const services = processServices(this.engine, this.base, references)
    return Effect.runSyncWith(Context.merge(references, services))(
      Effect.gen(function* () {
        yield* (yield* Inspection).inspect({ repair: false })
        return yield* (yield* RunningConfig).freeze(boot)
      })
    )
  }
}

const holdsFleet = (disk: Disk): boolean =>
  Object.keys(treeOf(disk)).some(
    (path) => path.startsWith(`${HOME}/state/`) && !path.endsWith("/config-control") && !path.endsWith("/state.json")
  )

/** By the slot's own words; nothing of the product is asked. */
const runsWhatWasServed = ({ running }: BootOutcome, now: Seen): void => {
  if (running.slot === null || running.etag === null) return
  const found = slotOf(now, running.slot)
  const revision = revisionOf(running.etag)
  const isServed = [MAIN_URL, OTHER_URL].some(
    (url) =>
      running.etag?.endsWith(`-${new URL(url).hostname}"`) === true && found?.document === documentOf(revision, url)
  )
  if (!isServed) throw new Violated("digestBelongs", `slot ${running.slot} says ${running.etag}`)
}

const status = (snapshots: ReadonlyMap<MachineId, AnyMachineSnapshot>, config: EffectiveConfig): Status => {
  const context = <Context>(id: MachineId): Context => snapshots.get(id)?.context as Context
  const apply = context<ConfigApplyContext>("configApply")
  return statusOf({
    apply,
    join: context<JoinContext>("join"),
    pull: context<ConfigPullContext>("configPull"),
    daemon: context<DaemonContext>("daemon"),
    login: { storageProblem: null },
    provider: null,
    ingest: { storeProblem: null },
    states: Object.fromEntries([...snapshots].map(([id, { value }]) => [id, stateName(value)])),
    config,
    view: {
      disk: apply.disk,
      state: apply.state,
      running: apply.running,
      partLeftMs: 0,
      promotedAt: { a: null, b: null }
    },
    plugins: [],
    coreLock: { status: null, diagnostics: [] },
    identity: { gateway_id: null, expires_at: null },
    identityStorage: null,
    pid: 1,
    startedAt: "2026-01-01T00:00:00.000Z",
    apiUrl: null,
    version: "1.0.0",
    timeScale: 1,
    localPath: `${HOME}/config.json`
  })
}
