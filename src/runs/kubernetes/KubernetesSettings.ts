/**
 * Where and how runs become Jobs: what a document's `@holdfast/runs` says of a cluster.
 *
 * @ref LLP 0020#settings [implements]
 */
import { Effect, Predicate, Result, Schema } from "effect"
import { Yaml } from "effect/encoding"

const Path = Schema.String.check(
  Schema.isPattern(/^(\/[^/\0\n]+)+$/, { expected: "an absolute path without a slash at its end" })
)
const DnsLabel = Schema.String.check(Schema.isPattern(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/))
const DnsName = Schema.String.check(
  Schema.isPattern(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/),
  Schema.isMaxLength(253)
)
/** As Kubernetes counts: `500m`, `2Gi`, `4`. */
const Quantity = Schema.String.check(
  Schema.isPattern(/^(\d+|\d+\.\d*|\.\d+)([numkKMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/, {
    expected: 'a quantity such as "500m" or "2Gi"'
  })
)
const Texts = Schema.Record(Schema.NonEmptyString, Schema.String)

/** One `Toleration` of a pod. */
const Toleration = Schema.Struct({
  key: Schema.optionalKey(Schema.String),
  operator: Schema.optionalKey(Schema.Literals(["Exists", "Equal"])),
  value: Schema.optionalKey(Schema.String),
  effect: Schema.optionalKey(Schema.Literals(["NoSchedule", "PreferNoSchedule", "NoExecute"])),
  tolerationSeconds: Schema.optionalKey(Schema.Int)
})

/** The volume that daemon and pods share. */
export const SharedClaim = Schema.Struct({
  claim: DnsName,
  /** Where the pods mount it. */
  mountPath: Path,
  subPath: Schema.optionalKey(Schema.NonEmptyString)
})
export type SharedClaim = typeof SharedClaim.Type

/** Requests and limits of a run's container. */
export const Resources = Schema.Struct({
  requests: Schema.Record(Schema.NonEmptyString, Quantity),
  limits: Schema.Record(Schema.NonEmptyString, Quantity)
})
export type Resources = typeof Resources.Type

export const DEFAULT_RESOURCES: Resources = {
  requests: { cpu: "1", memory: "2Gi" },
  limits: { cpu: "4", memory: "8Gi" }
}

/** As they are written; `resources`, `nodeSelector` and `tolerations` have more than one form. */
const Written = Schema.Struct({
  /** Default: the one of the kubeconfig's context, or of the daemon's own pod. */
  namespace: Schema.optionalKey(DnsLabel),
  /** A file; without it the daemon's own pod is asked, else the user's kubeconfig. */
  kubeconfig: Schema.optionalKey(Schema.NonEmptyString),
  context: Schema.optionalKey(Schema.NonEmptyString),
  /** Tells the Jobs of one daemon from those of another one in the same namespace. */
  instance: Schema.optionalKey(DnsLabel),
  /** The second part of the Jobs' names. */
  kind: Schema.optionalKey(DnsLabel.check(Schema.isMaxLength(16))),
  image: Schema.NonEmptyString,
  imagePullPolicy: Schema.optionalKey(Schema.Literals(["Always", "IfNotPresent", "Never"])),
  imagePullSecrets: Schema.optionalKey(Schema.Array(DnsName)),
  serviceAccount: Schema.optionalKey(DnsName),
  /** Default: found by looking at the daemon's own pod. */
  pvc: Schema.optionalKey(SharedClaim),
  /** The directory below which output lies, as the daemon sees it. Default: where the pods mount the volume. */
  root: Schema.optionalKey(Path),
  /** The same directory as the pods see it. Default: `root` if that lies on the volume, else where it is mounted. */
  podRoot: Schema.optionalKey(Path),
  resources: Schema.optionalKey(Schema.Unknown),
  labels: Schema.optionalKey(Texts),
  annotations: Schema.optionalKey(Texts),
  nodeSelector: Schema.optionalKey(Schema.Unknown),
  tolerations: Schema.optionalKey(Schema.Unknown),
  dns: Schema.optionalKey(
    Schema.Struct({
      policy: Schema.optionalKey(Schema.Literals(["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"])),
      nameservers: Schema.optionalKey(Schema.Array(Schema.NonEmptyString)),
      searches: Schema.optionalKey(Schema.Array(Schema.NonEmptyString)),
      options: Schema.optionalKey(
        Schema.Array(Schema.Struct({ name: Schema.NonEmptyString, value: Schema.optionalKey(Schema.String) }))
      )
    })
  ),
  /** How long the cluster keeps an ended Job that nobody removes, s. Default 300. */
  ttlSeconds: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  /** How long a Job may wait for a node and its volumes, s. Default 600. */
  scheduleSeconds: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0)))
})

/** With its forms and defaults resolved. */
export interface KubernetesSettings extends Omit<
  typeof Written.Type,
  "instance" | "kind" | "resources" | "nodeSelector" | "tolerations" | "labels" | "ttlSeconds" | "scheduleSeconds"
> {
  readonly instance: string
  readonly kind: string
  readonly resources: Resources
  readonly labels: Readonly<Record<string, string>>
  readonly nodeSelector: Readonly<Record<string, string>>
  readonly tolerations: ReadonlyArray<typeof Toleration.Type>
  readonly ttlSeconds: number
  readonly scheduleSeconds: number
}

/** Settings that no Job can be made of. */
export class KubernetesSettingsInvalid extends Schema.TaggedError<KubernetesSettingsInvalid>()(
  "KubernetesSettingsInvalid",
  { message: Schema.String }
) {}

/** A value, or the same as JSON or YAML text. */
const unwritten = (value: unknown): Result.Result<unknown, string> =>
  Predicate.isString(value)
    ? Result.try({ try: () => Yaml.parse(value), catch: () => "is neither JSON nor YAML" })
    : Result.succeed(value)

const GROUPS = ["requests", "limits"] as const

/** `{ requests: { cpu } }` or `{ "requests.cpu" }`, numbers or texts; what is not said is the default. */
const resourcesOf = (value: unknown): unknown => {
  if (value === undefined || value === null) return DEFAULT_RESOURCES
  if (!Predicate.isObject(value)) return value
  const said = Object.entries(value).flatMap(([key, inner]): ReadonlyArray<readonly [string, unknown]> =>
    Predicate.isObject(inner) && !Array.isArray(inner)
      ? Object.entries(inner).map(([name, amount]) => [`${key}.${name}`, amount])
      : [[key, inner]]
  )
  const unknown = said.filter(([key]) => !GROUPS.some((group) => key.startsWith(`${group}.`)))
  const groups = Object.fromEntries(
    GROUPS.map((group) => [
      group,
      {
        ...DEFAULT_RESOURCES[group],
        ...Object.fromEntries(
          said
            .filter(([key]) => key.startsWith(`${group}.`))
            .map(([key, amount]) => [key.slice(group.length + 1), Predicate.isNumber(amount) ? String(amount) : amount])
        )
      }
    ])
  )
  // Whoever decodes this refuses what belongs to neither.
  return { ...groups, ...Object.fromEntries(unknown) }
}

const inTheForm = <S extends Schema.Codec<unknown, unknown>>(
  name: string,
  schema: S,
  value: unknown,
  shaped: (read: unknown) => unknown = (read) => read
): Effect.Effect<S["Type"], KubernetesSettingsInvalid> =>
  Effect.fromResult(unwritten(value)).pipe(
    Effect.mapError((problem) => new KubernetesSettingsInvalid({ message: `kubernetes.${name} ${problem}` })),
    Effect.flatMap((read) =>
      Schema.decodeUnknownEffect(schema)(shaped(read), { onExcessProperty: "error" }).pipe(
        Effect.mapError(
          ({ message }) => new KubernetesSettingsInvalid({ message: `kubernetes.${name} cannot be used: ${message}` })
        )
      )
    )
  )

/** Settings of what a document says, or why they cannot be used. */
export const readKubernetesSettings = Effect.fn("readKubernetesSettings")(function* (
  input: unknown
): Effect.fn.Return<KubernetesSettings, KubernetesSettingsInvalid> {
  const written = yield* Schema.decodeUnknownEffect(Written)(input, { onExcessProperty: "error", errors: "all" }).pipe(
    Effect.mapError(({ message }) => new KubernetesSettingsInvalid({ message: `kubernetes: ${message}` }))
  )
  const { nodeSelector, resources, tolerations, ...rest } = written
  if (written.pvc === undefined && written.root === undefined) {
    return yield* new KubernetesSettingsInvalid({
      message:
        "kubernetes.pvc or kubernetes.root is needed: say which volume the pods share with this machine, and where"
    })
  }
  return {
    ...rest,
    instance: written.instance ?? "holdfast",
    kind: written.kind ?? "run",
    labels: written.labels ?? {},
    resources: yield* inTheForm("resources", Resources, resources, resourcesOf),
    nodeSelector: yield* inTheForm("nodeSelector", Texts, nodeSelector ?? {}),
    tolerations: yield* inTheForm("tolerations", Schema.Array(Toleration), tolerations ?? []),
    ttlSeconds: written.ttlSeconds ?? 300,
    scheduleSeconds: written.scheduleSeconds ?? 600
  }
})
