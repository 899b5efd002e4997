/**
 * The Job of a run, as data: what is sent to the cluster, and what `holdfast run render` prints.
 *
 * @ref LLP 0020#the-job [implements]
 */
import type { V1EnvVar, V1Job, V1Secret, V1SecurityContext, V1Volume } from "@kubernetes/client-node"
import { Result } from "effect"
import type { Work } from "../Backend.ts"
import { podCommandEndSeconds } from "../PodCommand.ts"
import {
  ANNOTATIONS,
  identityAnnotations,
  identityLabels,
  isLabelKey,
  labelValue,
  LABELS,
  promptSecretName
} from "./JobNames.ts"
import type { KubernetesSettings, SharedClaim } from "./KubernetesSettings.ts"

/** The container whose end is the run's. */
export const AGENT_CONTAINER = "agent"
const PROMPT_CONTAINER = "prompt"

/** Local disk of the pod, the run's alone. */
const SCRATCH = "/holdfast-scratch"
export const SCRATCH_PATHS = { scratch: SCRATCH, prompt: `${SCRATCH}/prompt`, temporary: `${SCRATCH}/tmp` } as const
const SECRET_MOUNT = "/holdfast-prompt"
const PROMPT_KEY = "prompt"
export const TERMINATION_LOG = "/dev/termination-log"

/** Larger prompts, in bytes of UTF-8, go through a Secret. */
export const ENV_PROMPT_BYTES = 102_400
/** What a Secret takes. */
export const SECRET_PROMPT_BYTES = 1_048_576
/** What the system takes as one string of an environment, its name and `=` included. */
const ENV_STRING_BYTES = 131_071
/** Hashing takes its time with much output. */
const HASHING_SECONDS = 30

/** The user that the pods run as, and the group of what the daemon makes for them. */
const USER = 1_000

const TEMPORARY = ["TMPDIR", "TMP", "TEMP"]

/** What is said of a run beyond its work. */
export interface JobFacts {
  readonly adapterType?: string
  readonly agentName?: string
  readonly taskId?: string
  /** In the pod; left out: its scratch. */
  readonly workingDir?: string
  /** Which daemon asks for it. */
  readonly owner?: string
}

/** Everything that a Job is made of. */
export interface JobParts {
  readonly name: string
  readonly work: Work
  readonly settings: KubernetesSettings
  readonly claim: SharedClaim
  /** The log as the pod sees it. */
  readonly logPath: string
  /** The text for `sh -c`. */
  readonly command: string
  readonly facts: JobFacts
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).length

/** Whether a prompt needs a Secret. */
export const needsSecret = ({ request }: Work): boolean => bytesOf(request.prompt) > ENV_PROMPT_BYTES

/** Kubernetes replaces `$(NAME)` and `$$` in commands, arguments and values: doubled, every `$` stays what it is. */
export const literally = (text: string): string => text.replaceAll("$", "$$$$")

const SECURITY: V1SecurityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  runAsNonRoot: true,
  runAsUser: USER,
  runAsGroup: USER,
  seccompProfile: { type: "RuntimeDefault" }
}

/** Paths of the host mean nothing in a pod. */
const envOf = ({ request }: Work): Array<V1EnvVar> =>
  Object.entries(request.env ?? {}).map(([name, value]) => ({
    name,
    value: TEMPORARY.includes(name) ? SCRATCH_PATHS.temporary : literally(value)
  }))

const labelsOf = ({ facts, settings, work }: JobParts): Record<string, string> => {
  const { command, session } = work.request
  return {
    ...Object.fromEntries(Object.entries(settings.labels).map(([key, value]) => [key, labelValue(value)])),
    ...identityLabels(settings.instance, work),
    [LABELS.adapterType]: labelValue(facts.adapterType ?? command.kind),
    ...(facts.taskId === undefined ? {} : { [LABELS.taskId]: labelValue(facts.taskId) }),
    ...(session === undefined ? {} : { [LABELS.sessionId]: labelValue(session) })
  }
}

const annotationsOf = ({ facts, logPath, settings, work }: JobParts): Record<string, string> => ({
  ...settings.annotations,
  ...identityAnnotations(work),
  [ANNOTATIONS.logPath]: logPath,
  [ANNOTATIONS.adapterType]: facts.adapterType ?? work.request.command.kind,
  [ANNOTATIONS.command]: work.request.command.kind,
  [ANNOTATIONS.retain]: String(work.request.retain === true),
  ...(facts.agentName === undefined ? {} : { [ANNOTATIONS.agentName]: facts.agentName }),
  ...(facts.owner === undefined ? {} : { [ANNOTATIONS.owner]: facts.owner })
})

/** Puts the prompt where the agent reads it, in no list of processes and in no environment but its own. */
const initCommand = (source: string): string =>
  `umask 077 && mkdir -p ${SCRATCH_PATHS.temporary} && ${source} >${SCRATCH_PATHS.prompt}`

const volumesOf = ({ claim, name, work }: JobParts): Array<V1Volume> => [
  { name: "scratch", emptyDir: {} },
  { name: "output", persistentVolumeClaim: { claimName: claim.claim } },
  ...(needsSecret(work) ? [{ name: "prompt", secret: { secretName: promptSecretName(name) } }] : [])
]

const dnsOf = ({ dns }: KubernetesSettings) => {
  if (dns === undefined) return {}
  const { nameservers, options, policy, searches } = dns
  return {
    ...(policy === undefined ? {} : { dnsPolicy: policy }),
    dnsConfig: {
      ...(nameservers === undefined ? {} : { nameservers: [...nameservers] }),
      ...(searches === undefined ? {} : { searches: [...searches] }),
      ...(options === undefined ? {} : { options: options.map((option) => ({ ...option })) })
    }
  }
}

/** What of a pod the settings alone decide. */
const placementOf = (settings: KubernetesSettings) => ({
  ...dnsOf(settings),
  ...(settings.serviceAccount === undefined ? {} : { serviceAccountName: settings.serviceAccount }),
  automountServiceAccountToken: settings.serviceAccount !== undefined,
  nodeSelector: { ...settings.nodeSelector },
  tolerations: settings.tolerations.map((toleration) => ({ ...toleration })),
  imagePullSecrets: (settings.imagePullSecrets ?? []).map((name) => ({ name }))
})

/** The Job of a run. */
export const jobOf = (parts: JobParts): V1Job => {
  const { claim, command, facts, name, settings, work } = parts
  const secret = needsSecret(work)
  const labels = labelsOf(parts)
  const annotations = annotationsOf(parts)
  const container = {
    image: settings.image,
    ...(settings.imagePullPolicy === undefined ? {} : { imagePullPolicy: settings.imagePullPolicy }),
    securityContext: SECURITY,
    resources: { requests: { ...settings.resources.requests }, limits: { ...settings.resources.limits } }
  }
  const scratch = { name: "scratch", mountPath: SCRATCH }
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, labels, annotations },
    spec: {
      backoffLimit: 0,
      completions: 1,
      parallelism: 1,
      ...(work.limitSeconds > 0 ? { activeDeadlineSeconds: Math.ceil(work.limitSeconds) } : {}),
      // Whoever keeps a run's output has not read it to the end yet.
      ...(work.request.retain === true ? {} : { ttlSecondsAfterFinished: settings.ttlSeconds }),
      template: {
        metadata: { labels, annotations },
        spec: {
          restartPolicy: "Never",
          enableServiceLinks: false,
          terminationGracePeriodSeconds: podGraceSeconds(work),
          ...placementOf(settings),
          securityContext: { fsGroup: USER, fsGroupChangePolicy: "OnRootMismatch" },
          volumes: volumesOf(parts),
          initContainers: [
            {
              ...container,
              name: PROMPT_CONTAINER,
              command: ["sh", "-c"],
              args: [
                literally(initCommand(secret ? `cat ${SECRET_MOUNT}/${PROMPT_KEY}` : `printf %s "$HOLDFAST_PROMPT"`))
              ],
              env: secret ? [] : [{ name: "HOLDFAST_PROMPT", value: literally(work.request.prompt) }],
              volumeMounts: [scratch, ...(secret ? [{ name: "prompt", mountPath: SECRET_MOUNT, readOnly: true }] : [])]
            }
          ],
          containers: [
            {
              ...container,
              name: AGENT_CONTAINER,
              command: ["sh", "-c"],
              args: [literally(command)],
              env: envOf(work),
              workingDir: facts.workingDir ?? SCRATCH,
              terminationMessagePath: TERMINATION_LOG,
              terminationMessagePolicy: "File",
              volumeMounts: [
                scratch,
                {
                  name: "output",
                  mountPath: claim.mountPath,
                  ...(claim.subPath === undefined ? {} : { subPath: claim.subPath })
                }
              ]
            }
          ]
        }
      }
    }
  }
}

/** What the pod gets between TERM and KILL: the agent's grace, the copying, the record. */
export const podGraceSeconds = ({ graceSeconds }: Pick<Work, "graceSeconds">): number =>
  Math.ceil(graceSeconds) + podCommandEndSeconds + HASHING_SECONDS

/** The Secret of a large prompt, without an owner: its Job is not there yet. */
export const secretOf = ({ name, settings, work }: Pick<JobParts, "name" | "settings" | "work">): V1Secret => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: {
    name: promptSecretName(name),
    labels: identityLabels(settings.instance, work),
    annotations: identityAnnotations(work)
  },
  type: "Opaque",
  stringData: { [PROMPT_KEY]: work.request.prompt }
})

const ENV_NAME = /^[ -<>-~]+$/

/** Why no Job can be made of this, or nothing. Whoever sends one has asked before. */
export const jobProblem = (work: Work, settings: KubernetesSettings): Result.Result<void, string> => {
  const { env = {}, prompt } = work.request
  const size = bytesOf(prompt)
  if (prompt.includes("\0")) return Result.fail("the prompt holds a NUL byte: leave it out")
  if (size > SECRET_PROMPT_BYTES) {
    return Result.fail(
      `the prompt has ${size} bytes, and a Secret of Kubernetes takes ${SECRET_PROMPT_BYTES}: put it into a file that the agent reads`
    )
  }
  for (const [name, value] of Object.entries(env)) {
    if (!ENV_NAME.test(name)) return Result.fail(`no environment variable can be named ${JSON.stringify(name)}`)
    if (value.includes("\0")) return Result.fail(`the environment variable ${name} holds a NUL byte: leave it out`)
    if (bytesOf(name) + 1 + bytesOf(value) > ENV_STRING_BYTES) {
      return Result.fail(`the environment variable ${name} is longer than ${ENV_STRING_BYTES} bytes`)
    }
  }
  const odd = Object.keys({ ...settings.labels, ...settings.annotations, ...settings.nodeSelector }).find(
    (key) => !isLabelKey(key)
  )
  if (odd !== undefined) return Result.fail(`no label or annotation can be named ${JSON.stringify(odd)}`)
  const selected = Object.entries(settings.nodeSelector).find(([, value]) => labelValue(value) !== value)
  if (selected !== undefined)
    return Result.fail(`no node can be selected by ${selected[0]}=${JSON.stringify(selected[1])}`)
  return Result.succeed(undefined)
}
