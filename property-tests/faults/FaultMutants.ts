/** Small wrong changes to storage and engine that only a fault can show, and what must show them. */
import { ConfigApply } from "../../machines/index.ts"
import type { ControlFiles } from "../../src/config/ControlFiles.ts"
import type { DurableFiles } from "../../src/storage/DurableFiles.ts"
import type { IdentityStore } from "../../src/storage/IdentityStore.ts"
import type { Slots } from "../../src/storage/Slots.ts"
import { type Engine, REAL } from "../crash/Services.ts"
import { loadMutant } from "../Mutants.ts"
import { exploreFaults, type Violation } from "./FaultExplorer.ts"
import { type LifeName, LIVES } from "./Lives.ts"

const countsTwice = ConfigApply.provide({ guards: { neverCounted: ({ context }) => context.impaired !== null } })

interface FaultMutant {
  readonly name: string
  /** The changed part of the engine: text of a module, or a guard of a chart. */
  readonly part: () => Promise<Partial<Engine>>
  readonly life: LifeName
  /** The calls whose faults are tried, as `operation path code`. */
  readonly faults: RegExp
}

const PARTS: Readonly<Record<string, (module: unknown) => Partial<Engine>>> = {
  "src/storage/DurableFiles.ts": (module) => ({
    durableFiles: (module as { readonly DurableFiles: typeof DurableFiles }).DurableFiles.layer
  }),
  "src/storage/Slots.ts": (module) => ({ slots: (module as { readonly Slots: typeof Slots }).Slots.layer }),
  "src/storage/IdentityStore.ts": (module) => ({
    identityStore: (module as { readonly IdentityStore: typeof IdentityStore }).IdentityStore.layer
  }),
  "src/config/ControlFiles.ts": (module) => ({
    controlFiles: (module as { readonly ControlFiles: typeof ControlFiles }).ControlFiles.layer
  })
}

const changed = (path: string, search: string, replacement: string) => async () =>
  PARTS[path]?.(await loadMutant(path, search, replacement)) ?? {}

export const FAULT_MUTANTS: ReadonlyArray<FaultMutant> = [
  {
    name: "an fsync that fails is passed over",
    part: changed(
      "src/storage/DurableFiles.ts",
      `yield* handle.sync.pipe(storageStep("fsync", target))`,
      `yield* Effect.ignore(handle.sync)`
    ),
    life: "two revisions promoted",
    faults: /^fsync .*state\.json\.tmp EIO/
  },
  {
    name: "a directory's fsync that fails is passed over",
    part: changed(
      "src/storage/DurableFiles.ts",
      `yield* handle.sync\n        },`,
      `yield* Effect.ignore(handle.sync)\n        },`
    ),
    life: "two revisions promoted",
    faults: /^fsync .*\/[ab] EIO/
  },
  {
    name: "what was written is not read back",
    part: changed(
      "src/storage/DurableFiles.ts",
      `if (Option.isNone(found) || !sameBytes(found.value, bytes)) {`,
      `if (Option.isNone(found)) {`
    ),
    life: "two revisions promoted",
    faults: /^write .* short/
  },
  {
    name: "a flip that was renamed is reported as one that was not",
    part: changed("src/storage/Slots.ts", `flipError(slot, renamed, error)`, `flipError(slot, false, error)`),
    life: "two revisions promoted",
    faults: /^rename .*active EIO/
  },
  {
    name: "a mark that cannot be read promotes",
    part: changed(
      "src/storage/Slots.ts",
      `(promoted.problem !== undefined && (yield* files.exists(mark)))`,
      `promoted.problem !== undefined`
    ),
    life: "a bad one rolled back",
    faults: /^read .*promoted EIO/
  },
  {
    name: "a damaged slot is given up at the first reading",
    part: changed(
      "src/storage/Slots.ts",
      `found.present && !found.intact ? readOnce(directory, slot)`,
      `!found.present ? readOnce(directory, slot)`
    ),
    life: "a bad one rolled back",
    faults: /^read .*(document|record)\.json (EIO|short)/
  },
  {
    name: "what a failed try left aside goes before its name does",
    part: changed("src/storage/Slots.ts", `if (yield* files.exists(aside)) yield* files.syncDirectory(directory)`, ``),
    life: "two revisions promoted",
    faults: /^rename .*\/a (EIO|EACCES)/
  },
  {
    name: "a credential that could not be stored is reported as stored",
    part: changed(
      "src/storage/IdentityStore.ts",
      `update((file) => ({ ...file, identities: { ...file.identities, [url]: entry } }))`,
      `Effect.ignore(update((file) => ({ ...file, identities: { ...file.identities, [url]: entry } })))`
    ),
    life: "refresh, leave, join elsewhere",
    faults: /^(create|rename) .*identity\.json/
  },
  {
    name: "a disk that does not answer is taken for a leave",
    part: changed(
      "src/config/ControlFiles.ts",
      `leaveFound: files.exists(at(LEAVE))`,
      `leaveFound: Effect.orElseSucceed(files.exists(at(LEAVE)), () => true)`
    ),
    life: "two revisions promoted",
    faults: /^lstat .*leave\.json/
  },
  {
    name: "a state.json that was misread is set aside",
    part: changed(
      "src/config/ControlFiles.ts",
      `(state === "unreadable" ? readStateOnce : Effect.succeed(state))`,
      `Effect.succeed(state)`
    ),
    life: "a bad one rolled back",
    faults: /^read .*state\.json short/
  },
  {
    name: "a start that was counted by a write that failed is counted again",
    part: async () => ({ charts: { ...REAL.charts, configApply: { machine: countsTwice } } }),
    life: "a crash loop",
    faults: /^rename .*state\.json EIO/
  }
]

/** What sees the mutant; null: it is alive. */
export const fateOf = async ({ faults, life, part }: FaultMutant): Promise<Violation | null> => {
  const engine: Engine = { ...REAL, ...(await part()) }
  const { violations } = exploreFaults(engine, LIVES[life], {
    stride: 1,
    offset: 0,
    allCodes: false,
    lastings: ["once"],
    cuts: 6,
    disks: 4,
    violations: 1,
    only: ({ operation, path: place }, { code }) => faults.test(`${operation} ${place} ${code}`)
  })
  return violations[0] ?? null
}
