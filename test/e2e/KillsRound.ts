/** One round: something is served, the daemon is killed at a chosen moment, and it must come back to the next revision. */
import type { ShortLivedCentral } from "./KillsCentral.ts"
import { type Phase, readDisk } from "./KillsDisk.ts"
import type { Violation } from "./KillsJudge.ts"
import { type Moment, type Plan, serves } from "./KillsPlan.ts"
import { Victim } from "./KillsVictim.ts"
import { KillsWatch } from "./KillsWatch.ts"
import { eventually, sleep } from "./Processes.ts"

/** What the relaunched daemon was first seen to run. */
export type Comeback = "old" | "new" | "seed" | "killed again"

export interface RoundResult {
  readonly plan: Plan
  readonly kills: ReadonlyArray<{ readonly phase: Phase; readonly comeback: Comeback }>
  /** What became of what was served. */
  readonly outcome: string
  /** Processes of the daemon that were started. */
  readonly starts: number
  readonly violations: ReadonlyArray<Violation>
}

/** A moment that does not come: the kill falls all the same. */
const MOMENT_MS = 4_000
const ROLLBACK_MS = 15_000
const SETTLE_MS = 60_000
const REPORT_MS = 20_000
const GLANCE_MS = 300
const WIRE_MS = 1

/** A home on which one round after another is played, from its joining on. */
export class KillsLife {
  readonly #victim: Victim
  readonly #central: ShortLivedCentral
  #watch: KillsWatch | undefined
  #over = false
  #heard: (where: Moment["where"], name: string) => void = () => {}

  constructor(central: ShortLivedCentral, config: string) {
    this.#central = central
    this.#victim = new Victim(central, config)
    this.#victim.onLaunch = () => this.#heard("process", "start")
  }

  /** Plays a round to its end; after a violation this home is not worth another one. */
  async play(plan: Plan): Promise<RoundResult> {
    const victim = this.#victim
    const before = victim.kills.length
    const launches = victim.launches
    const settled = { comeback: "killed again" as Comeback, outcome: "did not settle" }
    try {
      if (plan.kind === "joining") await victim.join()
      this.#watch ??= new KillsWatch(victim.home, (where, name) => this.#heard(where, name))
      await this.#strike(plan)
      await this.#settle(plan, settled)
      if (plan.kind === "rollback") {
        await victim.serve("good")
        await this.#settle({ kind: "apply", askByCommand: true }, { ...settled })
      }
    } catch (error) {
      victim.violations.push({ sentence: "no revision is lost", detail: String(error) })
    }
    const kills = victim.kills.slice(before).map(({ phase }, index, all) => ({
      phase,
      comeback: index === all.length - 1 ? settled.comeback : ("killed again" as const)
    }))
    return {
      plan,
      kills,
      outcome: settled.outcome,
      starts: victim.launches - launches,
      violations: victim.violations.splice(0)
    }
  }

  /** Looks at central's view all the time, until `close`. */
  async watchTheView(): Promise<void> {
    while (!this.#over) {
      await this.#victim.glance()
      await sleep(GLANCE_MS)
    }
  }

  async close(): Promise<void> {
    this.#over = true
    this.#watch?.close()
    await this.#victim.remove()
  }

  /** Everything that the plan does to the daemon. */
  async #strike(plan: Plan): Promise<void> {
    const victim = this.#victim
    const reached = this.#reach(plan)
    if (serves(plan)) await victim.serve(plan.nature)
    if (plan.kind === "joining") victim.start()
    if (plan.kind === "stop") victim.askToStop()
    let launches = await reached
    for (const delayMs of plan.more) {
      await victim.launched(launches)
      await sleep(delayMs)
      launches = await this.#kill(plan)
    }
  }

  /** Kills what runs; what has just ended by itself is followed by another process. How many there were by then. */
  async #kill(plan: Pick<Plan, "askTheDead" | "delayMs">): Promise<number> {
    const { launches } = this.#victim
    if (await this.#victim.kill(plan)) return launches
    await this.#victim.launched(launches)
    await sleep(plan.delayMs)
    return await this.#kill(plan)
  }

  /** The moment, and then the kill in the same turn of the event loop. */
  #reach(plan: Plan): Promise<number> {
    const { delayMs, kind, moment } = plan
    const order = this.#victim.served.length
    const launches = this.#victim.launches
    const stopListening = moment?.where === "wire" ? this.#listenToTheWire() : () => {}
    return new Promise<number>((resolve, reject) => {
      const kill = () => void this.#kill(plan).then(resolve, reject)
      const reached = () => {
        this.#heard = () => {}
        clearTimeout(bound)
        stopListening()
        if (delayMs === 0) kill()
        else setTimeout(kill, delayMs)
      }
      const bound = setTimeout(reached, moment === null ? 0 : kind === "rollback" ? ROLLBACK_MS : MOMENT_MS)
      this.#heard = (where, name) => {
        if (moment?.where === where && moment.name.test(name) && this.#isAfter(moment, order, launches)) reached()
      }
    })
  }

  #listenToTheWire(): () => void {
    const { log } = this.#central.wire
    let read = log.length
    const timer = setInterval(() => {
      for (const { method, path, status } of log.slice(read)) {
        read += 1
        this.#heard("wire", `${method} ${path} ${status}`)
      }
    }, WIRE_MS)
    return () => clearInterval(timer)
  }

  #isAfter({ after }: Moment, order: number, launches: number): boolean {
    if (after === undefined) return true
    if (after === "start") return this.#victim.launches > launches
    if (after === "running") return this.#victim.launches > launches && this.#victim.runs
    const offered = this.#victim.served[order]?.etag
    if (offered === undefined) return false
    const { active, draft, slots, state } = readDisk(this.#victim.home)
    if (after === "verdict") return draft.includes(JSON.stringify(offered)) && !draft.includes('"marker"')
    if (after === "rollback") return state.last_rollback?.etag === offered
    const slot = active === null ? null : slots[active]
    return slot?.etag === offered && slot.promoted
  }

  /** Waits for the verdict on what was served, until central has heard of it, and looks at everything. */
  async #settle(
    { askByCommand, kind }: Pick<Plan, "askByCommand" | "kind">,
    settled: { comeback: Comeback; outcome: string }
  ): Promise<void> {
    const victim = this.#victim
    const offered = serves({ kind }) ? (victim.offered?.etag ?? null) : null
    let cameBack = false
    const status = await victim.until(
      "the verdict",
      ({ daemon, remote_config }) => {
        if (!victim.runs || daemon.pid !== victim.pid || remote_config === null) return false
        const running = remote_config.running_etag
        if (!cameBack) settled.comeback = running === null ? "seed" : running === offered ? "new" : "old"
        cameBack = true
        const promoted = running === offered && remote_config.last_known_good?.etag === offered
        const rolledBack = running !== offered && remote_config.last_rollback?.etag === offered
        settled.outcome = promoted
          ? "promoted"
          : rolledBack
            ? `rolled back: ${remote_config.last_rollback?.reason}`
            : "-"
        return victim.polls > 0 && remote_config.probation === null && (offered === null || promoted || rolledBack)
      },
      SETTLE_MS
    )
    const { last_rollback, running_etag } = status.remote_config ?? {}
    await eventually(
      "central's knowledge of the verdict",
      async () => {
        const views = await this.#central.views()
        const view = views.find(({ id }) => id === status.identity.gateway_id)
        const knows = view?.running_etag === running_etag && view?.on_probation === false
        return knows && view?.last_rollback?.etag === last_rollback?.etag ? view : undefined
      },
      REPORT_MS
    )
    await victim.observe("settled", kind === "rollback" ? null : offered, { command: askByCommand })
  }
}
