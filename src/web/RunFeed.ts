/** Asks for runs again whenever something may have changed, and while one is open: never twice at once, never in a hurry. */
import type { RunView } from "../domain/index.ts"
import type { Answer } from "./Ask.ts"
import { now } from "./Dom.ts"
import type { Seen } from "./Seen.ts"

/** The machine whose transitions tell of runs. */
export const RUN_MACHINE = "run"

/** After a change, and while a run is open, milliseconds from one answer to the next question. */
const BURST_MS = 300
const OPEN_MS = 1_000
/** A question that takes long is asked as much more seldom, up to a bound. */
const SHARE = 10
const SELDOM_MS = 5_000

export interface RunFeedOptions<A> {
  readonly ask: () => Promise<Answer<A>>
  readonly show: (answer: Answer<A>) => void
  /** Whether there is something that grows without a transition. */
  readonly isGrowing: () => boolean
  /** Of one run; null: of all. */
  readonly run: string | null
}

export class RunFeed<A> {
  readonly #options: RunFeedOptions<A>
  readonly #gone = new AbortController()
  #told = -1
  #connection: Seen["connection"] = "connecting"
  #isAsking = false
  #isWanted = false
  #answeredAt = Number.NEGATIVE_INFINITY
  #took = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(options: RunFeedOptions<A>) {
    this.#options = options
    // What changed while nobody looked is asked for as soon as somebody does.
    document.addEventListener("visibilitychange", () => this.#want(), { signal: this.#gone.signal })
    this.#want()
  }

  /** Something was seen: of these runs, or of the connection. */
  update(seen: Seen): void {
    const isBack = seen.connection === "live" && this.#connection !== "live"
    this.#connection = seen.connection
    const { run } = this.#options
    const last = seen.rows.findLast(
      (row) =>
        row.kind === "transition" && row.entry.machine === RUN_MACHINE && (run === null || row.entry.instance === run)
    )
    if (!isBack && (last?.key ?? 0) === this.#told) return
    this.#told = last?.key ?? 0
    this.#want()
  }

  tick(): void {
    if (this.#connection === "live" && this.#options.isGrowing() && now() - this.#answeredAt >= OPEN_MS) this.#want()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#gone.abort()
  }

  /** Asks as soon as it is time. */
  #want(): void {
    this.#isWanted = true
    if (this.#isAsking || this.#gone.signal.aborted || document.visibilityState !== "visible") return
    clearTimeout(this.#timer)
    const wait = Math.max(BURST_MS, Math.min(this.#took * SHARE, SELDOM_MS)) - (now() - this.#answeredAt)
    this.#timer = setTimeout(() => void this.#ask(), Math.max(0, wait))
  }

  async #ask(): Promise<void> {
    this.#isWanted = false
    this.#isAsking = true
    const begun = now()
    const answer = await this.#options.ask()
    this.#took = now() - begun
    this.#answeredAt = now()
    this.#isAsking = false
    if (this.#gone.signal.aborted) return
    this.#options.show(answer)
    if (this.#isWanted) this.#want()
  }
}

/** Whether somebody asked for the end of a run, as far as its machine was seen. */
export const isCancelled = ({ machines }: Seen, { run_id }: Pick<RunView, "run_id">): boolean =>
  machines
    .find(({ id }) => id === RUN_MACHINE)
    ?.states.some(({ instance, visible }) => instance === run_id && visible["cancelled"] === true) === true
