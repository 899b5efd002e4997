import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, PlatformError } from "effect"
import { DaemonLock, DurableFiles } from "../../src/storage/index.ts"
import { FakeManager } from "../service/FakeManager.ts"
import { atDesk, type Desk } from "./InProcess.ts"

const joined = Effect.fnUntraced(function* (desk: Desk) {
  yield* desk.write("home/config.json", '{"version":2}')
  yield* desk.run(["join", "http://127.0.0.1:7999"], { stdin: "token" })
  yield* desk.write("home/state/identity.json", "{}")
  yield* desk.write("home/state/ingest/events/000001-s.ndjson", "{}")
  yield* desk.write("home/state/config-control/a/document.json", "{}")
})

describe("leave", () => {
  it.live("says so on a machine that has not joined, and makes nothing", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        expect(yield* desk.run(["leave"])).toMatchObject({ code: 0, out: "This machine has not joined a fleet." })
        expect(yield* desk.files).toEqual([])
      })
    )
  )

  it.live("removes everything of the fleet and nothing of the user's", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* joined(desk)
        expect(yield* desk.run(["leave"])).toMatchObject({ code: 0, err: "" })
        expect(yield* desk.files).toEqual([
          "config.json",
          "state",
          "state/config-control",
          "state/run",
          "state/run/daemon.lock"
        ])
        expect((yield* desk.run(["leave"])).out).toContain("has not joined")
      })
    )
  )

  it.live("with --service, stops and removes the service of this home first, and leaves that of another alone", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const manager = new FakeManager(desk.root, "systemd")
        const env = { ...manager.env, PATH: "/usr/bin:/bin" }
        const unit = ".config/systemd/user/holdfast.service"
        yield* joined(desk)
        yield* desk.run(["daemon", "install"], { env })
        const text = yield* desk.read(unit)
        manager.calls()
        expect(yield* desk.run(["leave", "--service"], { env })).toMatchObject({
          code: 0,
          out: expect.stringMatching(/^The service holdfast\.service is stopped and removed\.\nThis machine has left/)
        })
        expect(manager.calls()).toContain("systemctl --user disable --now holdfast.service")
        expect(yield* Effect.exit(desk.read(unit))).toMatchObject({ _tag: "Failure" })

        yield* joined(desk)
        yield* desk.write(unit, text.replaceAll(desk.home, "/other/home"))
        expect((yield* desk.run(["leave", "--service"], { env })).out).toMatch(/^This machine has left/)
        expect(yield* desk.read(unit)).toContain("/other/home")
      })
    )
  )

  it.live("while another process holds the lock, leaves the intent for the next start: exit code 1", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* joined(desk)
        const lock = yield* DaemonLock
        yield* lock.acquire(desk.home)
        const said = yield* desk.run(["leave"])
        expect(said).toMatchObject({ code: 1, err: expect.stringContaining("already runs for this home") })
        expect(yield* desk.files).toContain("state/config-control/leave.json")
      }).pipe(Effect.scoped, Effect.provide(DaemonLock.layer.pipe(Layer.provide(DurableFiles.layer))))
    )
  )

  it.live("names what it could not remove: exit code 1", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* joined(desk)
        const said = yield* desk.run(["leave"]).pipe(Effect.provide(unremovable("seed.json")))
        expect(said.code).toBe(1)
        expect(said.err).toContain("Not removed: ")
        expect(said.err).toContain("join.json")
        expect(said.err).not.toContain("identity.json")
        expect(said.err).toContain("holdfast leave")
        expect((yield* desk.run(["leave"])).code).toBe(0)
      })
    )
  )
})

/** The real file system, on which no file of that name can be removed. */
const unremovable = (name: string) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => ({
      ...fs,
      remove: (path: string, options?: Parameters<typeof fs.remove>[1]) =>
        path.endsWith(name)
          ? Effect.fail(
              PlatformError.systemError({
                _tag: "PermissionDenied",
                module: "FileSystem",
                method: "remove",
                pathOrDescriptor: path
              })
            )
          : fs.remove(path, options)
    }))
  )
