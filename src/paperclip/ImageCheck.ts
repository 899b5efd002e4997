/** Whether an image has what runs need: asked by a short run of it, which proves the volume at the same time. */
import { podCommandTools } from "../runs/index.ts"

/** Exit code of an image that has the tools and not the agent's program. */
const NO_PROGRAM = 64
/** What is written to the volume, and read on this side. */
export const PROOF = "holdfast: the image can be used"

/**
 * One bit of the exit code for each tool that is missing: without them no output can be relied on. `$1` is the agent's
 * program.
 */
export const checkScript = [
  "m=0 b=1",
  `for t in ${podCommandTools.join(" ")}; do command -v "$t" >/dev/null || m=$((m + b)); b=$((b * 2)); done`,
  'dd if=/dev/null of="$TMPDIR/holdfast-check" conv=fsync,notrunc 2>/dev/null || m=$((m | 1))',
  '[ "$m" -eq 0 ] || exit "$m"',
  `command -v "$1" >/dev/null || exit ${NO_PROGRAM}`,
  `echo "${PROOF}"`
].join("\n")

/** What is missing by the exit code; nothing for a code that the script does not have. */
export const missingOf = (exitCode: number, program: string): ReadonlyArray<string> => {
  if (exitCode === NO_PROGRAM) return [program]
  if (exitCode < 1 || exitCode > NO_PROGRAM) return []
  return podCommandTools.filter((_, index) => (exitCode & (1 << index)) !== 0)
}
