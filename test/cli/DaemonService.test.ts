import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { appendFileSync, existsSync, readdirSync, renameSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { logFile } from "../../src/cli/DaemonLogsCommand.ts"
import { eventually } from "../e2e/Processes.ts"
import { FakeManager } from "../service/FakeManager.ts"
import { healthy, standIn, writeStatus } from "./Gateway.ts"
import { atDesk, type Desk } from "./InProcess.ts"

const UNIT = ".config/systemd/user/holdfast.service"
const PLIST = "Library/LaunchAgents/dev.holdfast.daemon.plist"
const domain = `gui/${process.getuid?.() ?? 0}`

const withManager = <A, E, R>(
  kind: "systemd" | "launchd",
  use: (
    desk: Desk,
    manager: FakeManager,
    run: (...argv: ReadonlyArray<string>) => ReturnType<Desk["run"]>
  ) => Effect.Effect<A, E, R>
) =>
  atDesk((desk) => {
    const manager = new FakeManager(desk.root, kind)
    return use(desk, manager, (...argv) =>
      desk.run(["daemon", ...argv], { env: { ...manager.env, PATH: "/usr/bin:/bin", HOLDFAST_PORT: "7099" } })
    )
  })

describe("the daemon's service under a fake systemd", () => {
  it.live("is installed and started, and installing it again changes nothing", () =>
    withManager("systemd", (desk, manager, run) =>
      Effect.gen(function* () {
        const said = yield* run("install")
        expect([said.code, said.out]).toEqual([
          0,
          "The service holdfast.service is installed and runs: holdfast status"
        ])
        expect(said.err).toContain("loginctl enable-linger")
        expect(manager.calls()).toEqual([
          "systemctl --user daemon-reload",
          "systemctl --user enable holdfast.service",
          "systemctl --user start holdfast.service"
        ])
        const unit = yield* desk.read(UNIT)
        expect(unit).toContain(`Environment="HOLDFAST_HOME=${desk.home}"`)
        expect(unit).toContain('Environment="HOLDFAST_PORT=7099"')
        expect(unit).toMatch(/^ExecStart="\/.*node" "\/.*\/dist\/main\.js" daemon$/m)
        expect(existsSync(desk.home)).toBe(true)

        expect((yield* run("install")).code).toBe(0)
        expect(manager.calls()).toEqual([
          "systemctl --user show holdfast.service --property=NeedDaemonReload",
          "systemctl --user daemon-reload",
          "systemctl --user enable holdfast.service",
          "systemctl --user start holdfast.service"
        ])
        expect(yield* desk.read(UNIT)).toBe(unit)

        // Somebody changed it, and changed it back, or added to it: what runs is not what lies there.
        manager.put("stale")
        expect((yield* run("install")).code).toBe(0)
        expect(manager.calls().at(-1)).toBe("systemctl --user restart holdfast.service")
      })
    )
  )

  for (const action of ["daemon-reload", "enable", "restart"]) {
    it.live(
      `whose installation ended at ${action} is restarted by the next, which is then as if it were the first`,
      () =>
        withManager("systemd", (desk, manager, run) =>
          Effect.gen(function* () {
            yield* run("install")
            yield* desk.write(UNIT, (yield* desk.read(UNIT)).replaceAll(desk.home, "/other/home"))
            manager.put("refuses", action)
            expect((yield* run("install")).code).toBe(1)
            expect(yield* desk.read(UNIT)).not.toContain("/other/home")
            manager.remove("refuses")
            manager.calls()
            expect((yield* run("install")).code).toBe(0)
            expect(manager.calls()).toEqual([
              "systemctl --user daemon-reload",
              "systemctl --user enable holdfast.service",
              "systemctl --user restart holdfast.service"
            ])
            expect((yield* run("install")).code).toBe(0)
            expect(manager.calls().at(-1)).toBe("systemctl --user start holdfast.service")
            expect(readdirSync(dirname(desk.path(UNIT)))).toEqual(["holdfast.service"])
          })
        )
    )
  }

  it.live("leaves nothing of an unfinished installation when it is removed", () =>
    withManager("systemd", (desk, manager, run) =>
      Effect.gen(function* () {
        manager.put("refuses", "daemon-reload")
        expect((yield* run("install")).code).toBe(1)
        expect(readdirSync(dirname(desk.path(UNIT)))).toHaveLength(2)
        manager.remove("refuses")
        expect((yield* run("uninstall")).code).toBe(0)
        expect(readdirSync(dirname(desk.path(UNIT)))).toEqual([])
      })
    )
  )

  it.live("is restarted when its unit is another one, and a home that moved is named", () =>
    withManager("systemd", (desk, manager, run) =>
      Effect.gen(function* () {
        yield* run("install")
        yield* desk.write(UNIT, (yield* desk.read(UNIT)).replaceAll(desk.home, "/gone/home"))
        manager.calls()
        for (const action of ["start", "stop"]) {
          const refused = yield* run(action)
          expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("is for /gone/home (which is gone)")])
        }
        expect(manager.calls()).toEqual([])
        const said = yield* run("install")
        expect(said.err).toContain(`was for /gone/home (which is gone); from now on it is for ${desk.home}`)
        expect(manager.calls().at(-1)).toBe("systemctl --user restart holdfast.service")
        expect(yield* desk.read(UNIT)).not.toContain("/gone/home")
      })
    )
  )

  it.live("is only shown with --dry-run, and with --json as one document", () =>
    withManager("systemd", (desk, manager, run) =>
      Effect.gen(function* () {
        const said = yield* run("install", "--dry-run")
        expect(said.code).toBe(0)
        expect(said.out).toContain("KillMode=process")
        expect(said.out).toContain("systemctl --user enable holdfast.service")
        const json = yield* run("install", "--dry-run", "--json")
        expect(JSON.parse(json.out)).toMatchObject({
          manager: "systemd",
          scope: "user",
          service: "holdfast.service",
          unit: desk.path(UNIT),
          home: desk.home,
          dry_run: true,
          steps: [
            { make_folder: desk.home },
            { write: `${desk.path(UNIT)}.unfinished`, content: expect.any(String) },
            { write: desk.path(UNIT), content: expect.stringContaining("Type=notify") },
            { run: ["systemctl", "--user", "daemon-reload"] },
            { run: ["systemctl", "--user", "enable", "holdfast.service"] },
            { run: ["systemctl", "--user", "start", "holdfast.service"] },
            { remove: `${desk.path(UNIT)}.unfinished` }
          ]
        })
        expect(manager.calls()).toEqual([])
        expect(existsSync(desk.path(UNIT))).toBe(false)
        expect(existsSync(desk.home)).toBe(false)
      })
    )
  )

  it.live("is stopped, started and removed through the manager; removing nothing is fine", () =>
    withManager("systemd", (desk, manager, run) =>
      Effect.gen(function* () {
        expect((yield* run("uninstall")).code).toBe(0)
        expect((yield* run("start")).code).toBe(1)
        expect(manager.calls()).toEqual([])
        yield* run("install")
        manager.calls()
        for (const action of ["stop", "start", "restart", "uninstall"]) {
          expect([action, (yield* run(action)).code]).toEqual([action, 0])
        }
        expect(manager.calls()).toEqual([
          "systemctl --user stop holdfast.service",
          "systemctl --user start holdfast.service",
          "systemctl --user restart holdfast.service",
          "systemctl --user disable --now holdfast.service",
          "systemctl --user daemon-reload"
        ])
        expect(existsSync(desk.path(UNIT))).toBe(false)
      })
    )
  )

  it.live("of the machine needs root or says so, and asks the manager of the machine", () =>
    withManager("systemd", (_desk, manager, run) =>
      Effect.gen(function* () {
        const said = yield* run("install", "--system", "--dry-run", "--json")
        expect(JSON.parse(said.out)).toMatchObject({
          scope: "system",
          unit: "/etc/systemd/system/holdfast.service",
          steps: expect.arrayContaining([{ run: ["systemctl", "enable", "holdfast.service"] }])
        })
        expect(manager.calls()).toEqual([])
      })
    )
  )

  it.live("is not installed beside a daemon that somebody runs by hand", () =>
    withManager("systemd", (desk, manager, run) =>
      Effect.gen(function* () {
        yield* writeStatus(desk, healthy)
        const said = yield* run("install")
        expect([said.code, said.err]).toEqual([1, expect.stringContaining(`(pid ${process.pid})`)])
        expect(existsSync(desk.path(UNIT))).toBe(false)
        // As the service's own process it is no other one.
        manager.put("pid", String(process.pid))
        expect((yield* run("install")).code).toBe(0)
      })
    )
  )

  it.live("does not replace a unit of somebody else", () =>
    withManager("systemd", (desk, manager, run) =>
      Effect.gen(function* () {
        yield* desk.write(UNIT, "[Service]\nExecStart=/bin/true\n")
        for (const action of ["install", "uninstall"]) {
          const said = yield* run(action)
          expect([said.code, said.err]).toEqual([1, expect.stringContaining("was not written by Holdfast")])
        }
        expect(manager.calls()).toEqual([])
        expect(yield* desk.read(UNIT)).toContain("/bin/true")
      })
    )
  )

  it.live("that the manager refuses is a failure in the manager's words", () =>
    withManager("systemd", (_desk, manager, run) =>
      Effect.gen(function* () {
        manager.put("refuses")
        const said = yield* run("install")
        expect([said.code, said.err]).toEqual([1, expect.stringContaining("Access denied")])
      })
    )
  )

  it.live("never has a secret of a URL in its unit, and says which variables it leaves out", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const manager = new FakeManager(desk.root, "systemd")
        for (const [name, value] of [
          ["HTTPS_PROXY", "http://ann:geheim@proxy:3128"],
          ["HTTPS_PROXY", "ann:geheim@proxy:3128"],
          ["http_proxy", "http://geheim@proxy:3128"],
          ["HTTP_PROXY", "http://ann:geheim%zz@proxy:1"],
          ["OTEL_EXPORTER_OTLP_ENDPOINT", "https://x.example/?api-key=geheim"],
          ["OTEL_EXPORTER_OTLP_ENDPOINT", "https://geheim@x.example"]
        ] as const) {
          const said = yield* desk.run(["daemon", "install"], { env: { ...manager.env, [name]: value } })
          expect([value, said.code, said.err]).toEqual([value, 0, expect.stringContaining(`${name} may hold a secret`)])
          expect(said.out + said.err).not.toContain("geheim")
          expect(yield* desk.read(UNIT)).not.toMatch(/geheim|proxy:|x\.example/)
        }
      })
    )
  )

  it.live("gets proxies as Node can read them, for one that it cannot read ends the daemon before our code", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const manager = new FakeManager(desk.root, "systemd")
        const env = {
          ...manager.env,
          HTTPS_PROXY: "proxy.corp.example:3128",
          http_proxy: "10.0.0.1:3128",
          HTTP_PROXY: "HTTPS://proxy:3128/a/path",
          https_proxy: "socks5://proxy:1080",
          NO_PROXY: "localhost,.corp.example"
        }
        const said = yield* desk.run(["daemon", "install"], { env })
        expect(said.err).toContain("https_proxy names no proxy that can be used: it is left out.")
        const carried = (yield* desk.read(UNIT))
          .split("\n")
          .filter((line) => /^Environment="\w+_proxy=[^1]/i.test(line))
        expect(carried.toSorted()).toEqual([
          'Environment="HTTPS_PROXY=http://proxy.corp.example:3128"',
          'Environment="HTTP_PROXY=https://proxy:3128"',
          'Environment="NO_PROXY=localhost,.corp.example"',
          'Environment="http_proxy=http://10.0.0.1:3128"'
        ])
        for (const value of ["http://", "proxy:99999", " "]) {
          const refused = yield* desk.run(["daemon", "install"], { env: { ...manager.env, HTTPS_PROXY: value } })
          expect([value, refused.err]).toEqual([value, expect.stringContaining("HTTPS_PROXY names no proxy")])
          expect(yield* desk.read(UNIT)).not.toContain("HTTPS_PROXY=")
        }
      })
    )
  )
})

describe("the daemon's service under a fake launchd", () => {
  it.live("is loaded, and what was booted out is awaited before it is loaded again", () =>
    withManager("launchd", (desk, manager, run) =>
      Effect.gen(function* () {
        const target = `${domain}/dev.holdfast.daemon`
        expect((yield* run("install")).code).toBe(0)
        expect(manager.calls()).toEqual([
          `launchctl print ${target}`,
          `launchctl enable ${target}`,
          `launchctl bootstrap ${domain} ${desk.path(PLIST)}`
        ])
        expect((yield* run("install")).code).toBe(0)
        expect(manager.calls()).toEqual([`launchctl print ${target}`, `launchctl kickstart ${target}`])
        // Loading what is still there would have failed.
        expect((yield* run("restart")).code).toBe(0)
        expect(manager.calls().filter((line) => !line.includes(" print "))).toEqual([
          `launchctl bootout ${target}`,
          `launchctl bootstrap ${domain} ${desk.path(PLIST)}`
        ])
        expect((yield* run("stop")).code).toBe(0)
        expect((yield* run("start")).code).toBe(0)
        expect((yield* run("uninstall")).code).toBe(0)
        expect(existsSync(desk.path(PLIST))).toBe(false)
        expect(existsSync(`${manager.folder}/loaded`)).toBe(false)
      })
    )
  )
})

describe("an installation that launchd cut short", () => {
  it.live("is loaded anew by the next, for what is loaded may be of the file before", () =>
    withManager("launchd", (desk, manager, run) =>
      Effect.gen(function* () {
        const target = `${domain}/dev.holdfast.daemon`
        yield* run("install")
        yield* desk.write(PLIST, (yield* desk.read(PLIST)).replaceAll(desk.home, "/other/home"))
        manager.put("refuses", "bootstrap")
        expect((yield* run("install")).code).toBe(1)
        manager.remove("refuses")
        // As if it had never been booted out.
        writeFileSync(`${manager.folder}/loaded`, "")
        manager.calls()
        expect((yield* run("install")).code).toBe(0)
        expect(manager.calls().filter((line) => !line.includes(" print "))).toEqual([
          `launchctl bootout ${target}`,
          `launchctl enable ${target}`,
          `launchctl bootstrap ${domain} ${desk.path(PLIST)}`
        ])
        yield* run("install")
        expect(manager.calls().at(-1)).toBe(`launchctl kickstart ${target}`)
      })
    )
  )
})

describe("a machine without a service manager", () => {
  it.live("is told so, and what to do instead; a test counts as one", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        for (const action of ["install", "uninstall", "start"]) {
          const said = yield* desk.run(["daemon", action])
          expect([said.code, said.err]).toEqual([1, expect.stringContaining("exit code 75: holdfast daemon")])
        }
        expect(existsSync(desk.path(UNIT))).toBe(false)
      })
    )
  )

  it.live("has its daemon asked by daemon stop", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        expect(yield* desk.run(["daemon", "stop"])).toMatchObject({
          code: 0,
          out: expect.stringContaining("No daemon")
        })
        const { asked } = yield* standIn(desk, () => [202, { accepted: true }])
        expect((yield* desk.run(["daemon", "stop", "--dry-run"])).out).toContain("Would ask")
        expect(asked).toEqual([])
        expect((yield* desk.run(["daemon", "stop"])).code).toBe(0)
        expect(asked).toMatchObject([{ method: "POST", url: "/stop", body: { leave: false } }])
      })
    )
  )
})

describe("daemon logs", () => {
  it.live("shows the last lines of the home's own file where no manager keeps a log", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        expect((yield* desk.run(["daemon", "logs"])).err).toContain("there is no such file")
        yield* desk.write("home/logs/daemon.log", "one\ntwo\nthree\n")
        const last = (...argv: ReadonlyArray<string>) =>
          Effect.map(desk.run(["daemon", "logs", ...argv]), ({ bytes }) => Buffer.from(bytes).toString())
        expect(yield* last("-n", "2")).toBe("two\nthree\n")
        expect(yield* last("-n", "0")).toBe("")
        expect(yield* last()).toBe("one\ntwo\nthree\n")
        expect((yield* desk.run(["daemon", "logs", "-n", "-1"])).code).not.toBe(0)
      })
    )
  )

  it.live("follows that file, also when it is set aside", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const file = yield* desk.write("home/logs/daemon.log", "zero\none\n")
        let said = ""
        yield* logFile(file, { follow: true, lines: 1 }).pipe(
          Stream.runForEach((bytes) => Effect.sync(() => void (said += Buffer.from(bytes).toString()))),
          Effect.forkChild
        )
        const until = (text: string) =>
          Effect.promise(() => eventually(text, () => (said === text ? true : undefined), 5_000))
        yield* until("one\n")
        appendFileSync(file, "two\n")
        yield* until("one\ntwo\n")
        renameSync(file, `${file}.1`)
        appendFileSync(file, "3\n")
        yield* until("one\ntwo\n3\n")
      })
    )
  )

  it.live("asks the journal where systemd runs the service of this home", () =>
    withManager("systemd", (_desk, manager, run) =>
      Effect.gen(function* () {
        yield* run("install")
        manager.calls()
        const said = yield* run("logs", "-n", "7")
        expect(Buffer.from(said.bytes).toString()).toBe("from the journal\n")
        expect(manager.calls()).toEqual([
          "journalctl --user --unit=holdfast.service --lines=7 --output=cat --quiet --no-pager"
        ])
      })
    )
  )
})
