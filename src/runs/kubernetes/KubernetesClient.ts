/**
 * The narrow part of a cluster's API that runs need, over the cluster's own client library.
 *
 * The library is large and loaded when this layer is built, so that only who uses a cluster pays for it.
 *
 * @ref LLP 0020#the-client [implements]
 */
import type * as Library from "@kubernetes/client-node"
import { Cause, Config, Context, Effect, Layer, Option, Predicate, Queue, Schema, Stream } from "effect"
import { answerError, type KubernetesError, thrownError, unanswered, unreadable } from "./KubernetesErrors.ts"
import { AccessSeen, ClaimSeen, JobSeen, OwnPod, PodSeen, type Right, SecretSeen } from "./KubernetesObjects.ts"
import { type KubernetesSettings, KubernetesSettingsInvalid } from "./KubernetesSettings.ts"

/** One answer, whole. */
const DEADLINE = "30 seconds"
/** The server ends a watch after so long, s; it is resumed where it was. */
const WATCH_SECONDS = 290
/** Objects per page of a list: each may hold a prompt. */
const PAGE = 100

/** What is listed and watched. */
export interface Seen {
  readonly jobs: JobSeen
  readonly pods: PodSeen
}
export type SeenKind = keyof Seen

/** All objects of a kind, as they were at one moment. */
export interface Listed<K extends SeenKind> {
  readonly items: ReadonlyArray<Seen[K]>
  readonly resourceVersion: string
}

/** One line of a watch. */
export type WatchEvent<K extends SeenKind> =
  /** The server has agreed to tell. */
  | { readonly _tag: "Opened"; readonly resourceVersion: undefined }
  | { readonly _tag: "Changed"; readonly object: Seen[K]; readonly resourceVersion: string | undefined }
  | { readonly _tag: "Removed"; readonly object: Seen[K]; readonly resourceVersion: string | undefined }
  | { readonly _tag: "Bookmark"; readonly resourceVersion: string | undefined }

type Asked<A> = Effect.Effect<A, KubernetesError>

export class KubernetesClient extends Context.Service<
  KubernetesClient,
  {
    readonly namespace: string
    readonly createJob: (job: Library.V1Job) => Asked<JobSeen>
    readonly readJob: (name: string) => Asked<Option.Option<JobSeen>>
    /** Only the object of that uid; gone already is fine. `Foreground`: the Job stays until its pods are gone. */
    readonly deleteJob: (name: string, uid: string, propagation: "Foreground" | "Background") => Asked<void>
    readonly createSecret: (secret: Library.V1Secret) => Asked<void>
    readonly readSecret: (name: string) => Asked<Option.Option<SecretSeen>>
    /** From then on the Secret goes with the Job. */
    readonly ownSecret: (name: string, job: JobSeen) => Asked<void>
    readonly deleteSecret: (name: string, uid: string) => Asked<void>
    readonly readPod: (name: string) => Asked<Option.Option<OwnPod>>
    /** `Pending`, `Bound`, `Lost`; none if there is no such claim. */
    readonly claimPhase: (name: string) => Asked<Option.Option<string>>
    /** Whether the account that asks has a right. */
    readonly may: (right: Right) => Asked<boolean>
    readonly list: <K extends SeenKind>(kind: K, selector: string) => Asked<Listed<K>>
    /** Ends when the server ends it. */
    readonly watch: <K extends SeenKind>(
      kind: K,
      selector: string,
      resourceVersion: string
    ) => Stream.Stream<WatchEvent<K>, KubernetesError>
  }
>()("holdfast/runs/kubernetes/KubernetesClient") {
  static readonly layer = (
    settings: Pick<KubernetesSettings, "kubeconfig" | "context" | "namespace">
  ): Layer.Layer<KubernetesClient, KubernetesSettingsInvalid> =>
    Layer.effect(
      KubernetesClient,
      Effect.gen(function* () {
        const library = yield* Effect.tryPromise({
          try: () => import("@kubernetes/client-node"),
          catch: (cause) => invalid("the client for Kubernetes is not installed beside the program", cause)
        })
        const config = yield* loadConfig(library, settings)
        const namespace =
          settings.namespace ?? config.getContextObject(config.getCurrentContext())?.namespace?.trim() ?? "default"
        return makeClient(library, config, namespace)
      })
    )
}

/** The first line alone: what follows may quote a kubeconfig, which holds credentials. */
const invalid = (what: string, cause: unknown): KubernetesSettingsInvalid =>
  new KubernetesSettingsInvalid({
    message: `${what}: ${(Predicate.isError(cause) ? cause.message : String(cause)).split("\n")[0]}`
  })

/** The cluster that the settings name, else the daemon's own, else the user's. */
const loadConfig = Effect.fnUntraced(function* (
  library: typeof Library,
  { context, kubeconfig }: Pick<KubernetesSettings, "kubeconfig" | "context">
) {
  const inCluster = yield* Config.option(Config.NonEmptyString("KUBERNETES_SERVICE_HOST")).pipe(
    Effect.orElseSucceed(() => Option.none())
  )
  const config = new library.KubeConfig()
  yield* Effect.try({
    try: () => {
      if (kubeconfig !== undefined) config.loadFromFile(kubeconfig)
      else if (Option.isSome(inCluster)) config.loadFromCluster()
      else config.loadFromDefault()
      if (context !== undefined) config.setCurrentContext(context)
    },
    catch: (cause) => invalid("the kubeconfig cannot be used", cause)
  })
  const cluster = config.getCurrentCluster()
  if (cluster === null) {
    return yield* new KubernetesSettingsInvalid({
      message: `the kubeconfig has no cluster for the context ${JSON.stringify(config.getCurrentContext())}: name one in kubernetes.context`
    })
  }
  // What the library assumes where there is no kubeconfig at all is such a one.
  if (cluster.server.startsWith("http:") && !cluster.skipTLSVerify) {
    return yield* new KubernetesSettingsInvalid({
      message: `there is no kubeconfig, or its cluster is ${cluster.server} without TLS: name a file in kubernetes.kubeconfig`
    })
  }
  return config
})

const PATHS: Record<SeenKind, (namespace: string) => string> = {
  jobs: (namespace) => `/apis/batch/v1/namespaces/${namespace}/jobs`,
  pods: (namespace) => `/api/v1/namespaces/${namespace}/pods`
}

const SCHEMAS: { readonly [K in SeenKind]: Schema.Codec<Seen[K], unknown> } = { jobs: JobSeen, pods: PodSeen }

const Page = Schema.Struct({
  metadata: Schema.Struct({ resourceVersion: Schema.NonEmptyString, _continue: Schema.optional(Schema.String) }),
  items: Schema.Array(Schema.Unknown)
})

/** What else a watch may say. */
const Other = Schema.Struct({
  code: Schema.optional(Schema.Int),
  message: Schema.optional(Schema.String),
  metadata: Schema.optional(Schema.Struct({ resourceVersion: Schema.optional(Schema.String) }))
})
const asOther = Schema.decodeUnknownOption(Other)

/** Beside the API's own `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` and `ERROR`. */
const OPENED = "OPENED"

const isMissing = ({ kind }: KubernetesError): boolean => kind === "not_found"
/** Removed by uid: another one of that name is not the one. */
const isGone = (error: KubernetesError): boolean => isMissing(error) || error.kind === "conflict"

const makeClient = (library: typeof Library, config: Library.KubeConfig, namespace: string) => {
  const batch = config.makeApiClient(library.BatchV1Api)
  const core = config.makeApiClient(library.CoreV1Api)

  /** Lets a request be given up: the library knows no time-outs. */
  const options = (
    signal: AbortSignal,
    header: readonly [string, string] | null = null
  ): Library.ConfigurationOptions => ({
    middleware: [
      {
        pre: (request) => {
          request.setSignal(signal)
          if (header !== null) request.setHeaderParam(...header)
          return new library.Observable(Promise.resolve(request))
        },
        post: (response) => new library.Observable(Promise.resolve(response))
      }
    ],
    middlewareMergeStrategy: "append"
  })

  const send = <A>(what: string, call: (signal: AbortSignal) => Promise<A>): Asked<A> =>
    Effect.tryPromise({ try: call, catch: (thrown) => thrownError(what, thrown) }).pipe(
      Effect.timeoutOrElse({ duration: DEADLINE, orElse: () => Effect.fail(unanswered(what)) })
    )

  const read = <A>(what: string, schema: Schema.Codec<A, unknown>, call: (signal: AbortSignal) => Promise<unknown>) =>
    Effect.flatMap(send(what, call), (answer) =>
      Effect.mapError(Schema.decodeUnknownEffect(schema)(answer), ({ message }) => unreadable(what, message))
    )

  const ifThere = <A>(asked: Asked<A>): Asked<Option.Option<A>> =>
    asked.pipe(
      Effect.asSome,
      Effect.catchIf(isMissing, () => Effect.succeedNone)
    )

  const unlessGone = (asked: Asked<unknown>): Asked<void> =>
    Effect.asVoid(Effect.catchIf(asked, isGone, () => Effect.void))

  const page = (kind: SeenKind, selector: string, from: string | undefined) =>
    read(`the ${kind} of ${namespace} cannot be listed`, Page, (signal) => {
      const query = {
        namespace,
        labelSelector: selector,
        limit: PAGE,
        ...(from === undefined ? {} : { _continue: from })
      }
      return kind === "jobs"
        ? batch.listNamespacedJob(query, options(signal))
        : core.listNamespacedPod(query, options(signal))
    })

  /** One object that nobody can read must not hide the others. */
  const readable = <K extends SeenKind>(kind: K, object: unknown): Effect.Effect<Option.Option<Seen[K]>> =>
    Schema.decodeUnknownEffect(SCHEMAS[kind])(object).pipe(
      Effect.asSome,
      Effect.catch(({ message }) =>
        Effect.as(Effect.logWarning(`one of the ${kind} of ${namespace} cannot be read: ${message}`), Option.none())
      )
    )

  const list = Effect.fn("KubernetesClient.list")(function* <K extends SeenKind>(kind: K, selector: string) {
    const items: Array<Seen[K]> = []
    let from: string | undefined
    while (true) {
      const { items: found, metadata } = yield* page(kind, selector, from)
      for (const object of found) {
        const seen = yield* readable(kind, object)
        if (Option.isSome(seen)) items.push(seen.value)
      }
      from = metadata._continue === "" ? undefined : metadata._continue
      if (from === undefined) return { items, resourceVersion: metadata.resourceVersion }
    }
  })

  const eventOf = Effect.fnUntraced(function* <K extends SeenKind>(
    kind: K,
    type: string,
    object: unknown
  ): Effect.fn.Return<Option.Option<WatchEvent<K>>, KubernetesError> {
    if (type === OPENED) return Option.some({ _tag: "Opened", resourceVersion: undefined })
    if (type === "BOOKMARK" || type === "ERROR") {
      const { code, message, metadata } = Option.getOrElse(asOther(object), (): typeof Other.Type => ({}))
      if (type === "BOOKMARK") return Option.some({ _tag: "Bookmark", resourceVersion: metadata?.resourceVersion })
      return yield* answerError(`the watch of the ${kind} of ${namespace} ended`, code ?? 500, message ?? "no reason")
    }
    const seen = yield* readable(kind, object)
    return Option.map(seen, (known): WatchEvent<K> => ({
      _tag: type === "DELETED" ? "Removed" : "Changed",
      object: known,
      resourceVersion: known.metadata.resourceVersion
    }))
  })

  const watch = <K extends SeenKind>(kind: K, selector: string, resourceVersion: string) =>
    Stream.callback<readonly [type: string, object: unknown], KubernetesError>((queue) =>
      Effect.gen(function* () {
        const what = `the ${kind} of ${namespace} cannot be watched`
        const running = { stopped: false, abort: () => {} }
        const keep = (controller: AbortController): void => {
          running.abort = () => controller.abort()
          if (running.stopped) controller.abort()
          else if (!controller.signal.aborted) Queue.offerUnsafe(queue, [OPENED, null])
        }
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            running.stopped = true
            running.abort()
          })
        )
        // Answers when the server has: whoever stops before that aborts as soon as it can be.
        yield* Effect.tryPromise({
          try: () =>
            new library.Watch(config)
              .watch(
                PATHS[kind](namespace),
                {
                  labelSelector: selector,
                  resourceVersion,
                  allowWatchBookmarks: true,
                  timeoutSeconds: WATCH_SECONDS
                },
                (type, object: unknown) => void Queue.offerUnsafe(queue, [type, object] as const),
                (error: unknown) => void finish(queue, what, error)
              )
              .then((controller) => keep(controller)),
          catch: (thrown) => thrownError(what, thrown)
        }).pipe(
          Effect.catch((error) => Queue.fail(queue, error)),
          Effect.forkScoped
        )
      })
    ).pipe(
      Stream.mapEffect(([type, object]) => eventOf(kind, type, object)),
      Stream.filter(Option.isSome),
      Stream.map(({ value }) => value)
    )

  return KubernetesClient.of({
    namespace,
    list,
    watch,
    createJob: Effect.fn("KubernetesClient.createJob")((body) =>
      read(`the Job ${body.metadata?.name} cannot be created`, JobSeen, (signal) =>
        batch.createNamespacedJob({ namespace, body, fieldValidation: "Strict" }, options(signal))
      )
    ),
    readJob: Effect.fn("KubernetesClient.readJob")((name) =>
      ifThere(
        read(`the Job ${name} cannot be read`, JobSeen, (signal) =>
          batch.readNamespacedJob({ namespace, name }, options(signal))
        )
      )
    ),
    deleteJob: Effect.fn("KubernetesClient.deleteJob")((name, uid, propagationPolicy) =>
      unlessGone(
        send(`the Job ${name} cannot be removed`, (signal) =>
          batch.deleteNamespacedJob(
            { namespace, name, body: { propagationPolicy, preconditions: { uid } } },
            options(signal)
          )
        )
      )
    ),
    createSecret: Effect.fn("KubernetesClient.createSecret")((body) =>
      Effect.asVoid(
        send(`the Secret ${body.metadata?.name} cannot be created`, (signal) =>
          core.createNamespacedSecret({ namespace, body, fieldValidation: "Strict" }, options(signal))
        )
      )
    ),
    readSecret: Effect.fn("KubernetesClient.readSecret")((name) =>
      ifThere(
        read(`the Secret ${name} cannot be read`, SecretSeen, (signal) =>
          core.readNamespacedSecret({ namespace, name }, options(signal))
        )
      )
    ),
    ownSecret: Effect.fn("KubernetesClient.ownSecret")((name, { metadata }) =>
      Effect.asVoid(
        send(`the Secret ${name} cannot be given to its Job`, (signal) =>
          core.patchNamespacedSecret(
            {
              namespace,
              name,
              body: {
                metadata: {
                  ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name: metadata.name, uid: metadata.uid }]
                }
              }
            },
            options(signal, ["Content-Type", library.PatchStrategy.MergePatch])
          )
        )
      )
    ),
    deleteSecret: Effect.fn("KubernetesClient.deleteSecret")((name, uid) =>
      unlessGone(
        send(`the Secret ${name} cannot be removed`, (signal) =>
          core.deleteNamespacedSecret({ namespace, name, body: { preconditions: { uid } } }, options(signal))
        )
      )
    ),
    readPod: Effect.fn("KubernetesClient.readPod")((name) =>
      ifThere(
        read(`the pod ${name} cannot be read`, OwnPod, (signal) =>
          core.readNamespacedPod({ namespace, name }, options(signal))
        )
      )
    ),
    may: Effect.fn("KubernetesClient.may")(({ group, resource, verb }) =>
      read(`it cannot be asked whether one may ${verb} ${resource}`, AccessSeen, (signal) =>
        config
          .makeApiClient(library.AuthorizationV1Api)
          .createSelfSubjectAccessReview(
            { body: { spec: { resourceAttributes: { namespace, verb, group, resource } } } },
            options(signal)
          )
      ).pipe(Effect.map(({ status }) => status.allowed))
    ),
    claimPhase: Effect.fn("KubernetesClient.claimPhase")((name) =>
      ifThere(
        read(`the volume claim ${name} cannot be read`, ClaimSeen, (signal) =>
          core.readNamespacedPersistentVolumeClaim({ namespace, name }, options(signal))
        )
      ).pipe(Effect.map(Option.flatMap(({ status }) => Option.fromUndefinedOr(status?.phase))))
    )
  })
}

/** A watch that nothing was heard of for a while is one that the server ended. */
const finish = (
  queue: Queue.Queue<readonly [string, unknown], KubernetesError | Cause.Done>,
  what: string,
  error: unknown
): void => {
  const timedOut = Predicate.isError(error) && error.name === "TimeoutError"
  if (error === null || error === undefined || timedOut) Queue.endUnsafe(queue)
  else Queue.failCauseUnsafe(queue, Cause.fail(thrownError(what, error)))
}
