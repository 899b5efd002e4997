/** What the stand-in cluster keeps: objects with versions, their history for watches, and who listens. */
import { randomBytes, randomUUID } from "node:crypto"

export type Kind = "jobs" | "pods" | "secrets" | "persistentvolumeclaims"

/** An object of a cluster as JSON; the stand-in looks into it freely. */
export type Thing = any

export interface Event {
  readonly version: number
  readonly kind: Kind
  readonly type: "ADDED" | "MODIFIED" | "DELETED"
  readonly object: Thing
}

/** An answer of the API that is not 2xx, as a `Status`. */
export class Refusal extends Error {
  readonly code: number
  readonly reason: string
  constructor(code: number, reason: string, message: string) {
    super(message)
    this.code = code
    this.reason = reason
  }
}

const API: Record<Kind, { readonly apiVersion: string; readonly kind: string }> = {
  jobs: { apiVersion: "batch/v1", kind: "Job" },
  pods: { apiVersion: "v1", kind: "Pod" },
  secrets: { apiVersion: "v1", kind: "Secret" },
  persistentvolumeclaims: { apiVersion: "v1", kind: "PersistentVolumeClaim" }
}

export class StandInObjects {
  /** How many of each kind there ever were. */
  readonly created: Record<Kind, number> = { jobs: 0, pods: 0, secrets: 0, persistentvolumeclaims: 0 }
  private version = 100
  /** Watches may not begin before this. */
  private oldest = 0
  private readonly objects = new Map<string, Thing>()
  private readonly history: Array<Event> = []
  private readonly listeners = new Set<(event: Event) => void>()

  now(): string {
    return String(this.version)
  }

  get(kind: Kind, namespace: string, name: string): Thing | undefined {
    return this.objects.get(`${kind}/${namespace}/${name}`)
  }

  read(kind: Kind, namespace: string, name: string): Thing {
    const found = this.get(kind, namespace, name)
    if (found === undefined) throw new Refusal(404, "NotFound", `${kind} "${name}" not found`)
    return found
  }

  list(kind: Kind, namespace: string, selector: string): Array<Thing> {
    return [...this.objects]
      .filter(([key, object]) => key.startsWith(`${kind}/${namespace}/`) && selects(selector, object))
      .map(([, object]) => object)
  }

  create(kind: Kind, namespace: string, object: Thing): Thing {
    const name = object.metadata.name
    if (this.get(kind, namespace, name) !== undefined) {
      throw new Refusal(409, "AlreadyExists", `${kind} "${name}" already exists`)
    }
    const made = structuredClone({ ...API[kind], ...object })
    made.metadata = {
      ...made.metadata,
      namespace,
      uid: randomUUID(),
      creationTimestamp: new Date().toISOString().replace(/\.\d+/, "")
    }
    this.created[kind] += 1
    return this.put(kind, made, "ADDED")
  }

  /** Changes an object in place, as a controller does; nothing happens to one that is gone. */
  change(kind: Kind, before: Thing, edit: (object: Thing) => void): Thing | undefined {
    const found = this.get(kind, before.metadata.namespace, before.metadata.name)
    if (found === undefined || found.metadata.uid !== before.metadata.uid) return undefined
    const next = structuredClone(found)
    edit(next)
    return this.put(kind, next, "MODIFIED")
  }

  remove(kind: Kind, object: Thing): void {
    const { name, namespace, uid } = object.metadata
    const found = this.get(kind, namespace, name)
    if (found === undefined || found.metadata.uid !== uid) return
    this.objects.delete(`${kind}/${namespace}/${name}`)
    this.record(kind, { ...found, metadata: { ...found.metadata } }, "DELETED")
    if (kind !== "jobs") return
    for (const [key, owned] of this.objects) {
      const isOwned = owned.metadata.ownerReferences?.some((owner: Thing) => owner.uid === uid)
      if (isOwned && key.startsWith("secrets/")) this.remove("secrets", owned)
    }
  }

  /** Events after a version; a version that is too old is gone. */
  since(kind: Kind, version: string): ReadonlyArray<Event> {
    const from = Number(version)
    if (from < this.oldest) throw new Refusal(410, "Expired", `too old resource version: ${version} (${this.oldest})`)
    return this.history.filter((event) => event.kind === kind && event.version > from)
  }

  /** Forgets what has happened: every watch that is not up to date begins anew. */
  forgetHistory(): void {
    this.version += 1
    this.oldest = this.version
    this.history.length = 0
  }

  listen(listener: (event: Event) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private put(kind: Kind, object: Thing, type: "ADDED" | "MODIFIED"): Thing {
    const { name, namespace } = object.metadata
    this.objects.set(`${kind}/${namespace}/${name}`, object)
    return this.record(kind, object, type)
  }

  private record(kind: Kind, object: Thing, type: Event["type"]): Thing {
    this.version += 1
    object.metadata.resourceVersion = String(this.version)
    const event = { version: this.version, kind, type, object: structuredClone(object) }
    this.history.push(event)
    for (const listener of this.listeners) listener(event)
    return object
  }
}

/** Equality-based selectors, which are all that is asked for. */
export const selects = (selector: string, object: Thing): boolean =>
  selector === "" ||
  selector.split(",").every((part) => {
    const [key = "", value = ""] = part.split("=")
    return object.metadata.labels?.[key] === value
  })

export const randomSuffix = (): string => randomBytes(3).toString("hex").slice(0, 5)

/** Objects inside others replace key by key; null removes. */
export const mergePatch = (target: Thing, patch: Thing): Thing => {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch
  const result = { ...(typeof target === "object" && target !== null && !Array.isArray(target) ? target : {}) }
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = mergePatch(result[key], value)
  }
  return result
}
