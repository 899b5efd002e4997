import { describe, expect, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Layer, Redacted } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { TestClock } from "effect/testing"
import {
  Admin,
  ConfigStore,
  Database,
  DEFAULT_IDENTITY_POLICY,
  GatewayRoutes,
  Gateways,
  Identities,
  Polls,
  storesLayer
} from "../../src/central-server/index.ts"
import { type AtOnce, jsonErrors, listen } from "../../src/http/index.ts"
import { bearer, documentFor, json, makeAsk } from "./Fixture.ts"

/** Counts what a poll must not do when nothing has changed. */
const makeSpies = () => {
  const counts = { documents: 0, etags: 0, signatures: 0, admissions: 0, statements: 0 }
  const count =
    <Args extends ReadonlyArray<unknown>, A>(key: keyof typeof counts, method: (...args: Args) => A) =>
    (...args: Args): A => {
      counts[key] += 1
      return method(...args)
    }
  const layer = Layer.mergeAll(
    Layer.effect(
      Identities,
      Effect.map(Identities, (service) => Identities.of({ ...service, verify: count("signatures", service.verify) }))
    ),
    Layer.effect(
      ConfigStore,
      Effect.map(ConfigStore, (service) =>
        ConfigStore.of({
          ...service,
          document: count("documents", service.document),
          etag: count("etags", service.etag)
        })
      )
    ),
    Layer.effect(
      Gateways,
      Effect.map(Gateways, (service) => Gateways.of({ ...service, admission: count("admissions", service.admission) }))
    ),
    Layer.effect(
      Database,
      Effect.map(Database, (service) =>
        Database.of({
          ...service,
          execute: count("statements", service.execute),
          writeQuietly: count("statements", service.writeQuietly)
        })
      )
    )
  )
  return { counts, layer }
}

describe("an unchanged poll", () => {
  it.effect.each(["by the routes", "at once"] as const)(
    "answered %s reads no document, checks no signature and asks the database for nothing but its version",
    (how) => {
      const spies = makeSpies()
      let atOnce = 0
      return Effect.gen(function* () {
        const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
        const services = yield* Layer.build(
          Polls.layer.pipe(
            Layer.provideMerge(spies.layer),
            Layer.provideMerge(Identities.layer(DEFAULT_IDENTITY_POLICY)),
            Layer.provideMerge(storesLayer(directory))
          )
        )
        const admin = yield* Layer.build(Admin.layer(directory))
        yield* Effect.gen(function* () {
          const { unchanged } = yield* Polls
          const first: AtOnce = (_method, _url, headers) => {
            const etag = unchanged(headers.authorization, headers["if-none-match"])
            if (etag === undefined) return undefined
            atOnce += 1
            return { status: 304, headers: { etag } }
          }
          const { port, server } = yield* listen({
            host: "127.0.0.1",
            port: 0,
            ...(how === "at once" ? { atOnce: first } : {})
          })
          const app = yield* HttpRouter.toHttpEffect(GatewayRoutes)
          yield* HttpServer.serveEffect(jsonErrors(app)).pipe(Effect.provideService(HttpServer.HttpServer, server))
          const { createToken, putConfig, revokeGateway, listGateways } = yield* Admin
          const ask = makeAsk(`http://127.0.0.1:${port}`)

          const { etag } = yield* putConfig("fleet", documentFor("http://127.0.0.1:1"), { force: true })
          const { token } = yield* createToken({ config: "fleet" })
          const joined = yield* ask("POST", "/v1/identity/bootstrap", json({ bootstrap_token: Redacted.value(token) }))
          const poll = ask("GET", "/v1/config", bearer(JSON.parse(joined.body).jwt, { "if-none-match": etag }))
          expect((yield* poll).status).toBe(304)
          const before = { ...spies.counts }
          expect(before).toMatchObject({ documents: 0, signatures: 1, admissions: 1, etags: 1 })
          for (let i = 0; i < 20; i++) expect((yield* poll).status).toBe(304)
          expect(spies.counts).toEqual(before)
          expect(atOnce).toBe(how === "at once" ? 20 : 0)

          const changed = yield* putConfig("fleet", documentFor("http://127.0.0.1:2"), { force: true })
          expect((yield* poll).headers.get("etag")).toBe(changed.etag)
          expect(spies.counts).toMatchObject({ documents: 1, signatures: 1, admissions: 2, etags: 2 })

          yield* TestClock.adjust("30 days")
          expect((yield* poll).status).toBe(401)

          const [gateway] = yield* listGateways
          expect(gateway).toMatchObject({ last_seen: "1970-01-01T00:00:00.000Z", running_etag: etag })
          yield* revokeGateway(gateway!.id)
          expect((yield* poll).status).toBe(401)
        }).pipe(Effect.provide(services), Effect.provide(admin))
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
    }
  )
})
