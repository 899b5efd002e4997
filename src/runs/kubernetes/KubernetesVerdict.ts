/**
 * What the objects of a cluster say of a run's work: under way, ended, or gone. Pure, and never a guess.
 *
 * The end-of-stream record on the volume comes before all of this; whoever asks has looked there.
 *
 * @ref LLP 0020#verdict [implements]: termination message, terminated state, Job condition
 */
import { Option, Schema } from "effect"
import type { WorkEnd } from "../../../machines/index.ts"
import { EndRecordJson } from "../../domain/index.ts"
import { AGENT_CONTAINER } from "./JobSpec.ts"
import { isHopeless, reasoned } from "./KubernetesErrors.ts"
import type { ContainerStatus, JobSeen, PodSeen } from "./KubernetesObjects.ts"

/** What is known of one run on the cluster. */
export interface Sight {
  readonly job: JobSeen | null
  /** The last that was seen of each pod, also of those that are gone. */
  readonly pods: ReadonlyArray<{ readonly pod: PodSeen; readonly gone: boolean }>
}

export type Look =
  | { readonly _tag: "Running" }
  /** Nothing runs yet, for this reason. */
  | { readonly _tag: "Waiting"; readonly problem: string }
  | { readonly _tag: "Ended"; readonly end: WorkEnd }
  /** That is the end, unless something better is heard of it soon. */
  | { readonly _tag: "Ending"; readonly end: WorkEnd; readonly patience: "condition" | "pod" }
  /** There is nothing of it: whoever sees only that asks once more. */
  | { readonly _tag: "Absent" }

type Condition = { readonly type: string; readonly status: string; readonly reason?: string; readonly message?: string }
type Terminated = NonNullable<NonNullable<ContainerStatus["state"]>["terminated"]>

const conditionOf = (job: JobSeen | null, types: ReadonlyArray<string>): Condition | undefined =>
  job?.status?.conditions?.find(({ status, type }) => status === "True" && types.includes(type)) as
    | Condition
    | undefined

const asRecord = Schema.decodeUnknownOption(EndRecordJson)

const failed = (message: string): Look => ({ _tag: "Ended", end: { kind: "failed", message } })

/** A container that ended. Some reasons of a cluster come with an exit status that no process ever had. */
const endOfContainer = ({ exitCode, message, reason, signal }: Terminated): WorkEnd => {
  const record = asRecord(message ?? "")
  if (Option.isSome(record)) {
    return { kind: "exited", end: { exitCode: record.value.exit_code, signal: record.value.signal } }
  }
  switch (reason) {
    case "ContainerStatusUnknown":
      return { kind: "gone", message: `its node lost sight of the container: ${reasoned(undefined, message)}` }
    case "OOMKilled":
      return {
        kind: "failed",
        message: `the container needed more memory than its limit and was killed (OOMKilled, exit code ${exitCode}): raise resources.limits.memory`
      }
    case "StartError":
    case "ContainerCannotRun":
      return { kind: "failed", message: `the container could not be started: ${reasoned(reason, message)}` }
    default: {
      const by = signal === undefined || signal === 0 ? null : signal
      return { kind: "exited", end: { exitCode, signal: by ?? (exitCode > 128 ? exitCode - 128 : null) } }
    }
  }
}

const isDeadline = (condition: Condition | undefined): boolean => condition?.reason === "DeadlineExceeded"

/** The Job's own end is known: what it means once its pods have said what they can. */
const endOfJob = (job: JobSeen | null): WorkEnd | undefined => {
  const over = conditionOf(job, ["Failed", "FailureTarget"])
  if (over !== undefined) {
    return isDeadline(over)
      ? { kind: "deadline" }
      : { kind: "failed", message: `the Job failed: ${reasoned(over.reason, over.message)}` }
  }
  return conditionOf(job, ["Complete"]) === undefined
    ? undefined
    : { kind: "exited", end: { exitCode: 0, signal: null } }
}

const terminatedOf = (statuses: ReadonlyArray<ContainerStatus> | undefined, name: string): Terminated | undefined =>
  statuses?.find((status) => status.name === name)?.state?.terminated

/** What one pod says, or nothing while it is only there. */
const lookAtPod = (job: JobSeen | null, pod: PodSeen, limited: boolean): Look | undefined => {
  const { containerStatuses, initContainerStatuses, message, phase, reason } = pod.status ?? {}
  const terminated = terminatedOf(containerStatuses, AGENT_CONTAINER)
  if (terminated !== undefined) {
    const end = endOfContainer(terminated)
    if (isDeadline(conditionOf(job, ["Failed", "FailureTarget"]))) return { _tag: "Ended", end: { kind: "deadline" } }
    if (reason === "Evicted" && asRecord(terminated.message ?? "")._tag === "None") {
      return failed(`the pod was evicted: ${reasoned(reason, message)}`)
    }
    // Whether it was the deadline that ended the agent, only the Job says, and a moment later.
    const mayBeDeadline = limited && job !== null && endOfJob(job) === undefined
    return mayBeDeadline && end.kind === "exited" && end.end.exitCode !== 0
      ? { _tag: "Ending", end, patience: "condition" }
      : { _tag: "Ended", end }
  }
  if (reason === "Evicted") return failed(`the pod was evicted: ${reasoned(reason, message)}`)
  const broken = initContainerStatuses?.find(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0)?.state?.terminated
  if (broken !== undefined) {
    return failed(
      `the prompt could not be put in place (exit code ${broken.exitCode}): ${reasoned(broken.reason, broken.message)}`
    )
  }
  const waiting = [...(initContainerStatuses ?? []), ...(containerStatuses ?? [])]
    .map(({ state }) => state?.waiting)
    .find((state) => state?.reason !== undefined && isHopeless(state.reason))
  if (waiting !== undefined)
    return failed(`the container cannot be started: ${reasoned(waiting.reason, waiting.message)}`)
  if (phase === "Failed") return failed(`the pod failed: ${reasoned(reason, message)}`)
  return undefined
}

const waitingFor = (pod: PodSeen): string => {
  const { conditions, containerStatuses, initContainerStatuses } = pod.status ?? {}
  const unscheduled = conditions?.find(({ status, type }) => type === "PodScheduled" && status === "False")
  if (unscheduled !== undefined) return reasoned(unscheduled.reason, unscheduled.message)
  const waiting = [...(initContainerStatuses ?? []), ...(containerStatuses ?? [])].find(
    ({ state }) => state?.waiting !== undefined
  )?.state?.waiting
  return waiting === undefined ? "its pod is being prepared" : reasoned(waiting.reason, waiting.message)
}

/** `limited`: the Job has a deadline of its own. */
export const lookAt = ({ job, pods }: Sight, limited: boolean): Look => {
  const looks = pods.map(({ pod }) => lookAtPod(job, pod, limited)).filter((look) => look !== undefined)
  const said = looks.find(({ _tag }) => _tag === "Ended") ?? looks[0]
  if (said !== undefined) return said
  const alive = pods.find(({ gone }) => !gone)?.pod
  const over = endOfJob(job)
  if (over !== undefined) {
    return alive === undefined ? { _tag: "Ended", end: over } : { _tag: "Ending", end: over, patience: "pod" }
  }
  if (alive === undefined) {
    return job === null ? { _tag: "Absent" } : { _tag: "Waiting", problem: "the Job has no pod yet" }
  }
  return alive.status?.phase === "Pending" || alive.status?.phase === undefined
    ? { _tag: "Waiting", problem: waitingFor(alive) }
    : { _tag: "Running" }
}
