import { defineConfig } from "vitest/config"

/** A soak runs each property many times over, and each test may then take as many times longer. */
const scale = Math.max(1, Number(process.env["FC_RUNS"] ?? 0) / 200)

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "property-tests/**/*.test.ts"],
    // Real processes per file: tests spawn daemons, change `process.env` and count open files.
    pool: "forks",
    maxWorkers: 2,
    // Tests that run side by side in one file each have several real processes.
    maxConcurrency: 3,
    // The proofs make much that lives for a moment: a tenth of their time went to moving it.
    execArgv: ["--max-semi-space-size=64"],
    testTimeout: 60_000 * scale,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    reporters: ["default"]
  }
})
