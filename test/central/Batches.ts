/** Rows that a gateway records, the files in which they wait, and the batches that a central has seen. */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { batchPreimage, type EventRow, type IngestSignal, type RunRow } from "../../src/domain/index.ts"
import { type Gateway, jwtOf, NOW, withGateway } from "./Gateway.ts"
import { json, reply, type Seen, type StandIn, standIn } from "./StandIn.ts"

export const JWT = jwtOf({ sub: "gw-1" })
export const TOKEN = "policy-token"
export const MiB = 1_048_576
export const AT = "2026-01-01T00:00:00.000Z"

export const identityAnswer = json(200, { jwt: JWT, expires_at: NOW + 86_400 * 30 })
/** Central has it. */
export const taken = reply(202)

export const event = (id: string, reason = "first"): EventRow => ({ id, at: AT, type: "config_applied", reason })
export const run = (id: string): RunRow => ({
  id,
  at: AT,
  company_id: "c1",
  agent_id: "a1",
  backend: "local",
  verdict: "succeeded",
  exit_code: 0,
  signal: null,
  created_at: AT,
  started_at: AT,
  ended_at: AT,
  output_bytes: 0,
  usage: null
})

/** One life of a gateway; with a token it enrols, without one it has enrolled in an earlier life. */
export const life = <A, E>(
  central: StandIn,
  { root, token = null }: { readonly root?: string; readonly token?: string | null },
  use: (gateway: Gateway) => Effect.Effect<A, E>
) =>
  withGateway({ running: { url: central.url, token }, ...(root === undefined ? {} : { root }) }, (gateway) =>
    Effect.gen(function* () {
      yield* token === null ? Effect.asVoid(gateway.load) : Effect.asVoid(gateway.bootstrap)
      return yield* use(gateway)
    })
  )

/** A gateway that has enrolled, and its central, which takes everything; the clock stands still at `NOW`. */
export const enrolled = <A, E>(use: (gateway: Gateway, central: StandIn) => Effect.Effect<A, E>) =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW * 1_000)
      const central = yield* standIn(identityAnswer)
      return yield* life(central, { token: TOKEN }, (gateway) => {
        central.answerWith(taken)
        return use(gateway, central)
      })
    })
  )

/** Records events and writes them to the disk. */
export const record = (gateway: Gateway, ...ids: ReadonlyArray<string>) =>
  Effect.andThen(
    Effect.forEach(ids, (id) => gateway.uplink.recordEvent(event(id))),
    gateway.uplink.tasks.store(undefined)
  )

/** What was recorded is a batch of its own. */
export const seal = ({ uplink }: Gateway) => uplink.tasks.seal(undefined)
/** Sends the oldest batch. */
export const send = ({ uplink }: Gateway) => uplink.tasks.send(undefined)
export const sendTimes = (gateway: Gateway, times: number) =>
  Effect.forEach(Array.from({ length: times }), () => send(gateway))

export const folder = ({ state }: Gateway, signal: IngestSignal = "events"): string => join(state, "ingest", signal)
/** Names of the files of a signal's rows, the oldest first. */
export const filesOf = (gateway: Gateway, signal?: IngestSignal): ReadonlyArray<string> =>
  readdirSync(folder(gateway, signal))
    .filter((name) => /\.(open|ndjson)$/.test(name))
    .toSorted()
export const textOf = (gateway: Gateway, name: string): string => readFileSync(join(folder(gateway), name), "utf8")

export const rowsIn = (text: string): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))
export const idsIn = (text: string): ReadonlyArray<unknown> => rowsIn(text).map(({ id }) => id)

/** Requests that brought a batch. */
export const batches = (central: StandIn): ReadonlyArray<Seen> =>
  central.seen.filter(({ url }) => url.startsWith("/v1/ingest/"))
export const signalOf = ({ url }: Seen): string => url.slice("/v1/ingest/".length)
export const headerOf = ({ headers }: Seen, name: string): string => String(headers[`x-holdfast-${name}`])

/** What a batch is: its name, its place and its bytes. */
export const batchOf = (seen: Seen | undefined) =>
  seen === undefined
    ? undefined
    : [...["batch-id", "stream", "position"].map((name) => headerOf(seen, name)), seen.body]

/** What its id must be. */
export const digestOf = (seen: Seen): string => {
  const place = {
    signal: signalOf(seen),
    stream: headerOf(seen, "stream"),
    position: Number(headerOf(seen, "position"))
  }
  const preimage = batchPreimage(place, new TextEncoder().encode(seen.body))
  return createHash("sha256").update(preimage).digest("hex").slice(0, 32)
}
