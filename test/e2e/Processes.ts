/** The built program as real processes: central, commands, and a daemon under a loop that relaunches it. */
import { type ChildProcess, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { type Dirent, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import type { Status } from "../../src/domain/index.ts"
import { type Ended, environment, node, script } from "../support/Program.ts"

export const pluginFixtures = join(import.meta.dirname, "..", "fixtures", "plugins")

export type Environment = Readonly<Record<string, string>>

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits for a value; the last reason is in the error. */
export const eventually = async <A>(what: string, probe: () => A | undefined | Promise<A | undefined>, ms = 20_000) => {
  const end = Date.now() + ms
  for (;;) {
    const found = await probe()
    if (found !== undefined) return found
    if (Date.now() > end) throw new Error(`${what} did not happen within ${ms} ms`)
    await sleep(30)
  }
}

const launch = (args: ReadonlyArray<string>, env: Environment, wrapper: ReadonlyArray<string> = []) => {
  const [command = node, ...rest] = [...wrapper, node, script, ...args]
  // Tied to this process as to the program's own wrapper, so that none is left over when tests are broken off.
  const tied = { HOLDFAST_WRAPPER_PID: String(process.pid), ...env }
  const child = spawn(command, rest, { env: environment(tied), stdio: ["ignore", "pipe", "pipe", "ipc"] })
  if (child.stdout === null || child.stderr === null) throw new Error("a pipe is missing")
  let stdout = ""
  let stderr = ""
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
  const ended = new Promise<Ended>((resolve) =>
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }))
  )
  return { child, ended, stdout: () => stdout, stderr: () => stderr }
}

/** Runs a command to its end. */
export const holdfast = (args: ReadonlyArray<string>, env: Environment = {}): Promise<Ended> => launch(args, env).ended

const stopChild = async (child: ChildProcess, ended: Promise<Ended>): Promise<Ended> => {
  if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM")
  return await ended
}

export const scratch = (): string => mkdtempSync(join(tmpdir(), "holdfast-e2e-"))

export interface Central {
  readonly url: string
  readonly data: string
  readonly token: (config?: string) => Promise<string>
  readonly put: (document: unknown, options?: { readonly force?: boolean }) => Promise<string>
  readonly stop: () => Promise<Ended>
  /** Ends it as a power cut would. */
  readonly kill: () => Promise<Ended>
  readonly signal: (name: NodeJS.Signals) => void
  /** What it has logged. */
  readonly log: () => string
}

/** A central on a free port; `externalUrl` is what its documents must name. */
export const startCentral = async (
  data: string,
  options: { readonly externalUrl?: string; readonly port?: number; readonly args?: ReadonlyArray<string> } = {}
): Promise<Central> => {
  const external = options.externalUrl === undefined ? [] : ["--external-url", options.externalUrl]
  const { child, ended, stderr, stdout } = launch(
    ["central", "--data", data, "--port", String(options.port ?? 0), "--json", ...external, ...(options.args ?? [])],
    {}
  )
  const line = await eventually(`central listens (${stderr()})`, () => {
    const first = stdout().split("\n", 1)[0] ?? ""
    return stdout().includes("\n") ? first : undefined
  })
  const { listening } = JSON.parse(line) as { readonly listening: string }
  const json = async (args: ReadonlyArray<string>) => {
    const run = await holdfast(["central", ...args, "--data", data, "--json"])
    if (run.code !== 0) throw new Error(`central ${args.join(" ")}: ${run.code} ${run.stderr}${run.stdout}`)
    return JSON.parse(run.stdout) as Record<string, string>
  }
  return {
    url: listening,
    data,
    token: async (config = "main") => (await json(["token", "create", "--config", config]))["token"] ?? "",
    put: async (document, { force = false } = {}) => {
      const file = join(data, "put.json")
      writeFileSync(file, typeof document === "string" ? document : JSON.stringify(document))
      const answer = await json(["config", "put", "main", file, ...(force ? ["--force"] : [])])
      return answer["etag"] ?? ""
    },
    stop: () => stopChild(child, ended),
    kill: () => {
      child.kill("SIGKILL")
      return ended
    },
    signal: (name) => void child.kill(name),
    log: stderr
  }
}

/** The document with one central sink, and what else is wanted in it. */
export const documentFor = (url: string, more: object = {}, settings: object = {}): object => ({
  version: 2,
  sinks: {
    central: { plugin: "@holdfast/central", config: { url, identity: {}, poll_interval_seconds: 5, ...settings } }
  },
  ...more
})

const unlessGone = <A>(read: () => ReadonlyArray<A>): ReadonlyArray<A> => {
  try {
    return read()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return []
    throw error
  }
}

const filesBelow = (root: string, entry: Dirent): ReadonlyArray<string> => {
  const path = join(entry.parentPath, entry.name)
  if (!entry.isDirectory()) return entry.isFile() ? [relative(root, path)] : []
  return unlessGone(() => readdirSync(path, { withFileTypes: true })).flatMap((each) => filesBelow(root, each))
}

/** A home, and its daemon under a loop that relaunches it whenever it ends. */
export class Gateway {
  readonly home: string
  readonly env: Environment
  /** What the daemon is started through: a command that ends by executing the rest of its arguments. */
  readonly wrapper: ReadonlyArray<string>
  /** How each process of the daemon ended, oldest first. */
  readonly exits: Array<Ended> = []
  private current: ReturnType<typeof launch> | undefined
  private supervised = false

  constructor(env: Environment = {}, wrapper: ReadonlyArray<string> = []) {
    this.wrapper = wrapper
    this.home = scratch()
    this.env = { HOLDFAST_HOME: this.home, HOLDFAST_PORT: "0", ...env }
  }

  run(...args: ReadonlyArray<string>): Promise<Ended> {
    return holdfast(args, this.env)
  }

  /** Starts the daemon; with `relaunch` it is started again after every end, as a service manager does. */
  start({ relaunch = true } = {}): void {
    this.supervised = relaunch
    this.launchOnce()
  }

  private launchOnce(): void {
    const run = launch(["daemon"], this.env, this.wrapper)
    this.current = run
    this.launchedOne()
    void this.afterwards(run)
  }

  /** For those who watch: a process of the daemon was started. */
  protected launchedOne(): void {}

  /** For those who watch: a process of the daemon ended; the next one waits for this. */
  protected async endedOne(_ended: Ended): Promise<void> {}

  private async afterwards(run: ReturnType<typeof launch>): Promise<void> {
    const ended = await run.ended
    this.exits.push(ended)
    await this.endedOne(ended)
    if (ended.code !== 75) await sleep(20)
    // Whoever has stopped and started meanwhile has another one.
    if (this.supervised && this.current === run) this.launchOnce()
  }

  get pid(): number {
    return this.current?.child.pid ?? 0
  }

  /** Whether the process that was started last has not ended yet. */
  get alive(): boolean {
    const child = this.current?.child
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  get log(): string {
    return [...this.exits.map(({ stderr }) => stderr), this.current?.stderr() ?? ""].join("\n")
  }

  signal(name: NodeJS.Signals): void {
    this.current?.child.kill(name)
  }

  /** Ends the daemon in order and answers how. */
  async stop(): Promise<Ended | undefined> {
    this.supervised = false
    const run = this.current
    return run === undefined ? undefined : await stopChild(run.child, run.ended)
  }

  async status(): Promise<Status> {
    const { code, stderr, stdout } = await this.run("status", "--json")
    if (code !== 0) throw new Error(`status: ${code} ${stderr}`)
    return JSON.parse(stdout) as Status
  }

  /** Reads the status file, which is cheaper than the command. */
  quickStatus(): Status | undefined {
    try {
      return JSON.parse(readFileSync(join(this.home, "state", "run", "status.json"), "utf8")) as Status
    } catch {
      return undefined
    }
  }

  /** The token of its API. */
  apiToken(): string {
    return readFileSync(join(this.home, "state", "api-token"), "utf8").trim()
  }

  async until(what: string, holds: (status: Status) => boolean, ms?: number): Promise<Status> {
    try {
      return await eventually(
        what,
        () => {
          const status = this.quickStatus()
          return status !== undefined && holds(status) ? status : undefined
        },
        ms
      )
    } catch (error) {
      throw new Error(`${String(error)}\n${JSON.stringify(this.quickStatus(), null, 1)}\n${this.log.slice(-4_000)}`, {
        cause: error
      })
    }
  }

  promoted(etag: string, ms?: number): Promise<Status> {
    return this.until(
      `promotion of ${etag}`,
      ({ remote_config }) =>
        remote_config?.running_etag === etag &&
        remote_config.last_known_good?.etag === etag &&
        remote_config.probation === null,
      ms
    )
  }

  /** Every file below the home with its content's SHA-256, and whether `needle` is in it; not what goes meanwhile. */
  files(needle: string): ReadonlyArray<{ readonly path: string; readonly digest: string; readonly contains: boolean }> {
    return unlessGone(() => readdirSync(this.home, { withFileTypes: true }))
      .flatMap((entry) => filesBelow(this.home, entry))
      .flatMap((path) => unlessGone(() => [{ path, bytes: readFileSync(join(this.home, path)) }]))
      .map(({ bytes, path }) => ({
        path,
        digest: createHash("sha256").update(bytes).digest("hex"),
        contains: bytes.includes(needle)
      }))
  }

  async remove(): Promise<void> {
    await this.stop()
    rmSync(this.home, { recursive: true, force: true })
  }
}
