/** How tasks end: what disk, network and plugins answer, honestly or as a history wants it. */
import type { PollAnswer, PollAnswerKind, TaskFailure } from "../../machines/index.ts"
import { isWrite, outputOn } from "./DiskModel.ts"
import { behaviourOf, handleOf, MAIN_URL, NEXT_GOOD, OTHER_URL } from "./Revisions.ts"
import type { RunningTask, World } from "./World.ts"

/** How a task ends: as it should, before or after its effect, or with an answer that history chose. */
export type Outcome =
  | "ok"
  | "failsBefore"
  | "failsAfter"
  | "refused"
  | { readonly answer: PollAnswerKind; readonly retryAfterSeconds?: number }

/** What the machine learns of a task that failed. */
export const failureOf = (task: RunningTask, outcome: Outcome): TaskFailure => {
  const certainlyNot = task.src === "flip" && outcome === "failsBefore" && task.landed === null
  const tag = outcome === "refused" ? "CredentialRefused" : certainlyNot ? "NotFlipped" : "StorageError"
  return { _tag: tag, message: `${task.src} failed`, retryable: true }
}

/** Whether a task's counterpart is there at all: the disk takes writes, the network has the host. */
export const reaches = (world: World, task: RunningTask): boolean => {
  if (isWrite(task.src)) return world.disk.readOnly === null
  if (task.src === "bootstrap") return world.process.url === MAIN_URL && world.disk.seed
  if (task.src === "refresh") return world.process.url === MAIN_URL || world.process.url === OTHER_URL
  return true
}

/** A day: long enough that no history waits for it. */
const REFRESH_IN_MS = 86_400_000

/** What a task answers when it succeeds; its effect has happened. */
export const outputOf = (world: World, task: RunningTask): unknown => {
  const url = world.process.url
  switch (task.src) {
    case "loadIdentity": {
      const known = url !== null && (world.disk.identities.includes(url) || url === OTHER_URL)
      const token = world.disk.seed && url === MAIN_URL
      return { kind: known ? "ready" : "none", refreshInMs: REFRESH_IN_MS, token, jitter: 0 }
    }
    case "bootstrap":
    case "refresh":
      return { refreshInMs: REFRESH_IN_MS, expiryUnknown: false, jitter: 0 }
    case "loadPlugins":
      return { problems: [] }
    case "sendReport":
      return { supported: true }
    default:
      return outputOn(world.disk, task.src, task.input, world.now, world.windows)
  }
}

/** Plugin code runs: some revisions end the process, or the system, before their plugins have settled. */
export const crashOf = (world: World, task: RunningTask): "killed" | "rebooted" | null => {
  const etag = world.process.boot?.running.etag
  if (task.src !== "loadPlugins" || etag == null) return null
  if ((task.input as { readonly bundledOnly: boolean }).bundledOnly) return null
  const behaviour = behaviourOf(etag)
  if (behaviour === "P") return "rebooted"
  return behaviour === "X" || behaviour === "W" ? "killed" : null
}

/** What the central of the running document answers, or what history wants it to answer. */
export const answerOf = (world: World, outcome: Outcome): PollAnswer => {
  const running = world.process.boot?.running
  const url = world.process.url
  // The other central has the next good revision too: a machine that has moved there is in good hands.
  const served = url === OTHER_URL && world.serving !== NEXT_GOOD ? "W1" : world.serving
  const honest: PollAnswerKind =
    url !== MAIN_URL && url !== OTHER_URL
      ? "network_error"
      : served === ""
        ? "not_found"
        : served === running?.etag
          ? "unchanged"
          : "good"
  const chosen = typeof outcome === "object" ? outcome : undefined
  // No history can make a central confirm what it does not serve, or a host answer that is not there.
  const lies = chosen === undefined || chosen.answer === "unchanged" || chosen.answer === "good"
  const kind = lies || honest === "network_error" ? honest : chosen.answer
  return {
    kind,
    etag: kind === "good" ? served : "",
    offer: kind === "good" ? handleOf(served) : 0,
    retryAfterSeconds: chosen?.retryAfterSeconds ?? 0,
    message: kind,
    wall: world.now.wall,
    jitter: 0
  }
}
