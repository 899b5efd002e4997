/**
 * The node of the stand-in cluster: it really executes the commands of containers, as local processes.
 *
 * There are no namespaces: mount paths are replaced by directories of this machine wherever they stand in a command.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { StandInObjects, Thing } from "./StandInObjects.ts"

/** `$(NAME)` and `$$` as a kubelet replaces them in commands, arguments and values. */
export const expand = (text: string, env: Readonly<Record<string, string>>): string => {
  let result = ""
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] !== "$" || at + 1 >= text.length) {
      result += text[at]
      continue
    }
    if (text[at + 1] === "$") {
      result += "$"
      at += 1
      continue
    }
    const end = text[at + 1] === "(" ? text.indexOf(")", at) : -1
    if (end < 0) {
      result += "$"
      continue
    }
    const name = text.slice(at + 2, end)
    result += env[name] ?? `$(${name})`
    at = end
  }
  return result
}

/** How a container is said to have ended, where a test brings that about. */
export type Fate = "OOMKilled" | "Error" | "ContainerStatusUnknown"

interface Running {
  readonly process: ChildProcess
  readonly ended: Promise<number>
  fate: Fate | null
}

export interface KubeletOptions {
  readonly objects: StandInObjects
  readonly directory: string
  /** The directories of volume claims. */
  readonly claims: Map<string, string>
  /** Images of which a container cannot be made, and the reason that is given. */
  readonly imageProblems: Map<string, string>
  /** Labels of the only node. */
  readonly nodeLabels: Readonly<Record<string, string>>
}

const kill = (target: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(target, signal)
  } catch {
    // Gone already.
  }
}

export class StandInKubelet {
  private readonly options: KubeletOptions
  private readonly running = new Map<string, Running>()
  private readonly doomed = new Set<string>()
  closed = false

  constructor(options: KubeletOptions) {
    this.options = options
  }

  /** From scheduling to the end; resolves when nothing of the pod runs any more. */
  async run(pod: Thing): Promise<void> {
    if (!(await this.placed(pod))) return
    const problem = this.options.imageProblems.get(pod.spec.containers[0].image)
    if (problem !== undefined) {
      this.setStatus(pod, (status) => {
        status.initContainerStatuses = waiting(pod.spec.initContainers, problem)
      })
      return
    }
    const volumes = await this.volumes(pod)
    if (volumes === null) return
    for (const container of pod.spec.initContainers ?? []) {
      const end = await this.execute(pod, container, volumes, "initContainerStatuses")
      if (end === 0) continue
      this.setStatus(pod, (status) => void (status.phase = "Failed"))
      return
    }
    const [container] = pod.spec.containers
    const code = await this.execute(pod, container, volumes, "containerStatuses")
    this.setStatus(pod, (status) => void (status.phase = code === 0 ? "Succeeded" : "Failed"))
  }

  /** TERM to process 1, KILL to all of the container after the grace. */
  async end(pod: Thing, graceSeconds: number): Promise<void> {
    this.doomed.add(pod.metadata.uid)
    const running = this.running.get(pod.metadata.uid)
    if (running?.process.pid === undefined) return
    kill(running.process.pid, "SIGTERM")
    const ended = await Promise.race([running.ended.then(() => true), sleep(graceSeconds * 1_000, false)])
    if (!ended) kill(-running.process.pid, "SIGKILL")
    await running.ended
  }

  /** Everything of the container dies at once, for the reason that is given. */
  async kill(pod: Thing, fate: Fate): Promise<void> {
    const running = this.running.get(pod.metadata.uid)
    if (running?.process.pid === undefined) throw new Error("the pod does not run")
    running.fate = fate
    kill(-running.process.pid, "SIGKILL")
    await running.ended
  }

  async close(): Promise<void> {
    this.closed = true
    for (const { process: child } of this.running.values()) if (child.pid !== undefined) kill(-child.pid, "SIGKILL")
    await Promise.all([...this.running.values()].map(({ ended }) => ended))
  }

  /** What the container wrote, as `kubectl logs` shows it. */
  logs(pod: Thing, container = "agent"): string {
    return readFileSync(join(this.directoryOf(pod), `${container}.log`), "utf8")
  }

  private directoryOf(pod: Thing): string {
    return join(this.options.directory, pod.metadata.uid)
  }

  private setStatus(pod: Thing, edit: (status: Thing) => void): void {
    this.options.objects.change("pods", pod, (object) => edit(object.status))
  }

  private gone(pod: Thing): boolean {
    const { name, namespace, uid } = pod.metadata
    return this.closed || this.doomed.has(uid) || this.options.objects.get("pods", namespace, name) === undefined
  }

  /** Waits for a node that fits and for claims that are bound. */
  private async placed(pod: Thing): Promise<boolean> {
    let told = ""
    while (!this.gone(pod)) {
      const problem = this.unschedulable(pod)
      if (problem === null) {
        this.setStatus(pod, (status) => {
          status.conditions = [{ type: "PodScheduled", status: "True" }]
          status.initContainerStatuses = waiting(pod.spec.initContainers, "ContainerCreating")
          status.containerStatuses = waiting(pod.spec.containers, "PodInitializing")
        })
        return true
      }
      if (problem !== told) {
        told = problem
        this.setStatus(pod, (status) => {
          status.conditions = [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: problem }]
        })
      }
      await sleep(50)
    }
    return false
  }

  private unschedulable(pod: Thing): string | null {
    const selector = Object.entries(pod.spec.nodeSelector ?? {})
    if (selector.some(([key, value]) => this.options.nodeLabels[key] !== value)) {
      return "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    }
    for (const { persistentVolumeClaim: claim } of pod.spec.volumes ?? []) {
      if (claim === undefined) continue
      const found = this.options.objects.get("persistentvolumeclaims", pod.metadata.namespace, claim.claimName)
      if (found === undefined) return `persistentvolumeclaim "${claim.claimName}" not found`
      if (found.status.phase !== "Bound") return "pod has unbound immediate PersistentVolumeClaims."
    }
    return null
  }

  /** Directories of the volumes by name; waits for Secrets that are not there yet. */
  private async volumes(pod: Thing): Promise<Map<string, string> | null> {
    const result = new Map<string, string>()
    for (const { emptyDir, name, persistentVolumeClaim, secret } of pod.spec.volumes ?? []) {
      const directory = join(this.directoryOf(pod), "volumes", name)
      if (persistentVolumeClaim !== undefined) {
        result.set(name, this.options.claims.get(persistentVolumeClaim.claimName) ?? directory)
        continue
      }
      mkdirSync(directory, { recursive: true })
      result.set(name, directory)
      if (emptyDir !== undefined || secret === undefined) continue
      let found: Thing
      while ((found = this.options.objects.get("secrets", pod.metadata.namespace, secret.secretName)) === undefined) {
        if (this.gone(pod)) return null
        await sleep(50)
      }
      for (const [key, value] of Object.entries(found.data)) {
        writeFileSync(join(directory, key), Buffer.from(String(value), "base64"))
      }
    }
    return result
  }

  private async execute(pod: Thing, container: Thing, volumes: Map<string, string>, list: string): Promise<number> {
    const base = this.directoryOf(pod)
    mkdirSync(base, { recursive: true })
    const termination = join(base, `${container.name}.termination`)
    writeFileSync(termination, "")
    const mounts: Array<readonly [string, string]> = [
      [container.terminationMessagePath ?? "/dev/termination-log", termination],
      ...(container.volumeMounts ?? []).map(({ mountPath, name, subPath }: Thing) => [
        mountPath,
        join(volumes.get(name) ?? base, subPath ?? "")
      ])
    ]
    const here = (text: string) =>
      mounts.reduce((result, [path, directory]) => result.replaceAll(path, directory), text)
    const env: Record<string, string> = { PATH: process.env.PATH ?? "/usr/bin:/bin", HOME: "/" }
    for (const { name, value } of container.env ?? []) {
      const expanded = expand(value ?? "", env)
      env[name] = expanded.startsWith("/") ? here(expanded) : expanded
    }
    const words = [...(container.command ?? []), ...(container.args ?? [])].map((word) => here(expand(word, env)))
    const state = (value: Thing) =>
      this.setStatus(pod, (status) => {
        status.phase = list === "containerStatuses" ? "Running" : "Pending"
        status[list] = (status[list] ?? []).map((known: Thing) =>
          known.name === container.name ? { ...known, state: value } : known
        )
      })
    if (this.gone(pod)) return 143
    const log = openSync(join(base, `${container.name}.log`), "a")
    const startedAt = new Date().toISOString()
    const directory = here(container.workingDir ?? base)
    const child = spawn(words[0] ?? "", words.slice(1), {
      cwd: existsSync(directory) ? directory : base,
      env,
      detached: true,
      stdio: ["ignore", log, log]
    })
    closeSync(log)
    const ended = new Promise<number>((resolve) => {
      child.once("error", () => resolve(128))
      child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === "SIGKILL" ? 9 : 15)))
    })
    const running: Running = { process: child, ended, fate: null }
    this.running.set(pod.metadata.uid, running)
    state({ running: { startedAt } })
    const exitCode = await ended
    // What is left in a container dies with its process 1.
    if (child.pid !== undefined) kill(-child.pid, "SIGKILL")
    this.running.delete(pod.metadata.uid)
    state({
      terminated: {
        exitCode,
        reason: running.fate ?? (exitCode === 0 ? "Completed" : "Error"),
        message: readFileSync(termination, "utf8").slice(0, 4_096),
        startedAt,
        finishedAt: new Date().toISOString()
      }
    })
    return exitCode
  }
}

const waiting = (containers: ReadonlyArray<Thing> | undefined, reason: string): Array<Thing> =>
  (containers ?? []).map(({ image, name }) => ({
    name,
    image,
    imageID: "",
    ready: false,
    restartCount: 0,
    state: { waiting: { reason, message: `the stand-in says ${reason}` } }
  }))
