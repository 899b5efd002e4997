/** A central on a real directory and a real socket, under the test's clock. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Exit, FileSystem, Layer, Redacted, Scope } from "effect"
import { Admin, type Listening, serve, type ServeOptions } from "../../src/central-server/index.ts"

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: string
}

export interface Fixture {
  readonly directory: string
  readonly central: Listening
  /** Ends the server before the test ends, so that another one may run on its directory. */
  readonly stop: Effect.Effect<void>
  /** Administration over a connection of its own, as another process would have it. */
  readonly admin: Admin["Service"]
  readonly ask: (method: string, route: string, init?: RequestInit) => Effect.Effect<Answer>
  /** A gateway's JWT. */
  readonly bootstrap: (token: string) => Effect.Effect<string>
}

export const bearer = (jwt: string, headers: Record<string, string> = {}): RequestInit => ({
  headers: { ...headers, authorization: `Bearer ${jwt}` }
})

export const json = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  body: JSON.stringify(body),
  headers: { ...headers, "content-type": "application/json" }
})

export const makeAsk =
  (url: string): Fixture["ask"] =>
  (method, route, init) =>
    Effect.promise(async () => {
      const response = await fetch(`${url}${route}`, { ...init, method, redirect: "manual" })
      return { status: response.status, headers: response.headers, body: await response.text() }
    })

export const errorOf = ({ body, headers, status }: Answer): ReadonlyArray<unknown> => [
  status,
  headers.get("content-type"),
  JSON.parse(body).error
]

/** Runs a test against a central. */
export const withCentral = <A, E>(
  use: (fixture: Fixture) => Effect.Effect<A, E>,
  options: Partial<ServeOptions> = {}
) =>
  Effect.gen(function* () {
    const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
    const scope = yield* Scope.fork(yield* Scope.Scope)
    const central = yield* serve({ data: `${directory}/central`, host: "127.0.0.1", port: 0, ...options }).pipe(
      Scope.provide(scope)
    )
    const data = options.data ?? `${directory}/central`
    const admin = yield* Layer.build(Admin.layer(data))
    const ask = makeAsk(central.url)
    const bootstrap = (token: string) =>
      Effect.map(ask("POST", "/v1/identity/bootstrap", json({ bootstrap_token: token })), ({ body }) =>
        String(JSON.parse(body).jwt)
      )
    return yield* Admin.use((admin) =>
      use({ directory: data, central, stop: Scope.close(scope, Exit.void), admin, ask, bootstrap })
    ).pipe(Effect.provide(admin))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

/** A document that the central accepts. */
export const documentFor = (url: string, more: Record<string, unknown> = {}): Uint8Array =>
  new TextEncoder().encode(
    JSON.stringify({
      version: 2,
      sinks: { central: { plugin: "@holdfast/central", config: { url, identity: {} } } },
      ...more
    })
  )

export const makeToken = (admin: Admin["Service"], config = "fleet") =>
  Effect.map(admin.createToken({ config }), ({ token }) => Redacted.value(token))
