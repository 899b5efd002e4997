/** The pod command, really run: as a process of this machine, in each shell, with the volume and the agent of a test. */
import { type ChildProcess, spawn } from "node:child_process"
import { createHash, randomUUID } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { Schema } from "effect"
import { type EndRecord, EndRecordJson } from "../../src/domain/index.ts"
import { filesBesideLog, podCommand, podCommandTools, type RunFilePaths } from "../../src/runs/index.ts"

/** A shell as words of a command, and the programs that it finds. */
export interface Shell {
  readonly name: string
  readonly words: ReadonlyArray<string>
  /** BusyBox runs with its own applets, as in an image that has nothing else. */
  readonly applets: boolean
}

const pathOf = (program: string): string | undefined =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find(existsSync)

/** Why tests are skipped that need a program: printed; with CI set it is a failure. */
export const hindrance = (program: string, what: string): string | null => {
  if (pathOf(program) !== undefined) return null
  const said = `${what} need ${program}: install the package of that name`
  if (process.env["CI"] !== undefined) throw new Error(said)
  console.log(`skipped: ${said}`)
  return said
}

/** The shells that are here. */
export const shells: ReadonlyArray<Shell> = [
  { name: "dash", words: ["dash"], applets: false },
  { name: "busybox ash", words: ["busybox", "ash"], applets: true },
  { name: "bash", words: ["bash"], applets: false }
].filter(({ name, words: [program = ""] }) => hindrance(program, `tests of the pod command in ${name}`) === null)

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until `holds`, looking every few milliseconds; fails with `what` after 40 s. */
export const until = async (what: string, holds: () => boolean, every = 5): Promise<void> => {
  const end = Date.now() + 40_000
  while (!holds()) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`)
    await sleep(every)
  }
}

export const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex")

/** The agent is a script of Node. */
export const node = (script: string): ReadonlyArray<string> => [process.execPath, "-e", script]
/** The agent is a script of the system's shell. */
export const sh = (script: string): ReadonlyArray<string> => [
  "/bin/sh",
  "-c",
  `PATH='${process.env["PATH"]}'\n${script}`
]

export interface PodRunOptions {
  readonly prompt?: string
  readonly graceSeconds?: number
  /** Who reads the container's stdout: nobody has one, somebody does, and keeps it or not, somebody who never reads. */
  readonly stdout?: "none" | "read" | "read and dropped" | "stalled"
  /** Changes the text that is run. */
  readonly text?: (text: string, run: PodRun) => string
  /** Prepares the volume in another way. */
  readonly volume?: (paths: RunFilePaths) => void
  readonly env?: Readonly<Record<string, string>>
  /** Commands before the shell's own, such as `unshare`. */
  readonly within?: (run: PodRun) => ReadonlyArray<string>
  readonly promptFile?: string
}

/** How it ended. */
export interface PodEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** From the start to the end of process 1. */
  readonly ms: number
}

const MARK = "HOLDFAST_POD_TEST"

/** One run. `await using` ends what it has left. */
export class PodRun {
  readonly root: string
  readonly scratch: string
  readonly paths: RunFilePaths
  readonly termination: string
  readonly text: string
  readonly child: ChildProcess
  readonly ended: Promise<PodEnd>
  readonly mark = randomUUID()
  /** What came out of the container's stderr. */
  stderr = ""
  private readonly pieces: Array<Buffer> = []

  constructor(shell: Shell, argv: ReadonlyArray<string>, options: PodRunOptions = {}) {
    this.root = mkdtempSync(join(tmpdir(), "holdfast-pod-"))
    this.scratch = join(this.root, "scratch")
    this.paths = filesBesideLog(join(this.root, "volume", "run-1.pod.ndjson"))
    this.termination = join(this.root, "termination")
    mkdirSync(this.scratch)
    mkdirSync(this.paths.directory)
    writeFileSync(this.paths.log, "")
    writeFileSync(this.paths.recordTmp, " ".repeat(512))
    options.volume?.(this.paths)
    const path = shell.applets ? this.bin() : (process.env["PATH"] ?? "")
    const promptFile = options.prompt === undefined ? (options.promptFile ?? null) : join(this.root, "prompt")
    if (options.prompt !== undefined) writeFileSync(join(this.root, "prompt"), options.prompt)
    const { log, record, recordTmp, stderr } = this.paths
    const text = podCommand({
      argv,
      paths: { scratch: this.scratch, log, stderr, record, recordTmp, termination: this.termination },
      promptFile,
      graceSeconds: options.graceSeconds ?? 1
    })
    this.text = options.text?.(text, this) ?? text
    const [word = "", ...words] = shell.words
    const [program = "", ...rest] = [...(options.within?.(this) ?? []), pathOf(word) ?? word, ...words, "-c", this.text]
    const begun = performance.now()
    this.child = spawn(program, rest, {
      // `within` starts with the programs of this machine.
      env: {
        PATH: options.within === undefined ? path : process.env["PATH"],
        AGENT_PATH: path,
        VOLUME: this.paths.directory,
        [MARK]: this.mark,
        ...options.env
      },
      cwd: this.root,
      stdio: ["ignore", (options.stdout ?? "none") === "none" ? "ignore" : "pipe", "pipe"],
      // A group of its own, as the local backend starts it.
      detached: true
    })
    if (options.stdout === "read") {
      this.child.stdout?.on("data", (chunk: Buffer) => this.pieces.push(chunk))
    }
    if (options.stdout === "read and dropped") this.child.stdout?.resume()
    this.child.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.ended = new Promise((resolve, reject) => {
      this.child.on("error", reject)
      // Not "close": who has stalled never closes.
      this.child.on("exit", (code, signal) => resolve({ code, signal, ms: performance.now() - begun }))
    })
  }

  /** A folder with nothing but the programs that the pod command is said to need, as applets of BusyBox. */
  private bin(): string {
    const folder = join(this.root, "bin")
    mkdirSync(folder)
    for (const tool of podCommandTools) symlinkSync(pathOf("busybox") ?? "", join(folder, tool))
    return folder
  }

  /** What has come out of the container's stdout: joined when asked for, because it may be much and come in bits. */
  get stdout(): Buffer {
    return Buffer.concat(this.pieces)
  }

  /** Makes a file in the directory that the agent runs in. */
  write(name: string): void {
    writeFileSync(join(this.root, name), "")
  }

  /** The log as it is now. */
  log(): Buffer {
    return existsSync(this.paths.log) ? readFileSync(this.paths.log) : Buffer.alloc(0)
  }

  /** The record on the volume; undefined while there is none. */
  record(): EndRecord | undefined {
    return existsSync(this.paths.record)
      ? Schema.decodeUnknownSync(EndRecordJson)(readFileSync(this.paths.record, "utf8"))
      : undefined
  }

  /** The record that did not have to wait for the volume. */
  told(): EndRecord {
    return Schema.decodeUnknownSync(EndRecordJson)(readFileSync(this.termination, "utf8"))
  }

  /** Processes that this run has started and that are there, zombies not counted. */
  processes(): ReadonlyArray<{ readonly pid: number; readonly command: string; readonly cpuMs: number }> {
    return readdirSync("/proc").flatMap((name) => {
      if (!/^\d+$/.test(name)) return []
      try {
        if (!readFileSync(`/proc/${name}/environ`, "latin1").includes(`${MARK}=${this.mark}`)) return []
        const stat = readFileSync(`/proc/${name}/stat`, "latin1")
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
        const ticks = fields.slice(11, 15).reduce((sum, each) => sum + Number(each), 0)
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ")
        return fields[0] === "Z" ? [] : [{ pid: Number(name), command, cpuMs: ticks * 10 }]
      } catch {
        // It has gone meanwhile.
        return []
      }
    })
  }

  /** The id that a process of the pod command wrote down: `vol1.c` is the first copier to the volume. */
  pidOf(file: string): number | undefined {
    const path = join(this.scratch, file)
    const pid = existsSync(path) ? Number(readFileSync(path, "utf8").trim()) : 0
    return pid > 0 ? pid : undefined
  }

  has(file: string): boolean {
    return existsSync(join(this.scratch, file))
  }

  size(path: string): number {
    return existsSync(path) ? statSync(path).size : 0
  }

  /** Waits until nothing of it is there; a last `sleep` of a copier may outlive process 1. */
  async gone(): Promise<void> {
    await until(`the end of ${JSON.stringify(this.processes())}`, () => this.processes().length === 0, 20)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of this.processes()) {
      try {
        process.kill(pid, "SIGKILL")
      } catch {
        // It has gone meanwhile.
      }
    }
    await this.ended
    rmSync(this.root, { recursive: true, force: true })
  }
}
