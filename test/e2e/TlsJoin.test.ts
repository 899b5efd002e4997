/** A fleet on TLS with an authority of its own: the built program as central, `join --ca`, and the daemon. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { Authority, hasOpenssl } from "../central-server/Authority.ts"
import { documentFor, eventually, Gateway, startCentral } from "./Processes.ts"

const withoutOpenssl = hasOpenssl() ? null : "openssl is missing (Debian's openssl)"
if (withoutOpenssl !== null) {
  if (process.env["CI"] !== undefined) throw new Error(withoutOpenssl)
  console.log(`Joining over TLS is not tested: ${withoutOpenssl}`)
}

const folder = mkdtempSync(join(tmpdir(), "holdfast-tls-join-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Documents name central by its port before it listens. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** Polls are farther apart than a connection is kept, so that each sees the certificate of its moment. */
const SCALE = 12
const POLLS = { poll_interval_seconds: 60 }

describe.skipIf(withoutOpenssl !== null)("a machine that joins over TLS with a private authority", () => {
  it("is promoted, follows a certificate that is renewed, and comes back after one that has expired", async () => {
    const authority = new Authority(folder)
    const files = authority.issue("central")
    const port = await freePort()
    const url = `https://localhost:${port}`
    const args = ["--tls-cert", files.certificate, "--tls-key", files.key]
    const central = await startCentral(join(folder, "data"), { externalUrl: url, port, args })
    const gateway = new Gateway({ HOLDFAST_TEST_TIME_SCALE: String(SCALE) })
    const renew = async (name: string, seconds?: number) => {
      const next = authority.issue(name, seconds === undefined ? {} : { seconds })
      copyFileSync(next.certificate, files.certificate)
      copyFileSync(next.key, files.key)
      const before = central.log().split("was read again").length
      central.signal("SIGHUP")
      await eventually("the new pair", () => (central.log().split("was read again").length > before ? true : undefined))
    }
    try {
      const first = await central.put(documentFor(url, {}, POLLS))
      const token = join(folder, "token.txt")
      writeFileSync(token, await central.token())

      const stranger = await gateway.run("join", url, "--token-file", token, "--no-daemon", "--json")
      expect(stranger.code, stranger.stderr).toBe(0)
      gateway.start()
      await gateway.until("the complaint", ({ diagnostics }) =>
        diagnostics.some(({ message }) => /vouches for the server's certificate: join with --ca FILE/.test(message))
      )
      await gateway.stop()

      const joined = await gateway.run("join", url, "--ca", authority.certificate, "--token-file", token, "--no-daemon")
      expect(joined.code, joined.stderr).toBe(0)
      gateway.start()
      await gateway.promoted(first)

      await renew("short", 9)
      const second = await central.put(documentFor(url, { query: { two: 2 } }, POLLS))
      await gateway.promoted(second)
      const expired = await gateway.until("the expiry", ({ diagnostics }) =>
        diagnostics.some(({ kind, message }) => kind === "poll_failing" && /certificate has expired/.test(message))
      )
      expect([expired.overall, expired.remote_config?.running_etag]).toEqual(["degraded", second])
      expect(central.log()).toContain("has expired at")

      await renew("long")
      const third = await central.put(documentFor(url, { query: { three: 3 } }, POLLS))
      const healed = await gateway.promoted(third)
      expect(healed.remote_config?.last_rollback ?? null).toBeNull()
    } finally {
      await gateway.remove()
      await central.stop()
    }
  }, 90_000)
})
