/** Of the objects of a cluster: what is read of them, and nothing else. */
import { Option, Schema } from "effect"
import { PathComponent } from "../../domain/index.ts"
import type { Found, RunIds } from "../Backend.ts"
import { ANNOTATIONS } from "./JobNames.ts"

const Text = Schema.optional(Schema.String)
const Texts = Schema.optional(Schema.Record(Schema.String, Schema.String))

const Metadata = Schema.Struct({
  name: Schema.NonEmptyString,
  uid: Schema.NonEmptyString,
  resourceVersion: Text,
  labels: Texts,
  annotations: Texts,
  /** There while the object is being removed. */
  deletionTimestamp: Schema.optional(Schema.Unknown)
})

const Condition = Schema.Struct({ type: Schema.String, status: Schema.String, reason: Text, message: Text })
const Conditions = Schema.optional(Schema.Array(Condition))

export const JobSeen = Schema.Struct({
  metadata: Metadata,
  status: Schema.optional(Schema.Struct({ conditions: Conditions }))
})
export type JobSeen = typeof JobSeen.Type

const ContainerStatus = Schema.Struct({
  name: Schema.String,
  state: Schema.optional(
    Schema.Struct({
      waiting: Schema.optional(Schema.Struct({ reason: Text, message: Text })),
      running: Schema.optional(Schema.Unknown),
      terminated: Schema.optional(
        Schema.Struct({ exitCode: Schema.Int, signal: Schema.optional(Schema.Int), reason: Text, message: Text })
      )
    })
  )
})
export type ContainerStatus = typeof ContainerStatus.Type

const Statuses = Schema.optional(Schema.Array(ContainerStatus))

export const PodSeen = Schema.Struct({
  metadata: Metadata,
  status: Schema.optional(
    Schema.Struct({
      phase: Text,
      reason: Text,
      message: Text,
      conditions: Conditions,
      initContainerStatuses: Statuses,
      containerStatuses: Statuses
    })
  )
})
export type PodSeen = typeof PodSeen.Type

export const SecretSeen = Schema.Struct({
  metadata: Schema.Struct({
    ...Metadata.fields,
    ownerReferences: Schema.optional(Schema.Array(Schema.Struct({ uid: Schema.String })))
  })
})
export type SecretSeen = typeof SecretSeen.Type

/** The daemon's own pod, for the volume that it shares with the pods of its runs, and what else they may inherit. */
export const OwnPod = Schema.Struct({
  spec: Schema.Struct({
    dnsPolicy: Text,
    dnsConfig: Schema.optional(
      Schema.Struct({
        nameservers: Schema.optional(Schema.Array(Schema.String)),
        searches: Schema.optional(Schema.Array(Schema.String)),
        options: Schema.optional(Schema.Array(Schema.Struct({ name: Schema.String, value: Text })))
      })
    ),
    imagePullSecrets: Schema.optional(Schema.Array(Schema.Struct({ name: Text }))),
    containers: Schema.Array(
      Schema.Struct({
        image: Text,
        volumeMounts: Schema.optional(
          Schema.Array(Schema.Struct({ name: Schema.String, mountPath: Schema.String, subPath: Text }))
        )
      })
    ),
    volumes: Schema.optional(
      Schema.Array(
        Schema.Struct({
          name: Schema.String,
          persistentVolumeClaim: Schema.optional(Schema.Struct({ claimName: Schema.String }))
        })
      )
    )
  })
})
export type OwnPod = typeof OwnPod.Type

/** Something that one may be allowed to do in the namespace. */
export interface Right {
  readonly verb: "create" | "delete" | "get" | "list" | "patch" | "watch"
  readonly group: "" | "batch"
  readonly resource: "jobs" | "pods" | "secrets" | "persistentvolumeclaims"
}

/** Whether whoever asks has a right. */
export const AccessSeen = Schema.Struct({ status: Schema.Struct({ allowed: Schema.Boolean }) })

export const ClaimSeen = Schema.Struct({ status: Schema.optional(Schema.Struct({ phase: Text })) })

const Ids = Schema.Struct({
  [ANNOTATIONS.companyId]: PathComponent,
  [ANNOTATIONS.agentId]: PathComponent,
  [ANNOTATIONS.runId]: PathComponent
})
const asIds = Schema.decodeUnknownOption(Ids)

/** Which work a Job is; nothing for a Job of another daemon, and for one that has ended and is kept on purpose. */
export const foundOf = (job: JobSeen, owner: string | undefined): Option.Option<Found> => {
  const { annotations = {} } = job.metadata
  const retain = annotations[ANNOTATIONS.retain] === "true"
  const hasEnded = (job.status?.conditions ?? []).some(
    ({ status, type }) => status === "True" && (type === "Complete" || type === "Failed")
  )
  if (annotations[ANNOTATIONS.owner] !== owner || (retain && hasEnded)) return Option.none()
  const command = annotations[ANNOTATIONS.command] === "exec" ? "exec" : "opencode"
  return Option.map(idsOf(job), (ids) => ({ ...ids, command, retain }))
}

/** Whose an object is; nothing for what no run of ours has made. */
export const idsOf = ({ metadata }: { readonly metadata: typeof Metadata.Type }): Option.Option<RunIds> =>
  Option.map(asIds(metadata.annotations), (found) => ({
    companyId: found[ANNOTATIONS.companyId],
    agentId: found[ANNOTATIONS.agentId],
    runId: found[ANNOTATIONS.runId]
  }))
