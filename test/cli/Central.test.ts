import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { serve } from "../../src/central-server/index.ts"
import { atDesk, type Desk } from "./InProcess.ts"

const documentFor = (url: string, more: object = {}): string =>
  JSON.stringify({
    version: 2,
    sinks: { central: { plugin: "@holdfast/central", config: { url, identity: {} } } },
    ...more
  })

const data = (desk: Desk) => ["--data", desk.path("central")]

describe("administration of a central", () => {
  it.live("makes, lists and revokes tokens; the secret is shown once", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const made = yield* desk.run(["central", "token", "create", ...data(desk), "--config", "fleet", "--json"])
        const { id, token, ...rest } = JSON.parse(made.out)
        expect(rest).toEqual({})
        expect(token).toMatch(/^hf_/)
        const plainly = yield* desk.run(["central", "token", "create", ...data(desk), "--config", "fleet"])
        expect(plainly.out).toMatch(/^hf_\S+$/)
        expect((yield* desk.run(["central", "token", "revoke", id, ...data(desk)])).code).toBe(0)
        const listed = yield* desk.run(["central", "token", "list", ...data(desk), "--json"])
        expect(JSON.parse(listed.out)).toHaveLength(2)
        expect(JSON.parse(listed.out)).toContainEqual(
          expect.objectContaining({ id, config: "fleet", revoked_at: expect.any(String) })
        )
        expect(listed.out).not.toContain(token)
        expect((yield* desk.run(["central", "token", "list", ...data(desk)])).out).toContain(id)
        expect((yield* desk.run(["central", "token", "revoke", "tok_none", ...data(desk)])).code).toBe(1)
      })
    )
  )

  it.live("works while central runs: saves what it accepts, and gives it back byte for byte", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { url } = yield* serve({ data: desk.path("central"), host: "127.0.0.1", port: 0 })
        const file = yield* desk.write("fleet.json", documentFor(url))
        const put = yield* desk.run(["central", "config", "put", "fleet", file, ...data(desk), "--json"])
        expect(put).toMatchObject({ code: 0, err: "" })
        const { etag } = JSON.parse(put.out)
        expect(put.out).toBe(JSON.stringify({ etag, seq: 1 }))
        expect(etag).toMatch(/^"[0-9a-f]{64}"$/)
        const listed = yield* desk.run(["central", "config", "list", ...data(desk), "--json"])
        expect(JSON.parse(listed.out)).toMatchObject([{ name: "fleet", etag, forced: false }])
        const got = yield* desk.run(["central", "config", "get", "fleet", ...data(desk)])
        expect(got.err).toContain(etag)
        expect(new TextDecoder().decode(got.bytes)).toBe(documentFor(url))
      })
    )
  )

  it.live("refuses what would harm the fleet, and with --force says what may happen", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* serve({ data: desk.path("central"), host: "127.0.0.1", port: 0 })
        const file = yield* desk.write("fleet.json", documentFor("https://elsewhere.example.com"))
        const argv = ["central", "config", "put", "fleet", file, ...data(desk)]
        const refused = yield* desk.run(argv)
        expect(refused).toMatchObject({ code: 1, out: "", err: expect.stringContaining("/sinks/central/config/url") })
        const forced = yield* desk.run([...argv, "--force"])
        expect(forced).toMatchObject({ code: 0, err: expect.stringContaining("warning: ") })
        const gateways = yield* desk.run(["central", "gateways", ...data(desk), "--json"])
        expect(JSON.parse(gateways.out)).toEqual([])
      })
    )
  )

  it.live("does not make a central of a mistyped directory", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        for (const argv of [["token", "list"], ["config", "list"], ["config", "get", "x"], ["gateways"]]) {
          const said = yield* desk.run(["central", ...argv, "--data", desk.path("typo")])
          expect(said).toMatchObject({ code: 1, err: expect.stringContaining("There is no central in") })
        }
      })
    )
  )

  it.live("wants its directory named: exit code 2", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        for (const argv of [[], ["token", "list"], ["token", "create"], ["gateways"], ["config"]]) {
          expect((yield* desk.run(["central", ...argv])).code).toBe(2)
        }
        expect((yield* desk.run(["central", ...data(desk), "--port", "70000"])).code).toBe(2)
        expect((yield* desk.run(["central", ...data(desk), "--external-url", "ftp://x"])).code).toBe(2)
      })
    )
  )
})
