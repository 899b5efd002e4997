import { defineConfig } from "vitest/config"

/** A soak runs each property many times over, and each test may then take as many times longer. */
const scale = Math.max(1, Number(process.env["FC_RUNS"] ?? 0) / 200)

export default defineConfig({
  test: {
    // Real processes per file: tests spawn daemons, change `process.env` and count open files.
    pool: "forks",
    // Tests that run side by side in one file each have several real processes.
    maxConcurrency: 3,
    testTimeout: 60_000 * scale,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    reporters: ["default"],
    // One after the other: the proofs keep both cores busy, and real processes beside them would be late for everything.
    projects: [
      {
        extends: true,
        test: {
          name: "test",
          include: ["test/**/*.test.ts"],
          // Much of their time is waiting.
          maxWorkers: 3,
          sequence: { groupOrder: 0 }
        }
      },
      {
        extends: true,
        test: {
          name: "property-tests",
          include: ["property-tests/**/*.test.ts"],
          maxWorkers: 2,
          // The proofs make much that lives for a moment: a tenth of their time went to moving it.
          execArgv: ["--max-semi-space-size=64"],
          sequence: { groupOrder: 1 }
        }
      }
    ]
  }
})
