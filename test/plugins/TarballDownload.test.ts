import { assert, describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { fetchTarball } from "../../src/plugins/Tarball.ts"
import { serve, serveBytes, tarOf, tgzOf } from "./Archives.ts"
import { inRoom, MANIFEST } from "./TarballRoom.ts"

const INVALID = "artifact_invalid"
const WHOLE = tgzOf([MANIFEST, { name: "noise", body: randomBytes(200_000) }])
const HALF = WHOLE.subarray(0, WHOLE.length / 2)
const flipped = (at: number): Buffer => Buffer.from(WHOLE.map((byte, index) => (index === at ? byte ^ 0xff : byte)))

type Answer = (request: IncomingMessage, response: ServerResponse) => void

describe("a download", () => {
  it.effect.each<readonly [what: string, answer: Answer, reason: string, message: RegExp]>([
    [
      "that ends before the length that was announced",
      (_, response) => {
        response.writeHead(200, { "content-length": WHOLE.length })
        response.write(HALF, () => response.destroy())
      },
      "fetch_failed",
      /could not be downloaded: The plugin's server at http:\/\/127\.0\.0\.1:\d+ cannot be reached.*connection was cut/
    ],
    [
      "that is cut in the middle of its chunks",
      (_, response) => void response.write(HALF, () => response.destroy()),
      "fetch_failed",
      /connection was cut/
    ],
    [
      "that is cut, of no announced length",
      (request) => {
        request.socket.write("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        request.socket.end(HALF)
      },
      "fetch_failed",
      /did not arrive whole \(unexpected end of file\): try again/
    ],
    ["that arrives whole and was cut before", (_, response) => response.end(HALF), INVALID, /unexpected end of file/],
    [
      "that arrives whole and ends in the middle of a file",
      (_, response) => response.end(gzipSync(tarOf([{ name: "x", body: "x" }]).subarray(0, 600))),
      INVALID,
      /is no \.tgz archive, or a damaged one \(unexpected end of tar archive/
    ],
    ["with a wrong byte in the middle", (_, response) => response.end(flipped(100_000)), INVALID, /damaged one/],
    [
      "with a wrong checksum",
      (_, response) => response.end(flipped(WHOLE.length - 8)),
      INVALID,
      /incorrect data check/
    ],
    ["that is a page", (_, response) => response.end("<!DOCTYPE html>".repeat(999)), INVALID, /incorrect header check/],
    ["that is zipped and no archive", (_, response) => response.end(gzipSync("0".repeat(999))), INVALID, /checksum/],
    ...[204, 301, 304, 401, 403, 404, 410, 429, 500, 503].map(
      (status) =>
        [
          `that is answered ${status}`,
          (_, response) => void response.writeHead(status).end(),
          "fetch_failed",
          new RegExp(`/p\\.tgz answered ${status}: check the URL`)
        ] as const satisfies readonly [string, Answer, string, RegExp]
    )
  ])("%s fails, and tells what may succeed later from what never will", ([, answer, reason, message]) =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const url = yield* serve(answer)
        const refused = yield* Effect.flip(fetchTarball(`${url}/p.tgz?token=secret`, into))
        expect(refused.message).toMatch(message)
        expect(refused.reason).toBe(reason)
        expect(refused.message).not.toContain("secret")
      })
    )
  )

  it.effect("from where nobody listens may succeed later", () =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const url = yield* Effect.scoped(serveBytes(WHOLE))
        const refused = yield* Effect.flip(fetchTarball(`${url}/p.tgz`, into))
        expect(refused.reason).toBe("fetch_failed")
        expect(refused.message).toMatch(/ECONNREFUSED\)\. Nothing listens there/)
      })
    )
  )

  it.effect.each([
    "http://example.com/p.tgz",
    "ftp://127.0.0.1/p.tgz",
    "file:///etc/passwd",
    "https://user:secret@example.com/p.tgz",
    "https://secret@example.com/p.tgz",
    "no URL, secret"
  ])("from %s is forbidden, and nobody is asked", (url) =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const refused = yield* Effect.flip(fetchTarball(url, into)).pipe(
          Effect.provideService(
            HttpClient.HttpClient,
            HttpClient.make(() => Effect.die("somebody was asked"))
          )
        )
        expect(refused.reason).toBe("source_forbidden")
        expect(refused.message).not.toContain("secret")
      })
    )
  )

  it.effect("asks for the bytes as they are, and shows no credential", () =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const seen: Array<IncomingMessage["headers"]> = []
        const url = yield* serve(({ headers }, response) => {
          seen.push(headers)
          response.end(WHOLE)
        })
        yield* fetchTarball(`${url}/p.tgz`, into)
        expect(seen).toMatchObject([{ accept: "*/*", "accept-encoding": "identity" }])
        expect(Object.keys(seen[0] ?? {})).not.toContain("authorization")
      })
    )
  )

  it.effect("follows five redirects and no sixth", () =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const url = yield* serve(({ url = "" }, response) => {
          const left = Number(url.slice(1))
          if (left === 0) response.end(WHOLE)
          else response.writeHead(302, { location: `/${left - 1}` }).end("elsewhere")
        })
        expect(yield* fetchTarball(`${url}/5`, into)).toBe(into)
        const refused = yield* Effect.flip(fetchTarball(`${url}/6`, join(into, "other")))
        expect(refused.reason).toBe("fetch_failed")
        expect(refused.message).toMatch(/redirects in circles/)
      })
    )
  )

  it.effect.each<readonly [string, string]>([
    ["http://127.0.0.1/p", "http://example.com/p"],
    ["http://127.0.0.1/p", "https://user:secret@example.com/p"],
    ["http://localhost/p", "ftp://localhost/p"],
    ["https://example.com/p", "http://127.0.0.1/p"],
    ["https://example.com/p", "file:///etc/passwd"]
  ])("from %s does not follow to %s", ([from, to]) =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const { asked, client } = answering({ [from]: to })
        const refused = yield* Effect.flip(
          fetchTarball(from, into).pipe(Effect.provideService(HttpClient.HttpClient, client))
        )
        expect(asked).toEqual([from])
        expect(refused.reason).toBe("fetch_failed")
        expect(refused.message).toMatch(/redirects to another place .*which is refused\. Name a URL that leads/)
        expect(refused.message).not.toContain("secret")
      })
    )
  )

  it.effect.each<readonly [string, string]>([
    ["https://example.com/p", "https://cdn.example.net/q"],
    ["http://127.0.0.1/p", "https://example.com/q"],
    ["http://127.0.0.1/p", "http://localhost:81/q"]
  ])("from %s follows to %s", ([from, to]) =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const { asked, client } = answering({ [from]: to })
        expect(yield* fetchTarball(from, into).pipe(Effect.provideService(HttpClient.HttpClient, client))).toBe(into)
        expect(asked).toEqual([from, to])
      })
    )
  )

  it.effect.each<readonly [what: string, after: number, answer: Answer, message: RegExp]>([
    ["that nobody answers", 30, () => {}, /did not answer within 30 s\. Check the network/],
    ["that stops", 30, (_, response) => void response.write(HALF), /sent nothing more for 30 s/],
    [
      "that drips",
      240,
      (_, response) => {
        let at = 0
        const timer = setInterval(() => response.write(HALF.subarray(at++, at)), 1)
        response.on("close", () => clearInterval(timer))
      },
      /did not send it all within 240 s/
    ]
  ])("%s is given up after %d s, and its connection is closed", ([, after, answer, message]) =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const connection = { asked: false, closed: false }
        const url = yield* serve((request, response) => {
          request.socket.on("close", () => (connection.closed = true))
          answer(request, response)
          connection.asked = true
        })
        const download = yield* Effect.forkChild(Effect.flip(fetchTarball(`${url}/p.tgz`, into)))
        yield* until(() => connection.asked)
        for (let second = 0; second < after; second++) {
          // What drips comes between two seconds.
          yield* until(() => true)
          assert.isUndefined(download.pollUnsafe())
          yield* TestClock.adjust("1 second")
        }
        const refused = yield* Fiber.join(download)
        expect(refused.message).toMatch(message)
        expect(refused.reason).toBe("fetch_failed")
        yield* until(() => connection.closed)
      })
    )
  )

  it.effect("that is interrupted ends its connection and its file", () =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const connection = { closed: false }
        const url = yield* serve((request, response) => {
          request.socket.on("close", () => (connection.closed = true))
          response.write(HALF)
        })
        const download = yield* Effect.forkChild(fetchTarball(`${url}/p.tgz`, into))
        yield* until(() => fs.existsSync(join(into, "noise")))
        yield* Fiber.interrupt(download)
        yield* until(() => connection.closed)
        if (process.platform === "linux") {
          expect(openFiles().filter((file) => file.startsWith(into))).toEqual([])
        }
      })
    )
  )
})

const openFiles = (): ReadonlyArray<string> =>
  fs.readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      return [fs.readlinkSync(`/proc/self/fd/${descriptor}`)]
    } catch {
      // The one that listed them.
      return []
    }
  })

/** Lets real time go on, 10 ms at a time and at least once. */
const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.promise(async () => {
    do await new Promise((resolve) => setTimeout(resolve, 10))
    while (!isSo())
  })

/** A client without a network: redirects of some URLs, and the archive at all others. */
const answering = (redirects: Readonly<Record<string, string>>) => {
  const asked: Array<string> = []
  const client = HttpClient.make((request, { href }) => {
    asked.push(href)
    const location = redirects[href]
    const response =
      location === undefined ? new Response(WHOLE) : new Response(null, { status: 302, headers: { location } })
    return Effect.succeed(HttpClientResponse.fromWeb(request, response))
  })
  return { asked, client }
}
