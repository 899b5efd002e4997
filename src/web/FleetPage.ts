/** What every page of the fleet offers to the shell around it, and what the shell offers to it. */
import type { FleetState } from "./FleetState.ts"

export interface FleetPage {
  /** For the window and its history. */
  readonly title: () => string
  readonly root: HTMLElement
  /** Something became known. `now` is central's clock, milliseconds; null while it is not known. */
  readonly update: (state: FleetState, now: number | null) => void
  /** A second has passed: ages. */
  readonly tick: (now: number | null) => void
  readonly close: () => void
}

export interface Shell {
  /** To another address of this page, `#…`. */
  readonly go: (address: string) => void
  /** Something was changed here: the fleet is asked for at once. */
  readonly changed: () => void
}

/** The address of a config, a gateway. */
export const configAddress = (name: string): string => `#config/${encodeURIComponent(name)}`
export const gatewayAddress = (id: string): string => `#gateway/${encodeURIComponent(id)}`
