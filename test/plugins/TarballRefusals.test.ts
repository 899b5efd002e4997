import { assert, describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { fetchTarball } from "../../src/plugins/Tarball.ts"
import { END, longName, pax, type Piece, serve, serveBytes, tarOf, tgzOf, tgzWithZeros } from "./Archives.ts"
import { inRoom, listing, MANIFEST, type Room, watched } from "./TarballRoom.ts"

/** What `fetchTarball` says to these bytes; nothing may be written beside `into` meanwhile. */
const refusalOf = ({ into, root }: Room, bytes: Buffer) =>
  Effect.gen(function* () {
    const url = yield* serveBytes(bytes)
    const refused = yield* Effect.flip(fetchTarball(`${url}/p.tgz`, into))
    expect(fs.readdirSync(root)).toEqual(["into"])
    return refused
  })

const LINK = "artifact_symlink_unsupported"
const INVALID = "artifact_invalid"
const many = (length: number, one: (index: number) => Piece): ReadonlyArray<Piece> =>
  Array.from({ length }, (_, i) => one(i))

const malicious: ReadonlyArray<readonly [what: string, pieces: ReadonlyArray<Piece>, reason: string, message: RegExp]> =
  [
    ["a symbolic link", [{ name: "l", type: "2", link: "/etc/passwd" }], LINK, /^"l" is a link/],
    [
      "a link and a file behind it",
      [
        { name: "l", type: "2", link: ".." },
        { name: "l/evil", body: "x" }
      ],
      LINK,
      /^"l" is a link/
    ],
    ["a hard link", [MANIFEST, { name: "l", type: "1", link: "holdfast.plugin.json" }], LINK, /^"l" is a link/],
    ["a character device", [{ name: "c", type: "3" }], INVALID, /^"c" is a device/],
    ["a block device", [{ name: "b", type: "4" }], INVALID, /^"b" is a device/],
    ["a pipe", [{ name: "p", type: "6" }], INVALID, /^"p" is a pipe/],
    ["a type that nobody knows", [{ name: "v", type: "V" }], INVALID, /^"v" is neither file nor directory/],
    ["a sparse file of GNU's", [{ name: "s", type: "S", body: "x" }], INVALID, /sparse/],
    ["a sparse file of PAX's", [pax({ "GNU.sparse.major": "1" }), { name: "s", body: "x" }], INVALID, /sparse/],
    ["an absolute path", [{ name: "/tmp/evil", body: "x" }], INVALID, /^"\/tmp\/evil" leads out of/],
    ["a path that leads up", [{ name: "../evil", body: "x" }], INVALID, /^"\.\.\/evil" leads out of/],
    ["a path that leads up from within", [{ name: "a/../../evil", body: "x" }], INVALID, /leads out of/],
    ["a directory that leads up", [{ name: "..", type: "5" }], INVALID, /leads out of/],
    ["a skipped name that leads up", [{ name: "node_modules/../../evil", body: "x" }], INVALID, /leads out of/],
    ["a PAX path that leads up", [pax({ path: "../evil" }), { name: "fine", body: "x" }], INVALID, /leads out of/],
    ["a PAX path that is absolute", [pax({ path: "/tmp/evil" }), { name: "fine", body: "x" }], INVALID, /leads out of/],
    ["a long name that leads up", [longName("../evil"), { name: "fine", body: "x" }], INVALID, /leads out of/],
    ["a drive letter", [{ name: "C:/evil", body: "x" }], INVALID, /leads out of/],
    ["a backslash", [{ name: "..\\evil", body: "x" }], INVALID, /has a backslash/],
    ["a NUL", [pax({ path: "a\0b" }), { name: "fine", body: "x" }], INVALID, /invalid PAX record path/],
    ["a line break", [pax({ path: "a\nb" }), { name: "fine", body: "x" }], INVALID, /a line break/],
    ["a name that is no UTF-8", [{ name: Buffer.from([0x61, 0xff]), body: "x" }], INVALID, /no UTF-8/],
    [
      "a path of 1,025 characters",
      [longName("x".repeat(1_025)), { name: "fine", body: "x" }],
      INVALID,
      /1024 characters/
    ],
    [
      "65 names in a path",
      [{ name: `${"d/".repeat(49)}x` }, longName(`${"d/".repeat(64)}x`), MANIFEST],
      INVALID,
      /64 dir/
    ],
    ["a path twice", [MANIFEST, { name: "./holdfast.plugin.json", body: "x" }], INVALID, /in the archive twice/],
    [
      "a file as a directory",
      [
        { name: "a", body: "x" },
        { name: "a/b", body: "x" }
      ],
      INVALID,
      /^"a\/b" is in the archive twice, or as a file and as a directory/
    ],
    [
      "a directory as a file",
      [
        { name: "a/b", body: "x" },
        { name: "a", body: "x" }
      ],
      INVALID,
      /^"a" is in the archive twice/
    ],
    [
      "a directory in the place of a file",
      [
        { name: "a", body: "x" },
        { name: "a/", type: "5" }
      ],
      INVALID,
      /^"a" is in the archive twice/
    ],
    ["a file that is called a directory", [{ name: "a/", body: "x" }], INVALID, /^"a\/" names no file/],
    ["a file without a name", [{ name: ".", body: "x" }], INVALID, /names no file/],
    ["a file of 2 GiB", [{ name: "x", size: 2 ** 31 }], INVALID, /larger than 256 MiB/],
    [
      "more than 10,000 files",
      many(10_001, (index) => ({ name: `f${index}` })),
      INVALID,
      /more than 10000 files and directories/
    ],
    ["more said of one file than a file needs", [pax(words(300)), MANIFEST], INVALID, /says more about its files/],
    ["headers without an end", many(40, (index) => pax(words(1_000, index), "g")), INVALID, /says more about its files/]
  ]

function words(length: number, from = 0): Record<string, string> {
  return Object.fromEntries(Array.from({ length }, (_, index) => [`x.${from}.${index}`, "y".repeat(30)]))
}

describe("a tarball that is refused", () => {
  it.effect.each(malicious)("for %s writes nothing outside its directory", ([, pieces, reason, message]) =>
    inRoom((room) =>
      Effect.gen(function* () {
        const refused = yield* refusalOf(room, tgzOf(pieces))
        expect(refused.reason).toBe(reason)
        expect(refused.message).toMatch(message)
        for (const name of listing(room.into)) assert.isFalse(fs.lstatSync(join(room.into, name)).isSymbolicLink())
      })
    )
  )

  it.effect.each<readonly [what: string, bomb: () => Buffer, written: number]>([
    [
      "a skipped file of 2 GiB",
      () => tgzWithZeros([MANIFEST, { name: "node_modules/x", size: 2 ** 31 }], 2_048, END),
      2
    ],
    ["2 GiB of zeros after its end", () => tgzWithZeros([MANIFEST], 2_048), 2],
    [
      "files of 2 GiB together",
      () =>
        tgzWithZeros(
          many(9, (i) => ({ name: `x${i}`, size: 2 ** 28 })),
          2_048
        ),
      2 ** 28
    ]
  ])("for being a bomb, %s, is stopped on the way", ([, bomb, written]) =>
    inRoom((room) =>
      Effect.gen(function* () {
        const bytes = bomb()
        const { most, result } = yield* watched(refusalOf(room, bytes))
        assert.isTrue(Exit.isSuccess(result))
        if (Exit.isSuccess(result)) expect(result.value).toMatchObject({ reason: INVALID })
        const size = listing(room.into).reduce((sum, name) => sum + fs.statSync(join(room.into, name)).size, 0)
        console.log(`a bomb of ${bytes.length} bytes left ${size} and held ${Math.round(most / 1_024)} KiB at most`)
        assert.isAtMost(size, written)
        // What was read and thrown away is collected at leisure.
        assert.isBelow(most, 2 ** 27)
      })
    )
  )

  it.effect("for more than 64 MiB is not downloaded to its end", () =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const head = gzipSync(tarOf([MANIFEST, { name: "node_modules/x", size: 2 ** 27 }]).subarray(0, -1_024))
        const noise = gzipSync(randomBytes(2 ** 20), { level: 0 })
        let sent = 0
        const url = yield* serve((_, response) => {
          response.write(head)
          const more = () => {
            while (!response.closed && response.write(noise)) sent += noise.length
          }
          response.on("drain", more)
          more()
        })
        const refused = yield* Effect.flip(fetchTarball(`${url}/p.tgz`, into))
        expect(refused.reason).toBe(INVALID)
        expect(refused.message).toMatch(/p\.tgz is larger than 64 MiB: leave out/)
        assert.isBelow(sent, 80 * 2 ** 20)
      })
    )
  )

  it.effect.each<readonly [string, ReadonlyArray<Piece>]>([
    ["nothing in it", []],
    ["a manifest too far down", [{ name: "a/b/holdfast.plugin.json", body: "{}" }]],
    ["two directories", [{ name: "a/holdfast.plugin.json", body: "{}" }, { name: "b/x" }]],
    ["a directory of that name", [{ name: "holdfast.plugin.json/x", body: "{}" }]]
  ])("for %s has no manifest", ([, pieces]) =>
    inRoom((room) =>
      Effect.gen(function* () {
        const refused = yield* refusalOf(room, tgzOf(pieces))
        expect(refused.reason).toBe("manifest_invalid")
        expect(refused.message).toMatch(/has no holdfast\.plugin\.json, neither at its top nor in its one directory/)
      })
    )
  )

  it.effect("because the disk is full is asked for again", () =>
    inRoom((room) =>
      Effect.gen(function* () {
        for (const call of ["mkdir into/d", "create into/d/x", "write into/d/x"]) {
          fs.rmSync(room.into, { recursive: true })
          fs.mkdirSync(room.into)
          room.recording.fault = (each) => (each === call ? "ENOSPC" : undefined)
          const refused = yield* refusalOf(room, tgzOf([MANIFEST, { name: "d/x", body: "x" }]))
          expect(refused.reason).toBe("artifact_write_error")
          expect(refused.message).toMatch(/the disk is full\. Free space/)
        }
      })
    )
  )
})
