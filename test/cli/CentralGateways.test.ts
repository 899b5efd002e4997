import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { withCentralDesk } from "./CentralDesk.ts"

const post = (url: string, body: object, jwt?: string) =>
  Effect.promise(async () => {
    const headers = {
      "content-type": "application/json",
      ...(jwt === undefined ? {} : { authorization: `Bearer ${jwt}` })
    }
    const response = await fetch(url, { method: "POST", body: JSON.stringify(body), headers })
    return { status: response.status, body: await response.text() }
  })

describe("central gateways", () => {
  it.live("shows one machine, what it ran and why, and ends it", () =>
    withCentralDesk(({ central, document, url }) =>
      Effect.gen(function* () {
        const none = yield* central(["gateways"])
        expect(none).toMatchObject({
          code: 0,
          out: "",
          err: expect.stringMatching(/No machine has joined yet: holdfast join/)
        })
        const put = yield* central(["config", "put", "fleet", yield* document("a.json"), "--json"])
        const { etag } = JSON.parse(put.out)
        const { out: token } = yield* central(["token", "create", "--config", "fleet"])
        const joined = yield* post(`${url}/v1/identity/bootstrap`, { bootstrap_token: token })
        const { jwt } = JSON.parse(joined.body)
        const silent = JSON.parse((yield* central(["gateways", "--json"])).out)
        const id: string = silent[0].id
        expect((yield* central(["gateways"])).out).toMatch(
          new RegExp(`^GATEWAY .*\\n${id} +fleet +never +no revision +never seen +has not yet fetched$`)
        )
        const remote_config = { running_etag: etag, probation: null }
        const report = { version: "1.2.3", platform: "linux-x64", remote_config }
        expect((yield* post(`${url}/v1/gateway/status`, report, jwt)).status).toBe(204)

        const shown = yield* central(["gateways", "show", id])
        expect(shown).toMatchObject({ code: 0, err: "" })
        expect(shown.out.split("\n")).toEqual([
          `${id} of fleet: runs the newest revision.`,
          expect.stringMatching(/^joined \S+Z, last seen \S+Z$/),
          expect.stringMatching(/^reported \S+Z: Holdfast 1\.2\.3 on linux-x64$/),
          "",
          expect.stringMatching(/^RAN +SINCE +UNTIL$/),
          expect.stringMatching(/^"[0-9a-f]{12}…" +\S+Z +now$/)
        ])
        const detail = JSON.parse((yield* central(["gateways", "show", id, "--json"])).out)
        expect(detail).toMatchObject({
          gateway: { id, standing: "converged" },
          tenures: [{ etag, until: null }],
          runs: []
        })
        const history = yield* central(["config", "history", "fleet"])
        expect(history.out).toMatch(/ 1 promoted +"/)

        const ended = yield* central(["gateways", "revoke", id])
        expect(ended).toMatchObject({ code: 0, out: expect.stringMatching(/is not served any more\. .* joins anew/) })
        expect((yield* central(["gateways", "show", id])).out).toContain(`${id} of fleet: its identity was revoked.`)
        expect((yield* post(`${url}/v1/gateway/status`, report, jwt)).status).toBe(401)
        for (const command of ["show", "revoke"]) {
          const unknown = yield* central(["gateways", command, "gw_none"])
          expect(unknown).toMatchObject({
            code: 1,
            out: "",
            err: expect.stringMatching(/no gateway.*`central gateways` shows/)
          })
        }
      })
    )
  )
})

describe("central token create --expires", () => {
  it.live("takes seconds, minutes, hours and days, and nothing else", () =>
    withCentralDesk(({ central }) =>
      Effect.gen(function* () {
        for (const [text, seconds] of [
          ["90s", 90],
          ["15m", 900],
          ["12h", 43_200],
          ["30d", 2_592_000]
        ] as const) {
          const { id } = JSON.parse(
            (yield* central(["token", "create", "--config", text, "--expires", text, "--json"])).out
          )
          const tokens: ReadonlyArray<{ id: string; created_at: string; expires_at: string }> = JSON.parse(
            (yield* central(["token", "list", "--json"])).out
          )
          const made = tokens.find((token) => token.id === id) ?? expect.unreachable()
          expect(Date.parse(made.expires_at) - Date.parse(made.created_at)).toBe(seconds * 1000)
        }
        const wrong: ReadonlyArray<readonly [string, number, RegExp]> = [
          ["12", 2, /--expires 12 is no duration: write it like 90m, 12h or 30d/],
          ["1.5h", 2, /is no duration/],
          ["tomorrow", 2, /is no duration/],
          ["0d", 1, /between 1 second and 100 years/],
          ["36601d", 1, /between 1 second and 100 years/]
        ]
        for (const [text, code, message] of wrong) {
          const said = yield* central(["token", "create", "--config", "fleet", "--expires", text])
          expect([text, said.code, said.out, said.err]).toEqual([text, code, "", expect.stringMatching(message)])
        }
      })
    )
  )
})
