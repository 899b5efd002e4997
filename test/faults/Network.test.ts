/** Every request of the real daemon under every fault of the network, in front of a real central. */
import { rmSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Central, scratch, startCentral } from "../e2e/Processes.ts"
import { quickTrials, slowTrials } from "./NetworkFaults.ts"
import { type LaneReport, type Observation, runLane } from "./NetworkLane.ts"
import { REQUESTS, type RequestName } from "./NetworkWire.ts"

const requests = Object.values(REQUESTS)
/** The most memory that a daemon may hold under a fault, in MB: its own, and garbage of a few documents. */
const MEMORY_MB = 192

let central: Central
let stranger: Server
const strayed: Array<string> = []
let lanes: ReadonlyArray<LaneReport> = []
let took = 0

const quick = quickTrials("http://127.0.0.1:1")
const names = [...quick.flat(), ...slowTrials].map(({ name }) => name)

const seen = (fault: string, request: RequestName): Observation | undefined =>
  lanes.flatMap(({ observations }) => observations).find((one) => one.fault === fault && one.request === request)

/** The words of a message that tell one cause from another. */
const shortly = (message: string | null): string =>
  message === null
    ? "-"
    : (/cannot be reached \((\w+)\)/.exec(message)?.[1] ??
      /did not answer within 30 s|redirects to another place|not an identity|not JSON|without an ETag|more than 1\S* \w+|answered \d+|is not central|does not match the HTTP/.exec(
        message
      )?.[0] ??
      message)

const print = (): void => {
  const cell = (one: Observation | undefined): string =>
    one === undefined ? "not seen" : `${shortly(one.message)}${one.recovered ? "" : " (not recovered)"}`
  const rows = names.map((name) => {
    const all = requests.map((request) => seen(name, request))
    const peak = Math.max(...all.map((one) => one?.peak ?? 0))
    const recovered = all.filter((one) => one?.recovered).length
    return [name, ...all.map(cell), String(peak), `${recovered}/${requests.length}`]
  })
  const head = ["fault", ...requests, "peak MB", "recovered"]
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)))
  const line = (row: ReadonlyArray<string>) => row.map((text, column) => text.padEnd(widths[column] ?? 0)).join("  ")
  const resolver = [...new Set(lanes.map(({ resolver }) => resolver))].join(", ")
  const all = lanes.flatMap(({ observations }) => observations)
  const memory = lanes.flatMap(({ memory }) => memory)
  const around = (side: 0 | 1) => memory.map((pair) => pair[side]).toSorted((x, y) => x - y)[memory.length >> 1]
  console.log(
    [
      `what the status says of each request under each fault (identity_failing, poll_failing, report_failing)`,
      ...[head, ...rows].map((row) => line(row).trimEnd()),
      `${all.length} of ${names.length * requests.length} pairs in ${(took / 1_000).toFixed(1)} s; median memory before a fault ${around(0)} MB, after it ${around(1)} MB; name resolution: ${resolver}`
    ].join("\n")
  )
}

beforeAll(async () => {
  const started = Date.now()
  stranger = createServer((request, response) => {
    strayed.push(`${request.method} ${request.url} ${request.headers.authorization ?? ""}`)
    response.end("{}")
  })
  await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve))
  const elsewhere = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`
  central = await startCentral(scratch())
  const [connections, servers] = quickTrials(elsewhere)
  lanes = await Promise.all([
    ...slowTrials.map((trial, index) => runLane(central, `slow-${index}`, [trial])),
    runLane(central, "connections", connections),
    runLane(central, "servers", servers)
  ])
  took = Date.now() - started
  print()
}, 240_000)

afterAll(async () => {
  stranger.close()
  await central.stop()
  rmSync(central.data, { recursive: true, force: true })
})

describe("a daemon on a broken network", () => {
  it("meets every fault with every request", () => {
    expect(lanes.flatMap(({ failure }) => (failure === null ? [] : [failure]))).toEqual([])
  })

  describe.each(names)("under the fault: %s", (name) => {
    const observed = () => requests.map((request) => ({ request, ...seen(name, request) }))

    it("says why, and claims nothing that did not happen", () => {
      const trial = [...quick.flat(), ...slowTrials].find((one) => one.name === name)
      for (const { message, overall, request, unchanged } of observed()) {
        const words = trial?.says[request] ?? null
        expect({ request, overall, unchanged }).toEqual({ request, overall: "degraded", unchanged: true })
        if (words === null) expect(message).toBeNull()
        else expect(message).toMatch(words)
      }
    })

    it("goes on, in bounded memory, and takes the next revision when it is over", () => {
      for (const { exits, peak, recovered, request } of observed()) {
        expect({ request, recovered, exits: new Set(exits) }).toEqual({
          request,
          recovered: true,
          exits: new Set([75])
        })
        expect(peak).toBeLessThan(MEMORY_MB)
      }
    })
  })

  it("follows no redirect to another origin, with or without its credential", () => {
    expect(strayed).toEqual([])
  })
})
