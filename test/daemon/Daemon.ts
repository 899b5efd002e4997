/** The built daemon as a real process on a home of its own: from the sources each start would take a second of work. */
import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Path, type Scope } from "effect"
import { spawn } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import * as net from "node:net"
import { join } from "node:path"
import type { Status } from "../../src/domain/index.ts"
import { node, script } from "../support/Program.ts"

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** How long after the request to end, ms. */
  readonly after: number
}

export interface Daemon {
  readonly pid: number
  /** Everything it has written so far. */
  readonly output: () => string
  /** Waits until status.json satisfies this. */
  readonly until: (holds: (status: Status) => boolean) => Effect.Effect<Status>
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly ended: Effect.Effect<Ended>
}

export const statusOf = (home: string): Status | undefined => {
  try {
    return JSON.parse(readFileSync(join(home, "state/run/status.json"), "utf8")) as Status
  } catch {
    return undefined
  }
}

/** Starts a daemon; it is killed with the scope if it still runs then. */
export const startDaemon = (
  home: string,
  env: Record<string, string> = {}
): Effect.Effect<Daemon, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("HOLDFAST_"))
      const child = spawn(node, [script, "daemon"], {
        env: { ...Object.fromEntries(inherited), HOLDFAST_HOME: home, HOLDFAST_PORT: "0", ...env },
        stdio: ["ignore", "pipe", "pipe"]
      })
      let output = ""
      child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
      child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
      let asked = Date.now()
      const ended = new Promise<Ended>((resolve) =>
        child.once("close", (code, signal) => resolve({ code, signal, after: Date.now() - asked }))
      )
      const pid = child.pid ?? 0
      const daemon: Daemon = {
        pid,
        output: () => output,
        until: (holds) =>
          Effect.promise(async () => {
            const end = Date.now() + 30_000
            while (Date.now() < end) {
              const status = statusOf(home)
              if (status?.daemon.pid === pid && holds(status)) return status
              await new Promise((resolve) => setTimeout(resolve, 20))
            }
            throw new Error(`did not happen: ${holds.toString()}\n${JSON.stringify(statusOf(home))}\n${output}`)
          }),
        kill: (signal) =>
          Effect.sync(() => {
            asked = Date.now()
            child.kill(signal)
          }),
        ended: Effect.promise(() => ended)
      }
      return { daemon, child, ended }
    }),
    ({ child, ended }) =>
      Effect.promise(() => {
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
        return ended
      })
  ).pipe(Effect.map(({ daemon }) => daemon))

export const running = (status: Status): boolean => status.daemon.state === "running" && status.daemon.api_url !== null

/** A home that lasts as long as the scope. */
const scratchHome = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return path.join(yield* fs.makeTempDirectoryScoped({ prefix: "holdfast-daemon-" }), "home")
})

/** Runs a test on such a home. */
export const scoped = <A, E>(body: (home: string) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.flatMap(scratchHome, body).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

/** Puts a file below the home before a daemon runs there. */
export const put = (home: string, name: string, content: string): void => {
  const file = join(home, name)
  mkdirSync(join(file, ".."), { recursive: true, mode: 0o700 })
  writeFileSync(file, content, { mode: 0o600 })
}

export const SEED = "state/config-control/seed.json"

/** The document that joins a machine to this central. */
export const seedFor = (url: string, token: string): string =>
  JSON.stringify({
    version: 2,
    sinks: { central: { plugin: "@holdfast/central", config: { url, identity: { bootstrap_token: token } } } }
  })

/** The API of a daemon: its port and its token. */
export const apiOf = (home: string, status: Status) => ({
  port: Number(new URL(status.daemon.api_url ?? "").port),
  token: readFileSync(join(home, "state/api-token"), "utf8").trim()
})

/** A port that something else listens on, until the scope closes. */
export const takenPort = Effect.acquireRelease(
  Effect.promise(async () => {
    const server = net.createServer()
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    return server
  }),
  (server) => Effect.sync(() => server.close())
).pipe(Effect.map((server) => (server.address() as net.AddressInfo).port))
