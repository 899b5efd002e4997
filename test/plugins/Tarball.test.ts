import { assert, describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import { readArtifact } from "../../src/plugins/Artifact.ts"
import { fetchTarball } from "../../src/plugins/Tarball.ts"
import { END, pax, serve, serveBytes, tgzOf, tgzWithZeros } from "./Archives.ts"
import { inRoom, listing, MANIFEST, watched } from "./TarballRoom.ts"

const LONG = `${"d".repeat(90)}/${"é".repeat(60)}/${"f".repeat(120)}.txt`
const FILES: Readonly<Record<string, string>> = {
  "holdfast.plugin.json": "{}",
  "index.js": "export {}\n",
  "a/b.txt": "b",
  "a-b.txt": "dash",
  "é 😀.txt": "e",
  empty: "",
  [LONG]: "long"
}

const writeFiles = (root: string, files: Readonly<Record<string, string>>): void => {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(join(root, name, ".."), { recursive: true })
    fs.writeFileSync(join(root, name), content)
  }
}

describe("a tarball", () => {
  it.effect("that npm packed is unpacked to what was packed, without modes, owners and times", () =>
    inRoom(({ into, root }) =>
      Effect.gen(function* () {
        const from = join(root, "from")
        const { [LONG]: _, "é 😀.txt": __, ...files } = FILES
        writeFiles(from, { ...files, "package.json": JSON.stringify({ name: "@test/p", version: "1.2.3" }) })
        fs.chmodSync(join(from, "index.js"), 0o755)
        const args = [
          "pack",
          "--ignore-scripts",
          "--offline",
          "--cache",
          join(root, "cache"),
          "--pack-destination",
          root
        ]
        execFileSync("npm", args, { cwd: from, stdio: "pipe", env: { ...process.env, HOME: root } })
        const url = yield* serveBytes(fs.readFileSync(join(root, "test-p-1.2.3.tgz")))
        const directory = yield* fetchTarball(`${url}/p.tgz`, into)
        expect(directory).toBe(join(into, "package"))
        expect(yield* readArtifact(directory)).toEqual(yield* readArtifact(from))
        expect(fs.statSync(join(directory, "index.js")).mode & 0o7777).toBe(0o600)
        expect(fs.statSync(directory).mode & 0o7777).toBe(0o700)
      })
    )
  )

  for (const format of ["gnu", "oldgnu", "pax", "posix"]) {
    for (const [place, args] of [
      ["at the top", ["."]],
      ["in one directory", ["--transform", "s,^\\.,repo-1a2b3c,", "."]]
    ] as const) {
      it.effect(`of the format ${format} with the files ${place}, long names included, is unpacked to the same`, () =>
        inRoom(({ into, root }) =>
          Effect.gen(function* () {
            const from = join(root, "from")
            writeFiles(from, FILES)
            execFileSync("tar", ["-czf", join(root, "t.tgz"), `--format=${format}`, "-C", from, ...args])
            const url = yield* serveBytes(fs.readFileSync(join(root, "t.tgz")))
            const directory = yield* fetchTarball(`${url}/p.tgz`, into)
            expect(directory).toBe(place === "at the top" ? into : join(into, "repo-1a2b3c"))
            expect(yield* readArtifact(directory)).toEqual(yield* readArtifact(from))
          })
        )
      )
    }
  }

  it.effect("may say a path and a size in a PAX header, and a comment for all files", () =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const url = yield* serveBytes(
          tgzOf([
            pax({ comment: "a commit", path: "../../evil" }, "g"),
            MANIFEST,
            pax({ path: "d/real name", size: "5" }),
            { name: "other", body: "12345", size: 0, mode: 0o6777 }
          ])
        )
        expect(yield* fetchTarball(`${url}/p.tgz`, into)).toBe(into)
        expect(listing(into)).toEqual(["d", "d/real name", "holdfast.plugin.json"])
        expect(fs.readFileSync(join(into, "d/real name"), "utf8")).toBe("12345")
        expect(fs.statSync(join(into, "d/real name")).mode & 0o7777).toBe(0o600)
      })
    )
  )

  it.effect("is unpacked without what is skipped, whatever that is", () =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const url = yield* serveBytes(
          tgzOf([
            { name: "package/holdfast.plugin.json", body: "{}" },
            { name: "package/node_modules/.bin/x", type: "2", link: "/etc/passwd" },
            { name: "package/node_modules/y/index.js", body: "y" },
            { name: ".DS_Store", body: "z" },
            { name: ".git/", type: "5" },
            { name: "package/.npm", type: "6" }
          ])
        )
        expect(yield* fetchTarball(`${url}/p.tgz`, into)).toBe(join(into, "package"))
        expect(listing(into)).toEqual(["package", "package/holdfast.plugin.json"])
      })
    )
  )

  it.effect("that the server calls encoded, and so is unzipped on the way, is unpacked all the same", () =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const url = yield* serve((_, response) => {
          response.setHeader("content-encoding", "gzip")
          response.end(tgzOf([MANIFEST]))
        })
        expect(yield* fetchTarball(`${url}/p.tgz`, into)).toBe(into)
      })
    )
  )

  it.effect("of 240 MiB goes through little memory", () =>
    inRoom(({ into }) =>
      Effect.gen(function* () {
        const size = 240 * 2 ** 20
        const url = yield* serveBytes(tgzWithZeros([MANIFEST, { name: "x", size }], 240, END))
        const { most, result } = yield* watched(fetchTarball(`${url}/p.tgz`, into))
        assert.isTrue(Exit.isSuccess(result))
        expect(fs.statSync(join(into, "x")).size).toBe(size)
        console.log(`a tarball of 240 MiB held ${Math.round(most / 1_024)} KiB at most`)
        // What was read and written is collected at leisure.
        assert.isBelow(most, 2 ** 27)
      })
    )
  )
})
