/** The built program as a real process with a home of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** What `npm run build` made. */
export const script = join(import.meta.dirname, "..", "..", "dist", "main.js")

const pinned = (): string => {
  try {
    return realpathSync(createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`))
  } catch {
    return process.execPath
  }
}

/** The pinned Node's real path, else the one that runs this. */
export const node = pinned()

/** The environment of a program under test: nothing of the developer's own Holdfast or accounts gets in. */
export const environment = (more: Readonly<Record<string, string>>): NodeJS.ProcessEnv => {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(HOLDFAST|OTEL)_|^GITHUB_TOKEN$/.test(name))
  return { ...Object.fromEntries(inherited), NO_COLOR: "1", ...more }
}

/** How a run ended, and what it said. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A process that may still run. */
export interface Running {
  readonly pid: number
  readonly ended: Promise<Ended>
  readonly stdout: () => string
  readonly stderr: () => string
  /** Closes its standard output, as a reader that has seen enough. */
  readonly stopReading: () => void
  readonly kill: (signal: NodeJS.Signals) => void
  /** Waits until stdout matches; fails with all that was said when the program ends or 20 s pass before. */
  readonly until: (pattern: RegExp) => Promise<RegExpExecArray>
}

export interface StartOptions {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Programs in one temporary folder; `close` ends what still runs, by its process id, and removes the folder. */
export class Programs {
  readonly home = mkdtempSync(join(tmpdir(), "holdfast-cli-"))
  readonly #children = new Set<ChildProcess>()

  path(...names: ReadonlyArray<string>): string {
    return join(this.home, ...names)
  }

  start(args: ReadonlyArray<string>, options: StartOptions = {}): Running {
    return this.started(node, [script, ...args], options)
  }

  /** The same by way of another program. */
  started(command: string, args: ReadonlyArray<string>, options: StartOptions = {}): Running {
    if (!existsSync(script)) throw new Error(`${script} is missing: npm run build`)
    const child = spawn(command, args, {
      cwd: this.home,
      env: environment({ HOLDFAST_HOME: this.path("home"), HOLDFAST_PORT: "0", ...options.env }),
      stdio: "pipe"
    })
    this.#children.add(child)
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
    // A program that does not read its input closes it.
    child.stdin.on("error", () => {})
    child.stdin.end(options.stdin ?? "")
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on("error", reject)
      child.on("close", (code, signal) => {
        this.#children.delete(child)
        resolve({ code, signal, stdout, stderr })
      })
    })
    const until = async (pattern: RegExp) => {
      const end = Date.now() + 20_000
      for (;;) {
        const found = pattern.exec(stdout)
        if (found !== null) return found
        if (child.exitCode !== null || Date.now() > end) {
          throw new Error(`no ${pattern} (exit code ${child.exitCode}):\n${stdout}\n${stderr}`)
        }
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    return {
      pid: child.pid ?? 0,
      ended,
      stdout: () => stdout,
      stderr: () => stderr,
      kill: (signal) => void child.kill(signal),
      stopReading: () => void child.stdout.destroy(),
      until
    }
  }

  run(...args: ReadonlyArray<string>): Promise<Ended> {
    return this.start(args).ended
  }

  async close(): Promise<void> {
    const closing = [...this.#children].map((child) => {
      const closed = new Promise((resolve) => child.once("close", resolve))
      child.kill("SIGTERM")
      const giveUp = setTimeout(() => child.kill("SIGKILL"), 10_000)
      return closed.then(() => clearTimeout(giveUp))
    })
    await Promise.all(closing)
    rmSync(this.home, { recursive: true, force: true, maxRetries: 3 })
  }
}
