/**
 * What a tail must do, worked out from what happened to it and from nothing that the machine says: when it is looked at
 * next, when it is over and how, and when the file is read from its beginning.
 */
import type { TailPromise, TailerEvent } from "../../machines/index.ts"

const LADDER_MS = [250, 500, 1_000, 2_000, 5_000]

type Phase = "waiting" | "following" | "reading" | "flushing" | "verifying" | "over"

export class TailerLedger {
  phase: Phase = "waiting"
  end: string | null = null
  /** Gaps so far. */
  gaps: Array<string> = []
  private deadline = 30_000
  private found = false
  private quietSince: number | null = null
  private doubted = false
  private failures = 0
  private promise: TailPromise | null = null
  private ended = false

  /** Time has come so far. */
  at(now: number): void {
    while (now >= this.deadline) {
      const at = this.deadline
      this.deadline = Infinity
      if (this.phase === "waiting") this.over("missing")
      else if (this.phase === "reading") this.enter("flushing", at + 1_000)
      else if (this.phase === "verifying") this.over("incomplete")
      else this.judge()
    }
  }

  /** How long until the next look. */
  delay(now: number): number {
    const idleFor = this.phase === "following" && this.quietSince !== null ? now - this.quietSince : -1
    const cadence = idleFor < 0 ? 250 : this.fellIdleAt + Math.max(0, 60_000 - this.quietMs) <= now ? 5_000 : 1_000
    if (this.failures > 0) return Math.max(cadence, LADDER_MS[Math.min(this.failures, 5) - 1] ?? 0)
    return this.doubted ? 250 : cadence
  }

  private fellIdleAt = 0
  private quietMs = 0

  hear(event: TailerEvent, now: number): void {
    this.at(now)
    switch (this.phase) {
      case "waiting":
        if (event.type === "FOUND") this.follow()
        else this.heardEnd(event, now)
        return
      case "following":
        if (event.type === "QUIET" && this.quietSince === null) {
          this.quietSince = now - event.quietMs
          this.quietMs = event.quietMs
          this.fellIdleAt = now
        } else if (event.type === "GREW") this.quietSince = null
        else if (!this.heardFile(event)) this.heardEnd(event, now)
        return
      case "reading":
        if (event.type === "FOUND") this.found = true
        else if (event.type === "REACHED") this.enter("verifying", now + 90_000)
        else if (!this.heardFile(event)) this.heardMore(event, now)
        return
      case "flushing":
        if (event.type === "FLUSHED") this.judge()
        return
      case "verifying":
        if (event.type !== "VERIFIED") return
        this.over(event.same && this.promise !== null && !this.promise.truncated ? "complete" : "corrupt")
    }
  }

  private follow(): void {
    this.found = true
    this.enter("following", Infinity)
  }

  private heardFile(event: TailerEvent): boolean {
    if (event.type === "SHRUNK") {
      if (this.doubted) this.restart("truncated")
      this.doubted = !this.doubted
    } else if (event.type === "REPLACED") {
      this.restart("replaced")
      this.doubted = false
      this.failures = 0
    } else if (event.type === "TROUBLE") this.failures = Math.min(5, this.failures + 1)
    else if (event.type === "SOUND") {
      this.doubted = false
      this.failures = 0
    } else return false
    return true
  }

  private restart(reason: string): void {
    this.gaps.push(reason)
    this.quietSince = null
  }

  private heardEnd(event: TailerEvent, now: number): void {
    if (event.type === "DRAIN") this.ended = event.ended
    else if (event.type === "RECORD") this.promise = event.promise
    else return
    this.quietSince = null
    this.enter("reading", now + this.bound)
  }

  private heardMore(event: TailerEvent, now: number): void {
    if (this.promise !== null) return
    if (event.type === "DRAIN" && event.ended && !this.ended) this.ended = true
    else if (event.type === "RECORD") this.promise = event.promise
    else return
    this.enter("reading", now + this.bound)
  }

  private get bound(): number {
    if (this.promise !== null) return this.promise.volumeError ? 10_000 : 90_000
    return this.ended ? 10_000 : 90_000
  }

  private judge(): void {
    if (this.promise?.truncated === true) this.over("corrupt")
    else this.over(this.found ? "incomplete" : "missing")
  }

  private enter(phase: Phase, deadline: number): void {
    this.phase = phase
    this.deadline = deadline
  }

  private over(end: string): void {
    this.end = end
    this.enter("over", Infinity)
  }
}
