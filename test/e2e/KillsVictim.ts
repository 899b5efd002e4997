/** A gateway that is killed: what is remembered of each of its processes, and of everything that was served to it. */
import type { Ended } from "../support/Program.ts"
import type { ShortLivedCentral } from "./KillsCentral.ts"
import { type Disk, filesWith, type Phase, phaseOf, readDisk } from "./KillsDisk.ts"
import {
  CHECKS,
  type Facts,
  judge,
  type Nature,
  type Observation,
  type Revision,
  type Violation
} from "./KillsJudge.ts"
import { statusHere } from "./KillsStatus.ts"
import { documentFor, type Environment, Gateway, pluginFixtures } from "./Processes.ts"

/** One minute of elapsed time in 2.4 seconds. */
export const TIME_SCALE = 25
/** The shortest window there is, in ms of elapsed time. */
const WINDOW_MS = 120_000
/** With this poll interval only the count of starts can end a probation. */
const SLOW_POLL_SECONDS = 3_000

/** A process that was killed. */
export interface Kill {
  readonly phase: Phase
  /** The newest revision that was served. */
  readonly offered: string | null
}

export class Victim extends Gateway {
  readonly kills: Array<Kill> = []
  readonly violations: Array<Violation> = []
  readonly served: Array<Revision> = []
  readonly #central: ShortLivedCentral
  readonly #config: string
  readonly #promoted = new Set<string>()
  readonly #unexplained = new Map<string, number>()
  readonly #starts = new Map<string, number>()
  readonly #rolledBack: Array<string> = []
  #lastKnownGood: string | null = null
  #token = ""
  #before: Disk
  #stopping = false
  #askTheDead = false
  #pollsBefore = 0
  #killed: ((hit: boolean) => void) | undefined
  #launches = 0
  #waiting: Array<() => void> = []
  /** Told when a process starts. */
  onLaunch: () => void = () => {}

  constructor(central: ShortLivedCentral, config: string, env: Environment = {}) {
    super({ HOLDFAST_TEST_TIME_SCALE: String(TIME_SCALE), HOLDFAST_TEST_PLUGINS: pluginFixtures, ...env })
    this.#central = central
    this.#config = config
    this.#before = readDisk(this.home)
  }

  get offered(): Revision | null {
    return this.served.at(-1) ?? null
  }

  async join(): Promise<void> {
    this.#token = await this.#central.token(this.#config)
    const join = await this.run("join", this.#central.wire.url, this.#token, "--no-daemon")
    if (join.code !== 0) throw new Error(`join: ${join.code} ${join.stderr}`)
  }

  /** Puts a revision that no other round has. */
  async serve(nature: Nature): Promise<void> {
    const url = nature === "silent" ? "http://127.0.0.1:1" : this.#central.wire.url
    const crashing = nature === "crashing"
    const document = documentFor(
      url,
      crashing ? { plugins: [{ name: "test/crash-at-start" }] } : {},
      crashing ? { poll_interval_seconds: SLOW_POLL_SECONDS } : {}
    )
    // Space at the end of the bytes makes another revision of the same document.
    const text = `${JSON.stringify(document)}${" ".repeat(this.served.length)}\n`
    const servedAt = Date.now()
    const etag = await this.#central.put(this.#config, text)
    this.served.push({ etag, nature, servedAt, windowMs: crashing ? 3_000 * SLOW_POLL_SECONDS : WINDOW_MS })
  }

  protected override launchedOne(): void {
    this.#before = readDisk(this.home)
    this.#stopping = false
    const { offered } = this
    if (offered !== null) this.#starts.set(offered.etag, (this.#starts.get(offered.etag) ?? 0) + 1)
    this.#launches += 1
    for (const go of this.#waiting.splice(0)) go()
    this.onLaunch()
  }

  get #saidThatItRuns(): boolean {
    const daemon = this.quickStatus()?.daemon
    return daemon?.pid === this.pid && daemon.state === "running"
  }

  /** The process that was started last is there, and past its boot. */
  get runs(): boolean {
    return this.alive && this.#saidThatItRuns
  }

  get launches(): number {
    return this.#launches
  }

  /** Waits until more than so many processes have been started. */
  async launched(count: number): Promise<void> {
    while (this.#launches <= count) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  protected override async endedOne(ended: Ended): Promise<void> {
    const after = readDisk(this.home)
    const { marker } = after.state
    if (marker !== undefined && after.state.last_exit === undefined) {
      this.#unexplained.set(marker.etag, (this.#unexplained.get(marker.etag) ?? 0) + 1)
    }
    const hit = ended.signal === "SIGKILL"
    if (hit) {
      const running = this.#saidThatItRuns
      const offered = this.offered?.etag ?? null
      const phase = phaseOf({ before: this.#before, after, running, stopping: this.#stopping, offered })
      this.kills.push({ phase, offered })
      this.#pollsBefore = this.#central.wire.log.length
    }
    await this.glance(after)
    if (hit && this.#askTheDead) await this.observe("dead", null, { command: false })
    this.#killed?.(hit)
    this.#killed = undefined
  }

  /** Kills the process that runs now; false: it ended by itself just before. */
  kill({ askTheDead = false } = {}): Promise<boolean> {
    if (!this.alive) return Promise.resolve(false)
    this.#askTheDead = askTheDead
    const killed = new Promise<boolean>((resolve) => (this.#killed = resolve))
    this.signal("SIGKILL")
    return killed
  }

  askToStop(): void {
    this.#stopping = true
    this.signal("SIGTERM")
  }

  /** Polls that were answered since the last kill. */
  get polls(): number {
    return this.#central.wire.log
      .slice(this.#pollsBefore)
      .filter(({ path, status }) => path === "/v1/config" && (status === 304 || status === 200)).length
  }

  facts(): Facts {
    const answered = this.#central.wire.log.filter(({ path, status }) => path === "/v1/config" && status < 400)
    return {
      served: this.served,
      confirmed: new Set(answered.flatMap(({ ifNoneMatch }) => (ifNoneMatch === undefined ? [] : [ifNoneMatch]))),
      unexplained: this.#unexplained,
      starts: this.#starts,
      promoted: this.#promoted,
      lastKnownGood: this.#lastKnownGood,
      rolledBack: this.#rolledBack,
      timeScale: TIME_SCALE
    }
  }

  #remember(disk: Disk): void {
    for (const slot of Object.values(disk.slots)) {
      if (slot?.promoted === true && slot.etag !== null) this.#promoted.add(slot.etag)
    }
  }

  /** The same violation is seen at many a glance. */
  #accuse(violations: ReadonlyArray<Violation>): void {
    for (const violation of violations) {
      if (!this.violations.some(({ detail }) => detail === violation.detail)) this.violations.push(violation)
    }
  }

  /** Central's view alone, which is never better at any moment. */
  async glance(disk?: Disk): Promise<void> {
    const gateway = this.quickStatus()?.identity.gateway_id
    const views = await this.#central.views()
    const now = disk ?? readDisk(this.home)
    this.#remember(now)
    const seen = { when: "dead", offered: null, remote: null, polls: 0, tokenIn: [] } as const
    for (const view of views.filter(({ id }) => id === gateway)) {
      const sentence = "central's view is never better"
      const detail = CHECKS[sentence](this.facts(), { ...seen, disk: now, view })
      if (detail !== undefined) this.#accuse([{ sentence, detail }])
    }
  }

  /**
   * Everything that must hold of what gateway and central say: to their commands as processes, or in this process, which
   * is cheaper.
   */
  async observe(
    when: Observation["when"],
    offered: string | null,
    { command = true }: { readonly command?: boolean } = {}
  ): Promise<void> {
    const views = await (command ? this.#central.gateways() : this.#central.views())
    const status = await (command ? this.status() : statusHere(this.env))
    const disk = readDisk(this.home)
    const observation: Observation = {
      when,
      offered,
      remote: status.remote_config,
      disk,
      view: views.find(({ id }) => id === status.identity.gateway_id),
      polls: this.polls,
      tokenIn: when === "settled" ? filesWith(this.home, this.#token) : []
    }
    this.#remember(disk)
    this.#accuse(judge(this.facts(), observation))
    this.#lastKnownGood = status.remote_config?.last_known_good?.etag ?? this.#lastKnownGood
    const rolledBack = status.remote_config?.last_rollback?.etag ?? null
    if (rolledBack !== null && !this.#rolledBack.includes(rolledBack)) this.#rolledBack.push(rolledBack)
  }
}
