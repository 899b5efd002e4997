// The program's entry. It must parse and link on Nodes older than the one Holdfast needs (it is what explains the
// difference), so: no newer syntax, nothing but Node's own modules at the top, and `node:module` as a default import,
// because a named import of `enableCompileCache` fails at link time on Node 20. Importing `node:fs` or `node:process` would
// read all of their exports, and so load streams, promises and standard input, for every command.
//
// @effect-diagnostics nodeBuiltinImport:off globalConsole:off processEnv:off globalTimers:off asyncFunction:off - runs before any Effect runtime exists
import type * as Fs from "node:fs"
import module from "node:module"
import { fileURLToPath } from "node:url"

const require = module.createRequire(import.meta.url)
const { readFileSync, realpathSync }: typeof Fs = require("node:fs")

/** The oldest Node that `@effect/platform-node` and `node:sqlite` work with, as [major, minor]. */
const oldest = [22, 19] as const

/** Names the wrapper's process id to the child it starts; only a child of that very process believes it. */
const wrapperVariable = "HOLDFAST_WRAPPER_PID"

const argv = process.argv.slice(2)

/** The package's folder: this file runs as `dist/main.js`, and under type stripping as `src/main.ts`. */
const root = new URL("../", import.meta.url)

if (argv.length === 1 && argv[0] === "--version") {
  // Asked by installers and probes, so it loads nothing.
  process.stdout.write(readFileSync(new URL("VERSION", root), "utf8").trim() + "\n")
} else if (isOld(process.versions.node)) {
  await rerun()
} else {
  enableCompileCache()
  endWithWrapper()
  outliveOutput()
  const { run } = await import("./cli/index.ts")
  run(argv)
}

function isOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return major < oldest[0] || (major === oldest[0] && minor < oldest[1])
}

/**
 * Compiled code is kept beside the program, where writing takes the same rights as changing the program itself (Node's
 * default is a folder in the shared temporary directory, whose owner could be anyone). An installation that this user
 * may not write to falls back to the user's own cache folder; with neither, start-up is slower and nothing else.
 */
function enableCompileCache(): void {
  if (module.enableCompileCache === undefined) return
  const { FAILED } = module.constants.compileCacheStatus
  if (module.enableCompileCache(fileURLToPath(new URL("dist/.cache", root))).status !== FAILED) return
  const home = process.env["XDG_CACHE_HOME"] ?? (process.env["HOME"] ? `${process.env["HOME"]}/.cache` : undefined)
  if (home !== undefined) module.enableCompileCache(`${home}/holdfast`)
}

/**
 * In a child of the wrapper below: the channel to the wrapper closes however the wrapper ends, even by `kill -9`, and
 * then this process asks itself to end. The channel does not hold the event loop.
 */
function endWithWrapper(): void {
  const wrapper = process.env[wrapperVariable]
  delete process.env[wrapperVariable]
  if (wrapper !== String(process.ppid) || process.channel == null) return
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"))
  process.channel.unref()
}

/**
 * Whoever reads the output may go away (a pager, a log collector), and the disk below it may be full: that must not end
 * what is written about. A result that could not be written makes a command fail, where it ends by itself.
 */
function outliveOutput(): void {
  process.stderr.on("error", () => undefined)
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || process.exitCode === 1) return
    process.exitCode = 1
    process.stderr.write(`holdfast: standard output cannot be written (${error.code}): what it was to hold is lost.\n`)
  })
}

/** The pinned Node's real path, or undefined where no platform package is installed. */
function pinnedNode(): string | undefined {
  try {
    const name = `node-${process.platform}-${process.arch}`
    return realpathSync(require.resolve(`${name}/bin/node`))
  } catch {
    return undefined
  }
}

/** Runs this program again with the pinned Node and ends exactly as that run ends. */
async function rerun(): Promise<void> {
  const node = process.env[wrapperVariable] === undefined ? pinnedNode() : undefined
  if (node === undefined) {
    console.error(
      `holdfast needs Node.js ${oldest.join(".")} or newer; this is ${process.version} (${process.execPath}).\n` +
        `Run \`npm install\` in ${fileURLToPath(root)} to get the pinned one, or install a newer Node.js.`
    )
    process.exitCode = 1
    return
  }
  const { spawn } = await import("node:child_process")
  const child = spawn(node, [fileURLToPath(import.meta.url), ...argv], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, [wrapperVariable]: String(process.pid) }
  })
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const
  for (const signal of signals) process.on(signal, () => child.kill(signal))
  child.on("error", (error) => {
    console.error(`holdfast could not start the pinned Node.js ${node}: ${error.message}`)
    process.exit(1)
  })
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    for (const name of signals) process.removeAllListeners(name)
    process.kill(process.pid, signal)
    // Reached only if the signal does not end this process.
    setTimeout(() => process.exit(1), 1000)
  })
}
