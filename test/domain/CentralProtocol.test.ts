import { Result } from "effect"
import { describe, expect, it } from "vitest"
import {
  checkCentralUrl,
  isBundled,
  isCentralPlugin,
  isLoopbackHost,
  normaliseUrl,
  parseRetryAfter,
  readJwt,
  routeUrl
} from "../../src/domain/index.ts"

const NOW = Date.UTC(2030, 0, 1, 12, 0, 0)
const jwt = (payload: string): string => `aGVhZA.${Buffer.from(payload).toString("base64url")}.c2ln`

describe("central's URL", () => {
  it.each([
    ["https://H.example/", "https://h.example"],
    ["https://h:443", "https://h"],
    ["http://h:80/x/", "http://h/x"],
    ["https://h/x//", "https://h/x"],
    ["https://h:8443/x", "https://h:8443/x"],
    ["http://[::1]:70", "http://[::1]:70"]
  ])("%s is the same as %s", (url, normalised) => {
    expect(normaliseUrl(url)).toBe(normalised)
    expect(normaliseUrl(normalised)).toBe(normalised)
  })

  it("keeps its path prefix in front of a route", () => {
    expect(routeUrl("https://h/x/", "/v1/config")).toBe("https://h/x/v1/config")
  })

  it.each(["https://h", "http://127.0.0.1:1", "http://localhost", "http://[::1]:8", "http://127.3.2.1/x"])(
    "%s is accepted",
    (url) => {
      expect(Result.isSuccess(checkCentralUrl(url, { allowInsecureHttp: false }))).toBe(true)
    }
  )

  it("may use http to another host only where that was allowed", () => {
    const refused = Result.getOrThrow(Result.flip(checkCentralUrl("http://h:1", { allowInsecureHttp: false })))
    expect(refused.message).toMatch(/http to h:1.*use https, or --allow-insecure-http/)
    expect(Result.isSuccess(checkCentralUrl("http://h", { allowInsecureHttp: true }))).toBe(true)
  })

  it.each(["", "h", "//h", "https:/h", "https://", "file:///x", "https://u@h", "https://h?x", "https://h#x"])(
    "%j is refused",
    (url) => {
      expect(Result.isFailure(checkCentralUrl(url, { allowInsecureHttp: true }))).toBe(true)
    }
  )

  it.each([
    ["localhost", true],
    ["LOCALHOST.", true],
    ["a.localhost", true],
    ["127.0.0.1", true],
    ["[::1]", true],
    ["::1", true],
    ["128.0.0.1", false],
    ["127.0.0.1.example.com", false],
    ["localhost.example.com", false],
    ["0.0.0.0", false]
  ])("host %s is loopback: %s", (host, loopback) => {
    expect(isLoopbackHost(host)).toBe(loopback)
  })
})

describe("Retry-After", () => {
  it.each([
    ["1", 1],
    [" 120 ", 120],
    ["3600", 3600],
    ["3601", 3600],
    ["1000000000000", 3600],
    ["9".repeat(400), 3600],
    [new Date(NOW + 30_000).toUTCString(), 30],
    [new Date(NOW + 30_000_000).toUTCString(), 3600]
  ])("%s is a wait of %s s", (value, seconds) => {
    expect(parseRetryAfter(value, NOW)).toBe(seconds)
  })

  it.each([
    undefined,
    "",
    "0",
    "-1",
    "1.5",
    "NaN",
    "1e12",
    "Infinity",
    "soon",
    "2031-01-01",
    "Fri, 99 Zzz 2031 00:00:00 GMT",
    new Date(NOW).toUTCString(),
    new Date(NOW - 1000).toUTCString()
  ])("%j counts as absent", (value) => {
    expect(parseRetryAfter(value, NOW)).toBeUndefined()
  })
})

describe("a JWT", () => {
  it("gives its subject and expiry", () => {
    expect(readJwt(jwt('{"sub":"gw-1","exp":17,"x":1}'))).toEqual(Result.succeed({ sub: "gw-1", exp: 17 }))
  })

  it.each(['{"sub":"","exp":"17"}', '{"sub":7,"exp":null}', "{}"])("%s has neither", (payload) => {
    expect(readJwt(jwt(payload))).toEqual(Result.succeed({}))
  })

  it.each(["", "a", "a.b", "a.b.c.d", "..", "a..c", "a.!!.c", jwt("7"), jwt("{")])("%j is malformed", (token) => {
    expect(Result.isFailure(readJwt(token))).toBe(true)
  })
})

describe("plugin names", () => {
  it("tell bundled plugins and lines to central", () => {
    expect(isBundled("@holdfast/central")).toBe(true)
    expect(isBundled("@Holdfast/central")).toBe(false)
    expect(isCentralPlugin("@other/central")).toBe(true)
    expect(isCentralPlugin("central")).toBe(false)
    expect(isCentralPlugin("@a/b/central")).toBe(false)
    expect(isCentralPlugin("@a/centrality")).toBe(false)
  })
})
