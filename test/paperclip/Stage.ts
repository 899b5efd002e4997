/** The built adapter in a host of its own process, on a stand-in cluster, with a stand-in for OpenCode in its image. */
import { type ChildProcess, spawn } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { AdapterExecutionResult } from "@paperclipai/adapter-utils"
import { MOUNT } from "../runs/kubernetes/Fixture.ts"
import { KubernetesStandIn } from "../runs/kubernetes/KubernetesStandIn.ts"

const top = fileURLToPath(new URL("../../", import.meta.url))
export const ADAPTER = join(top, "dist/paperclip-adapter/index.js")
export const FIXTURES = join(top, "test/fixtures/opencode")

/** The host's line as `Host.ts` writes it. */
interface Line {
  readonly op: string
  readonly runId?: string
  readonly [key: string]: any
}

/** What an execution is asked for beyond the ordinary. */
export interface Asked {
  readonly runId: string
  readonly agentId?: string
  /** What the stand-in for OpenCode does: a text for `sh -c`, with OpenCode's arguments. */
  readonly script: string
  readonly config?: Readonly<Record<string, unknown>>
  readonly context?: Readonly<Record<string, unknown>>
  readonly runtime?: Readonly<Record<string, unknown>>
  readonly authToken?: string
  readonly options?: { readonly signal?: false; readonly aborted?: true; readonly slowMs?: number }
}

export class Host {
  readonly lines: Array<Line> = []
  readonly process: ChildProcess
  private readonly volume: Stage

  constructor(stage: Stage, env: Readonly<Record<string, string>>) {
    this.volume = stage
    this.process = spawn(process.execPath, [fileURLToPath(new URL("./Host.ts", import.meta.url)), ADAPTER], {
      cwd: stage.directory,
      env: { PATH: process.env["PATH"] ?? "", HOME: stage.directory, ...env },
      stdio: ["pipe", "pipe", "inherit"]
    })
    createInterface({ input: this.process.stdout! }).on("line", (line) => this.lines.push(JSON.parse(line)))
  }

  send(command: Readonly<Record<string, unknown>>): void {
    this.process.stdin!.write(`${JSON.stringify(command)}\n`)
  }

  execute(asked: Asked): Promise<AdapterExecutionResult> {
    const {
      agentId = "writer",
      authToken,
      config = {},
      context = {},
      options = {},
      runId,
      runtime = {},
      script
    } = asked
    const { env = {}, ...others } = config as { readonly env?: Record<string, string> }
    this.send({
      op: "execute",
      options,
      ctx: {
        runId,
        agent: { id: agentId, companyId: "acme", name: "Writer", adapterType: "opencode_k8s", adapterConfig: {} },
        runtime: { sessionId: null, sessionParams: null, sessionDisplayId: null, taskKey: null, ...runtime },
        config: { ...this.volume.config, graceSec: 1, ...others, env: { ...this.volume.env, ...env, SCRIPT: script } },
        context,
        ...(authToken === undefined ? {} : { authToken })
      }
    })
    return this.result(runId)
  }

  async result(runId: string): Promise<AdapterExecutionResult> {
    const found = await this.line("result", runId, 50_000)
    return found["result"]
  }

  /** The first line of that kind, of those that came after `from`. */
  async line(op: string, runId: string, forMs = 20_000, from = 0): Promise<Line> {
    const end = Date.now() + forMs
    while (Date.now() < end) {
      const found = this.lines.slice(from).find((line) => line.op === op && line.runId === runId)
      if (found !== undefined) return found
      const broke = this.lines.find((line) => line.op === "broke" && line.runId === runId)
      if (broke !== undefined) throw new Error(broke["error"])
      await sleep(20)
    }
    throw new Error(`not in time: ${op} of ${runId}; last: ${JSON.stringify(this.lines.slice(-3))}`)
  }

  /** What the host was given of a run, its own stderr apart. */
  given(runId: string, stream = "stdout"): string {
    return this.lines
      .filter((line) => line.op === "log" && line.runId === runId && line["stream"] === stream)
      .map((line) => line["chunk"])
      .join("")
  }

  /** The same without what the adapter says itself. */
  output(runId: string): string {
    return this.given(runId).replace(/^\[holdfast\] .*\n/gm, "")
  }

  async close(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const ended = new Promise<void>((resolve) => this.process.once("exit", () => resolve()))
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    this.process.kill(signal)
    await ended
  }
}

export class Stage {
  readonly directory: string
  readonly standIn: KubernetesStandIn
  /** The volume as the host sees it. */
  readonly root: string
  readonly env: Readonly<Record<string, string>>
  private readonly hosts: Array<Host> = []

  private constructor(standIn: KubernetesStandIn, directory: string) {
    this.directory = directory
    this.root = join(directory, "volume")
    this.standIn = standIn
    standIn.addClaim("shared", this.root)
    const bin = join(directory, "bin")
    mkdirSync(bin)
    writeFileSync(join(bin, "opencode"), `#!/bin/sh\nexec sh -c "$SCRIPT" opencode "$@"\n`)
    chmodSync(join(bin, "opencode"), 0o755)
    this.env = { PATH: `${bin}:${process.env["PATH"] ?? ""}`, FIXTURES, TMPDIR: "/var/host/tmp" }
  }

  static async start(): Promise<Stage> {
    const directory = mkdtempSync(join(tmpdir(), "holdfast-paperclip-"))
    return new Stage(await KubernetesStandIn.start({ directory: join(directory, "cluster") }), directory)
  }

  get config(): Readonly<Record<string, unknown>> {
    return {
      kubeconfig: this.standIn.kubeconfig,
      image: "stand-in/agent",
      pvc: { claim: "shared", mountPath: MOUNT },
      root: this.root,
      model: "stand-in/model"
    }
  }

  async host(env: Readonly<Record<string, string>> = {}): Promise<Host> {
    const host = new Host(this, env)
    this.hosts.push(host)
    const end = Date.now() + 20_000
    while (host.lines.length === 0 && Date.now() < end) await sleep(20)
    return host
  }

  async closeHosts(): Promise<void> {
    for (const host of this.hosts.splice(0)) await host.close()
  }

  async close(): Promise<void> {
    await this.closeHosts()
    await this.standIn.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export const until = async (what: string, isSo: () => boolean, forMs = 20_000): Promise<void> => {
  const end = Date.now() + forMs
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`not in time: ${what}`)
    await sleep(20)
  }
}
