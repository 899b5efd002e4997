import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** Sources by path from the top of the clone, with forward slashes: what every checker of the house reads. */
export type Tree = Readonly<Record<string, string>>

/** The top of the clone. */
export const top = fileURLToPath(new URL("../../", import.meta.url))

/** What `.gitignore` names, and git's own folder. */
const ignored = new Set([".git", "node_modules", "dist", "coverage", ".holdfast-demo"])

/** Every file of the clone that git would track and that is text (holds no NUL byte). */
export const readTree = (): Tree => {
  const tree: Record<string, string> = {}
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(top, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`
      if (ignored.has(entry.name) || /^\.mutants-|\.tsbuildinfo$/.test(entry.name)) continue
      if (entry.isDirectory()) walk(path)
      else if (entry.isFile()) {
        const source = readFileSync(join(top, path), "utf8")
        if (!source.includes("\0")) tree[path] = source
      }
    }
  }
  walk("")
  return tree
}

/** The part of a tree whose paths pass. */
export const pick = (tree: Tree, wanted: (path: string) => boolean): Tree =>
  Object.fromEntries(Object.entries(tree).filter(([path]) => wanted(path)))

/** Is it TypeScript of ours: program, machines, tests (not their fixtures) or property tests? */
export const isOurs = (path: string): boolean =>
  /^(src|machines|test|property-tests)\/.*\.ts$/.test(path) && !path.startsWith("test/fixtures/")

/** Lines of a file, not counting the end of the last one. */
export const countLines = (source: string): number => source.replace(/\n$/, "").split("\n").length

/** The line, from 1, that an offset lies in. */
export const lineAt = (source: string, offset: number): number => source.slice(0, offset).split("\n").length
