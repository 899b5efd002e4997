/** Programs of other packages that tests of the service need; without one they are skipped by name, under CI they fail. */
import { spawnSync } from "node:child_process"

/** Why `tests` cannot run; null when they can. */
export const missing = (program: string, source: string, tests: string): string | null => {
  if (spawnSync(program, ["--version"]).error === undefined) return null
  const said = `${program} is missing (Debian's ${source})`
  if (process.env["CI"] !== undefined) throw new Error(said)
  console.log(`skipped: ${tests}: ${said}`)
  return said
}
