/** What the daemon's health says of the core lock, on real files. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConfigProvider, Effect, Layer, Logger } from "effect"
import { execFileSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CoreLockWatch } from "../../src/daemon/CoreLockWatch.ts"
import { lazyCoreLock } from "../../src/daemon/LazyCoreLock.ts"
import { Home } from "../../src/domain/index.ts"

const LOCK = JSON.stringify({
  distributions: [
    { name: "modelkit", top_level_modules: ["modelkit"], version: "1.4.0" },
    { name: "chat", top_level_modules: ["chat"], version: "3.1" }
  ],
  version: 1
})

interface Stage {
  readonly home: string
  /** The lock of the home. */
  readonly lock: string
  /** Below the packages of agents. */
  readonly packages: (...names: ReadonlyArray<string>) => string
  readonly log: ReadonlyArray<string>
  readonly watch: CoreLockWatch["Service"]
}

/** A watch over a home of its own; `named` becomes the variable, relative to the home. */
const onHome = <A, E, R>(body: (stage: Stage) => Effect.Effect<A, E, R>, named?: string) =>
  Effect.gen(function* () {
    const home = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "holdfast-core-lock-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    const log: Array<string> = []
    const layer = CoreLockWatch.layer.pipe(
      Layer.provideMerge(lazyCoreLock),
      Layer.provide(Home.layerOf(home)),
      Layer.provide(NodeServices.layer),
      Layer.provide(
        ConfigProvider.layer(
          ConfigProvider.fromUnknown(named === undefined ? {} : { HOLDFAST_CORE_LOCK_PATH: join(home, named) })
        )
      )
    )
    const lines = Logger.make(({ message }) => void log.push(String(message)))
    return yield* Effect.flatMap(CoreLockWatch, (watch) =>
      body({
        home,
        lock: join(home, "core-lock.json"),
        packages: (...names) => join(home, "state", "packages", ...names),
        log,
        watch
      })
    ).pipe(Effect.provide(layer), Effect.provide(Logger.layer([lines])))
  })

const kinds = (watch: Stage["watch"]) =>
  Effect.map(watch.seen, ({ diagnostics }) => diagnostics.map(({ kind }) => kind))

const plant = (...directories: ReadonlyArray<string>): void => {
  for (const each of directories) mkdirSync(each, { recursive: true })
}

describe("the core lock in the daemon's health", () => {
  it.live("is not looked at before the daemon has started", () =>
    onHome(({ lock, watch }) =>
      Effect.gen(function* () {
        writeFileSync(lock, LOCK)
        assert.deepStrictEqual(yield* watch.seen, { status: null, diagnostics: [] })
        yield* watch.open
        assert.deepStrictEqual(yield* watch.seen, {
          status: { state: "ready", path: lock, distributions: 2 },
          diagnostics: []
        })
      })
    )
  )

  it.live("is missing, with a word on how to make one, and nothing more where nobody needs it", () =>
    onHome(({ lock, watch }) =>
      Effect.gen(function* () {
        yield* watch.open
        assert.deepStrictEqual(yield* watch.seen, {
          status: {
            state: "missing",
            path: lock,
            message: `There is no core lock ${lock}. Make one: holdfast core-lock generate --python python3 --output ${lock}`
          },
          diagnostics: []
        })
      })
    )
  )

  it.live("is a warning when the environment names one that is not there, until it is", () =>
    onHome(
      ({ home, watch }) =>
        Effect.gen(function* () {
          yield* watch.open
          const { diagnostics, status } = yield* watch.seen
          assert.strictEqual(status?.path, join(home, "elsewhere.json"))
          assert.deepStrictEqual(
            diagnostics.map(({ kind, severity }) => [kind, severity]),
            [["core_lock_missing", "warning"]]
          )
          assert.include(diagnostics[0]?.message, "HOLDFAST_CORE_LOCK_PATH names it")
          writeFileSync(join(home, "elsewhere.json"), LOCK)
          assert.deepStrictEqual(yield* watch.seen, {
            status: { state: "ready", path: join(home, "elsewhere.json"), distributions: 2 },
            diagnostics: []
          })
        }),
      "elsewhere.json"
    )
  )

  it.live("is a warning when agents have packages and there is none to judge them", () =>
    onHome(({ lock, packages, watch }) =>
      Effect.gen(function* () {
        plant(packages("weather", "modelkit"))
        yield* watch.open
        assert.deepStrictEqual(yield* kinds(watch), ["core_lock_missing", "core_scan_incomplete"])
        // That nobody looked stays true when there is a lock, until the next start.
        writeFileSync(lock, LOCK)
        assert.deepStrictEqual(yield* kinds(watch), ["core_scan_incomplete"])
        assert.isTrue(existsSync(packages("weather", "modelkit")))
      })
    )
  )

  it.live.each<readonly [string, (lock: string) => void]>([
    ["null", (lock) => writeFileSync(lock, "null")],
    [
      "50 MB of nothing",
      (lock) => {
        writeFileSync(lock, "")
        truncateSync(lock, 50_000_000)
      }
    ],
    ["a directory", (lock) => mkdirSync(lock)],
    ["a pipe that nobody writes to", (lock) => execFileSync("mkfifo", [lock])]
  ])("is a warning when it is %s, and what agents have stays where it is", ([, make]) =>
    onHome(({ lock, packages, watch }) =>
      Effect.gen(function* () {
        make(lock)
        plant(packages("weather", "modelkit"))
        yield* watch.open
        const { diagnostics, status } = yield* watch.seen
        assert.strictEqual(status?.state, "unreadable")
        assert.include(status?.message, `The core lock ${lock} cannot be used`)
        assert.deepStrictEqual(
          diagnostics.map(({ kind, severity }) => [kind, severity]),
          [
            ["core_lock_unreadable", "warning"],
            ["core_scan_incomplete", "warning"]
          ]
        )
        assert.isTrue(existsSync(packages("weather", "modelkit")))
      })
    )
  )
})

describe("the packages of agents when the daemon starts", () => {
  it.live("lose their copies of the core's, which is told of as long as the process lives", () =>
    onHome(({ lock, log, packages, watch }) =>
      Effect.gen(function* () {
        writeFileSync(lock, LOCK)
        plant(packages("weather", "modelkit"), packages("weather", "modelkit-2.0.0.dist-info"), packages("news", "own"))
        writeFileSync(packages("news", "chat.py"), "")
        yield* watch.open
        assert.deepStrictEqual(readdirSync(packages("weather")), [])
        assert.deepStrictEqual(readdirSync(packages("news")), ["own"])
        assert.deepStrictEqual(readdirSync(packages("weather.quarantine")), ["modelkit", "modelkit-2.0.0.dist-info"])
        for (let turn = 0; turn < 2; turn++) {
          const { diagnostics, status } = yield* watch.seen
          assert.strictEqual(status?.state, "ready")
          assert.deepStrictEqual(
            diagnostics.map(({ kind }) => kind),
            ["core_copy_quarantined", "core_copy_quarantined"]
          )
          const [news, weather] = diagnostics
          assert.include(news?.message, `${packages("news", "chat.py")} would be imported as chat`)
          assert.include(weather?.message, `it was moved to ${packages("weather.quarantine", "modelkit")}`)
          assert.include(weather?.message, "is a copy of modelkit, and the core has modelkit 1.4.0")
          assert.include(weather?.repair.join(" "), `remove ${packages("weather.quarantine")}`)
          assert.notInclude(weather?.repair.join(" "), "news")
        }
        assert.lengthOf(log, 3)
      })
    )
  )

  it.live("are left alone where they were moved to, and where an install has left off", () =>
    onHome(({ lock, packages, watch }) =>
      Effect.gen(function* () {
        writeFileSync(lock, LOCK)
        plant(packages("weather.quarantine", "modelkit"), packages("weather.staging", "modelkit"))
        plant(packages("news.former", "own"), packages("news.former", "chat"))
        yield* watch.open
        assert.deepStrictEqual(readdirSync(packages()).toSorted(), [
          "news",
          "news.quarantine",
          "weather.quarantine",
          "weather.staging"
        ])
        assert.deepStrictEqual(readdirSync(packages("news")), ["own"])
        assert.deepStrictEqual(yield* kinds(watch), ["core_copy_quarantined"])
      })
    )
  )

  it.live("are not followed out of the daemon's own folder", () =>
    onHome(({ home, lock, packages, watch }) =>
      Effect.gen(function* () {
        writeFileSync(lock, LOCK)
        plant(packages(), join(home, "site-packages", "modelkit"))
        symlinkSync(join(home, "site-packages"), packages("weather"))
        yield* watch.open
        assert.isTrue(existsSync(join(home, "site-packages", "modelkit")))
        const { diagnostics } = yield* watch.seen
        assert.include(diagnostics[0]?.message, `${packages("weather")} is a link, and was not looked through`)
        assert.strictEqual(diagnostics[0]?.kind, "core_scan_incomplete")
      })
    )
  )

  it.live("are looked through all, also when one cannot be", () =>
    onHome(({ lock, packages, watch }) =>
      Effect.gen(function* () {
        writeFileSync(lock, LOCK)
        plant(packages("first", "modelkit"), packages("second", "modelkit"))
        writeFileSync(packages("first.quarantine"), "in the way")
        yield* watch.open
        assert.deepStrictEqual(yield* kinds(watch), ["core_scan_incomplete", "core_copy_quarantined"])
        assert.isTrue(existsSync(packages("first", "modelkit")))
        assert.isFalse(existsSync(packages("second", "modelkit")))
      })
    )
  )

  it.live("that cannot be listed are a warning", () =>
    onHome(({ home, lock, packages, watch }) =>
      Effect.gen(function* () {
        writeFileSync(lock, LOCK)
        plant(join(home, "state"))
        writeFileSync(packages(), "")
        yield* watch.open
        assert.deepStrictEqual(yield* kinds(watch), ["core_scan_incomplete"])
        unlinkSync(packages())
      })
    )
  )

  it.live("are named up to ten, and all of them in the log", () =>
    onHome(({ lock, log, packages, watch }) =>
      Effect.gen(function* () {
        writeFileSync(lock, LOCK)
        for (let copy = 0; copy < 14; copy++) plant(packages("weather", `modelkit-${copy}.dist-info`))
        yield* watch.open
        const { diagnostics } = yield* watch.seen
        assert.include(diagnostics[0]?.message, "and 4 more, which the log names")
        assert.lengthOf(log, 14)
      })
    )
  )
})
