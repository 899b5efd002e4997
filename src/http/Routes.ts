/** Routes that also know which methods they do not have. */
import { Effect, Layer } from "effect"
import { FindMyWay, HttpRouter, HttpServerError, HttpServerRequest } from "effect/http"
import { failureResponse, HttpFailure } from "./HttpFailure.ts"

/**
 * Mounts routes on the router. A known path with another method answers 405 with `Allow`, instead of 404. Several mounts
 * may share a server; a path belongs to one of them.
 */
export const mountRoutes = <const Routes extends ReadonlyArray<HttpRouter.Route<unknown, unknown>>>(routes: Routes) =>
  Layer.merge(HttpRouter.addAll(routes), methodGuard(routes))

const methodGuard = (routes: ReadonlyArray<Pick<HttpRouter.Route, "method" | "path">>) => {
  const makePaths = Effect.sync(() => {
    const paths = FindMyWay.make<ReadonlySet<string>>()
    for (const [path, methods] of methodsByPath(routes)) paths.on("GET", path, methods)
    return paths
  })
  return HttpRouter.use((router) =>
    // Made for the first request that finds no route: most servers never see one.
    Effect.flatMap(Effect.cached(makePaths), (paths) =>
      router.addGlobalMiddleware((app) =>
        Effect.catchIf(
          app,
          (error) => isRouteNotFound(error),
          (notFound) =>
            Effect.gen(function* () {
              const { method, url } = yield* HttpServerRequest.HttpServerRequest
              const methods = (yield* paths).find("GET", url)?.handler
              return methods === undefined ? yield* Effect.fail(notFound) : methodNotAllowed(method, methods)
            })
        )
      )
    )
  )
}

const methodsByPath = (routes: ReadonlyArray<Pick<HttpRouter.Route, "method" | "path">>) => {
  const byPath = new Map<HttpRouter.PathInput, Set<string>>()
  for (const { method, path } of routes) {
    const methods = byPath.get(path) ?? new Set<string>()
    byPath.set(path, method === "GET" ? methods.add("GET").add("HEAD") : methods.add(method))
  }
  return byPath
}

const isRouteNotFound = (error: unknown): boolean =>
  HttpServerError.isHttpServerError(error) && error.reason._tag === "RouteNotFound"

const methodNotAllowed = (method: string, methods: ReadonlySet<string>) => {
  const allow = [...methods].sort().join(", ")
  const failure = new HttpFailure({
    status: 405,
    error: "method_not_allowed",
    detail: `This route does not take ${method}; it takes ${allow}.`,
    headers: { allow }
  })
  return failureResponse(failure)
}
