/** A machine to install on, with the servers it installs from. */
import { execFileSync, spawn } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { type Ended, environment } from "../support/Program.ts"
import { gitServer, type Serving, type VersionServer, versionServer } from "./Servers.ts"

/** The folder of this repository. */
export const repository = join(import.meta.dirname, "..", "..")

/** The installer under test. */
export const installer = join(repository, "install.sh")

const found = (program: string): boolean => {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/** What is not there; null when everything is. With `CI` set it has to be. */
export const hindrance = (...programs: ReadonlyArray<string>): string | null => {
  const missing = programs.filter((program) => !found(program))
  if (missing.length === 0) return null
  const said = `tests of install.sh need ${missing.join(", ")}: install the package of that name`
  if (process.env["CI"] !== undefined) throw new Error(said)
  console.log(`skipped: ${said}`)
  return said
}

/** Shells that are here, as words of a command; `sh` is. */
export const shells: ReadonlyArray<ReadonlyArray<string>> = [
  ["sh"],
  ...(hindrance("bash") === null ? [["bash"]] : []),
  ...(hindrance("busybox") === null ? [["busybox", "ash"]] : [])
]

/** Settings of an `npm test` that runs this would reach the npm of the installer. */
const quiet = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(environment({})).filter(([name]) => !/^(npm_|NODE_OPTIONS|VITEST)/i.test(name)))

/** A program that says its version, is built by a script, and needs no package. */
export const standInFiles = (version: string): Readonly<Record<string, string>> => ({
  VERSION: `${version}\n`,
  "package.json": JSON.stringify({
    name: "stand-in",
    version,
    private: true,
    type: "module",
    scripts: { build: "node build.js" }
  }),
  ".npmrc": "audit=false\nfund=false\nupdate-notifier=false\noffline=true\n",
  "program.js": [
    "#!/usr/bin/env node",
    'import { readFileSync } from "node:fs"',
    'if (process.argv.at(-1) !== "--version") process.exit(2)',
    'process.stdout.write(readFileSync(new URL("../VERSION", import.meta.url), "utf8"))\n'
  ].join("\n"),
  "build.js": [
    'import { chmodSync, copyFileSync, mkdirSync } from "node:fs"',
    'mkdirSync("dist", { recursive: true })',
    'copyFileSync("program.js", "dist/main.js")',
    'chmodSync("dist/main.js", 0o755)\n'
  ].join("\n")
})

/** A person's folder, an announcement of versions, and a repository that is served over smart HTTP. */
export class Site {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-install-")))
  readonly person = join(this.root, "person")
  readonly prefix = join(this.person, ".local", "share", "holdfast")
  readonly work = join(this.root, "work")
  readonly versions: VersionServer
  readonly git: Serving
  readonly #running = new Map<number, Promise<unknown>>()

  private constructor(versions: VersionServer, git: Serving) {
    this.versions = versions
    this.git = git
  }

  static async open(): Promise<Site> {
    const served = mkdtempSync(join(tmpdir(), "holdfast-git-"))
    const { close, ...git } = await gitServer(served)
    const site = new Site(await versionServer(), {
      ...git,
      close: async () => {
        await close()
        rmSync(served, { recursive: true, force: true })
      }
    })
    mkdirSync(site.person)
    mkdirSync(site.work)
    const init = { cwd: site.work, stdio: "ignore" } as const
    execFileSync("git", ["init", "--quiet", "--initial-branch=main"], init)
    execFileSync("git", ["init", "--quiet", "--bare", "--initial-branch=main", join(served, "holdfast.git")], init)
    execFileSync("git", ["remote", "add", "origin", join(served, "holdfast.git")], init)
    return site
  }

  get source(): string {
    return `${this.git.url}/holdfast.git`
  }

  /** Commits these files, tags them unless told otherwise, and publishes them; offers the version. */
  publish(version: string, files: Readonly<Record<string, string>>, tag: string | null = `v${version}`): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.work, name)), { recursive: true })
      writeFileSync(join(this.work, name), text)
    }
    // Whoever runs the tests may sign commits, or have hooks.
    const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" }
    const git = (...args: ReadonlyArray<string>) =>
      execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], { cwd: this.work, env })
    git("add", "--all", "--force")
    git("commit", "--quiet", "--allow-empty", "--message", version)
    if (tag !== null) git("tag", tag)
    git("push", "--quiet", "origin", "main", ...(tag === null ? [] : [tag]))
    this.versions.offer = `${version}\n`
  }

  /** A version of the stand-in, with changes. */
  publishStandIn(version: string, changes: Readonly<Record<string, string>> = {}, tag?: string | null): void {
    this.publish(version, { ...standInFiles(version), ...changes }, tag)
  }

  /** The environment of the person, with these changes. */
  env(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    return {
      ...quiet(),
      HOME: this.person,
      TMPDIR: this.root,
      HOLDFAST_VERSION_URL: `${this.versions.url}/VERSION`,
      HOLDFAST_SOURCE: this.source,
      ...more
    }
  }

  /** Starts a program in the person's folder, in a process group of its own. */
  start(command: ReadonlyArray<string>, more: NodeJS.ProcessEnv = {}, stdin = "") {
    const [program = "", ...args] = command
    const child = spawn(program, args, { cwd: this.person, env: this.env(more), stdio: "pipe", detached: true })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
    child.stdin.on("error", () => {})
    child.stdin.end(stdin)
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on("error", reject)
      child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }))
    })
    const pid = child.pid ?? 0
    this.#running.set(
      pid,
      ended.then(() => this.#running.delete(pid)).catch(() => {})
    )
    return {
      pid,
      ended,
      stderr: () => stderr,
      signal: (signal: NodeJS.Signals) => child.kill(signal),
      /** Ends the whole group at once. */
      killAll: () => process.kill(-pid, "SIGKILL")
    }
  }

  run(command: ReadonlyArray<string>, more: NodeJS.ProcessEnv = {}, stdin = ""): Promise<Ended> {
    return this.start(command, more, stdin).ended
  }

  install(args: ReadonlyArray<string> = [], more: NodeJS.ProcessEnv = {}, shell: ReadonlyArray<string> = ["sh"]) {
    return this.run([...shell, installer, ...args], more)
  }

  /** What the installed program says of itself; null when there is none. */
  async installed(prefix = this.prefix): Promise<string | null> {
    if (!existsSync(join(prefix, "current"))) return null
    return (await this.run([join(prefix, "current", "dist", "main.js"), "--version"])).stdout.trim()
  }

  /** What `current` points to. */
  current(prefix = this.prefix): string {
    return readlinkSync(join(prefix, "current"))
  }

  read(...names: ReadonlyArray<string>): string {
    return readFileSync(join(this.person, ...names), "utf8")
  }

  /** How often anybody asked for anything. */
  get asked(): { readonly versions: number; readonly git: number } {
    return { versions: this.versions.asked.length, git: this.git.asked.length }
  }

  /** Ends what a failed test has left running, and removes everything. */
  async close(): Promise<void> {
    for (const pid of this.#running.keys()) process.kill(-pid, "SIGKILL")
    await Promise.all(this.#running.values())
    await Promise.all([this.versions.close(), this.git.close()])
    rmSync(this.root, { recursive: true, force: true, maxRetries: 3 })
  }
}
