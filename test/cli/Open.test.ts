import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { API_TOKEN, standIn } from "./Gateway.ts"
import { atDesk } from "./InProcess.ts"

const link = { url: "http://127.0.0.1:7071/open?ticket=abc", expires_in_seconds: 60 }

describe("open", () => {
  it.live("prints the link alone on stdout, and how long it lives on stderr", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const { asked } = yield* standIn(desk, () => [201, link])
        const said = yield* desk.run(["open"])
        expect(said).toMatchObject({ code: 0, out: link.url })
        expect(said.err).toContain("within 60 seconds")
        expect(said.err).not.toContain("ticket")
        expect(asked).toMatchObject([{ method: "POST", url: "/open", authorization: `Bearer ${API_TOKEN}` }])
      })
    )
  )

  it.live("prints one document with --json", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* standIn(desk, () => [201, link])
        const said = yield* desk.run(["open", "--json"])
        expect(said).toMatchObject({ code: 0, err: "" })
        expect(JSON.parse(said.out)).toEqual(link)
      })
    )
  )

  it.live("says what to do when no daemon runs", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        const said = yield* desk.run(["open"])
        expect(said).toMatchObject({ code: 1, out: "" })
        expect(said.err).toContain(`No daemon runs for ${desk.home}`)
        expect(said.err).toContain("holdfast daemon")
      })
    )
  )

  it.live("says so when the daemon is of a version that has no page", () =>
    atDesk((desk) =>
      Effect.gen(function* () {
        yield* standIn(desk, () => [404, { error: "not_found" }])
        const said = yield* desk.run(["open"])
        expect(said).toMatchObject({ code: 1, out: "" })
        expect(said.err).toContain("HTTP 404")
      })
    )
  )
})
