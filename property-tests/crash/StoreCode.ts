/**
 * The store of plugins, for lives that nothing may keep waiting.
 *
 * A life runs each step to its end at once, and the store waits for the module of artifacts the first time that it needs
 * it. So lives run a copy of the store in which that one line imports the module beforehand; the rest is what is shipped.
 */
import { join, relative, resolve } from "node:path"
import type { PluginStore } from "../../src/plugins/index.ts"
import { writeMutant } from "../Mutants.ts"

const ROOT = resolve(import.meta.dirname, "../..")
const STORE = "src/plugins/PluginStore.ts"
const ARTIFACT = "src/plugins/Artifact.ts"
const LAZY = `const artifacts = Effect.promise(() => import("./Artifact.ts"))`

/** One piece of text of one of the two modules, and what takes its place. */
export interface StoreChange {
  readonly part: "store" | "artifact"
  readonly find: string
  readonly replacement: string
}

/** The store, with a change for a mutant. The copies are removed by `removeMutants`. */
export const loadStore = async (change?: StoreChange): Promise<typeof PluginStore.layer> => {
  const artifact =
    change?.part === "artifact" ? await writeMutant(ARTIFACT, change.find, change.replacement) : join(ROOT, ARTIFACT)
  const eager = `import * as artifactModule from "${artifact}"\n\nconst artifacts = Effect.succeed(artifactModule)`
  const copy = await writeMutant(STORE, LAZY, eager)
  const changed =
    change?.part === "store" ? await writeMutant(relative(ROOT, copy), change.find, change.replacement) : copy
  const module = (await import(changed)) as { readonly PluginStore: typeof PluginStore }
  return module.PluginStore.layer
}
