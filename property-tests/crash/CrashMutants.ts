/**
 * Small wrong changes to engine and storage, and the sentences that must see them.
 *
 * Source mutants are copies of one module with one piece of text replaced; chart mutants are those of the machines.
 */
import type { AnyStateMachine } from "xstate"
import { loadMutant } from "../Mutants.ts"
import { MUTANTS as CHART_MUTANTS } from "../machines/MutantTable.ts"
import { CHARTS } from "../machines/World.ts"
import type { LIVES, PluginLifeName } from "./Lives.ts"
import { type Engine, REAL } from "./Services.ts"
import type { Sentence } from "./Witness.ts"

export interface CrashMutant {
  readonly name: string
  readonly killedBy: ReadonlyArray<Sentence>
  readonly engine: () => Promise<Engine>
  /** Where to look: one cut in any life, unless this says more. */
  readonly search?: Search
  /** One cut in this life with plugins instead. */
  readonly pluginLife?: PluginLifeName
  /** There, a kill before this operation comes first, and then a power cut anywhere. */
  readonly killedBefore?: string
}

/** The lives in which a mutant shows, and whether it takes a kill before the power cut. */
export interface Search {
  readonly lives: ReadonlyArray<keyof typeof LIVES>
  readonly afterKill: boolean
}

const KILLED_AT_JOIN: Search = { lives: ["joins"], afterKill: true }
const KILLED_AT_APPLY: Search = { lives: ["joins, and promotes two revisions"], afterKill: true }
const AT_LEAVE: Search = { lives: ["leaves, and joins another fleet"], afterKill: false }
const AT_JOIN: Search = { lives: ["refreshes its identity, and joins another fleet"], afterKill: false }
const AT_EXPIRY: Search = {
  lives: ["joins, and rolls the second revision back when its window is spent"],
  afterKill: false
}
const AT_ROLLBACK: Search = {
  lives: [
    "joins, and rolls the second revision back for its crashes",
    "tries a revision again, and rolls it back again"
  ],
  afterKill: false
}

/** The parts of an engine that source mutants replace, each with its module. */
export const MODULES = {
  durableFiles: ["src/storage/DurableFiles.ts", "DurableFiles"],
  slots: ["src/storage/Slots.ts", "Slots"],
  identityStore: ["src/storage/IdentityStore.ts", "IdentityStore"],
  controlFiles: ["src/config/ControlFiles.ts", "ControlFiles"],
  inspection: ["src/config/Inspection.ts", "Inspection"],
  applyEngine: ["src/config/ApplyEngine.ts", "ApplyEngine"],
  runningConfig: ["src/config/RunningConfig.ts", "RunningConfig"],
  offers: ["src/config/Offers.ts", "Offers"]
} as const satisfies Readonly<
  Record<Exclude<keyof Engine, "charts" | "pluginStore">, readonly [path: string, service: string]>
>

/** What is shipped, with one piece of text of one module replaced. */
export const changedEngine = async (part: keyof typeof MODULES, find: string, replacement: string): Promise<Engine> => {
  const [path, service] = MODULES[part]
  const module = await loadMutant<Record<string, { readonly layer: never }>>(path, find, replacement)
  const mutated = module[service]
  if (mutated === undefined) throw new Error(`${path} exports no ${service}`)
  return { ...REAL, [part]: mutated.layer }
}

const source = (
  part: keyof typeof MODULES,
  name: string,
  killedBy: ReadonlyArray<Sentence>,
  find: string,
  replacement: string,
  search?: Search
): CrashMutant => ({
  name,
  killedBy,
  ...(search === undefined ? {} : { search }),
  engine: () => changedEngine(part, find, replacement)
})

/** A mutant of the charts, by its name in their own table. */
const chart = (name: string, killedBy: ReadonlyArray<Sentence>, search?: Search): CrashMutant => ({
  name,
  killedBy,
  ...(search === undefined ? {} : { search }),
  engine: () => {
    const known = CHART_MUTANTS.find((mutant) => mutant.name === name)
    if (known === undefined) throw new Error(`the machines have no mutant "${name}"`)
    const charts = known.apply(CHARTS)
    const changed = Object.entries(charts).map(([id, one]) => [id, one as { readonly machine: AnyStateMachine }])
    return Promise.resolve({ ...REAL, charts: { ...REAL.charts, ...Object.fromEntries(changed) } })
  }
})

const FSYNCS: ReadonlyArray<CrashMutant> = [
  source(
    "durableFiles",
    "a new file is not synced",
    ["stateKept", "noSlotDamaged", "identityKept", "joinKept"],
    `yield* handle.sync.pipe(storageStep("fsync", target))`,
    ""
  ),
  source(
    "durableFiles",
    "a replaced file's directory is not synced",
    ["lkgByPromotionOnly", "identityKept", "quarantineSurvives", "joinKept", "tokenGone", "leaveKept"],
    `yield* syncDirectory(directory)
      }, Effect.uninterruptible)

      const rename =`,
    `}, Effect.uninterruptible)

      const rename =`
  ),
  source(
    "durableFiles",
    "directories that were there already are not synced",
    ["joinKept", "leaveKept"],
    `if (parent === directory || (!made && named.has(directory)))`,
    `if (parent === directory || !made)`,
    KILLED_AT_JOIN
  ),
  source(
    "slots",
    "a slot's directory is not synced before it is renamed",
    ["noSlotDamaged"],
    `yield* files.syncDirectory(fresh)`,
    ""
  ),
  source(
    "slots",
    "the renames of a slot are not synced",
    ["noSlotDamaged", "usablePrevious", "armsAfterLoss", "lkgByPromotionOnly"],
    `        yield* files.syncDirectory(directory)
        yield* files.remove(aside)`,
    `        yield* files.remove(aside)`
  ),
  source(
    "slots",
    "a flip is not synced",
    ["bareBeforeTheFirst"],
    `yield* files.syncDirectory(directory).pipe(Effect.mapError((error) => flipError(slot, true, error)))`,
    ""
  ),
  source(
    "slots",
    "a promotion is not synced",
    ["lkgByPromotionOnly"],
    `files.write(path.join(directory, slot), "promoted", iso)`,
    `files.create(path.join(directory, slot, "promoted"), iso)`
  ),
  ...(
    [
      ["config-control", "directory", ["noSlotDamaged", "lkgByPromotionOnly", "joinKept"]],
      ["the slots", "...SLOTS.map((slot) => path.join(directory, slot))", ["lkgByPromotionOnly", "armsAfterLoss"]]
    ] as const
  ).map(([what, entry, killedBy]) =>
    source(
      "slots",
      `a boot does not sync ${what} (E0)`,
      killedBy,
      `const all = [stateDirectory, directory, ...SLOTS.map((slot) => path.join(directory, slot))]`,
      `const all = [stateDirectory, directory, ...SLOTS.map((slot) => path.join(directory, slot))].filter(
        (one) => ![${entry}].includes(one)
      )`,
      KILLED_AT_APPLY
    )
  ),
  source(
    "controlFiles",
    "what is removed is not synced",
    ["tokenGone", "leaveKept", "joinKept", "receivesTheNext"],
    `        yield* files.remove(path.join(directory, name))
        yield* files.syncDirectory(directory)`,
    `        yield* files.remove(path.join(directory, name))`,
    AT_LEAVE
  )
]

const SEQUENCES: ReadonlyArray<CrashMutant> = [
  source(
    "durableFiles",
    "files are written in place",
    ["stateKept", "identityKept", "joinKept"],
    "const temporary = `${target}.tmp`",
    "const temporary = target"
  ),
  source(
    "slots",
    "a slot is replaced without moving the old one aside",
    ["noSlotDamaged"],
    "yield* renameStep(target, aside).pipe(Effect.catchIf(isMissing, () => Effect.void))",
    "yield* files.remove(target)"
  ),
  source(
    "slots",
    "a boot leaves half-done files where they are (E2)",
    ["bootsUnimpaired"],
    `/\\.(tmp|new|old)$/`,
    `/^nothing$/`
  ),
  source(
    "applyEngine",
    "a slot's record carries the etag of the other slot",
    ["digestBelongs"],
    `const record = { etag: input.etag, digest`,
    `const record = { etag: (yield* running.effective).boot.running.etag ?? input.etag, digest`
  ),
  source(
    "applyEngine",
    "the copy of the seed keeps the token",
    ["tokenGone"],
    `const stripped = Option.isSome(seed) ? withoutToken(seed.value) : Result.fail([])`,
    `const stripped = Option.isSome(seed) ? Result.succeed(seed.value) : Result.fail([])`
  ),
  source(
    "controlFiles",
    "a leave forgets its intent first",
    ["leaveKept"],
    `yield* identities.remove`,
    `yield* Effect.andThen(drop(d, LEAVE), identities.remove)`,
    AT_LEAVE
  ),
  source(
    "controlFiles",
    "a join leaves the other fleet's slots",
    ["joinKept", "noSlotDamaged", "digestBelongs"],
    `for (const name of ["a", "b", STATE`,
    `for (const name of [STATE`,
    AT_JOIN
  ),
  chart(
    "does not charge the start before plugins run",
    ["crashLoopNoticed", "receivesTheNext", "windowSpent"],
    AT_ROLLBACK
  ),
  chart("flips before the marker is written", ["armsAfterLoss"]),
  chart("promotes at the start", ["promotedByProof"]),
  chart("confirms from the old process", ["promotedByProof"]),
  chart("promotes the other slot", ["promotedByProof", "lkgByPromotionOnly"]),
  chart("rolls back without an intent first", ["rolledBackIsQuarantined", "armsAfterLoss"], AT_EXPIRY),
  chart("writes the slot that runs", ["slotsSpared"]),
  chart(
    "forgets the quarantine entry that a commit carried (E6)",
    ["quarantineSurvives", "rolledBackIsQuarantined"],
    AT_ROLLBACK
  ),
  chart("keeps running what is quarantined (E5)", ["activeNotQuarantined"], AT_ROLLBACK),
  chart("does not retire the seed", ["tokenGone"]),
  chart("arms a probation at every boot (E7)", ["armsAfterLoss"]),
  chart("forgets a probation after an unexplained start", ["bootsWhatIsProven", "receivesTheNext"])
]

export const CRASH_MUTANTS: ReadonlyArray<CrashMutant> = [...FSYNCS, ...SEQUENCES]
