/**
 * Names and labels of what is made on a cluster: found again by whoever knows the run, and by nobody else.
 *
 * @ref LLP 0020#names [implements]
 */
import { Effect } from "effect"
import { sha256Hex } from "../../storage/index.ts"
import type { RunIds } from "../Backend.ts"

/** Our own labels and annotations. */
const OURS = "holdfast"

export const LABELS = {
  managedBy: "app.kubernetes.io/managed-by",
  component: "app.kubernetes.io/component",
  instance: "app.kubernetes.io/instance",
  agentId: `${OURS}/agent-id`,
  runId: `${OURS}/run-id`,
  companyId: `${OURS}/company-id`,
  adapterType: `${OURS}/adapter-type`,
  taskId: `${OURS}/task-id`,
  sessionId: `${OURS}/session-id`
} as const

/** What no label can hold: the whole ids, a path, a name as people wrote it. */
export const ANNOTATIONS = {
  companyId: `${OURS}/company-id`,
  agentId: `${OURS}/agent-id`,
  runId: `${OURS}/run-id`,
  logPath: `${OURS}/log-path`,
  adapterType: `${OURS}/adapter-type`,
  agentName: `${OURS}/agent-name`,
  command: `${OURS}/command`,
  retain: `${OURS}/retain`,
  /** Which daemon made it: another one of the same namespace leaves it alone. */
  owner: `${OURS}/owner`
} as const

const MANAGED_BY = "holdfast"
const COMPONENT = "agent-job"
const LABEL_LENGTH = 63
const PART_LENGTH = 16
const DIGEST_LENGTH = 6

/** Text as the value of a label: at most 63 characters, a letter or digit at both ends. */
export const labelValue = (text: string): string => {
  const trim = (value: string) => value.replace(/^[^A-Za-z0-9]+/, "").replace(/[^A-Za-z0-9]+$/, "")
  return trim(trim(text.replace(/[^A-Za-z0-9_.-]/g, "-")).slice(0, LABEL_LENGTH))
}

/** A part of a name: lower case, at most 16 characters, a letter or digit at both ends. */
const namePart = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, "-")
    .replace(/^-+/, "")
    .slice(0, PART_LENGTH)
    .replace(/-+$/, "") || "x"

/** `agent-<kind>-<agent 16>-<run 16>-<6 hex of sha256(agentId:runId)>`: the same for the same run, 63 characters at most. */
export const jobName = (kind: string, { agentId, runId }: RunIds): Effect.Effect<string> =>
  Effect.map(
    sha256Hex(new TextEncoder().encode(`${agentId}:${runId}`)),
    (digest) => `agent-${namePart(kind)}-${namePart(agentId)}-${namePart(runId)}-${digest.slice(0, DIGEST_LENGTH)}`
  )

/** The Secret that holds a prompt too large for an environment variable. */
export const promptSecretName = (job: string): string => `${job}-prompt`

/** Labels that say whose a Job is, which no label of a user may replace. */
export const identityLabels = (instance: string, { agentId, companyId, runId }: RunIds) => ({
  [LABELS.managedBy]: MANAGED_BY,
  [LABELS.component]: COMPONENT,
  [LABELS.instance]: instance,
  [LABELS.agentId]: labelValue(agentId),
  [LABELS.runId]: labelValue(runId),
  [LABELS.companyId]: labelValue(companyId)
})

/** Everything that this daemon has made. */
export const ourSelector = (instance: string): string =>
  `${LABELS.managedBy}=${MANAGED_BY},${LABELS.component}=${COMPONENT},${LABELS.instance}=${instance}`

/** What of that belongs to one run, or to another one whose id begins alike. */
export const runSelector = (instance: string, { runId }: RunIds): string =>
  `${ourSelector(instance)},${LABELS.runId}=${labelValue(runId)}`

/** Annotations that say which run it is, in full. */
export const identityAnnotations = ({ agentId, companyId, runId }: RunIds) => ({
  [ANNOTATIONS.companyId]: companyId,
  [ANNOTATIONS.agentId]: agentId,
  [ANNOTATIONS.runId]: runId
})

/** A run's key among others. */
export const runKey = ({ agentId, companyId, runId }: RunIds): string => `${companyId}/${agentId}/${runId}`

/** Whether a label's key is one that Kubernetes takes. */
export const isLabelKey = (key: string): boolean =>
  /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(key)
