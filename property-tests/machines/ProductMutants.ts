/** Wrong versions of the machines that the product graph tells from the right ones: stuck somewhere, or spinning. */
import type { AnyStateMachine } from "xstate"
import { CONFIG_APPLY_BOOT_MUTANTS } from "./ConfigApplyBootMutants.ts"
import { changed, withDelay, withGuards, withState } from "./Edit.ts"
import { enumerated } from "./Graph.ts"
import { spinIn, stuckIn } from "./ProductLiveness.ts"
import { Room } from "./ProductRoom.ts"
import { CHARTS, type Charts, type MachineId } from "./World.ts"

export interface ProductMutant {
  readonly name: string
  readonly machine: MachineId
  /** What it breaks: the way to the next good revision, or the rule that somebody waits in every circle. */
  readonly breaks: "stuck" | "spin"
  readonly apply: (charts: Charts) => Charts
}

const mutant = (
  machine: MachineId,
  breaks: ProductMutant["breaks"],
  name: string,
  change: (machine: AnyStateMachine) => AnyStateMachine
): ProductMutant => ({ name, machine, breaks, apply: (charts) => changed(charts, machine, change) })

const forgivesReboots = CONFIG_APPLY_BOOT_MUTANTS.filter(({ name }) => name === "forgives every reboot of the system")

export const PRODUCT_MUTANTS: ReadonlyArray<ProductMutant> = [
  mutant("configPull", "stuck", "does not arm the timer of the next poll", (machine) =>
    withState(machine, "pull.waiting", (state) => ({ ...state, after: {} }))
  ),
  mutant("join", "stuck", "a refreshed identity is not announced", (machine) =>
    withState(machine, "enrolled", (state) => ({ ...state, entry: [] }))
  ),
  mutant("daemon", "stuck", "plugins never settle", (machine) =>
    withState(machine, "running", (state) => ({ ...state, entry: [] }))
  ),
  mutant("daemon", "stuck", "a safe start loads every plugin", (machine) =>
    withState(machine, "booting.loading", (state) => ({
      ...state,
      invoke: { ...state["invoke"], input: { bundledOnly: false } }
    }))
  ),
  ...forgivesReboots.map(({ apply, machine, name }) => ({ apply, machine, name, breaks: "stuck" as const })),
  mutant("configPull", "spin", "a poll that failed is repeated at once", (machine) =>
    withDelay(machine, "pollDelay", ({ context }) => (context.problem === null ? context.delayMs : 0))
  ),
  mutant("join", "spin", "a refresh that failed is tried again at once", (machine) =>
    withState(machine, "retrying", (state) => ({ ...state, always: "refreshing" }))
  ),
  mutant("daemon", "spin", "a crash loop is not slowed down", (machine) =>
    withGuards(machine, { mustBackOff: () => false })
  ),
  mutant("daemon", "spin", "a start that nothing could count does not wait", (machine) =>
    withGuards(machine, {
      mustBackOff: ({ context }) => context.boot?.start === "unexplained" && context.boot.unexplained > 0
    })
  ),
  mutant("configApply", "spin", "storage that failed is tried again at once", (machine) =>
    withDelay(machine, "storageRetry", () => 0)
  ),
  mutant("configApply", "spin", "a flip that certainly failed restarts the process", (machine) =>
    withGuards(machine, { notFlipped: () => false })
  )
]

/** How many states are searched for a circle: nearly all are among the first few. */
const NEAR = 1_000
const FAR = 400_000

const circleIn = (room: Room, states: number): string | null => spinIn(enumerated(room, { mishaps: Infinity, states }))

/** What the graph says of a mutant; null: it is alive. `room`, of the right machines, lends what the mutant has in common with the machines. */
export const fateOf = ({ apply, breaks }: ProductMutant, room: Room): string | null => {
  const mutated = new Room(apply(CHARTS), room.outside, room)
  // A circle is one wherever it is; what is stuck is known only when every way on is.
  if (breaks === "spin") return circleIn(mutated, NEAR) ?? circleIn(mutated, FAR)
  return stuckIn(enumerated(mutated, { mishaps: 0, states: Infinity }))
}
