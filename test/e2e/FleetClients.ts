/**
 * Simulated gateways: each the real ConfigPull, PullLoop and Uptime of the program over real HTTP, without a disk, a
 * process and an apply engine of its own. `node test/e2e/FleetClients.ts URL COUNT INTERVAL_MS`, with the policy token in
 * FLEET_TOKEN, joins them all, and prints a JSON line for each poll; it ends with whoever has started it.
 */
import { Clock, Console, Effect, Layer, Option, Redacted, References, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { ConfigPull, wiring } from "../../machines/index.ts"
import { CentralHttp, Identity, PullLoop } from "../../src/central/index.ts"
import {
  ConfigControl,
  type IdentityEntry,
  IdentityResponse,
  readJwt,
  routeUrl,
  Version
} from "../../src/domain/index.ts"
import { interpret, Journal, Switchboard, Uptime } from "../../src/statechart/index.ts"

const [url = "", count = "0", interval = "30000"] = process.argv.slice(2)

const http = CentralHttp.layer.pipe(Layer.provide(FetchHttpClient.layer))

const bootstrap = Effect.fnUntraced(function* (token: string) {
  const answer = yield* (yield* CentralHttp).request({
    method: "POST",
    url: routeUrl(url, "/v1/identity/bootstrap"),
    json: { bootstrap_token: token }
  })
  const { expires_at, jwt } = yield* Schema.decodeEffect(Schema.fromJsonString(IdentityResponse))(
    new TextDecoder().decode(answer.body ?? new Uint8Array())
  )
  const { sub = "" } = yield* Effect.fromResult(readJwt(jwt))
  const entry: IdentityEntry = { jwt: Redacted.make(jwt), expires_at, obtained_at: 0, gateway_id: sub }
  return entry
})

const say = (what: object) => Console.log(JSON.stringify(what))

/** One gateway until the scope closes. It runs what it is offered at once, and says that it is promoted. */
const client = Effect.fnUntraced(function* (number: number, identity: IdentityEntry, intervalMs: number) {
  let running: string | null = null
  let offered = ""
  const control = ConfigControl.of({
    runningEtag: Effect.sync(() => running),
    document: Effect.succeed({ version: 2 }),
    unusedPlugins: Effect.succeed([]),
    central: Effect.succeedSome({
      instance: "central",
      plugin: "@holdfast/central",
      url,
      token: Option.none(),
      pollSeconds: intervalMs / 1_000
    }),
    policyToken: () => Effect.succeedNone,
    keepOffer: (etag) => Effect.sync(() => ((offered = etag), 0)),
    remoteConfig: Effect.sync(() => ({
      running_etag: running,
      probation: null,
      last_rollback: null,
      last_attempt: null
    }))
  })
  const known = Identity.of({
    tasks: {
      loadIdentity: () => Effect.never,
      bootstrap: () => Effect.never,
      refresh: () => Effect.never
    },
    current: Effect.succeedSome(identity),
    status: Effect.succeed({ gateway_id: identity.gateway_id, expires_at: null }),
    storageProblem: Effect.succeed(null),
    storeAgain: Effect.void
  })
  const own = PullLoop.layer.pipe(
    Layer.provide(Layer.mergeAll(Layer.succeed(ConfigControl, control), Layer.succeed(Identity, known))),
    Layer.merge(Layer.fresh(Journal.layer)),
    Layer.merge(Layer.fresh(Switchboard.layer(wiring)))
  )
  yield* Effect.gen(function* () {
    const { tasks } = yield* PullLoop
    const timed = {
      ...tasks,
      poll: Effect.fnUntraced(function* () {
        const at = yield* Clock.currentTimeMillis
        const answer = yield* tasks.poll(undefined)
        yield* say({ at, ms: (yield* Clock.currentTimeMillis) - at, answer: answer.kind, message: answer.message })
        if (answer.kind === "good") running = offered
        return answer
      })
    }
    const pull = yield* interpret({ machine: ConfigPull, visible: [] }, undefined, {
      tasks: timed,
      actions: { pollNoted: () => Effect.void }
    })
    yield* pull.send({ type: "BEGIN", central: true, intervalMs })
    yield* pull.send({ type: "IDENTITY_READY" })
    return yield* Effect.never
  }).pipe(Effect.provide(own), Effect.scoped, Effect.annotateLogs({ client: number }))
})

const program = Effect.gen(function* () {
  const began = yield* Clock.currentTimeMillis
  const identities = yield* Effect.forEach(
    Array(Number(count)).keys(),
    () => bootstrap(process.env["FLEET_TOKEN"] ?? ""),
    { concurrency: 64 }
  )
  yield* say({ joined: identities.length, ms: (yield* Clock.currentTimeMillis) - began })
  // All of them begin at the same moment, as after a power cut.
  yield* Effect.forEach(identities, (identity, number) => client(number, identity, Number(interval)), {
    concurrency: "unbounded",
    discard: true
  })
})

Effect.runFork(
  program.pipe(
    // Standard output is for polls alone.
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.provide(Layer.mergeAll(http, Uptime.layer, Version.layerOf("0.0.0-simulated"))),
    Effect.tapCause((cause) => Effect.sync(() => (console.error(cause), process.exit(1))))
  )
)
process.on("disconnect", () => process.exit(0))
