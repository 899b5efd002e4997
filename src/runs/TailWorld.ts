/** What all tails share. */
import type { Semaphore } from "effect"
import type { Uptime } from "../statechart/index.ts"
import type { TailBuffers } from "./TailBuffers.ts"
import type { TailFiles } from "./TailFiles.ts"
import type { TailMeter } from "./TailMeter.ts"

export interface TailWorld {
  readonly files: TailFiles["Service"]
  readonly uptime: Uptime["Service"]
  readonly buffers: TailBuffers
  /** Calls to network volumes in flight: one that hangs holds a thread of the few that there are. */
  readonly remote: Semaphore.Semaphore
  readonly meter: TailMeter
}
