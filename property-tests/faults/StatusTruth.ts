/** What the machine says of itself, held against what a power cut at this moment would leave. */
import type { AnyMachineSnapshot } from "xstate"
import type { ConfigApplyContext } from "../../machines/ConfigApplySetup.ts"
import { remoteConfigOf } from "../../src/config/index.ts"
import type { Disk, Ino, Inode } from "../crash/Disk.ts"
import { ROOT } from "../crash/Disk.ts"
import { CONTROL } from "../crash/Services.ts"

/** A claim of the machine that the disk does not bear out. */
export class Untrue extends Error {}

/** The file's bytes on the disk if everything that was not synced is lost; null: no such file then. */
const durableBytes = (disk: Disk, path: string): Uint8Array | null => {
  let ino: Ino | undefined = ROOT
  for (const name of path.split("/").filter((part) => part !== "")) {
    const inode: Inode | undefined = ino === undefined ? undefined : disk.inodes.get(ino)
    ino = inode?.kind === "directory" ? inode.durable.get(name) : undefined
  }
  const inode = ino === undefined ? undefined : disk.inodes.get(ino)
  return inode?.kind === "file" ? inode.durable : null
}

const durableText = (disk: Disk, path: string): string => Buffer.from(durableBytes(disk, path) ?? []).toString("utf8")

/** What the status shows is on the disk to stay, unless it names a problem of the storage. */
export const tellsTheTruth = (snapshot: AnyMachineSnapshot, disk: Disk): void => {
  const context = snapshot.context as ConfigApplyContext
  if (!snapshot.hasTag("settled") || snapshot.hasTag("boot") || context.impaired !== null) return
  const remote = remoteConfigOf({ ...context, partLeftMs: 0, promotedAt: { a: null, b: null } })
  const good = remote?.last_known_good
  if (good?.etag != null) {
    const slot = `${CONTROL}/${good.slot}`
    const isThere = durableBytes(disk, `${slot}/promoted`) !== null
    const isIts = durableText(disk, `${slot}/record.json`).includes(JSON.stringify(good.etag))
    if (!isThere || !isIts)
      throw new Untrue(`status names ${good.etag} as last-known-good, and a power cut undoes that`)
  }
  if (context.storageProblem !== null || context.unwritten || snapshot.matches("closed")) return
  const state = durableText(disk, `${CONTROL}/state.json`)
  for (const { etag } of remote?.quarantine ?? []) {
    if (!state.includes(JSON.stringify(etag)))
      throw new Untrue(`status quarantines ${etag}, and a power cut undoes that`)
  }
  const probation = remote?.probation?.etag
  if (probation !== undefined && !state.includes(`"marker":{"etag":${JSON.stringify(probation)}`)) {
    throw new Untrue(`status shows ${probation} on probation, and a power cut undoes that`)
  }
}
