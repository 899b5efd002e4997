/** A volume that only one process and what it starts sees, of a size: what happens when it is full. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { filesBesideLog } from "../../src/runs/index.ts"
import { hindrance, type PodRun } from "./PodRun.ts"

/** A mount that nobody else sees, for a process and what it starts. */
export const namespace = ["unshare", "--mount", "--user", "--map-root-user"]

/** Why tests with such a volume are skipped. */
export const noMounts = (() => {
  const found = hindrance("unshare", "tests of full and read-only volumes")
  if (found !== null) return found
  const tried = spawnSync(namespace[0] ?? "", [...namespace.slice(1), "mount", "-t", "tmpfs", "none", "/mnt"])
  if (tried.status === 0) return null
  const said = `this system lets nobody mount a tmpfs of his own (${tried.stderr.toString().trim()})`
  console.log(`skipped: tests of full and read-only volumes: ${said}`)
  return said
})()

/** Runs in a namespace with a volume of its own and copies that out at the end. */
export const onTmpfs = (size: string, before = "", after = "") => ({
  within: (run: PodRun) => {
    const volume = run.paths.directory
    return [
      ...namespace,
      "/bin/sh",
      "-c",
      `PATH='${process.env["PATH"]}'
      mount -t tmpfs -o size=${size} none '${volume}' || exit 99
      : > '${run.paths.log}'; printf %512s '' > '${run.paths.recordTmp}'
      ${before}
      PATH="$AGENT_PATH" "$@"
      status=$?
      ${after}
      cp -r '${volume}' '${run.root}/taken'
      exit $status`,
      "sh"
    ]
  }
})

/** What such a volume held. */
export const taken = (run: PodRun) => filesBesideLog(join(run.root, "taken", "run-1.pod.ndjson"))
