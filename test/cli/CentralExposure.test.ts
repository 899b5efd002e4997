import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { serve } from "../../src/central-server/index.ts"
import { atDesk } from "./InProcess.ts"

const PROXY = ["--external-url", "https://central.example"]
const PAIR = ["--tls-cert", "c.pem", "--tls-key", "k.pem"]

describe("how a central is reached", () => {
  it.live.each([
    [["--host", "0.0.0.0"], /anybody on the way reads tokens.*--tls-cert.*--behind-proxy.*--insecure-lan/],
    [["--host", "192.0.2.1", ...PROXY], /anybody on the way reads/],
    [["--tls-cert", "c.pem"], /--tls-cert and --tls-key go together/],
    [["--tls-key", "k.pem"], /--tls-cert and --tls-key go together/],
    [["--behind-proxy"], /needs the URL of the proxy/],
    [["--behind-proxy", "--external-url", "http://central.example"], /needs the URL of the proxy/],
    [["--behind-proxy", ...PROXY, ...PAIR], /the proxy speaks TLS/],
    [[...PAIR, "--external-url", "http://central.example"], /give an https --external-url/]
  ] as const)("%j is refused with exit code 2, before anything is made", ([flags, message]) =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const refused = yield* desk.run(["central", "--data", desk.path("central"), ...flags])
        expect([refused.code, refused.out]).toEqual([2, ""])
        expect(refused.err).toMatch(message)
        const link = yield* desk.run(["central", "open", "--data", desk.path("central")])
        expect([link.code, link.out, link.err]).toEqual([1, "", expect.stringContaining("No central has run in")])
      })
    )
  )

  it.live("is begun by a link that `central open` prints, alone on stdout", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const central = yield* serve({ data: desk.path("central"), host: "127.0.0.1", port: 0 })
        const link = yield* desk.run(["central", "open", "--data", desk.path("central")])
        expect(link).toMatchObject({ code: 0, err: expect.stringMatching(/within 60 seconds.*works once/) })
        expect(link.out).toMatch(new RegExp(`^${central.url}/open\\?ticket=\\S+$`))
        const json = yield* desk.run(["central", "open", "--data", desk.path("central"), "--json"])
        expect(JSON.parse(json.out)).toEqual({ url: expect.stringContaining("/open?ticket="), expires_in_seconds: 60 })
        const answer = yield* Effect.promise(() => fetch(JSON.parse(json.out).url))
        expect([answer.status, answer.headers.get("set-cookie")]).toEqual([200, expect.stringMatching(/HttpOnly/)])
        expect(answer.headers.get("set-cookie")).not.toContain("Secure")
      })
    )
  )
})
