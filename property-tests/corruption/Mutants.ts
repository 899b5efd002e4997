/** Small wrong changes to what reads the files, and the disks on which each is hunted. */
import type { ControlFiles } from "../../src/config/index.ts"
import type { DurableFiles, IdentityStore, Slots } from "../../src/storage/index.ts"
import { loadMutant, writeMutant } from "../Mutants.ts"
import { type Engine, REAL } from "../crash/Services.ts"

interface ControlFilesModule {
  readonly ControlFiles: typeof ControlFiles
}
interface DurableFilesModule {
  readonly DurableFiles: typeof DurableFiles
}
interface IdentityStoreModule {
  readonly IdentityStore: typeof IdentityStore
}
interface SlotsModule {
  readonly Slots: typeof Slots
}

export interface CorruptionMutant {
  readonly name: string
  /** The base that it is hunted on, and the files there. */
  readonly base: string
  readonly files: RegExp
  readonly engine: () => Promise<Engine>
}

const CONTROL = "src/config/ControlFiles.ts"
const SLOTS = "src/storage/Slots.ts"
const TWIN = "src/storage/TwinFile.ts"

const control = async (search: string, replacement: string): Promise<Engine> => {
  const { ControlFiles } = await loadMutant<ControlFilesModule>(CONTROL, search, replacement)
  return { ...REAL, controlFiles: ControlFiles.layer }
}

const slots = async (search: string, replacement: string): Promise<Engine> => {
  const { Slots } = await loadMutant<SlotsModule>(SLOTS, search, replacement)
  return { ...REAL, slots: Slots.layer }
}

/** A changed TwinFile, in both modules that use it. */
const twins = async (search: string, replacement: string): Promise<Engine> => {
  const copy = JSON.stringify(await writeMutant(TWIN, search, replacement))
  const { IdentityStore } = await loadMutant<IdentityStoreModule>(
    "src/storage/IdentityStore.ts",
    '"./TwinFile.ts"',
    copy
  )
  const { ControlFiles } = await loadMutant<ControlFilesModule>(
    CONTROL,
    "import {\n  DurableFiles,\n  IdentityStore,\n  isDamage,\n  makeTwinFile,",
    `import { makeTwinFile } from ${copy}\nimport {\n  DurableFiles,\n  IdentityStore,\n  isDamage,`
  )
  return { ...REAL, identityStore: IdentityStore.layer, controlFiles: ControlFiles.layer }
}

export const MUTANTS: ReadonlyArray<CorruptionMutant> = [
  {
    name: "the digest of a file with a copy is not looked at",
    base: "first revision promoted",
    files: /identity\.json$/,
    engine: () => twins("Option.flatMap(yield* unsealed(text), decode)", "decode(text)")
  },
  {
    name: "the copy is never asked",
    base: "asked to join",
    files: /join\.json$/,
    engine: () => twins("const copy = yield* readTwice(names[1])", "const copy = yield* readTwice(names[0])")
  },
  {
    name: "a directory in a file's place is a failure, not damage",
    base: "first revision promoted",
    files: /identity\.bak\.json$/,
    engine: () => twins("Effect.catchIf(isDamage, () => Effect.succeedSome(new Uint8Array(0)))", "(same) => same")
  },
  {
    name: "a state.json that cannot be understood is an empty one",
    base: "second revision rolled back",
    files: /state\.json$/,
    engine: () =>
      control(
        'Option.getOrElse(state, () => "unreadable" as const)',
        "Option.getOrElse(state, () => ({ version: 1, quarantine: [] }) as const)"
      )
  },
  {
    name: "the digest of state.json is not looked at",
    base: "second revision rolled back",
    files: /state\.json$/,
    engine: () =>
      control(
        "yield* unsealed(new TextDecoder().decode(bytes.value))",
        "Option.some(new TextDecoder().decode(bytes.value))"
      )
  },
  {
    name: "the digest of record.json is not looked at",
    base: "second revision promoted",
    files: /record\.json$/,
    engine: () => slots("Effect.flatMap((text) => unsealed(text, SEAL)),\n    Effect.flatMap(Effect.fromOption),", "")
  },
  {
    name: "the digest of document.json is not looked at",
    base: "second revision promoted",
    files: /document\.json$/,
    engine: () => slots("record.digest === digest", "digest.length > 0")
  },
  {
    name: "a directory is never replaced by the file that belongs there",
    base: "first revision promoted",
    files: /identity\.bak\.json$/,
    engine: async () => {
      const { DurableFiles } = await loadMutant<DurableFilesModule>(
        "src/storage/DurableFiles.ts",
        '(error) => error.code === "EISDIR",',
        "() => false,"
      )
      return { ...REAL, durableFiles: DurableFiles.layer }
    }
  }
]
