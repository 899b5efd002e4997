/**
 * Whether the product graph forgets anything: a machine room that lives by itself, with real times, etags and counts,
 * and the state of the graph that it is in after every move.
 */
import type { AnyStateMachine } from "xstate"
import type { StateFile } from "../../machines/index.ts"
import type { Instance } from "../../src/statechart/Core.ts"
import { spanOf } from "./ProductParts.ts"
import {
  applyContext,
  mayChange,
  namesIn,
  normalEngine,
  normalPart,
  PARTS,
  type Engine,
  type Part,
  type PartName
} from "./ProductState.ts"
import { MAIN_URL } from "./Revisions.ts"
import { finish, kill, reboot, serve, stateIn, tick, type World } from "./World.ts"

const FIXED = { stopGrace: 1_000, stopPullBound: 2_000, closeConfigBound: 5_000, finishRetry: 5_000 }
const LONGER = { shutdownBound: 20_000, storageRetry: 30_000, hour: 3_600_000, verdictHold: 4_200_000 }
const DELAYS: Readonly<Record<string, number>> = { ...FIXED, ...LONGER, refreshDue: 86_400_000 }

const partOf = (world: World, machine: PartName): Part => {
  const { snapshot, timers } = world.process.instances[machine] as Instance<AnyStateMachine>
  const waits = timers.map(({ event, id }) => {
    const name = id.split(".")[2] ?? ""
    const delay = DELAYS[name] ?? (snapshot.context as { readonly delayMs?: number }).delayMs ?? 1
    const [least, most] = spanOf(machine, id, delay, snapshot.context)
    return { id, event, least, most }
  })
  const tasks = world.process.tasks.filter((task) => task.machine === machine)
  return { snapshot, waits, tasks: tasks.map(({ id, input, src }) => ({ id, src, input })) }
}

/** Boots are told apart as this one and others. */
const booted = <T>(file: T, bootId: string): T => {
  const { boot_id } = file as unknown as Partial<StateFile>
  return boot_id === undefined ? file : { ...file, boot_id: boot_id === bootId ? "boot-1" : "boot-0" }
}

const engineOf = (world: World): Engine => {
  const part = partOf(world, "configApply")
  const { bootId, identities, state } = world.disk
  const context = applyContext(part)
  const disk = context.disk.bootId === "" ? context.disk : { ...context.disk, bootId: "boot-1" }
  const tasks = part.tasks.map((task) => {
    const input = task.input as { readonly state?: StateFile } | undefined
    return input?.state === undefined ? task : { ...task, input: { ...input, state: booted(input.state, bootId) } }
  })
  return {
    ...part,
    snapshot: { ...part.snapshot, context: { ...context, disk, state: booted(context.state, bootId) } },
    tasks,
    disk: {
      ...world.disk,
      bootId: "boot-1",
      identities: identities.includes(MAIN_URL) ? [MAIN_URL] : [],
      state: typeof state === "string" ? state : booted(state, bootId)
    },
    served: world.serving
  }
}

/** The parts of the graph's state that a machine room is in. */
export const shadowOf = (world: World): ReadonlyArray<Part> => [
  normalEngine(engineOf(world), true),
  ...PARTS.slice(1).map((machine) => normalPart(machine, partOf(world, machine)))
]

const GOOD = ["G1", "G2", "G3", "G9"]

/** Central has a good revision that this machine room does not speak of, if it may have one now. */
const published = (world: World): World => {
  const engine = engineOf(world)
  const names = namesIn(engine)
  const etag = mayChange(engine) ? GOOD.find((name) => !names.includes(name)) : undefined
  return etag === undefined ? world : serve(world, etag)
}

/** Tasks that end before anything else does. */
const isPrompt = (world: World, src: string): boolean =>
  src === "openApi" ||
  src === "checkShape" ||
  src === "validate" ||
  (src === "inspect" && stateIn(world, "configApply") === "steady.committing.reviewing")

/** One move of a machine room without mishaps, though its process may end and the system may reboot at any time. */
export const lived = (world: World, choice: number): World => {
  const { tasks } = world.process
  const prompt = tasks.findIndex(({ src }) => isPrompt(world, src))
  if (choice % 23 === 0) return kill(world)
  if (choice % 29 === 0) return reboot(world)
  if (prompt >= 0) return finish(world, prompt)
  if (tasks.length === 0 || choice % 7 === 0) return tick(world, choice)
  const index = choice % tasks.length
  const isPoll = tasks[index]?.src === "poll"
  return finish(isPoll && choice % 3 === 0 ? published(world) : world, index, "ok", choice)
}
