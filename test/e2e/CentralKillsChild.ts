/**
 * What the kills of a central meet: `write DIR` writes to its stores until it is killed, and says on stdout what is
 * acknowledged, one JSON value a line; `restore DIR A B` puts two backups back in turn; `nothing` only loads.
 */
import { writeSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { Admin } from "../../src/central-server/Admin.ts"
import { prepareRestore } from "../../src/central-server/Backup.ts"
import { Gateways } from "../../src/central-server/Gateways.ts"
import { IngestLedger } from "../../src/central-server/IngestLedger.ts"
import { storesLayer } from "../../src/central-server/Stores.ts"

/** What was acknowledged. */
export type Acknowledged =
  | { readonly kind: "revision"; readonly seq: number; readonly etag: string }
  | { readonly kind: "token"; readonly id: string }
  | { readonly kind: "gateway"; readonly id: string }
  | { readonly kind: "running"; readonly id: string; readonly etag: string }
  | { readonly kind: "batch"; readonly id: string; readonly rows: number }

const tell = (acknowledged: Acknowledged | { readonly kind: "restored" }) =>
  Effect.sync(() => writeSync(1, `${JSON.stringify(acknowledged)}\n`))

const write = Effect.gen(function* () {
  const admin = yield* Admin
  const gateways = yield* Gateways
  const ledger = yield* IngestLedger
  for (let turn = 0; ; turn++) {
    const text = JSON.stringify({ version: 2, query: `${process.pid}.${turn}.${"x".repeat((turn * 7919) % 20_000)}` })
    const saved = yield* admin.putConfig("fleet", new TextEncoder().encode(text), { force: true })
    yield* tell({ kind: "revision", seq: saved.seq, etag: saved.etag })
    const token = yield* admin.createToken({ config: "fleet" })
    yield* tell({ kind: "token", id: token.id })
    const { id } = yield* gateways.join({ id: token.id, config: "fleet" })
    yield* tell({ kind: "gateway", id })
    yield* gateways.record({ sightings: [{ gatewayId: id, at: turn, runningEtag: saved.etag }], reports: [] })
    yield* tell({ kind: "running", id, etag: saved.etag })
    const rows = Array.from({ length: 1 + (turn % 40) }, (_, row) => ({ key: `${turn}:${row}`, at: null, body: "{}" }))
    const batch = { gatewayId: id, signal: "events", batchId: `${process.pid}.${turn}`, place: null, rows, bytes: 1 }
    yield* ledger.take(batch)
    yield* tell({ kind: "batch", id, rows: rows.length })
  }
})

const restore = (data: string, files: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    for (let turn = 0; ; turn++) {
      const { apply } = yield* prepareRestore(data, files[turn % files.length] ?? "")
      yield* tell({ kind: "restored" })
      yield* apply
    }
  })

const [mode = "", data = "", ...files] = process.argv.slice(2)
const programs: Record<string, Effect.Effect<unknown, unknown, NodeServices.NodeServices>> = {
  write: write.pipe(Effect.provide(Admin.layerOver()), Effect.provide(storesLayer(data))),
  restore: Effect.scoped(restore(data, files)),
  nothing: Effect.void
}
await Effect.runPromise(Effect.provide(programs[mode] ?? Effect.die(`${mode} is no mode`), NodeServices.layer))
