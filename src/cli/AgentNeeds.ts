/** The Python packages that agent files need: found out, shown, installed. */
import { Effect, Path } from "effect"
import type { AgentFile, NeededImport } from "../agents/index.ts"
import type { InstallPlan } from "../domain/index.ts"
import { loadAgents } from "./AgentServices.ts"
import type { SourceFile } from "./AgentSource.ts"
import { plain } from "./Output.ts"

/** What one file needs. */
interface Need {
  readonly file: string
  /** Imports that are no well-known names: nothing is installed for them by itself. */
  readonly unlisted: ReadonlyArray<NeededImport>
  /** Why its imports could not be found out; null: they could. */
  readonly problem: string | null
  /** Null: nothing is wanted. */
  readonly plan: InstallPlan | null
}

/** Decides for each Python file; fails with the first one that the core lock does not allow. Installs nothing. */
export const needsOf = Effect.fnUntraced(function* (files: ReadonlyArray<SourceFile>, packages: ReadonlyArray<string>) {
  const { AgentPackages } = yield* loadAgents
  const service = yield* AgentPackages
  const agents = yield* asAgentFiles(files)
  const needs = yield* Effect.forEach(agents, (agent) =>
    Effect.gen(function* () {
      const { needed, problem } = yield* service.needs(agent).pipe(
        Effect.map((needed) => ({ needed, problem: null })),
        Effect.catchTag("ImportsUnknown", ({ message }) =>
          Effect.succeed({ needed: [] as ReadonlyArray<NeededImport>, problem: message })
        )
      )
      const wanted = [...needed.flatMap(({ distribution }) => distribution ?? []), ...packages]
      const need: Need = {
        file: agent.name,
        unlisted: needed.filter(({ distribution }) => distribution === null),
        problem,
        plan: wanted.length === 0 ? null : yield* service.plan(agent, wanted)
      }
      return need
    })
  )
  return needs.filter(({ plan, problem, unlisted }) => plan !== null || problem !== null || unlisted.length > 0)
})

/** As discovery sees them where they lie now. */
const asAgentFiles = Effect.fnUntraced(function* (files: ReadonlyArray<SourceFile>) {
  const path = yield* Path.Path
  const { findAgentFiles } = yield* loadAgents
  const found: Array<AgentFile> = []
  for (const folder of new Set(files.map((file) => path.dirname(file.path)))) {
    const { files: there } = yield* findAgentFiles(folder)
    found.push(...there.filter((agent) => files.some((file) => file.path === agent.path)))
  }
  return found.filter(({ language }) => language === "python")
})

/** Installs what was decided. */
export const installNeeds = Effect.fnUntraced(function* (needs: ReadonlyArray<Need>) {
  const { AgentPackages } = yield* loadAgents
  const service = yield* AgentPackages
  for (const { plan } of needs) if (plan !== null && plan.packages.length > 0) yield* service.install(plan)
})

/** For a person. */
export const linesOfNeed = ({ file, plan, problem, unlisted }: Need): ReadonlyArray<string> => [
  ...(problem === null ? [] : [`note    ${plain(problem)}`]),
  ...(plan?.packages ?? []).map(
    ({ name, requested, version }) =>
      `package ${plain(name)} ${plain(version)}  for ${plain(file)}${requested ? "" : ", needed by another one"}`
  ),
  ...unlisted.map(
    ({ name }) =>
      `note    ${plain(file)} imports ${plain(name)}, which is no well-known name and not installed: it may be misspelt. ` +
      "If it is right, name what brings it: --package NAME"
  )
]

/** For programs. */
export const viewOfNeed = ({ file, plan, problem, unlisted }: Need) => ({
  file,
  problem,
  unlisted: unlisted.map(({ name }) => name),
  added: (plan?.packages ?? []).map(({ name, requested, version }) => ({ name, version, requested }))
})
