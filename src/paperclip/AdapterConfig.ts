/**
 * What an agent's `adapterConfig` says, whatever form the host's pages gave it. What it does not say has its default
 * here: those of the schema never reach an adapter. What belongs to the host is left alone.
 *
 * @ref LLP 0021#configuration [implements]
 */
import { Effect, Predicate, Schema } from "effect"
import { flagOf, listOf, nestedOf, numberOf, type Read, tableOf, textOf } from "./Forms.ts"

/** The root of the output where nothing else is said; the host keeps its own data there. */
export const DEFAULT_ROOT = "/paperclip/instances/default/data"
/** Between TERM and KILL, s: the host's own default. */
const GRACE_SECONDS = 20

/** A configuration that no run can be made of. */
export class AdapterConfigInvalid extends Schema.TaggedError<AdapterConfigInvalid>()("AdapterConfigInvalid", {
  message: Schema.String
}) {}

export interface AdapterConfig {
  /** `provider/model`; left out: OpenCode's own default. */
  readonly model: string | undefined
  readonly program: string | undefined
  readonly args: ReadonlyArray<string>
  readonly promptTemplate: string | undefined
  readonly bootstrapPromptTemplate: string | undefined
  readonly instructionsFilePath: string | undefined
  readonly cwd: string | undefined
  readonly env: Readonly<Record<string, string>>
  readonly skipPermissions: boolean
  /** 0: for ever. */
  readonly timeoutSeconds: number
  readonly graceSeconds: number
  readonly retain: boolean
  /** The directory below which output lies, as the host sees it. */
  readonly root: string
  /** Of the adapter's own records. */
  readonly stateDirectory: string
  /** How the cluster is reached. */
  readonly access: { readonly namespace?: string; readonly kubeconfig?: string; readonly context?: string }
  /** What the cluster's settings are read from, `image` and the volume perhaps not among it. */
  readonly cluster: Readonly<Record<string, unknown>>
}

/** Of the environment nothing but words reaches a pod; a binding of the host has become its value by now. */
const envOf = (table: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(table).flatMap(([name, value]) => {
      const said = Predicate.isObject(value) && "value" in value ? value["value"] : value
      return Predicate.isString(said) || Predicate.isNumber(said) || Predicate.isBoolean(said)
        ? [[name, String(said)] as const]
        : []
    })
  )

const withoutSlash = (path: string): string => path.replace(/\/+$/, "")

/** The folder of the host that its instances lie in: `/paperclip` of `/paperclip/instances/default/data`. */
export const hostFolder = (root: string): string => root.replace(/\/instances\/[^/]+\/data$/, "")

/** Reads an agent's configuration. */
export const readAdapterConfig = Effect.fn("readAdapterConfig")(function* (
  config: Readonly<Record<string, unknown>>
): Effect.fn.Return<AdapterConfig, AdapterConfigInvalid> {
  const of = <A>(name: string, read: (value: unknown) => Read<A>) =>
    Effect.mapError(
      Effect.fromResult(read(config[name])),
      (problem) => new AdapterConfigInvalid({ message: `${name} ${problem}` })
    )
  const nested = (name: string) => of(name, () => nestedOf(config, name))

  const root = withoutSlash(textOf(config["root"]) ?? DEFAULT_ROOT)
  const podRoot = textOf(config["podRoot"])
  const claim = textOf(config["pvc"])
  const volume = claim !== undefined && !claim.startsWith("{") ? { claim } : yield* nested("pvc")
  const words = (yield* of("extraArgs", listOf)) ?? (yield* of("args", listOf)) ?? []
  const variant = textOf(config["variant"])
  const secrets = yield* of("imagePullSecrets", listOf)
  const ttl = yield* of("ttlSecondsAfterFinished", numberOf)

  const namespace = textOf(config["namespace"])
  const kubeconfig = textOf(config["kubeconfig"])
  const context = textOf(config["kubeContext"])
  const access = {
    ...(namespace === undefined ? {} : { namespace }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context })
  }

  const cluster = {
    ...access,
    image: textOf(config["image"]),
    imagePullPolicy: textOf(config["imagePullPolicy"]),
    imagePullSecrets: secrets?.map((each) => (Predicate.isObject(each) && "name" in each ? each["name"] : each)),
    serviceAccount: textOf(config["serviceAccountName"]) ?? textOf(config["serviceAccount"]),
    pvc: volume === undefined ? undefined : { mountPath: hostFolder(podRoot ?? root), ...volume },
    root,
    podRoot: podRoot === undefined ? undefined : withoutSlash(podRoot),
    resources: yield* nested("resources"),
    labels: yield* of("labels", tableOf),
    annotations: yield* of("annotations", tableOf),
    nodeSelector: yield* of("nodeSelector", tableOf),
    tolerations: config["tolerations"] === "" ? undefined : (config["tolerations"] ?? undefined),
    dns: yield* nested("dns"),
    ttlSeconds: ttl === undefined ? undefined : Math.ceil(ttl)
  }
  return {
    model: textOf(config["model"]),
    program: textOf(config["command"]),
    args: [...(variant === undefined ? [] : ["--variant", variant]), ...words.map(String)],
    promptTemplate: textOf(config["promptTemplate"]),
    bootstrapPromptTemplate: textOf(config["bootstrapPromptTemplate"]),
    instructionsFilePath: textOf(config["instructionsFilePath"]),
    cwd: textOf(config["cwd"]),
    env: envOf((yield* of("env", tableOf)) ?? {}),
    skipPermissions: flagOf(config["dangerouslySkipPermissions"], true),
    timeoutSeconds: (yield* of("timeoutSec", numberOf)) ?? 0,
    graceSeconds: (yield* of("graceSec", numberOf)) ?? GRACE_SECONDS,
    retain: flagOf(config["retainJobs"], false),
    root,
    stateDirectory: textOf(config["stateDir"]) ?? `${root}/holdfast`,
    access,
    cluster: Object.fromEntries(Object.entries(cluster).filter(([, value]) => value !== undefined))
  }
})
