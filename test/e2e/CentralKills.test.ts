/** A central that is killed with SIGKILL while it writes, and while a backup is put back. */
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { rolldown } from "rolldown"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Admin, backUp } from "../../src/central-server/index.ts"
import { runs } from "../../property-tests/Options.ts"
import type { Acknowledged } from "./CentralKillsChild.ts"

/** 200 in the suite. */
const KILLS = runs
const RESTORE_KILLS = Math.ceil(runs / 8)

const place = mkdtempSync(join(tmpdir(), "holdfast-central-kills-"))
const child = join(place, "child.mjs")

const env = { ...process.env, NODE_COMPILE_CACHE: join(place, "compiled") }

// In one file, and compiled before: starting it is most of the time that a kill takes.
beforeAll(async () => {
  const input = join(import.meta.dirname, "CentralKillsChild.ts")
  const bundle = await rolldown({ input, platform: "node", logLevel: "silent" })
  await bundle.write({ file: child, format: "esm", codeSplitting: false })
  await bundle.close()
  expect(spawnSync(process.execPath, [child, "nothing"], { env }).status).toBe(0)
}, 60_000)
afterAll(() => rmSync(place, { recursive: true, force: true }))

/** Runs the child, kills it so many milliseconds after its first word, and gives its whole lines. */
const killed = (args: ReadonlyArray<string>, afterMs: number): Promise<ReadonlyArray<string>> =>
  new Promise((resolve, reject) => {
    const started = spawn(process.execPath, [child, ...args], { env, stdio: ["ignore", "pipe", "pipe"] })
    let said = ""
    let complaint = ""
    started.stderr.on("data", (chunk) => (complaint += String(chunk)))
    started.stdout.on("data", (chunk) => {
      if (said === "") setTimeout(() => started.kill("SIGKILL"), afterMs)
      said += String(chunk)
    })
    started.on("close", (code, signal) =>
      signal === "SIGKILL"
        ? resolve(
            said
              .slice(0, said.lastIndexOf("\n") + 1)
              .split("\n")
              .filter((line) => line !== "")
          )
        : reject(new Error(`the child ended by itself (${code}): ${complaint}`))
    )
  })

const etagOf = (bytes: unknown) =>
  `"${createHash("sha256")
    .update(bytes as Uint8Array)
    .digest("hex")}"`

/** Kills half of the times; the number of revisions that there are in the end. */
const writeAndKill = async (data: string, counts: Record<string, number>): Promise<number> => {
  mkdirSync(data)
  let last = 0
  for (let kill = 0; kill < KILLS / 2; kill++) {
    const lines = await killed(["write", data], (kill * 37) % 41)
    const database = new DatabaseSync(join(data, "central.sqlite"))
    const one = (sql: string, ...params: ReadonlyArray<string | number>) => database.prepare(sql).get(...params)
    for (const line of lines) {
      const said = JSON.parse(line) as Acknowledged
      counts[said.kind] = (counts[said.kind] ?? 0) + 1
      if (said.kind === "revision") {
        const row = one("SELECT etag, bytes FROM revisions WHERE config = 'fleet' AND seq = ?", said.seq)
        expect([row?.["etag"], etagOf(row?.["bytes"])]).toEqual([said.etag, said.etag])
      } else if (said.kind === "running") {
        const row = one("SELECT etag FROM tenures WHERE gateway_id = ? AND until IS NULL", said.id)
        expect(row?.["etag"]).toBe(said.etag)
      } else if (said.kind === "batch") {
        expect(one("SELECT count(*) AS n FROM ingest_rows WHERE gateway_id = ?", said.id)).toEqual({ n: said.rows })
      } else {
        expect(one(`SELECT id FROM ${said.kind}s WHERE id = ?`, said.id)).toEqual({ id: said.id })
      }
    }
    const all = one("SELECT count(*) AS n, max(seq) AS last FROM revisions")
    expect(all?.["n"]).toBe(all?.["last"])
    expect(Number(all?.["last"])).toBeGreaterThan(last)
    last = Number(all?.["last"])
    database.close()
  }
  const database = new DatabaseSync(join(data, "central.sqlite"))
  const rows = (sql: string) => database.prepare(sql).all()
  expect(rows("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }])
  expect(rows("PRAGMA foreign_key_check")).toEqual([])
  expect(rows("SELECT bytes, etag FROM revisions").filter(({ bytes, etag }) => etagOf(bytes) !== etag)).toEqual([])
  const half = `SELECT * FROM ingest_batches b
    WHERE rows <> (SELECT count(*) FROM ingest_rows r WHERE r.gateway_id = b.gateway_id)`
  expect(rows(half)).toEqual([])
  expect(rows("SELECT * FROM ingest_rows WHERE gateway_id NOT IN (SELECT gateway_id FROM ingest_batches)")).toEqual([])
  database.close()
  return last
}

describe("a central that is killed", () => {
  it("while it writes has everything that it acknowledged, and nothing half", { timeout: 600_000 }, async () => {
    const counts: Record<string, number> = {}
    // Two at a time, each with a directory of its own: much of a start is waiting.
    const revisions = await Promise.all(["one", "two"].map((name) => writeAndKill(join(place, name), counts)))
    console.log(
      `${KILLS} kills; acknowledged and found: ${JSON.stringify(counts)}; ${revisions.join(" and ")} revisions`
    )
    expect(Object.keys(counts)).toHaveLength(5)
  })

  it("while a backup is put back is the old one or the new one", { timeout: 600_000 }, async () => {
    const data = join(place, "restored")
    const run = <A, E>(effect: Effect.Effect<A, E, NodeServices.NodeServices>) =>
      Effect.runPromise(Effect.provide(effect, NodeServices.layer))
    const grow = (revisions: number) =>
      run(
        Admin.use((admin) =>
          Effect.forEach(
            Array.from({ length: revisions }, (_, n) => `${revisions}.${n}.${"y".repeat(50_000)}`),
            (text) => admin.putConfig("fleet", new TextEncoder().encode(text), { force: true })
          )
        ).pipe(Effect.provide(Admin.layer(data)))
      )
    const [small, large] = [join(place, "small.sqlite"), join(place, "large.sqlite")]
    await grow(10)
    await run(backUp(data, small))
    await grow(100)
    await run(backUp(data, large))
    // As a server has it open.
    const reader = new DatabaseSync(join(data, "central.sqlite"))
    const found: Record<string, number> = {}
    for (let kill = 0; kill < RESTORE_KILLS; kill++) {
      await killed(["restore", data, ...(kill % 2 === 0 ? [small, large] : [large, small])], (kill * 53) % 97)
      const count = String(reader.prepare("SELECT count(*) AS n FROM revisions").get()?.["n"])
      found[count] = (found[count] ?? 0) + 1
      expect(["10", "110"]).toContain(count)
      expect(reader.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }])
    }
    reader.close()
    console.log(`${RESTORE_KILLS} kills of a restore; revisions found, and how often: ${JSON.stringify(found)}`)
    expect(Object.keys(found)).toHaveLength(2)
  })
})
