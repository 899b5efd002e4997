/**
 * A stand-in cluster: an API server on loopback over real HTTP for the real client, a controller of Jobs, and a node that
 * really executes what it is given (StandInKubelet). Faults come on script.
 *
 * It keeps to the API's documents where runs touch them: versions, watches that expire, preconditions, propagation,
 * deadlines, time to live, owners. It has no users, namespaces of processes, or quotas.
 */
import { Job } from "kubernetes-models/batch/v1/Job"
import { Secret } from "kubernetes-models/v1/Secret"
import { mkdirSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { StandInKubelet } from "./StandInKubelet.ts"
import { type Kind, mergePatch, randomSuffix, Refusal, selects, StandInObjects, type Thing } from "./StandInObjects.ts"

/** A request as faults and tests see it. */
export interface Request {
  readonly method: string
  readonly kind: Kind
  readonly name: string | undefined
  readonly watch: boolean
}

/** What happens instead of the honest answer, so many times. */
export interface Fault {
  readonly when: (request: Request) => boolean
  times: number
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** The connection is cut; `after`: once the request has been carried out. */
  readonly cut?: "before" | "after"
  /** A watch that is accepted and then says that it expired. */
  readonly expired?: true
}

const TOKEN = "stand-in-token"
const ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
const ROUTE =
  /^\/(?:api|apis\/batch)\/v1\/namespaces\/([^/]+)\/(jobs|pods|secrets|persistentvolumeclaims)(?:\/([^/]+))?$/

export interface StandInOptions {
  /** An empty directory for everything that it writes. */
  readonly directory: string
  readonly namespace?: string
  readonly nodeLabels?: Readonly<Record<string, string>>
  /** How often watches are told of the present version, ms. */
  readonly bookmarkMs?: number
}

export class KubernetesStandIn {
  readonly objects = new StandInObjects()
  readonly kubelet: StandInKubelet
  readonly namespace: string
  readonly claims = new Map<string, string>()
  readonly imageProblems = new Map<string, string>()
  /** Rights that whoever asks does not have, as `create jobs`. */
  readonly forbidden = new Set<string>()
  readonly requests: Array<Request> = []
  readonly faults: Array<Fault> = []
  private readonly directory: string
  private readonly bookmarkMs: number
  private readonly sockets = new Set<Socket>()
  private readonly watches = new Set<ServerResponse>()
  private readonly work = new Set<Promise<void>>()
  private server: Server
  private port = 0
  private closed = false

  private constructor({ bookmarkMs = 1_000, directory, namespace = "agents", nodeLabels = {} }: StandInOptions) {
    this.directory = directory
    this.bookmarkMs = bookmarkMs
    this.namespace = namespace
    this.kubelet = new StandInKubelet({
      objects: this.objects,
      directory: join(directory, "pods"),
      claims: this.claims,
      imageProblems: this.imageProblems,
      nodeLabels
    })
    this.server = this.makeServer()
  }

  static async start(options: StandInOptions): Promise<KubernetesStandIn> {
    const standIn = new KubernetesStandIn(options)
    await standIn.comeBack()
    return standIn
  }

  /** A kubeconfig that leads here. */
  get kubeconfig(): string {
    const path = join(this.directory, "kubeconfig")
    mkdirSync(this.directory, { recursive: true })
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "stand-in",
      contexts: [{ name: "stand-in", context: { cluster: "c", user: "u", namespace: this.namespace } }],
      clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${this.port}`, "insecure-skip-tls-verify": true } }],
      users: [{ name: "u", user: { token: TOKEN } }]
    }
    writeFileSync(path, JSON.stringify(config))
    return path
  }

  /** A claim, and the directory that pods see when they mount it. */
  addClaim(name: string, directory: string, phase = "Bound"): void {
    mkdirSync(directory, { recursive: true })
    this.claims.set(name, directory)
    this.objects.create("persistentvolumeclaims", this.namespace, { metadata: { name }, spec: {}, status: { phase } })
  }

  jobs(): Array<Thing> {
    return this.objects.list("jobs", this.namespace, "")
  }
  pods(): Array<Thing> {
    return this.objects.list("pods", this.namespace, "")
  }
  secrets(): Array<Thing> {
    return this.objects.list("secrets", this.namespace, "")
  }

  /** Nobody listens, and every connection is cut; what runs goes on. */
  async goAway(): Promise<void> {
    const down = new Promise<void>((resolve) => this.server.close(() => resolve()))
    for (const socket of this.sockets) socket.destroy()
    await down
  }

  async comeBack(): Promise<void> {
    this.server = this.makeServer()
    await new Promise<void>((resolve) => this.server.listen(this.port, "127.0.0.1", resolve))
    this.port = (this.server.address() as AddressInfo).port
  }

  /** Every watch is cut in the middle of a line. */
  cutWatches(): void {
    for (const response of this.watches) response.write('{"type":"MODIF', () => response.destroy())
  }

  /** Watches that are not up to date have to begin anew. */
  expireWatches(): void {
    this.cutWatches()
    this.objects.forgetHistory()
  }

  async close(): Promise<void> {
    this.closed = true
    await this.kubelet.close()
    await this.goAway()
    await Promise.allSettled(this.work)
  }

  private makeServer(): Server {
    const server = createServer((request, response) => void this.answer(request, response))
    server.on("connection", (socket) => {
      this.sockets.add(socket)
      socket.once("close", () => this.sockets.delete(socket))
    })
    return server
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://stand-in")
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk)
    const [, namespace = "", kind, name] = ROUTE.exec(url.pathname) ?? []
    try {
      if (kind === undefined && url.pathname !== ACCESS) {
        throw new Refusal(404, "NotFound", "the server could not find the requested resource")
      }
      if (request.headers.authorization !== `Bearer ${TOKEN}`) throw new Refusal(401, "Unauthorized", "Unauthorized")
      if (kind === undefined) {
        const review = JSON.parse(Buffer.concat(chunks).toString("utf8"))
        const { resource, verb } = review.spec.resourceAttributes
        return send(response, 201, { ...review, status: { allowed: !this.forbidden.has(`${verb} ${resource}`) } })
      }
      const seen: Request = {
        method: request.method ?? "GET",
        kind: kind as Kind,
        name,
        watch: url.searchParams.get("watch") === "true"
      }
      this.requests.push(seen)
      const fault = this.faults.find(({ times, when }) => times > 0 && when(seen))
      if (fault !== undefined) fault.times -= 1
      if (fault?.cut === "before") return void response.destroy()
      if (fault?.status !== undefined) {
        for (const [key, value] of Object.entries(fault.headers ?? {})) response.setHeader(key, value)
        throw new Refusal(fault.status, "StandInFault", "the stand-in was told to say so")
      }
      if (fault?.expired === true) {
        const object = { kind: "Status", status: "Failure", code: 410, reason: "Expired", message: "too old" }
        return void response.writeHead(200).end(`${JSON.stringify({ type: "ERROR", object })}\n`)
      }
      if (seen.watch) return this.watch(seen.kind, namespace, url.searchParams, response)
      const text = Buffer.concat(chunks).toString("utf8")
      const body = this.carryOut(seen, namespace, url.searchParams, text === "" ? {} : JSON.parse(text))
      if (fault?.cut === "after") return void response.destroy()
      send(response, request.method === "POST" ? 201 : 200, body)
    } catch (error) {
      const { code, message, reason } =
        error instanceof Refusal ? error : new Refusal(500, "InternalError", String(error))
      send(response, code, { kind: "Status", apiVersion: "v1", status: "Failure", code, message, reason })
    }
  }

  private carryOut({ kind, method, name }: Request, namespace: string, query: URLSearchParams, body: Thing): Thing {
    if (method === "POST") return this.create(kind, namespace, body)
    if (name === undefined) {
      const items = this.objects.list(kind, namespace, query.get("labelSelector") ?? "")
      const from = Number(query.get("continue") ?? 0)
      const limit = Number(query.get("limit") ?? items.length)
      const more = from + limit < items.length
      const metadata = { resourceVersion: this.objects.now(), ...(more ? { continue: String(from + limit) } : {}) }
      return { kind: "List", apiVersion: "v1", metadata, items: items.slice(from, from + limit) }
    }
    const found = this.objects.read(kind, namespace, name)
    if (method === "GET") return found
    if (method === "PATCH")
      return this.objects.change(kind, found, (object) => void Object.assign(object, mergePatch(object, body)))
    if (method !== "DELETE") throw new Refusal(405, "MethodNotAllowed", "the stand-in does not know that")
    const wanted = body.preconditions?.uid
    if (wanted !== undefined && wanted !== found.metadata.uid) {
      throw new Refusal(409, "Conflict", "the UID in the precondition is not the object's")
    }
    if (kind === "jobs") this.removeJob(found, body.propagationPolicy ?? query.get("propagationPolicy") ?? "Background")
    else if (kind === "pods") this.track(this.removePod(found))
    else this.objects.remove(kind, found)
    return { kind: "Status", apiVersion: "v1", status: "Success" }
  }

  private create(kind: Kind, namespace: string, body: Thing): Thing {
    const problem = formProblem(kind, body)
    if (problem !== null) throw new Refusal(422, "Invalid", problem)
    if (kind === "secrets") {
      body.data = { ...body.data }
      for (const [key, value] of Object.entries(body.stringData ?? {})) {
        body.data[key] = Buffer.from(String(value)).toString("base64")
      }
      delete body.stringData
      const size = Object.values(body.data).reduce<number>(
        (sum, value) => sum + Buffer.from(String(value), "base64").length,
        0
      )
      if (size > 1_048_576) throw new Refusal(422, "Invalid", "data: Too long: must have at most 1048576 bytes")
    }
    const made = this.objects.create(kind, namespace, kind === "jobs" ? { ...body, status: {} } : body)
    if (kind === "jobs") this.track(this.control(made))
    return made
  }

  private watch(kind: Kind, namespace: string, query: URLSearchParams, response: ServerResponse): void {
    const selector = query.get("labelSelector") ?? ""
    const missed = this.objects.since(kind, query.get("resourceVersion") ?? "0")
    response.writeHead(200, { "content-type": "application/json" })
    response.flushHeaders()
    const tell = ({ object, type }: { readonly object: Thing; readonly type: string }): void => {
      if (object.metadata.namespace === namespace && selects(selector, object)) line({ type, object })
    }
    const line = (value: Thing): void => void response.write(`${JSON.stringify(value)}\n`)
    for (const event of missed) tell(event)
    const stop = this.objects.listen((event) => {
      if (event.kind === kind) tell(event)
    })
    const bookmarks = setInterval(
      () => line({ type: "BOOKMARK", object: { metadata: { resourceVersion: this.objects.now() } } }),
      this.bookmarkMs
    )
    this.watches.add(response)
    response.once("close", () => {
      stop()
      clearInterval(bookmarks)
      this.watches.delete(response)
    })
  }

  /** What the controller of Jobs does with one. */
  private async control(job: Thing): Promise<void> {
    const { metadata, spec } = job
    const owner = { apiVersion: "batch/v1", kind: "Job", name: metadata.name, uid: metadata.uid }
    const pod = this.objects.create("pods", metadata.namespace, {
      metadata: {
        name: `${metadata.name}-${randomSuffix()}`,
        labels: { ...spec.template.metadata.labels, "batch.kubernetes.io/job-name": metadata.name },
        annotations: spec.template.metadata.annotations,
        ownerReferences: [owner]
      },
      spec: spec.template.spec,
      status: { phase: "Pending" }
    })
    const deadline = spec.activeDeadlineSeconds
    const timer =
      deadline === undefined ? undefined : setTimeout(() => this.track(this.overdue(job, pod)), deadline * 1_000)
    await this.kubelet.run(pod)
    clearTimeout(timer)
    const { phase } = this.objects.get("pods", metadata.namespace, pod.metadata.name)?.status ?? {}
    if (phase === "Succeeded") this.conclude(job, "Complete", "CompletionsReached", "")
    if (phase === "Failed")
      this.conclude(job, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    const ttl = spec.ttlSecondsAfterFinished
    if (ttl === undefined || phase === "Pending") return
    for (let waited = 0; waited < ttl * 1_000 && !this.closed; waited += 100) await sleep(100)
    const still = this.objects.get("jobs", metadata.namespace, metadata.name)
    if (!this.closed && still?.metadata.uid === metadata.uid) this.removeJob(still, "Background")
  }

  private conclude(job: Thing, type: string, reason: string, message: string): void {
    this.objects.change("jobs", job, ({ status }) => {
      status.conditions ??= []
      if (status.conditions.some((known: Thing) => ["Complete", "Failed"].includes(known.type))) return
      const target = status.conditions.find((known: Thing) => known.type === "FailureTarget")
      status.conditions.push({
        type,
        status: "True",
        reason,
        message,
        ...target,
        ...(target === undefined ? {} : { type: "Failed" })
      })
    })
  }

  private async overdue(job: Thing, pod: Thing): Promise<void> {
    this.objects.change("jobs", job, ({ status }) => {
      const message = "Job was active longer than specified deadline"
      status.conditions = [{ type: "FailureTarget", status: "True", reason: "DeadlineExceeded", message }]
    })
    await this.removePod(pod)
    this.conclude(job, "Failed", "DeadlineExceeded", "")
  }

  private podsOf(job: Thing): Array<Thing> {
    return this.objects
      .list("pods", job.metadata.namespace, "")
      .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }: Thing) => uid === job.metadata.uid))
  }

  private removeJob(job: Thing, propagation: string): void {
    const pods = propagation === "Orphan" ? [] : this.podsOf(job)
    if (propagation === "Foreground") {
      this.objects.change("jobs", job, ({ metadata }) => void (metadata.deletionTimestamp ??= new Date().toISOString()))
    } else this.objects.remove("jobs", job)
    this.track(Promise.all(pods.map((pod) => this.removePod(pod))).then(() => this.objects.remove("jobs", job)))
  }

  private async removePod(pod: Thing): Promise<void> {
    this.objects.change("pods", pod, ({ metadata }) => void (metadata.deletionTimestamp ??= new Date().toISOString()))
    await this.kubelet.end(pod, pod.spec.terminationGracePeriodSeconds ?? 30)
    // The node reports the end before the object goes.
    await sleep(20)
    this.objects.remove("pods", pod)
  }

  private track(work: Promise<unknown>): void {
    const tracked = work.then(
      () => void this.work.delete(tracked),
      (error: unknown) => {
        if (!this.closed) throw error
      }
    )
    this.work.add(tracked)
  }
}

const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
const LABEL = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/

/** By the API's published schemas, and by the rules that those leave to words. */
const formProblem = (kind: Kind, body: Thing): string | null => {
  try {
    if (kind === "jobs") new Job(body).validate()
    if (kind === "secrets") new Secret(body).validate()
  } catch (error) {
    return String(error)
  }
  const { labels = {}, name = "" } = body.metadata ?? {}
  if (kind === "jobs" && !NAME.test(name)) return `metadata.name: Invalid value: ${name}`
  const odd = Object.entries({ ...labels, ...body.spec?.template?.metadata?.labels }).find(
    ([, value]) => !LABEL.test(String(value))
  )
  return odd === undefined ? null : `metadata.labels: Invalid value: ${odd.join("=")}`
}

const send = (response: ServerResponse, status: number, body: Thing): void => {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(body))
}
