/** What every page offers to the shell around it. */
import type { Seen } from "./Seen.ts"

export interface Page {
  /** For the window and its history. */
  readonly title: () => string
  readonly root: HTMLElement
  /** Something was seen. */
  readonly update: (seen: Seen) => void
  /** A second has passed: countdowns and ages. */
  readonly tick: () => void
  readonly close: () => void
}
