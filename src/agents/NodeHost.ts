/** The program that Node runs to hold one agent file. */

/**
 * Given on standard input, with a `HostSetup` as its argument; the lines of HostProtocol.ts come in on descriptor 3 and
 * go out on descriptor 4, so that whatever the agent prints is no part of them. TypeScript is loaded by stripping types.
 *
 * It reads on a thread of its own: when the daemon is gone the process ends, whatever the agent is doing.
 */
export const NODE_HOST = String.raw`
import { createHash } from "node:crypto"
import { readFileSync, writeSync } from "node:fs"
import { getPriority, setPriority } from "node:os"
import { basename } from "node:path"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"

// The daemon goes first where both want to run.
setPriority(Math.min(19, getPriority() + 5))
const setup = JSON.parse(process.argv[2])
const { file } = setup
process.argv.splice(1, 2, file)

const listen = () => {
  const { parentPort } = process.getBuiltinModule("node:worker_threads")
  const { Socket } = process.getBuiltinModule("node:net")
  const die = () => {
    try {
      process.kill(-process.pid, "SIGKILL")
    } catch {
      process.kill(process.pid, "SIGKILL")
    }
  }
  const socket = new Socket({ fd: 3, readable: true, writable: false })
  let rest = ""
  socket.setEncoding("utf8")
  socket.on("data", (chunk) => {
    const lines = (rest + chunk).split("\n")
    rest = lines.pop()
    for (const line of lines) parentPort.postMessage(line)
  })
  socket.on("end", die)
  socket.on("error", die)
}

const say = (message) => {
  let line = Buffer.from(JSON.stringify(message) + "\n")
  while (line.length > 0) line = line.subarray(writeSync(4, line))
}

const words = (error) => {
  if (!(error instanceof Error)) return "it threw " + String(error)
  const place = new RegExp(pathToFileURL(file).href.replace(/[.*+?^$()|[\]\\{}]/g, "\\$&") + ":(\\d+)").exec(error.stack)
  return (error.name + ": " + error.message).slice(0, 2000) + (place ? " (" + basename(file) + ", line " + place[1] + ")" : "")
}

const isCurrent = () => createHash("sha256").update(readFileSync(file)).digest("hex") === setup.hash

const unfit = (told) => {
  for (const [part, value] of Object.entries(told)) {
    try {
      JSON.stringify(value)
    } catch (error) {
      return "its " + part + " cannot be told as JSON: " + words(error).replace(/\s+/g, " ")
    }
  }
  return null
}

let agent

const load = async () => {
  const changed = { failed: "changed", message: "the file has changed" }
  if (!isCurrent()) return changed
  const loaded = await import(pathToFileURL(file).href)
  if (!isCurrent()) return changed
  agent = loaded.default
  if (typeof agent?.perform !== "function") {
    return { failed: "failed", message: "its default export is no object with a perform function" }
  }
  const { description, name, parameters, systemContext } = agent
  const told = { name, description, parameters }
  const broken = unfit(told)
  const context = typeof systemContext === "function"
  return { loaded: [{ class: null, ...(broken === null ? { ...told, context } : { broken }) }] }
}

const perform = (job) => (job.do === "perform" ? agent.perform(job.args, job.context) : agent.systemContext(job.context))

const kindOf = (value) => Object.prototype.toString.call(value).slice("[object ".length, -1).slice(0, 100)

// Null for what JSON has no word for, or only an empty one: a function; a Map, a Response, a generator.
const textOf = (result) => {
  if (result === undefined || result === null) return ""
  if (typeof result === "string") return result
  const text = JSON.stringify(result)
  return text === undefined || (text === "{}" && kindOf(result) !== "Object") ? null : text
}

const answer = async (job) => {
  try {
    const result = await perform(job)
    if (result instanceof Error) throw result
    const output = textOf(result)
    if (output === null) {
      const kind = kindOf(result)
      const what = kind.endsWith("Generator") ? "a generator" : "what JSON cannot hold (" + kind + ")"
      const asked = job.do === "perform" ? "perform" : "systemContext"
      return { failure: "failed", message: asked + " gave " + what + ": return a text instead" }
    }
    if (output.length > setup.output) {
      return { failure: "output", message: "it answered more than " + setup.output + " characters" }
    }
    return { output }
  } catch (error) {
    return { failure: "failed", message: words(error) }
  }
}

// What a call prints counts for that call.
const flushed = (stream) => new Promise((resolve) => (stream.writableLength > 0 ? stream.write("", resolve) : resolve()))
const flush = () => Promise.all([flushed(process.stdout), flushed(process.stderr)])

const reader = new Worker("(" + listen + ")()", { eval: true, execArgv: [] })
const isLoaded = load().catch((error) => ({ failed: "failed", message: words(error) })).then(say)
reader.on("message", async (line) => {
  const job = JSON.parse(line)
  await isLoaded
  if (job.do === "end") process.exit()
  const answered = await answer(job)
  await flush()
  say({ call: job.call, ...answered })
})
`
