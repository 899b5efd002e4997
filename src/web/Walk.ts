/** Goes through what happened one by one, so that a person can follow what took milliseconds. */
import type { Entry } from "./Wire.ts"

/** How long one step is shown, and how far behind the present a walk may fall, in milliseconds. */
const STEP_MS = 160
const BEHIND_MS = 3_000

/** How long to stay at each of so many steps. */
export const stayOf = (steps: number): number => Math.min(STEP_MS, BEHIND_MS / steps)

export class Walk {
  readonly #show: () => void
  readonly #queue: Array<Entry> = []
  #current: Entry | null = null
  #stay = STEP_MS
  #timer: ReturnType<typeof setTimeout> | undefined

  /** `show` is called after each step. */
  constructor(show: () => void) {
    this.#show = show
  }

  /** The step that is looked at; null in the present. */
  get current(): Entry | null {
    return this.#current
  }

  /** More has happened. Nobody is led through it who cannot see it, or who wants nothing to move. */
  add(entries: ReadonlyArray<Entry>): void {
    const steps = entries.filter(({ changed }) => changed)
    if (steps.length === 0 || document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches) return
    this.#queue.push(...steps)
    this.#stay = stayOf(this.#queue.length)
    if (this.#current === null) this.#step()
  }

  /** To the present, at once. */
  end(): void {
    clearTimeout(this.#timer)
    this.#queue.length = 0
    this.#current = null
  }

  #step(): void {
    this.#current = this.#queue.shift() ?? null
    this.#show()
    if (this.#current !== null) this.#timer = setTimeout(() => this.#step(), this.#stay)
  }
}
