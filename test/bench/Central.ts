/**
 * How many polls that nothing has changed for a central answers on one core, beside a bare `node:http` that answers the
 * same, and nginx where it is installed; and what a gateway that central knows weighs. The servers take turns, each in a
 * process of its own on the same core, the load on another. Linux only: times and memory are read from `/proc`.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { Load, Loaded } from "./CentralLoad.ts"
import { median, printTable } from "./Table.ts"

/** Rounds that count, after one that warms up. */
const rounds = 5
const connections = 32
/** How many gateways central knows when it is weighed; each weighing has the same number of polls. */
const populations = [1, 2_000, 20_000]
const goal = 0.5

const node = pinnedNode()
const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url))
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Clock ticks of `/proc` in a second. */
const ticks = Number(spawnSync("getconf", ["CLK_TCK"], { encoding: "utf8" }).stdout) || 100

const canPin = availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0

/** The command, on one core. */
const pinned = (core: number, command: ReadonlyArray<string>): ReadonlyArray<string> =>
  canPin ? ["taskset", "-c", String(core), ...command] : command

interface Server {
  readonly child: ChildProcess
  readonly port: number
}

/** Measures and prints. */
export const run = async (): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bench-"))
  const children: Array<ChildProcess> = []
  const started = async (server: Promise<Server>): Promise<Server> => {
    const one = await server
    children.push(one.child)
    return one
  }
  try {
    const central = await started(startCentral(join(folder, "speed")))
    const { etag, token } = prepare(join(folder, "speed"), folder, central.port)
    const tokens = await enrol(central.port, token, connections)
    const servers: Record<string, Server> = {
      central,
      "node:http": await started(startBare(etag)),
      ...(hasNginx ? { nginx: await started(startNginx(folder, etag)) } : {})
    }
    await printSpeed(servers, { etag, tokens })
    for (const { child } of Object.values(servers)) await end(child)
    await printWeight(folder, started)
  } finally {
    for (const child of children) await end(child)
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

const printSpeed = async (
  servers: Readonly<Record<string, Server>>,
  { etag, tokens }: Pick<Load, "etag" | "tokens">
): Promise<void> => {
  const samples = new Map<string, Array<{ readonly perSecond: number; readonly perBusySecond: number }>>()
  for (let round = 0; round <= rounds; round++) {
    for (const [name, server] of Object.entries(servers)) {
      const { answers, busy, seconds, wrong } = await load(server, { etag, tokens, warmUpMs: 500, ms: 2_000 })
      if (wrong > 0) throw new Error(`${name} answered ${wrong} polls with something else than 304`)
      const sample = { perSecond: answers / seconds, perBusySecond: answers / busy }
      if (round > 0) samples.set(name, [...(samples.get(name) ?? []), sample])
    }
  }
  const of = (name: string, field: "perSecond" | "perBusySecond") =>
    median((samples.get(name) ?? []).map((sample) => sample[field]))
  const version = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim()
  printTable(
    `Central: authenticated 304s on one core, ${connections} connections, medians of ${rounds}, Node ${version}`,
    ["", "per second", "per busy second", "ratio", "goal"],
    Object.keys(servers).map((name) => [
      name,
      of(name, "perSecond").toFixed(0),
      of(name, "perBusySecond").toFixed(0),
      `${(of(name, "perBusySecond") / of("node:http", "perBusySecond")).toFixed(2)}×`,
      name === "central" ? `≥ ${goal}×` : ""
    ])
  )
  if (!hasNginx) console.log("nginx is not installed (Debian's nginx-light): not measured")
  if (!canPin) console.log("Not pinned to a core: that takes two cores and taskset (Debian's util-linux)")
  console.log("A busy second is one of the server's processor time: other work on this machine does not count in it.")
}

const printWeight = async (folder: string, started: (server: Promise<Server>) => Promise<Server>): Promise<void> => {
  const polls = Math.max(...populations)
  const weights: Array<number> = []
  for (const gateways of populations) {
    const data = join(folder, `weight-${gateways}`)
    const first = await started(startCentral(data))
    const { etag, token } = prepare(data, folder, first.port)
    const tokens = await enrol(first.port, token, gateways)
    await end(first.child)
    // Another process, so that joining weighs nothing.
    const central = await started(startCentral(data))
    await each(polls, async (index) => {
      const authorization = `Bearer ${tokens[index % gateways]}`
      const url = `http://127.0.0.1:${central.port}/v1/config`
      const { status } = await fetch(url, { headers: { authorization, "if-none-match": etag } })
      if (status !== 304) throw new Error(`a poll was answered ${status}`)
    })
    await sleep(3_000)
    weights.push(residentKilobytes(central.child))
    await end(central.child)
  }
  const [bare = Number.NaN] = weights
  printTable(
    `Central: memory with gateways that have polled, after ${polls} polls each time`,
    ["gateways", "resident MB", "per gateway, bytes"],
    populations.map((gateways, index) => {
      const weight = weights[index] ?? Number.NaN
      const each = gateways === 1 ? "" : (((weight - bare) * 1024) / gateways).toFixed(0)
      return [String(gateways), (weight / 1024).toFixed(1), each]
    })
  )
}

/** Puts a load on a server; what came back, and for how long the server was busy with it, in seconds. */
const load = async (server: Server, wanted: Omit<Load, "port">): Promise<Loaded & { readonly busy: number }> => {
  const argument = JSON.stringify({ ...wanted, port: server.port })
  const [command = node, ...args] = pinned(1, [node, here("./CentralLoad.ts"), argument])
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] })
  const lines = createInterface({ input: child.stdout })
  let before = 0
  for await (const line of lines) {
    if (line === "counting") before = busySeconds(server.child)
    else return { ...(JSON.parse(line) as Loaded), busy: busySeconds(server.child) - before }
  }
  throw new Error("the load ended early")
}

const startCentral = async (data: string): Promise<Server> => {
  const [command = node, ...args] = pinned(0, [node, program, "central", "--data", data, "--json"])
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"], env: environment() })
  const { listening } = JSON.parse(await firstLine(child)) as { readonly listening: string }
  return { child, port: Number(new URL(listening).port) }
}

const BARE = `
const { createServer } = require("node:http")
const headers = { etag: process.argv[1], "cache-control": "private, no-cache" }
const server = createServer((_, response) => response.writeHead(304, headers).end())
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
`

const startBare = async (etag: string): Promise<Server> => {
  const [command = node, ...args] = pinned(0, [node, "-e", BARE, etag])
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] })
  return { child, port: Number(await firstLine(child)) }
}

const hasNginx = spawnSync("nginx", ["-v"]).status === 0

const startNginx = async (folder: string, etag: string): Promise<Server> => {
  const port = await freePort()
  const file = join(folder, "nginx.conf")
  const answer = `add_header ETag '${etag}' always; add_header Cache-Control "private, no-cache" always; return 304;`
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000; server { listen 127.0.0.1:${port}; location / { ${answer} } } }
`
  )
  const [command = "nginx", ...args] = pinned(0, ["nginx", "-p", folder, "-c", file])
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] })
  await sleep(1_000)
  return { child, port }
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** A document and a policy token for the central of a directory. */
const prepare = (data: string, folder: string, port: number): { readonly etag: string; readonly token: string } => {
  const file = join(folder, "fleet.json")
  const config = { url: `http://127.0.0.1:${port}`, identity: {} }
  writeFileSync(file, JSON.stringify({ version: 2, sinks: { central: { plugin: "@holdfast/central", config } } }))
  const json = (...args: ReadonlyArray<string>): Record<string, string> => {
    const command = [program, "central", ...args, "--data", data, "--json"]
    const { status, stderr, stdout } = spawnSync(node, command, { encoding: "utf8", env: environment() })
    if (status !== 0) throw new Error(stderr)
    return JSON.parse(stdout)
  }
  const { etag = "" } = json("config", "put", "fleet", file)
  const { token = "" } = json("token", "create", "--config", "fleet")
  return { etag, token }
}

/** So many gateways that join; their JWTs. */
const enrol = async (port: number, token: string, count: number): Promise<ReadonlyArray<string>> => {
  const jwts: Array<string> = []
  const body = JSON.stringify({ bootstrap_token: token })
  await each(count, async () => {
    const headers = { "content-type": "application/json" }
    const answer = await fetch(`http://127.0.0.1:${port}/v1/identity/bootstrap`, { method: "POST", headers, body })
    const { jwt } = (await answer.json()) as { readonly jwt: string }
    jwts.push(jwt)
  })
  return jwts
}

/** Does it so many times, some at once. */
const each = async (count: number, use: (index: number) => Promise<void>): Promise<void> => {
  let next = 0
  const work = async (): Promise<void> => {
    while (next < count) await use(next++)
  }
  await Promise.all(Array.from({ length: connections }, work))
}

const firstLine = async (child: ChildProcess): Promise<string> => {
  if (child.stdout === null) throw new Error("a pipe is missing")
  for await (const line of createInterface({ input: child.stdout })) return line
  throw new Error("the server ended early")
}

/** Processor time of a process until now, its own and the system's for it, in seconds. */
function busySeconds(child: ChildProcess): number {
  const [, fields = ""] = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")
  const [user = 0, system = 0] = fields.split(" ").slice(11, 13).map(Number)
  return (user + system) / ticks
}

function residentKilobytes(child: ChildProcess): number {
  const text = readFileSync(`/proc/${child.pid}/status`, "utf8")
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1])
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once("exit", resolve))
  child.kill("SIGTERM")
  await ended
}

function environment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...rest } = process.env
  return { ...rest, NO_COLOR: "1" }
}

/** The real path, because a start through a link or a wrapper is not what a service unit does. */
function pinnedNode(): string {
  try {
    const resolve = createRequire(import.meta.url).resolve
    return realpathSync(resolve(`node-${process.platform}-${process.arch}/bin/node`))
  } catch {
    return process.execPath
  }
}
