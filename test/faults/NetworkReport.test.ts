/** A status report that central did not take. */
import { describe, expect, it } from "vitest"
import { ConfigPull } from "../../machines/index.ts"
import { Trace } from "../../property-tests/machines/Trace.ts"

const unchanged = { kind: "unchanged", etag: "", offer: 0, retryAfterSeconds: 0, message: "", wall: 0, jitter: 0 }
const unreachable = { ...unchanged, kind: "network_error", message: "nobody answers" }

/** A gateway whose first poll was confirmed: its first report is under way. */
const reporting = (): Trace =>
  new Trace({ machine: ConfigPull })
    .send({ type: "BEGIN", central: true, intervalMs: 60_000 })
    .send({ type: "IDENTITY_READY" })
    .succeed("poll", unchanged)

const isReporting = ({ state }: Trace): boolean => state.includes("reports.sending")

describe("a status report that fails", () => {
  it.each([unchanged, unreachable])("is due again with the next settled poll, however it ends: $kind", (answer) => {
    const trace = reporting()
    expect(isReporting(trace)).toBe(true)
    trace.fail("sendReport")
    expect(isReporting(trace)).toBe(false)
    trace.tick()
    expect(isReporting(trace)).toBe(false)
    trace.succeed("poll", answer)
    expect(isReporting(trace)).toBe(true)
  })

  it("is not due for ten polls once it arrived", () => {
    const trace = reporting().succeed("sendReport", { supported: true })
    let polls = 0
    while (!isReporting(trace)) {
      trace.tick()
      trace.succeed("poll", unchanged)
      polls++
    }
    expect(polls).toBe(10)
  })

  it("never causes a report without a poll between", () => {
    const trace = reporting()
    for (let round = 0; round < 20; round++) {
      const before = trace.now
      trace.fail("sendReport")
      expect(isReporting(trace)).toBe(false)
      trace.tick()
      trace.succeed("poll", unchanged)
      expect(isReporting(trace)).toBe(true)
      expect(trace.now - before).toBeGreaterThanOrEqual(1_000)
    }
  })
})
