import { afterAll, describe, expect, it } from "vitest"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { documentFor, eventually, type Gateway, holdfast, scratch, startCentral, type Central } from "./Processes.ts"
import { RunMachine } from "./RunMachine.ts"
import { type Mishap, openWire } from "./Wire.ts"

interface Listed {
  readonly gateway: string
  readonly signal: string
  readonly at: string
  readonly row: Readonly<Record<string, unknown>>
}

const rowsAt = async (central: Central, ...more: ReadonlyArray<string>): Promise<ReadonlyArray<Listed>> => {
  const { code, stderr, stdout } = await holdfast(["central", "events", "--data", central.data, "--json", ...more])
  if (code !== 0) throw new Error(`central events: ${code} ${stderr}`)
  return JSON.parse(stdout) as ReadonlyArray<Listed>
}

/** As central keeps them: quicker than the command. */
const rowsKept = ({ data }: Central): ReadonlyArray<Readonly<Record<string, unknown>>> => {
  const database = new DatabaseSync(join(data, "central.sqlite"), { readOnly: true })
  const found = database.prepare("SELECT body, received_at FROM ingest_rows ORDER BY id").all()
  database.close()
  return found.map(({ body, received_at }) => ({ ...JSON.parse(String(body)), received_at }))
}

const batchesKept = ({ data }: Central, batchId: string): unknown => {
  const database = new DatabaseSync(join(data, "central.sqlite"), { readOnly: true })
  const found = database.prepare("SELECT count(*) AS n FROM ingest_batches WHERE batch_id = ?").get(batchId)
  database.close()
  return found?.["n"]
}

/** The files of rows that wait on a gateway. */
const waitingOn = ({ home }: Gateway): ReadonlyArray<string> =>
  ["events", "runs"]
    .map((signal) => join(home, "state", "ingest", signal))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => /\.(open|ndjson)$/.test(path))

const bytesOn = (gateway: Gateway): number => waitingOn(gateway).reduce((sum, path) => sum + statSync(path).size, 0)

/** What the gateway's own gauge says. */
const gaugeOf = async (machine: RunMachine): Promise<number | undefined> => {
  const { body } = await machine.ask("GET", "/metrics")
  const value = /^holdfast_ingest_spool_bytes(?:\{[^}]*\})? (\S+)$/m.exec(body)?.[1]
  return value === undefined ? undefined : Number(value)
}

const typesOf = (rows: ReadonlyArray<Pick<Listed, "row">>): ReadonlyArray<unknown> => rows.map(({ row }) => row["type"])

describe("a gateway tells its central", () => {
  const ends: Array<() => Promise<unknown>> = []
  afterAll(async () => {
    for (const end of ends.reverse()) await end()
  })

  it("of revisions and runs, also of what happened while central was away, each once", async () => {
    const data = scratch()
    const first = await startCentral(data)
    await first.put(documentFor(first.url))
    const machine = await RunMachine.start({ HOLDFAST_TEST_TIME_SCALE: "10" })
    const gateway: Gateway = machine.gateway
    ends.push(() => gateway.stop())
    const joined = await gateway.run("join", first.url, await first.token(), "--no-daemon")
    expect(joined.code).toBe(0)
    await gateway.run("daemon", "restart")

    await eventually("central hears of the promotion", async () =>
      typesOf(await rowsAt(first)).includes("config_promoted") ? true : undefined
    )
    expect((await machine.submit({ runId: "before", command: { kind: "exec", argv: ["true"] } })).status).toBe(201)
    await eventually("central hears of the run", async () => {
      const [run] = await rowsAt(first, "--signal", "runs")
      return run?.row["id"] === "before" && run.row["verdict"] === "succeeded" ? true : undefined
    })

    await eventually("the gauge says that nothing waits", async () =>
      (await gaugeOf(machine)) === 0 ? true : undefined
    )
    await first.kill()
    const away = ["away-1", "away-2", "away-3"]
    for (const runId of away) {
      await machine.submit({ runId, command: { kind: "exec", argv: ["false"] } })
      await machine.ended(runId)
    }
    await eventually("the gauge says what waits", async () => {
      const bytes = bytesOn(gateway)
      return bytes > 0 && (await gaugeOf(machine)) === bytes ? true : undefined
    })
    gateway.signal("SIGKILL")
    await machine.up()

    const second = await startCentral(data, { port: Number(new URL(first.url).port) })
    ends.push(() => second.stop())
    await eventually(
      "central hears of what it missed",
      () => (rowsKept(second).filter(({ id }) => away.includes(String(id))).length === away.length ? true : undefined),
      60_000
    )
    await eventually("nothing waits", async () => ((await gaugeOf(machine)) === 0 ? true : undefined))
    expect(bytesOn(gateway)).toBe(0)
    const runs = await rowsAt(second, "--signal", "runs")
    expect(runs.map(({ row }) => [row["id"], row["verdict"]])).toEqual([
      ...away.toReversed().map((id) => [id, "failed"]),
      ["before", "succeeded"]
    ])
    const events = await rowsAt(second, "--signal", "events")
    expect(new Set(events.map(({ row }) => row["id"])).size).toBe(events.length)
    expect(typesOf(events).filter((type) => type === "config_promoted")).toHaveLength(1)
    const { stdout } = await holdfast(["central", "events", "--data", data])
    expect(stdout).toContain("run succeeded")
  }, 120_000)

  it("each once, of a batch that is cut on its way, and of one whose 202 it never saw; and of a rollback", async () => {
    const wire = await openWire()
    ends.push(wire.close)
    const central = await startCentral(scratch(), { externalUrl: wire.url })
    ends.push(() => central.stop())
    wire.target = central.url
    const mishaps: Array<Mishap> = []
    let next = (): Mishap | null => (mishaps.length === 0 ? "shortened" : "torn")
    wire.mishap = (path) => {
      const mishap = path.startsWith("/v1/ingest/") ? next() : null
      if (mishap !== null) mishaps.push(mishap)
      return mishap
    }
    const sent = () => wire.log.filter(({ path }) => path.startsWith("/v1/ingest/"))

    const good = await central.put(documentFor(wire.url))
    const machine = await RunMachine.start({ HOLDFAST_TEST_TIME_SCALE: "40" })
    const { gateway } = machine
    ends.push(() => gateway.stop())
    expect((await gateway.run("join", wire.url, await central.token(), "--no-daemon")).code).toBe(0)
    await gateway.run("daemon", "restart")
    await eventually("a batch is torn", () => (mishaps.includes("torn") ? true : undefined))
    await gateway.promoted(good)
    expect(sent().map(({ status }) => status)).toEqual([400])
    expect(rowsKept(central)).toEqual([])

    next = () => "unanswered"
    const first = await eventually("central has a batch", () => sent().find(({ status }) => status === 202))
    const before = rowsKept(central)
    expect(before.length).toBeGreaterThan(0)
    const waiting = waitingOn(gateway).flatMap((path) => readFileSync(path, "utf8").trim().split("\n"))
    gateway.signal("SIGKILL")
    next = () => null
    await machine.up()
    await eventually("central is told all", () => {
      const known = new Set(rowsKept(central).map(({ id }) => id))
      return waiting.every((line) => known.has(JSON.parse(line).id)) && waitingOn(gateway).length === 0
        ? true
        : undefined
    })
    expect(sent().filter(({ batchId, status }) => batchId === first.batchId && status === 202)).toHaveLength(2)
    expect(batchesKept(central, String(first.batchId))).toBe(1)
    expect(rowsKept(central).slice(0, before.length)).toEqual(before)
    expect(waiting).toEqual(expect.arrayContaining(before.map(({ received_at: _, ...row }) => JSON.stringify(row))))

    const cutOff = await central.put(documentFor("http://127.0.0.1:1"), { force: true })
    const rolledBack = await eventually("central hears of the rollback", () =>
      rowsKept(central).find(({ type }) => type === "config_rolled_back")
    )
    expect(rolledBack).toMatchObject({ etag: cutOff, reason: "probation_expired" })
    const rows = rowsKept(central)
    expect(typesOf(rows.map((row) => ({ row }))).filter((type) => type === "config_rolled_back")).toHaveLength(1)
    expect(typesOf(rows.map((row) => ({ row })))).not.toContain("gap")
    expect(rows.filter(({ etag, type }) => type === "config_promoted" && etag === good)).toHaveLength(1)
  }, 120_000)
})
