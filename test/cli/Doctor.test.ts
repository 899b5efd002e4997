/** Machines with something wrong, and one with nothing: what the doctor says, and that it says what to do. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, PlatformError, Schema } from "effect"
import { Finding } from "../../src/cli/DoctorFinding.ts"
import { checkHome, roomFinding } from "../../src/cli/DoctorHome.ts"
import { Home } from "../../src/domain/index.ts"
import { json, reply, standIn } from "../central/StandIn.ts"
import { KubernetesStandIn } from "../runs/kubernetes/KubernetesStandIn.ts"
import { FakeManager } from "../service/FakeManager.ts"
import { atDesk, type Desk } from "./InProcess.ts"

const Report = Schema.fromJsonString(Schema.Struct({ findings: Schema.Array(Finding) }))

/** The exit code, and what is said of each thing that is not skipped. */
const examine = Effect.fnUntraced(function* (desk: Desk, env: Readonly<Record<string, string>> = {}) {
  const { code, out } = yield* desk.run(["doctor", "--json"], { env: { PATH: "/usr/bin:/bin", ...env } })
  const { findings } = yield* Schema.decodeUnknownEffect(Report)(out)
  const of = (check: string) => findings.filter((one) => one.check === check)
  return { code, findings, of, wrong: findings.filter(({ verdict }) => verdict === "wrong") }
})

const unauthorized = json(401, { error: "identity_missing" })

/** A home that has joined a central, whose daemon does not run. */
const joined = (desk: Desk, url: string) =>
  Effect.map(desk.run(["join", url, "--no-daemon"], { stdin: "a-token" }), ({ code }) => expect(code).toBe(0))

describe("the doctor", { timeout: 20_000 }, () => {
  it.live("finds nothing wrong on a machine that has nothing yet, and makes nothing", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { code, of, wrong } = yield* examine(desk)
        expect({ code, wrong }).toEqual({ code: 0, wrong: [] })
        expect(of("node")[0]).toMatchObject({ verdict: "fine", found: expect.stringContaining(process.versions.node) })
        expect(of("central")[0]).toMatchObject({ verdict: "skipped" })
        expect(yield* desk.files).toEqual([])
        const { out } = yield* desk.run(["doctor"])
        expect(out).toMatch(/^✓ node {8}Node\.js .*\n(.*\n)*\n0 wrong, \d doubtful, \d fine$/)
      })
    )
  )

  it.live(
    "names the secrets that others can read, the folder that others can write, and the commands that mend it",
    () =>
      atDesk((desk) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          yield* desk.write("home/state/api-token", "secret")
          yield* fs.chmod(desk.path("home/state"), 0o777)
          yield* fs.chmod(desk.path("home/state/api-token"), 0o644)
          const { code, of } = yield* examine(desk)
          expect(code).toBe(1)
          expect(of("permissions").map(({ repair }) => repair[0])).toEqual([
            `Keep it to its user: chmod go-w ${desk.path("home/state")}`,
            `Keep them to their user: chmod 600 ${desk.path("home/state/api-token")}`
          ])
          for (const { repair } of of("permissions")) {
            const [, mode = "", file = ""] = /chmod (\S+) (\S+)$/.exec(repair[0] ?? "") ?? []
            yield* fs.chmod(file, mode === "600" ? 0o600 : 0o755)
          }
          expect((yield* examine(desk)).of("permissions")).toMatchObject([{ verdict: "fine" }])
        })
      )
  )

  for (const mode of [0o640, 0o604]) {
    it.live(`names secrets that mode ${mode.toString(8)} shows: those of config.json and of the slots too`, () =>
      atDesk((desk) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const provider = { api_key: "secret" }
          const document = JSON.stringify({ version: 2, plugins: [{ name: "@holdfast/agents", config: { provider } }] })
          const names = ["home/config.json", "home/state/login.json", "home/state/config-control/a/document.json"]
          for (const name of names) {
            yield* desk.write(name, document)
            yield* fs.chmod(desk.path(name), mode)
          }
          yield* fs.chmod(desk.home, 0o755)
          const seen = Effect.map(examine(desk), ({ of }) => of("permissions").map(({ found }) => found))
          expect(yield* seen).toEqual(names.map((name) => `others can read the secrets in ${desk.path(name)}`))
          // Of the user's own file it matters only where others can enter, and what is in it.
          yield* fs.chmod(desk.home, 0o700)
          expect(yield* seen).not.toContainEqual(expect.stringContaining("config.json"))
          yield* fs.chmod(desk.home, 0o755)
          yield* desk.write("home/config.json", '{"version":2,"token_file":"x","max_tokens":5}')
          expect(yield* seen).not.toContainEqual(expect.stringContaining("config.json"))
        })
      )
    )
  }

  for (const mode of [0o720, 0o702]) {
    it.live(`names a folder that mode ${mode.toString(8)} lets others write`, () =>
      atDesk((desk) =>
        Effect.gen(function* () {
          yield* desk.write("home/state/x", "")
          yield* (yield* FileSystem.FileSystem).chmod(desk.path("home/state"), mode)
          expect((yield* examine(desk)).of("permissions")).toMatchObject([
            { verdict: "wrong", found: `others can put files into ${desk.path("home/state")}` }
          ])
        })
      )
    )
  }

  it("calls little room on the disk of the home doubtful, and next to none wrong", () => {
    for (const [kib, verdict, room] of [
      [16 * 1024 - 1, "wrong", "15 MiB"],
      [16 * 1024, "doubtful", "16 MiB"],
      [512 * 1024 - 1, "doubtful", "511 MiB"],
      [512 * 1024, "fine", "512 MiB"]
    ] as const) {
      expect(roomFinding("/home", kib)).toMatchObject({ verdict, found: expect.stringContaining(`has ${room} left`) })
    }
  })

  it.live("names a home that is no folder, or can never be made, and touches nothing of it", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const file = yield* desk.write("passwd", "root")
        yield* fs.chmod(file, 0o644)
        yield* fs.symlink(desk.path("nowhere"), desk.path("link"))
        for (const [home, found] of [
          [file, `${file} is no folder`],
          [`${file}/home`, `${file}/home cannot be made: ${file} is no folder`],
          [desk.path("link"), `${desk.path("link")} is a link to ${desk.path("nowhere")}, which cannot be reached`],
          [desk.path("link/home"), `${desk.path("link")} is a link to ${desk.path("nowhere")}, which cannot be reached`]
        ] as const) {
          const said = yield* examine(desk, { HOLDFAST_HOME: home })
          expect([said.code, said.of("home")]).toMatchObject([1, [{ verdict: "wrong", found }]])
          expect(JSON.stringify(said.findings)).not.toContain("chmod")
        }
        expect((yield* examine(desk, { HOLDFAST_HOME: desk.path("a/b/c") })).of("home")[0]?.verdict).toBe("fine")
      })
    )
  )

  it.live("names a home that is missing where its user cannot make it", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const home = desk.path("lib/holdfast")
        yield* desk.write("lib/x", "")
        // Root may do everything, so what access(2) says to others is said for it.
        const found = yield* checkHome.pipe(
          Effect.provide(Home.layerOf(home)),
          Effect.updateService(FileSystem.FileSystem, (fs) => ({
            ...fs,
            access: (path) =>
              Effect.fail(
                PlatformError.systemError({
                  _tag: "PermissionDenied",
                  module: "FileSystem",
                  method: "access",
                  pathOrDescriptor: path
                })
              )
          }))
        )
        expect(found).toMatchObject([
          {
            verdict: "wrong",
            found: `${home} is not there, and cannot be made in ${desk.path("lib")}: permission denied`
          }
        ])
      })
    )
  )

  it.live("says that a joined machine's daemon does not run, and why its central does not answer", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { url } = yield* Effect.scoped(standIn())
        yield* joined(desk, url)
        const { code, of } = yield* examine(desk)
        expect(code).toBe(1)
        expect(of("central")).toMatchObject([
          { verdict: "wrong", found: expect.stringMatching(/ECONNREFUSED.*Nothing listens there/) }
        ])
        expect(of("clock")).toMatchObject([{ verdict: "skipped" }])
        expect(of("daemon")).toMatchObject([{ repair: ["Start the daemon: holdfast daemon"] }])
      })
    )
  )

  it.live("tells a central from other servers, sends it no credential, and compares the clocks", () =>
    atDesk((desk) =>
      Effect.scoped(
        Effect.gen(function* () {
          const central = yield* standIn()
          yield* joined(desk, central.url)
          central.answerWith(unauthorized)
          const good = yield* examine(desk)
          expect([...good.of("central"), ...good.of("clock")]).toMatchObject([{ verdict: "fine" }, { verdict: "fine" }])
          expect(central.seen.map(({ headers, url }) => [url, headers.authorization])).toEqual([
            ["/v1/config", undefined]
          ])

          const hourAgo = new Date(Date.now() - 3_600_000).toUTCString()
          central.answerWith(json(401, { error: "identity_missing" }, { date: hourAgo }))
          const late = yield* examine(desk)
          expect({ code: late.code, clock: late.of("clock") }).toMatchObject({
            code: 1,
            clock: [{ verdict: "wrong", found: expect.stringMatching(/^it is 3[56]\d\d s ahead of central's$/) }]
          })

          central.answerWith(reply(404, { "content-type": "text/html" }, "<h1>nginx</h1>"))
          expect((yield* examine(desk)).of("central")).toMatchObject([
            {
              verdict: "wrong",
              found: expect.stringContaining("HTTP 404"),
              repair: [expect.stringContaining("join URL")]
            }
          ])
          central.answerWith(reply(503))
          expect((yield* examine(desk)).of("central")).toMatchObject([{ verdict: "doubtful" }])
        })
      )
    )
  )

  it.live("finds a service that does not run, one whose program is gone, and one for a home that moved", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const manager = new FakeManager(desk.root, "systemd")
        const unit = ".config/systemd/user/holdfast.service"
        const none = yield* examine(desk, manager.env)
        expect(none.of("service")).toMatchObject([{ verdict: "doubtful", repair: ["holdfast daemon install"] }])

        yield* desk.run(["daemon", "install"], { env: { ...manager.env, PATH: "/usr/bin:/bin" } })
        const text = yield* desk.read(unit)
        const stopped = yield* examine(desk, manager.env)
        expect({ code: stopped.code, service: stopped.of("service") }).toMatchObject({
          code: 1,
          service: [
            {
              found: expect.stringContaining("does not run"),
              repair: expect.arrayContaining(["holdfast daemon start"])
            }
          ]
        })

        manager.put("pid", "4711")
        expect((yield* examine(desk, manager.env)).of("service")[0]).toMatchObject({ verdict: "fine" })
        const proxied = yield* examine(desk, { ...manager.env, HTTPS_PROXY: "socks5://proxy:1080" })
        expect(proxied.of("service")).toContainEqual(
          expect.objectContaining({ verdict: "doubtful", found: expect.stringContaining("HTTPS_PROXY names no proxy") })
        )

        yield* fs.writeFileString(desk.path(unit), text.replace("/dist/main.js", "/gone/main.js"))
        expect((yield* examine(desk, manager.env)).of("service")).toMatchObject([
          { verdict: "wrong", found: expect.stringMatching(/starts what is gone: \S+\/gone\/main\.js$/) }
        ])

        yield* fs.writeFileString(desk.path(unit), text.replaceAll(desk.home, "/old/home"))
        expect((yield* examine(desk, manager.env)).of("service")).toMatchObject([
          { verdict: "doubtful", found: expect.stringContaining("/old/home, which is not there any more") }
        ])

        yield* fs.writeFileString(desk.path(unit), text)
        manager.put("refuses")
        expect((yield* examine(desk, manager.env)).of("service")).toMatchObject([
          { verdict: "wrong", found: expect.stringContaining("Access denied") }
        ])
      })
    )
  )

  it.live("finds that agents need a Python that is not there, and a configuration that cannot be read", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* desk.write("home/agents/weather_agent.py", "")
        yield* desk.write("home/config.json", "{")
        const { code, of } = yield* examine(desk, { HOLDFAST_PYTHON: desk.path("no-python") })
        expect(code).toBe(1)
        expect(of("python")).toMatchObject([
          { verdict: "wrong", repair: ["Install Python 3.8 or newer, or name it in HOLDFAST_PYTHON."] }
        ])
        expect(of("daemon")).toMatchObject([
          { verdict: "wrong", repair: [`Correct ${desk.path("home/config.json")}.`] }
        ])
      })
    )
  )

  it.live("asks the cluster that the configuration names, and says when it does not answer or does not allow", () =>
    atDesk((desk) =>
      Effect.scoped(
        Effect.gen(function* () {
          yield* desk.write("cluster/.keep", "")
          const cluster = yield* Effect.acquireRelease(
            Effect.promise(() => KubernetesStandIn.start({ directory: desk.path("cluster") })),
            (one) => Effect.promise(() => one.close())
          )
          const { kubeconfig } = cluster
          const kubernetes = { namespace: "agents", image: "i", kubeconfig, root: desk.path("runs") }
          yield* desk.write(
            "home/config.json",
            JSON.stringify({ version: 2, plugins: [{ name: "@holdfast/runs", config: { kubernetes } }] })
          )
          expect((yield* examine(desk)).of("cluster")).toMatchObject([
            { verdict: "fine", found: expect.stringContaining("in agents") }
          ])
          cluster.forbidden.add("create jobs").add("create secrets")
          expect((yield* examine(desk)).of("cluster")).toMatchObject([
            { verdict: "wrong", found: "not allowed in the namespace agents: create jobs, create secrets" }
          ])
          yield* Effect.promise(() => cluster.goAway())
          expect((yield* examine(desk)).of("cluster")).toMatchObject([
            { verdict: "wrong", repair: ["Check kubeconfig, the network, and that the API server runs."] }
          ])
        })
      )
    )
  )
})
