/** Puts `holdfast up` together: a central in this process, a gateway in a child, and the story of both. */
import {
  Clock,
  Config,
  Console,
  DateTime,
  Duration,
  Effect,
  FileSystem,
  Layer,
  Option,
  Path,
  Schema,
  Semaphore
} from "effect"
import { Admin, serve } from "../central-server/index.ts"
import { ControlFiles } from "../config/index.ts"
import { Home, seedDocument, type Status, StatusJson } from "../domain/index.ts"
import { DaemonLock, DurableFiles, IdentityStore, Slots } from "../storage/index.ts"
import { documentsFor, quoted, thingsToTry } from "./Documents.ts"
import { ownProgram, type Program, supervise, type Watcher } from "./GatewayProcess.ts"
import { type Event, nothingTold, tell } from "./Story.ts"
import { openHome, type UpHome, UpRefused } from "./UpHome.ts"

/** What `up` is started with. */
export interface UpOptions {
  /** The folder; else `HOLDFAST_HOME`, else `./.holdfast-demo`. */
  readonly home: string | undefined
  /** Port of the gateway's own API; else the one of earlier runs, else a free one. */
  readonly port: number | undefined
  /** Throw away what earlier runs left. */
  readonly fresh: boolean
}

const CONFIG = "fleet"
const LOOK = Duration.millis(100)

/** Runs until it is interrupted: then the gateway ends, and central after it. */
export const up = Effect.fn("up")(function* (options: UpOptions) {
  const begin = yield* Clock.currentTimeMillis
  const say = (text: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Console.log(`${seconds(now - begin).padStart(7)}  ${text}`))

  const path = yield* Path.Path
  const root = path.resolve(options.home ?? (yield* defaultHome))
  yield* refuseSecond(path.join(root, "gateway"))
  const home = yield* openHome(root, options)
  const central = yield* serve({ data: home.central, host: "127.0.0.1", port: home.ports.central }).pipe(
    Effect.catchTag("ListenFailed", ({ message }) => Effect.fail(portTaken(home, message)))
  )
  yield* say(`central listens on ${central.url}; everything is in ${home.root}`)
  yield* prepareFleet(home, central.externalUrl)

  const program = yield* ownProgram
  const story = yield* makeStory(home, begin, say, yield* hints(program, home))
  const watcher: Watcher = {
    started: (pid) => Effect.andThen(story.follow(pid), say(`gateway started (pid ${pid})`)),
    restarts: Effect.andThen(story.end, say("restarting into what was decided")),
    ended: ({ code, complaint }, wait) =>
      Effect.andThen(
        story.end,
        say(
          [
            `gateway ended (${code === null ? "by a signal" : `exit code ${code}`}); it is started again in ${wait} s`,
            ...complaint.map((line) => `           ${line}`)
          ].join("\n")
        )
      )
  }
  const environment = { HOLDFAST_HOME: home.gateway, HOLDFAST_PORT: String(home.ports.gateway) }
  yield* story.look.pipe(Effect.andThen(Effect.sleep(LOOK)), Effect.forever, Effect.forkScoped)
  return yield* supervise(program, environment, watcher).pipe(
    Effect.onInterrupt(() => say("stopping: first the gateway, then central"))
  )
}, Effect.scoped)

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

const defaultHome = Config.withDefault(Config.NonEmptyString("HOLDFAST_HOME"), ".holdfast-demo")

const portTaken = (home: UpHome, message: string) =>
  new UpRefused({
    message: `${message} This port was picked for ${home.root} once, and its documents name it. If another \`holdfast up\` runs there, end it first; or begin anew with --fresh, or elsewhere with --home DIR.`
  })

/** Two of them on one folder would take each other's gateway for a crashed one. */
const refuseSecond = Effect.fnUntraced(function* (gateway: string) {
  const fs = yield* FileSystem.FileSystem
  if (!(yield* Effect.orElseSucceed(fs.exists(gateway), () => false))) return
  yield* DaemonLock.use((lock) => Effect.scoped(lock.acquire(gateway))).pipe(
    Effect.provide(DaemonLock.layer.pipe(Layer.provide(DurableFiles.layer)))
  )
})

/** The documents, a first revision, and the gateway's joining intent: each only where it is not there yet. */
const prepareFleet = Effect.fnUntraced(function* (home: UpHome, url: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const documents = documentsFor(url)
  yield* fs.makeDirectory(home.documents, { recursive: true, mode: 0o700 })
  for (const [name, text] of Object.entries(documents)) {
    const file = path.join(home.documents, name)
    // An edited one is its editor's.
    if (!(yield* fs.exists(file))) yield* fs.writeFileString(file, text)
  }
  yield* Effect.gen(function* () {
    const admin = yield* Admin
    const control = yield* ControlFiles
    if (!(yield* admin.listConfigs).some(({ name }) => name === CONFIG)) {
      yield* admin.putConfig(CONFIG, new TextEncoder().encode(documents["fleet.json"]), { force: false })
    }
    if (yield* isJoined) return
    const { token } = yield* admin.createToken({ config: CONFIG })
    yield* control.writeJoin({ document: seedDocument(url, token) })
  }).pipe(Effect.provide(Layer.merge(Admin.layer(home.central), controlLayer(home.gateway))))
})

const controlLayer = (gateway: string) =>
  ControlFiles.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(Slots.layer, IdentityStore.layer)),
    Layer.provideMerge(DurableFiles.layer),
    Layer.provideMerge(Home.layerOf(gateway))
  )

const isJoined = Effect.gen(function* () {
  const { control: directory } = yield* Home
  const control = yield* ControlFiles
  const active = yield* (yield* Slots).readActive(directory)
  return active !== "absent" || Option.isSome(yield* control.readSeed) || (yield* control.joinIsWhole)
})

/** How this program is called from here. */
const hints = ({ script }: Program, home: UpHome) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const relative = path.relative(".", script)
    const name = path.basename(script) === "main.js" || path.basename(script) === "main.ts"
    const program = name ? `node ${relative.startsWith("..") ? script : relative}` : "holdfast"
    return [
      "",
      ...thingsToTry(program, home.central, home.documents),
      "· what this machine runs, and why:",
      `  HOLDFAST_HOME=${quoted(home.gateway)} ${program} status`,
      "· the same in a browser, and its statecharts live, by a link that works once:",
      `  HOLDFAST_HOME=${quoted(home.gateway)} ${program} open`,
      "· the fleet as central sees it, in a browser, by another such link:",
      `  ${program} central open --data ${quoted(home.central)}`,
      "Ctrl-C ends all of it.",
      ""
    ]
  })

/** Follows what the gateway writes after each of its transitions, which is what its API says as well. */
const makeStory = Effect.fnUntraced(function* (
  home: UpHome,
  begin: number,
  say: (text: string) => Effect.Effect<void>,
  hints: ReadonlyArray<string>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const oneTeller = yield* Semaphore.make(1)
  const file = path.join(home.gateway, "state", "run", "status.json")
  const read = fs.readFileString(file).pipe(
    Effect.map(Schema.decodeUnknownOption(StatusJson)),
    Effect.orElseSucceed(() => Option.none<Status>())
  )
  let pid: number | null = null
  let told = nothingTold(DateTime.formatIso(DateTime.makeUnsafe(begin)))
  let probationSince = begin
  let hinted = false

  const tellOne = Effect.fnUntraced(function* ({ kind, text }: Event) {
    const now = yield* Clock.currentTimeMillis
    if (kind === "probation") probationSince = now
    if (kind !== "promoted") return yield* say(text)
    if (hinted) return yield* say(`${text}, after ${seconds(now - probationSince)} on probation`)
    hinted = true
    yield* say(`${text}, ${seconds(now - begin)} after the start`)
    for (const line of hints) yield* Console.log(line)
  })

  const tellNew = Effect.fnUntraced(function* (status: Status) {
    const [next, events] = tell(told, status)
    told = next
    yield* Effect.forEach(events, tellOne, { discard: true })
  })

  return {
    /** From here on the story is the one of this process. */
    follow: (started: number) =>
      Effect.sync(() => {
        pid = started
      }),
    look: Effect.gen(function* () {
      const status = yield* read
      // Otherwise it is what an earlier process left.
      if (Option.isSome(status) && pid !== null && status.value.daemon.pid === pid) yield* tellNew(status.value)
    }).pipe(oneTeller.withPermits(1)),
    /** The process has ended: what it wrote last, before anything else is told. */
    end: Effect.gen(function* () {
      const status = yield* read
      const itsOwn = Option.filter(status, ({ daemon }) => daemon.pid === null || daemon.pid === pid)
      pid = null
      if (Option.isSome(itsOwn)) yield* tellNew(itsOwn.value)
    }).pipe(oneTeller.withPermits(1))
  }
})
