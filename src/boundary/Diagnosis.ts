/** Why pip found no set of packages: found out by asking for each package alone and comparing versions ourselves. */
import { Effect, Option } from "effect"
import type { CoreConflict, InstallRequest, LockedDistribution } from "../domain/index.ts"
import { PipFailed, type PipSource, pipResolve, type ReportedPackage } from "./Pip.ts"
import { canonicalName } from "./PythonNames.ts"
import { isWanted, parsePythonRequirement, type PythonRequirement } from "./PythonRequirement.ts"
import type { PythonRuntime } from "./PythonRuntime.ts"
import { satisfies } from "./PythonSpecifier.ts"
import { parsePythonVersion } from "./PythonVersion.ts"

/** How deep packages that need packages are followed; deeper ones are pip's word alone. */
const MAX_ROUNDS = 12

/** One package asks for another. */
export interface Edge {
  /** `the plugin`, or `name version` of a package. */
  readonly asker: string
  /** The requirement of the plugin that it all began with. */
  readonly root: string
  readonly requirement: PythonRequirement
  readonly text: string
}

export interface Diagnosis {
  readonly conflicts: ReadonlyArray<CoreConflict>
  /** The core's version would do, and is neither there nor to be had. */
  readonly notOnIndex: ReadonlyArray<CoreConflict>
  /** Names and versions that the index does not have, as they were asked for. */
  readonly missing: ReadonlyArray<string>
}

type Locked = ReadonlyMap<string, LockedDistribution>

/** The conflict of an edge to a package of the core; none where the core's version will do. */
export const conflictOf = ({ asker, requirement }: Edge, locked: Locked): CoreConflict | undefined => {
  const core = locked.get(canonicalName(requirement.name))
  if (core === undefined) return undefined
  const version = parsePythonVersion(core.version)
  const fits = requirement.url === null && Option.isSome(version) && satisfies(version.value, requirement.specifier)
  return fits ? undefined : { name: core.name, has: core.version, wants: requirement.wants, asker }
}

/** What the plugin itself asks for there. */
export const rootEdges = (request: InstallRequest, environment: PythonRuntime["environment"]): ReadonlyArray<Edge> =>
  request.requirements.flatMap((text) =>
    Option.match(parsePythonRequirement(text), {
      onNone: () => [],
      onSome: (requirement) =>
        isWanted(requirement, environment)
          ? [{ asker: request.asker ?? "the plugin", root: text, requirement, text }]
          : []
    })
  )

const edgesOf = (found: ReportedPackage, from: Edge, environment: PythonRuntime["environment"]): ReadonlyArray<Edge> =>
  found.requires.flatMap((text) =>
    Option.match(parsePythonRequirement(text), {
      onNone: () => [],
      onSome: (requirement) =>
        isWanted(requirement, environment, from.requirement.extras)
          ? [{ asker: `${found.name} ${found.version}`, root: from.root, requirement, text }]
          : []
    })
  )

/**
 * Follows what is asked for from package to package. Packages of the core are never fetched, only compared, so that what
 * the index has of them does not matter. A package that could be had in an older, fitting version is not blamed: each
 * requirement that leads to a conflict is tried once more by itself.
 *
 * @ref LLP 0022#two-verdicts [implements]
 */
export const diagnose = Effect.fn("boundary.diagnose")(function* (
  source: PipSource,
  roots: ReadonlyArray<Edge>,
  locked: Locked,
  runtime: PythonRuntime,
  constraints: ReadonlyArray<string>
) {
  const installed = new Map(
    runtime.records.map(({ name, version }) => [canonicalName(name ?? ""), version ?? ""] as const)
  )
  const asked = new Set<string>()
  const toCore: Array<Edge> = []
  const missing = new Set<string>()
  let edges = roots
  for (let round = 0; round < MAX_ROUNDS && edges.length > 0; round++) {
    toCore.push(...edges.filter(({ requirement }) => locked.has(canonicalName(requirement.name))))
    const fresh = edges.filter(({ requirement, text }) => {
      const name = canonicalName(requirement.name)
      if (locked.has(name) || asked.has(text) || isInstalled(requirement, installed)) return false
      asked.add(text)
      return true
    })
    const found = yield* Effect.forEach(
      fresh,
      (edge) =>
        resolvable(source, { requirements: [edge.text.replace(/;.*$/s, "")], constraints: [], alone: true }).pipe(
          Effect.map((packages) => {
            if (packages === null) missing.add(`${edge.text} (for ${edge.asker})`)
            return (packages ?? []).flatMap((each) => edgesOf(each, edge, runtime.environment))
          })
        ),
      { concurrency: 2 }
    )
    edges = found.flat()
  }

  const conflicts: Array<CoreConflict> = []
  const cleared = new Map<string, boolean>()
  for (const edge of toCore) {
    const conflict = conflictOf(edge, locked)
    if (conflict === undefined) continue
    const isDirect = edge.text === edge.root
    const isCleared =
      !isDirect &&
      (cleared.get(edge.root) ?? (yield* resolvable(source, { requirements: [edge.root], constraints })) !== null)
    cleared.set(edge.root, isCleared)
    if (!isCleared) conflicts.push(conflict)
  }

  const notOnIndex: Array<CoreConflict> = []
  const looked = new Map<string, boolean>()
  for (const edge of toCore) {
    const name = canonicalName(edge.requirement.name)
    const core = locked.get(name)
    if (core === undefined || conflictOf(edge, locked) !== undefined || installed.get(name) === core.version) continue
    const pin = `${core.name}==${core.version}`
    const has =
      looked.get(pin) ?? (yield* resolvable(source, { requirements: [pin], constraints: [], alone: true })) !== null
    looked.set(pin, has)
    if (!has) notOnIndex.push({ name: core.name, has: core.version, wants: edge.requirement.wants, asker: edge.asker })
  }
  const diagnosis: Diagnosis = { conflicts: unique(conflicts), notOnIndex: unique(notOnIndex), missing: [...missing] }
  return diagnosis
})

/** What pip would install, or null when it finds nothing; any other failure of pip stays one. */
const resolvable = (source: PipSource, options: Parameters<typeof pipResolve>[1]) =>
  pipResolve(source, options).pipe(
    Effect.catchIf(
      (error): error is PipFailed => error instanceof PipFailed && error.unresolved,
      () => Effect.succeed(null)
    )
  )

const isInstalled = ({ name, specifier, url }: PythonRequirement, installed: ReadonlyMap<string, string>): boolean => {
  const version = Option.flatMap(Option.fromUndefinedOr(installed.get(canonicalName(name))), parsePythonVersion)
  return url === null && Option.isSome(version) && satisfies(version.value, specifier)
}

const unique = (conflicts: ReadonlyArray<CoreConflict>): ReadonlyArray<CoreConflict> => [
  ...new Map(conflicts.map((each) => [`${each.asker}\0${each.name}\0${each.wants}`, each])).values()
]
