/** A daemon under the tests' own supervisor that honours NOTIFY_SOCKET: Supervisor.py. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { eventually, Gateway, pluginFixtures } from "../e2e/Processes.ts"
import { environment, node, script } from "../support/Program.ts"

export interface Event {
  /** Seconds of a monotonic clock. */
  readonly at: number
  readonly pid: number
  readonly event: "started" | "said" | "watchdog" | "ended"
  readonly line?: string
  readonly code?: number
}

export class Supervised {
  /** Its home; its own process is never started. */
  readonly gateway = new Gateway()
  readonly events: Array<Event> = []
  readonly #child: ChildProcess
  readonly #ended: Promise<number | null>
  log = ""

  constructor(
    document: object,
    { path, watchdogMicros = 2_000_000 }: { readonly path?: string; readonly watchdogMicros?: number } = {}
  ) {
    writeFileSync(join(this.home, "config.json"), JSON.stringify(document))
    const env = { ...this.gateway.env, HOLDFAST_TEST_PLUGINS: pluginFixtures }
    mkdirSync(join(this.home, "supervisor"))
    const args = [
      join(import.meta.dirname, "Supervisor.py"),
      join(this.home, "supervisor", "notify"),
      String(watchdogMicros),
      "/usr/bin/env",
      ...(path === undefined ? [] : [`PATH=${path}`]),
      node,
      script,
      "daemon"
    ]
    this.#child = spawn("python3", args, { env: environment(env), stdio: ["ignore", "pipe", "pipe"] })
    let rest = ""
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n")
      rest = lines.pop() ?? ""
      this.events.push(...lines.map((line): Event => JSON.parse(line)))
    })
    this.#child.stderr?.on("data", (chunk: Buffer) => (this.log += chunk.toString()))
    this.#ended = new Promise((resolve) => this.#child.on("close", resolve))
  }

  get home(): string {
    return this.gateway.home
  }

  /** The process that runs now. */
  get pid(): number {
    return this.events.findLast(({ event }) => event === "started")?.pid ?? 0
  }

  /** What a process said, in order. */
  said(pid: number): ReadonlyArray<string> {
    return this.events.flatMap((each) => (each.pid === pid && each.line !== undefined ? [each.line] : []))
  }

  until(what: string, holds: (events: ReadonlyArray<Event>) => boolean): Promise<true> {
    return eventually(what, () => (holds(this.events) ? (true as const) : undefined), 40_000).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}\n${JSON.stringify(this.events.slice(-20))}\n${this.log.slice(-4_000)}`)
      }
    )
  }

  /** Waits until the process that runs then is ready; answers it. */
  async ready(after = 0): Promise<number> {
    await this.until("READY=1", (events) => events.some(({ line, pid }) => line === "READY=1" && pid !== after))
    return this.pid
  }

  /** The main process alone, as `KillMode=process` has it. */
  killMain(): void {
    this.#child.kill("SIGUSR1")
  }

  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null) this.#child.kill("SIGTERM")
    return await this.#ended
  }

  async remove(): Promise<void> {
    await this.stop()
    await this.gateway.remove()
  }
}
