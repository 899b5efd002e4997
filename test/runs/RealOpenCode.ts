/** The real OpenCode, installed by npm into a scratch directory of its own: it is no dependency of this package. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

/** The version that is tried. */
export const OPEN_CODE_VERSION = "1.18.33"

const folder = join(tmpdir(), `holdfast-opencode-${OPEN_CODE_VERSION}`)
const program = join(folder, "node_modules", ".bin", "opencode")

/** The folder with the program `opencode`, or why there is none. Kept between runs. */
export const installOpenCode = (): { readonly bin: string } | { readonly missing: string } => {
  if (existsSync(program)) return { bin: dirname(program) }
  const partial = `${folder}.${process.pid}`
  mkdirSync(partial, { recursive: true })
  writeFileSync(join(partial, "package.json"), '{"private":true}')
  const npm = spawnSync("npm", ["install", "--no-audit", "--no-fund", `opencode-ai@${OPEN_CODE_VERSION}`], {
    cwd: partial,
    encoding: "utf8",
    timeout: 240_000
  })
  if (npm.status !== 0) {
    rmSync(partial, { recursive: true, force: true })
    return {
      missing: `npm could not install opencode-ai@${OPEN_CODE_VERSION}: ${npm.stderr.trim().split("\n").at(-1)}`
    }
  }
  rmSync(folder, { recursive: true, force: true })
  renameSync(partial, folder)
  return { bin: dirname(program) }
}
