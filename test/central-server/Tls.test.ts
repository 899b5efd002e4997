import { execFileSync } from "node:child_process"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { Agent, request } from "node:https"
import { connect as connectPlainly } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect, type SecureVersion, type TLSSocket } from "node:tls"
import { describe, expect, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Logger } from "effect"
import { TestClock } from "effect/testing"
import { afterAll, beforeAll } from "vitest"
import { type CertificateFiles, serve, type ServeOptions } from "../../src/central-server/index.ts"
import { Authority, hasOpenssl } from "./Authority.ts"

const DAY = 86_400
const withoutOpenssl = hasOpenssl() ? null : "openssl is missing (Debian's openssl)"
if (withoutOpenssl !== null) {
  if (process.env["CI"] !== undefined) throw new Error(withoutOpenssl)
  console.log(`TLS of central is not tested: ${withoutOpenssl}`)
}

let authority: Authority
beforeAll(() => {
  if (withoutOpenssl === null) authority = new Authority(mkdtempSync(join(tmpdir(), "holdfast-tls-")))
})
afterAll(() => {
  if (withoutOpenssl === null) rmSync(authority.directory, { recursive: true })
})

interface Answer {
  readonly status: number | undefined
  readonly body: string
  /** The certificate of the connection, by its serial number. */
  readonly serial: string
}

const ask = (url: string, options: { readonly token?: string; readonly agent?: Agent } = {}) =>
  Effect.callback<Answer, NodeJS.ErrnoException>((resume) => {
    const headers = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }
    const ca = readFileSync(authority.certificate)
    const sent = request(url, { ca, headers, agent: options.agent ?? new Agent() }, (response) => {
      const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate()
      let body = ""
      response.on("data", (chunk: Buffer) => (body += chunk.toString()))
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode, body, serial: serialNumber })))
    })
    sent.on("error", (error) => resume(Effect.fail(error)))
    sent.end()
  })

/** A central with TLS under the test's clock, set to now; and what it has logged. */
const withTls = <A, E>(
  tls: CertificateFiles,
  use: (central: {
    readonly url: string
    readonly renew: Effect.Effect<void>
    readonly log: ReadonlyArray<string>
    readonly fleet: Effect.Effect<{ readonly certificate_expires_at: string; readonly warnings: ReadonlyArray<string> }>
  }) => Effect.Effect<A, E>,
  options: Partial<ServeOptions> = {}
) => {
  const log: Array<string> = []
  const lines = Logger.make(({ message }) => void log.push(String(message)))
  return Effect.gen(function* () {
    yield* TestClock.setTime(Date.now())
    const data = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
    const { renewCertificate, url } = yield* serve({ data, host: "127.0.0.1", port: 0, tls, ...options })
    const token = readFileSync(join(data, "admin-token"), "utf8")
    const renew = Effect.provide(renewCertificate, NodeServices.layer)
    const fleet = Effect.map(Effect.orDie(ask(`${url}/fleet`, { token })), ({ body }) => JSON.parse(body).central)
    return yield* use({ url, renew, log, fleet })
  }).pipe(Effect.scoped, Effect.provide([NodeServices.layer, Logger.layer([lines])]))
}

/** Copies a pair over another, as somebody who renews does. */
const put = (from: CertificateFiles, to: CertificateFiles): void => {
  copyFileSync(from.certificate, to.certificate)
  copyFileSync(from.key, to.key)
}

const handshake = (url: string, maxVersion: SecureVersion) =>
  Effect.promise(
    () =>
      new Promise<string>((resolve) => {
        const { port } = new URL(url)
        const options = { port: Number(port), minVersion: "TLSv1" as const, maxVersion, ciphers: "ALL:@SECLEVEL=0" }
        const socket = connect({ ...options, rejectUnauthorized: false }, () => {
          resolve(socket.getProtocol() ?? "")
          socket.destroy()
        })
        socket.on("error", () => resolve("refused"))
      })
  )

describe.skipIf(withoutOpenssl !== null)("a central with a certificate", () => {
  it.effect("answers over TLS 1.2 and newer to who trusts its authority, and to nobody else", () =>
    withTls(authority.issue("plain"), ({ fleet, url }) =>
      Effect.gen(function* () {
        expect(url).toMatch(/^https:/)
        expect((yield* ask(`${url}/health`)).status).toBe(200)
        expect((yield* fleet).certificate_expires_at).toMatch(/^20\d\d-/)
        expect(yield* handshake(url, "TLSv1.3")).toBe("TLSv1.3")
        expect(yield* handshake(url, "TLSv1.2")).toBe("TLSv1.2")
        expect(yield* handshake(url, "TLSv1.1")).toBe("refused")
        const plain = yield* Effect.promise(
          () =>
            new Promise<string>((resolve) => {
              let said = ""
              const socket = connectPlainly(Number(new URL(url).port), "127.0.0.1")
              socket.on("data", (chunk) => (said += chunk.toString()))
              socket.on("error", () => {})
              socket.on("close", () => resolve(said))
              socket.write("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            })
        )
        expect(plain).toBe("")
      })
    )
  )

  it.effect("gives new connections the pair that it reads again, and those that last keep the old one", () =>
    Effect.suspend(() => {
      const files = authority.issue("renewed")
      return withTls(files, ({ log, renew, url }) =>
        Effect.gen(function* () {
          const agent = new Agent({ keepAlive: true, maxSockets: 1 })
          const first = yield* ask(`${url}/health`, { agent })
          put(authority.issue("renewed-next"), files)
          yield* renew
          const next = yield* ask(`${url}/health`)
          expect(next.serial).not.toBe(first.serial)
          expect((yield* ask(`${url}/health`, { agent })).serial).toBe(first.serial)
          expect(log).toContain("the certificate was read again")
          agent.destroy()
        })
      )
    })
  )

  it.effect("keeps the pair that works when the new one does not, and says why until one does", () =>
    Effect.suspend(() => {
      const files = authority.issue("kept")
      return withTls(files, ({ fleet, log, renew, url }) =>
        Effect.gen(function* () {
          const { serial } = yield* ask(`${url}/health`)
          writeFileSync(files.key, "half a fi")
          yield* renew
          expect((yield* ask(`${url}/health`)).serial).toBe(serial)
          const said = expect.stringMatching(/was not renewed.*kept\.key holds no private key/)
          expect((yield* fleet).warnings).toEqual([said])
          expect(log).toContainEqual(said)
          put(authority.issue("kept-next"), files)
          yield* renew
          expect((yield* fleet).warnings).toEqual([])
          expect((yield* ask(`${url}/health`)).serial).not.toBe(serial)
        })
      )
    })
  )

  it.effect("says so from 14 days before its end, once a day, and when it has expired", () =>
    withTls(authority.issue("ending", { seconds: 20 * DAY }), ({ fleet, log }) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("5 days")
        expect((yield* fleet).warnings).toEqual([])
        expect(log).toEqual([])
        yield* TestClock.adjust("1 days")
        expect((yield* fleet).warnings).toEqual([expect.stringMatching(/ends at .*\. Renew it.*SIGHUP/)])
        expect(log).toHaveLength(1)
        yield* TestClock.adjust("13 days")
        expect(log).toHaveLength(14)
        yield* TestClock.adjust("1 days")
        expect((yield* fleet).warnings).toEqual([expect.stringMatching(/has expired at .*SIGHUP/)])
        expect(log.at(-1)).toContain("has expired")
      })
    )
  )

  it.effect("says at start when the certificate is not for the host of the external URL", () =>
    withTls(
      authority.issue("named", { names: ["DNS:*.example", "IP:127.0.0.1"] }),
      ({ log }) =>
        Effect.sync(() => {
          expect(log).toEqual([expect.stringMatching(/not for central\.example\.org.*https:\/\/central\.example\.org/)])
        }),
      { externalUrl: "https://central.example.org" }
    )
  )

  it.effect("does not start with a pair that nobody could use, and says which file and what to do", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.now())
      const good = authority.issue("good")
      const { directory } = authority
      const other = (name: string, content: string) => {
        writeFileSync(join(directory, name), content)
        return join(directory, name)
      }
      const sealed = join(directory, "sealed.key")
      execFileSync("openssl", ["pkcs8", "-topk8", "-in", good.key, "-out", sealed, "-passout", "pass:secret"])
      const cases: ReadonlyArray<readonly [CertificateFiles, RegExp]> = [
        [
          { ...good, key: authority.issue("another").key },
          /another\.key is not the one of the certificate .*good\.pem/
        ],
        [authority.issue("old", { seconds: -60 }), /old\.pem has expired at 20.*renew it/],
        [{ ...good, key: sealed }, /sealed\.key is encrypted.*openssl pkey/],
        [{ ...good, key: join(directory, "none.key") }, /none\.key is not there: check the path/],
        [{ ...good, certificate: directory }, /is a directory: name the file in it/],
        [{ ...good, certificate: other("no.pem", "nothing") }, /no\.pem holds no certificate in PEM/],
        [{ ...good, key: good.certificate }, /good\.pem holds no private key in PEM/]
      ]
      for (const [tls, message] of cases) {
        const failure = yield* Effect.flip(withTls(tls, () => Effect.void))
        expect(failure).toMatchObject({ _tag: "CertificateUnusable", message: expect.stringMatching(message) })
      }
    })
  )
})
