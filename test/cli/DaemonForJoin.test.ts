import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { existsSync, renameSync } from "node:fs"
import { firstRevision } from "../../src/cli/JoinWait.ts"
import { homeLayer } from "../../src/cli/LocalServices.ts"
import { FakeManager } from "../service/FakeManager.ts"
import { healthy, standIn } from "./Gateway.ts"
import { atDesk } from "./InProcess.ts"

const UNIT = ".config/systemd/user/holdfast.service"

describe("join where a manager is and no daemon runs", () => {
  const join = ["join", "https://c.example.com", "--json"]

  it.live("installs the service, which takes the intent up, and waits for its first revision", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const manager = new FakeManager(desk.root, "systemd")
        yield* standIn(desk, ({ url }) => (url === "/status" ? [200, healthy] : [404, {}]))
        const status = desk.path("home/state/run/status.json")
        renameSync(status, `${status}.later`)
        manager.put("on-start", `mv ${status}.later ${status}`)
        const said = yield* desk.run(join, { stdin: "token", env: manager.env })
        expect(said.code).toBe(0)
        expect(JSON.parse(said.out)).toMatchObject({
          daemon: "installed",
          intent: expect.any(String),
          revision: '"abc"',
          message: 'Joined. This machine runs revision "abc", promoted.'
        })
        expect(manager.calls().at(-1)).toBe("systemctl --user start holdfast.service")
        expect(yield* desk.read(UNIT)).not.toContain("token")
      })
    )
  )

  it.live("tries again to install the service that could not be, and is not joined before", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const manager = new FakeManager(desk.root, "systemd")
        const terminal = { stdin: "token", env: manager.env }
        manager.put("refuses")
        for (const _ of [1, 2]) {
          const failed = yield* desk.run(join, terminal)
          expect([failed.code, failed.err]).toEqual([1, expect.stringContaining("no service was installed for it")])
        }
        manager.remove("refuses")
        yield* standIn(desk, ({ url }) => (url === "/status" ? [200, healthy] : [404, {}]))
        const status = desk.path("home/state/run/status.json")
        renameSync(status, `${status}.later`)
        manager.put("on-start", `mv ${status}.later ${status}`)
        const said = yield* desk.run(join, terminal)
        expect(JSON.parse(said.out)).toMatchObject({ daemon: "installed", already_joined: false, revision: '"abc"' })
      })
    )
  )

  it.effect("says where to look when the service does not come up, not to start another daemon", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const manager = new FakeManager(desk.root, "systemd")
        const waiting = yield* Effect.forkChild(
          firstRevision({ service: "holdfast.service" }).pipe(
            Effect.provide(homeLayer),
            Effect.provide(
              ConfigProvider.layer(ConfigProvider.fromUnknown({ HOLDFAST_HOME: desk.home, ...manager.env }))
            )
          )
        )
        // It looks at files between its sleeps, which takes real time.
        while (waiting.pollUnsafe() === undefined) {
          yield* TestClock.adjust("1 second")
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        }
        const { message } = yield* Fiber.join(waiting)
        expect(message).toContain(
          "the service holdfast.service does not come up: holdfast daemon logs, holdfast doctor"
        )
        expect(message).not.toContain("start it")
      })
    )
  )

  it.live("does not with --no-daemon, nor with --dry-run", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const manager = new FakeManager(desk.root, "systemd")
        for (const flag of ["--dry-run", "--no-daemon"]) {
          const said = yield* desk.run([...join, flag], { stdin: "token", env: manager.env })
          expect(JSON.parse(said.out)).toMatchObject({ daemon: "not asked" })
        }
        expect(manager.calls()).toEqual([])
        expect(existsSync(desk.path(UNIT))).toBe(false)
      })
    )
  )
})
