/** A stand-in central that has one revision for everybody, and a daemon that joined it. */
import { Effect, type Scope } from "effect"
import { jwtOf } from "../central/Gateway.ts"
import { json, reply, type StandIn, standIn } from "../central/StandIn.ts"
import { apiOf, type Daemon, put, running, SEED, seedFor, startDaemon } from "../daemon/Daemon.ts"
import { request, sendRaw } from "../http/RawHttp.ts"

export const ETAG = '"rev-1"'

/** Everything that must not be seen. */
export interface Secrets {
  readonly policyToken: string
  readonly jwt: string
}

export const secretsNamed = (mark: string): Secrets => ({
  policyToken: `policy-${mark}`,
  jwt: jwtOf({ sub: "gw-1", mark })
})

/** Enrols everybody and serves one revision. */
export const centralFor = ({ jwt, policyToken }: Secrets): Effect.Effect<StandIn, never, Scope.Scope> =>
  Effect.map(standIn(), (central) => {
    central.answerWith((asked, response) => {
      const bootstrap = asked.url === "/v1/identity/bootstrap"
      if (
        asked.headers.authorization !== `Bearer ${bootstrap ? policyToken : jwt}` &&
        !asked.body.includes(policyToken)
      ) {
        return reply(401)(asked, response)
      }
      if (bootstrap) {
        return json(200, { jwt, expires_at: Math.floor(Date.now() / 1_000) + 86_400 })(asked, response)
      }
      if (asked.url !== "/v1/config") return reply(404)(asked, response)
      return (
        asked.headers["if-none-match"] === ETAG
          ? reply(304, { etag: ETAG })
          : reply(
              200,
              { etag: ETAG, "content-type": "application/json" },
              JSON.stringify({
                version: 2,
                sinks: {
                  central: {
                    plugin: "@holdfast/central",
                    config: { url: central.url, identity: {}, poll_interval_seconds: 5 }
                  }
                }
              })
            )
      )(asked, response)
    })
    return central
  })

/** Joins, applies, restarts and is promoted; answers the second daemon, which goes on. */
export const promoted = Effect.fnUntraced(function* (
  home: string,
  central: StandIn,
  { policyToken }: Secrets,
  env: Record<string, string> = {}
) {
  put(home, SEED, seedFor(central.url, policyToken))
  const first = yield* startDaemon(home, env)
  const { code } = yield* Effect.timeout(first.ended, "20 seconds")
  if (code !== 75) return yield* Effect.die(new Error(`ended with ${code}\n${first.output()}`))
  const second = yield* startDaemon(home, env)
  yield* second.until(
    (status) =>
      running(status) &&
      status.remote_config?.last_known_good?.etag === ETAG &&
      !status.remote_config.probation &&
      // The last of a promotion is that the seed goes.
      status.machines["configApply"] === "steady.idle"
  )
  return { first, second }
})

/** `GET` of a route of a daemon's API, with its token. */
export const ask = (home: string, daemon: Daemon, line: string, headers: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const { port, token } = apiOf(home, yield* daemon.until(running))
    return yield* Effect.promise(() => sendRaw(port, request(line, { authorization: `Bearer ${token}`, ...headers })))
  })
