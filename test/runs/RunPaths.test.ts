import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { buildPodLogPath, filesBesideLog, parsePodLogPath } from "../../src/runs/index.ts"

const ids = { companyId: "acme", agentId: "Agent-7", runId: "run-1" }

describe("buildPodLogPath", () => {
  it.effect("names the log of a run by its three ids", () =>
    Effect.gen(function* () {
      const expected = "/data/run-logs/acme/Agent-7/run-1.pod.ndjson"
      assert.strictEqual(yield* buildPodLogPath("/data", ids), expected)
      assert.strictEqual(yield* buildPodLogPath("/data//", ids), expected)
      assert.strictEqual(yield* buildPodLogPath("/", ids), "/run-logs/acme/Agent-7/run-1.pod.ndjson")
    })
  )

  const bad = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a.b",
    "a b",
    "it's",
    'a"b',
    "a\nb",
    "a\0",
    "$(id)",
    "ö",
    "a_b",
    "a\n",
    "x".repeat(300)
  ]
  for (const field of ["companyId", "agentId", "runId"] as const) {
    it.effect(`refuses a ${field} that is more than letters, digits and dashes, and names it`, () =>
      Effect.gen(function* () {
        for (const value of bad) {
          const error = yield* Effect.flip(buildPodLogPath("/data", { ...ids, [field]: value }))
          assert.strictEqual(error.field, field)
          assert.match(error.message, new RegExp(`^Invalid ${field} for log path`))
        }
      })
    )
  }
})

describe("parsePodLogPath", () => {
  it.effect("finds again what a path was built of", () =>
    Effect.gen(function* () {
      for (const root of ["/data", "/paperclip/instances/default/data", ""]) {
        assert.deepStrictEqual(parsePodLogPath(yield* buildPodLogPath(root, ids)), { root, ...ids })
      }
    })
  )

  it("answers nothing for a path that was not built here", () => {
    for (const path of [
      "",
      "/etc/passwd",
      "data/run-logs/a/b/c.pod.ndjson",
      "/data/../etc/run-logs/a/b/c.pod.ndjson",
      "/data/run-logs/a/../c.pod.ndjson",
      "/data/run-logs/a/b/c.ndjson",
      "/data/run-logs/a/b/c.d.pod.ndjson",
      "/data/run-logs/a/b/c.pod.ndjson\n",
      "/data/run-logs/a/b"
    ]) {
      assert.strictEqual(parsePodLogPath(path), undefined, path)
    }
  })
})

describe("filesBesideLog", () => {
  it("names stderr and record after the log", () => {
    assert.deepStrictEqual(filesBesideLog("/data/run-logs/a/b/c.pod.ndjson"), {
      directory: "/data/run-logs/a/b",
      log: "/data/run-logs/a/b/c.pod.ndjson",
      stderr: "/data/run-logs/a/b/c.pod.stderr",
      record: "/data/run-logs/a/b/c.pod.exit",
      recordTmp: "/data/run-logs/a/b/c.pod.exit.tmp"
    })
  })
})
