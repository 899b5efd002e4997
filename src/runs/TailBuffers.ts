/**
 * The few buffers that all files read into: memory is O(buffers), never O(files) or O(output).
 *
 * Whoever waits for a consumer may lose its buffer to a file that has something to read, and reads again afterwards. So
 * no number of stalled consumers keeps anybody else from reading.
 */
import { Effect } from "effect"
import { CHUNK_BYTES } from "./TailLines.ts"

/** A buffer for a while. */
export interface Lease {
  readonly buffer: Buffer
  /** Somebody else has it now: nothing in it may be looked at. */
  isLost: boolean
  /** The holder waits for its consumer. */
  isIdle: boolean
}

type Slot = { readonly buffer: Buffer; lease: Lease | null }

/** So many may wait for a buffer before nobody else is to be told of more to read. */
const QUEUE = 16

export class TailBuffers {
  private readonly slots: Array<Slot> = []
  private readonly waiting: Array<() => void> = []
  private readonly calmed: Array<() => void> = []
  /** Somebody has been woken and has not looked yet. */
  private isWaking = false
  private readonly count: number

  constructor(count: number) {
    this.count = count
  }

  /** A buffer, in the order of asking, as soon as there is one whose holder does not use it. */
  readonly take: Effect.Effect<Lease> = Effect.suspend(() => {
    const slot = this.waiting.length === 0 && !this.isWaking ? this.available() : undefined
    return slot === undefined ? this.wait(false) : Effect.succeed(this.leased(slot))
  })

  /** As soon as few wait for a buffer: whoever is told of more to read before that waits too, and takes memory for it. */
  readonly calm: Effect.Effect<void> = Effect.suspend(() =>
    this.isCalm() ? Effect.void : Effect.callback<void>((resume) => void this.calmed.push(() => resume(Effect.void)))
  )

  /** A buffer that nobody has or waits for; null: there is none. */
  takeFree(): Lease | null {
    if (this.waiting.length > 0 || this.isWaking) return null
    const slot = this.free()
    return slot === undefined ? null : this.leased(slot)
  }

  /** The holder waits for its consumer from now on. */
  rest(lease: Lease): void {
    lease.isIdle = true
    this.wake()
  }

  /** Whether the holder, whose consumer is done, still has it. */
  resume(lease: Lease): boolean {
    lease.isIdle = false
    return !lease.isLost
  }

  release(lease: Lease): void {
    const slot = this.slots.find((one) => one.lease === lease)
    if (slot === undefined) return
    lease.isLost = true
    slot.lease = null
    this.wake()
  }

  private wait(isFirst: boolean): Effect.Effect<Lease> {
    return Effect.callback<void>((resume) => {
      const look = (): void => resume(Effect.void)
      if (isFirst) this.waiting.unshift(look)
      else this.waiting.push(look)
    }).pipe(
      // Who is woken runs at once, in the middle of whoever woke it, and would take its buffer for every batch.
      Effect.andThen(Effect.yieldNow),
      Effect.flatMap(() => {
        this.isWaking = false
        const slot = this.available()
        if (slot === undefined) return this.wait(true)
        const lease = this.leased(slot)
        this.wake()
        return Effect.succeed(lease)
      })
    )
  }

  /** The first who waits looks when whoever runs now lets it: a consumer that is done at once loses nothing. */
  private wake(): void {
    if (this.isWaking) return
    const look = this.waiting.shift()
    if (this.isCalm()) for (const goOn of this.calmed.splice(0)) goOn()
    this.isWaking = look !== undefined
    look?.()
  }

  private isCalm(): boolean {
    return this.waiting.length < QUEUE
  }

  private available(): Slot | undefined {
    return this.free() ?? this.slots.find(({ lease }) => lease?.isIdle === true)
  }

  private free(): Slot | undefined {
    const free = this.slots.find(({ lease }) => lease === null)
    if (free !== undefined || this.slots.length === this.count) return free
    const made: Slot = { buffer: Buffer.allocUnsafeSlow(CHUNK_BYTES), lease: null }
    this.slots.push(made)
    return made
  }

  private leased(slot: Slot): Lease {
    if (slot.lease !== null) slot.lease.isLost = true
    slot.lease = { buffer: slot.buffer, isLost: false, isIdle: false }
    return slot.lease
  }
}
