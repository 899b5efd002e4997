/**
 * What a person would expect of a machine whose files rotted, worked out from the disk alone: no reader, schema or digest
 * of the product is asked.
 */
import type { Disk } from "../crash/Disk.ts"
import { quarantined, seen, slotOf } from "../crash/Oracle.ts"
import { CONTROL, HOME } from "../crash/Services.ts"
import { type Base, textOf } from "./Bases.ts"
import { ACTIVE, type Damage } from "./Damage.ts"
import type { Survival } from "./Survival.ts"

/** A sentence that a survival breaks; null: it keeps them all. */
export type Verdict = string | null

/** Kinds of diagnostics that say that something is lost. */
export const LOSS_KINDS: ReadonlySet<string> = new Set([
  "state_lost",
  "rolled_back",
  "refuge_lost",
  "promotion_lost",
  "rollback_no_target",
  "rescue",
  "central_forgotten",
  "join_lost",
  "seed_lost",
  "trust_lost",
  "identity_lost",
  "credential_dead",
  "local_layer_unusable"
])

/** What the status says; a rollback for rot counts by its reason. */
export const saidBy = ({ booted, dead }: Survival): ReadonlySet<string> => {
  const kinds = [...booted.diagnostics, ...(dead?.diagnostics ?? [])].map(({ kind }) => kind)
  const rot = booted.remote_config?.last_rollback?.reason === "slot_corrupt" && kinds.includes("rolled_back")
  return new Set([...kinds.filter((kind) => kind !== "rolled_back"), ...(rot ? ["slot_corrupt"] : [])])
}

/** The members of a JSON object; null: it is none. */
const membersOf = (text: string): ReadonlyArray<readonly [string, string]> | null => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== "object" || value === null) return null
    return Object.entries(value).map(([key, member]) => [key, JSON.stringify(member)])
  } catch {
    return null
  }
}

/** Without a digest that it begins with, if that one's name is not what it was: a changed digest is one of another file. */
const saysTheSame = (before: string, after: string): boolean => {
  const [was, is] = [membersOf(before), membersOf(after)]
  if (was === null || is === null) return false
  const isRenamed = SEALS.has(was[0]?.[0] ?? "") && is[0]?.[0] !== was[0]?.[0]
  return JSON.stringify(isRenamed ? was.slice(1) : was) === JSON.stringify(isRenamed ? is.slice(1) : is)
}

const SEALS: ReadonlySet<string> = new Set(["digest", "seal"])

const BY_PRESENCE = /\/(promoted|leave\.json)$/

/** Its content is gone: what is there now does not mean what was there. */
const isLost = (disk: Disk, { how, inode, path }: Damage): boolean => {
  if (how === "removed") return true
  if (BY_PRESENCE.test(path)) return false
  if (inode?.kind !== "file" || path === ACTIVE) return true
  const [before, after] = [textOf(disk, path), Buffer.from(inode.content).toString("utf8")]
  if (path.endsWith("/document.json")) return before !== after
  return !saysTheSame(before, after)
}

/** One damaged machine. */
export const judge = (base: Base, damages: ReadonlyArray<Damage>, survival: Survival): Verdict => {
  const said = saidBy(survival)
  const before = seen(base.disk)
  const there = new Set(before.paths)
  const lostPaths = new Map(
    damages.filter((damage) => isLost(base.disk, damage)).map((damage) => [damage.path, damage.how])
  )
  const lost = (path: string): boolean => lostPaths.has(path)
  const twin = (path: string) => [path, path.replace(/\.json$/, ".bak.json")] as const
  /** Both were there, and neither means what it meant. */
  const gone = (path: string): boolean => twin(path).every((each) => there.has(each) && lost(each))
  const isSeen = (path: string): boolean => twin(path).some((each) => (lostPaths.get(each) ?? "removed") !== "removed")
  const [join, seed, state] = ["join.json", "seed.json", "state.json"].map((name) => `${CONTROL}/${name}`) as [
    string,
    string,
    string
  ]
  const [identity, trust] = ["identity.json", "trust.json"].map((name) => `${HOME}/state/${name}`) as [string, string]

  const missing: Array<string> = []
  const must = (...kinds: ReadonlyArray<string>): void => {
    if (!kinds.some((kind) => said.has(kind))) missing.push(kinds.join(" or "))
  }
  const ends = (expected: Survival["end"]): Verdict =>
    missing.length > 0
      ? `does not say ${missing.join(", ")}; it says ${[...said].join(", ") || "nothing"}`
      : survival.end === expected
        ? null
        : `ends ${survival.end} instead of ${expected}`
  const helps = (): boolean =>
    [...survival.booted.diagnostics, ...(survival.dead?.diagnostics ?? [])].some(({ repair }) =>
      repair.some((line) => /holdfast join (https:|URL)/.test(line))
    )

  if (before.leave && !lost(`${CONTROL}/leave.json`)) return ends("left")
  if (there.has(join)) {
    if (!gone(join)) {
      if (gone(identity) && isSeen(identity)) must("identity_lost")
      return survival.url === base.url ? ends("promoted") : `the join is not carried out: ${survival.url}`
    }
    if (isSeen(join)) must("join_lost")
    // Of a joining intent that vanished without a trace nobody can know.
    if (before.active === "absent")
      return isSeen(join) && !helps() ? "says no command that helps" : ends(isSeen(join) ? "unjoined" : "left")
  }
  if (
    lost(`${HOME}/config.json`) &&
    membersOf(damagedText(damages, `${HOME}/config.json`)) === null &&
    lostPaths.get(`${HOME}/config.json`) !== "removed"
  ) {
    must("local_layer_unusable")
  }
  if (gone(trust)) must("trust_lost")

  const hasSeed = there.has(seed) && !gone(seed)
  const isActive = before.active !== "absent"
  const linkHow = lostPaths.get(ACTIVE)
  if (lost(state) && (lostPaths.get(state) !== "removed" || (isActive && linkHow !== "removed"))) must("state_lost")
  if (gone(seed) && (isSeen(seed) || !isActive)) must("seed_lost", "rescue", "central_forgotten")

  if (isActive) {
    const active = before.active as "a" | "b"
    const other = active === "a" ? "b" : "a"
    const isBroken = (slot: "a" | "b") =>
      lost(`${CONTROL}/${slot}/document.json`) || lost(`${CONTROL}/${slot}/record.json`)
    const forgot = (slot: "a" | "b") => lost(`${CONTROL}/${slot}/promoted`)
    const isBad = quarantined(before, slotOf(before, other)?.etag ?? null) !== undefined
    const proven = (slot: "a" | "b") => {
      const found = slotOf(before, slot)
      return !isBroken(slot) && ((found?.promoted === true && !forgot(slot)) || found?.etag === null)
    }
    if (linkHow === "removed") {
      if (!hasSeed) must("rescue")
    } else if (linkHow !== undefined || isBroken(active)) {
      must("slot_corrupt")
      const refuge = linkHow === undefined ? proven(other) && (!isBad || lost(state)) : proven(active) || proven(other)
      if (!refuge && !hasSeed) must("rescue")
    } else {
      if (forgot(active) && !lost(state)) must("promotion_lost", "rollback_no_target")
      if ((isBroken(other) || forgot(other)) && !isBad) must("refuge_lost")
    }
  }

  if (!gone(identity)) return ends("promoted")
  if (hasSeed) {
    if (isSeen(identity)) must("identity_lost")
    return ends("promoted")
  }
  must("credential_dead")
  return helps() ? ends("credentialDead") : "says no command that helps"
}

const damagedText = (damages: ReadonlyArray<Damage>, path: string): string => {
  const inode = damages.find((damage) => damage.path === path)?.inode
  return inode?.kind === "file" ? Buffer.from(inode.content).toString("utf8") : ""
}
