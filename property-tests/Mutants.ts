/**
 * Small wrong changes to real source files, loaded beside the real ones: a property that kills none asserts nothing.
 *
 * A mutant is a copy of one module with one piece of text replaced; everything that it imports is the real thing.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"

const ROOT = resolve(import.meta.dirname, "..")
const DIRECTORY = join(ROOT, "property-tests", `.mutants-${process.pid}`)

let count = 0

/** Loads a module with `search` (which must occur exactly once) replaced. `path` is relative to the clone. */
export const loadMutant = async <Module>(path: string, search: string, replacement: string): Promise<Module> =>
  (await import(await writeMutant(path, search, replacement))) as Module

/** The same, not loaded: the path of the copy, for another mutant to import in the place of the real module. */
export const writeMutant = async (path: string, search: string, replacement: string): Promise<string> => {
  const file = join(ROOT, path)
  const source = await readFile(file, "utf8")
  const occurrences = source.split(search).length - 1
  if (occurrences !== 1)
    throw new Error(`a mutant of ${path} replaces text that occurs ${occurrences} times: ${search}`)
  const mutated = source
    .replace(search, () => replacement)
    .replaceAll(/from "(\.\.?\/[^"]+)"/g, (_, specifier: string) => `from "${resolve(dirname(file), specifier)}"`)
  await mkdir(DIRECTORY, { recursive: true })
  const copy = join(DIRECTORY, `Mutant${++count}.ts`)
  await writeFile(copy, mutated)
  return copy
}

/** Removes the copies; for `afterAll`. */
export const removeMutants = (): Promise<void> => rm(DIRECTORY, { recursive: true, force: true })
