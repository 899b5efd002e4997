import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { openHome } from "../../src/up/index.ts"

const inFolder = <A, E, R>(use: (root: string, fs: FileSystem.FileSystem) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* use(`${yield* fs.makeTempDirectoryScoped({ prefix: "holdfast-up-" })}/demo`, fs)
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const kept = { fresh: false, port: undefined }

describe("the folder of up", () => {
  it.live("picks two ports once, and keeps them", () =>
    inFolder((root) =>
      Effect.gen(function* () {
        const first = yield* openHome(root, kept)
        expect(first.ports.central).not.toBe(first.ports.gateway)
        expect((yield* openHome(root, kept)).ports).toEqual(first.ports)
        expect((yield* openHome(root, { fresh: false, port: 7071 })).ports).toEqual({ ...first.ports, gateway: 7071 })
        expect((yield* openHome(root, kept)).ports.gateway).toBe(7071)
      })
    )
  )

  it.live("is emptied with fresh", () =>
    inFolder((root, fs) =>
      Effect.gen(function* () {
        yield* openHome(root, kept)
        yield* fs.writeFileString(`${root}/old`, "")
        yield* openHome(root, { fresh: true, port: undefined })
        expect(yield* fs.readDirectory(root)).toEqual(["ports.json"])
      })
    )
  )

  it.live("is never one that holds other things", () =>
    inFolder((root, fs) =>
      Effect.gen(function* () {
        yield* fs.makeDirectory(root)
        yield* fs.writeFileString(`${root}/thesis.txt`, "")
        for (const fresh of [false, true]) {
          const error = yield* Effect.flip(openHome(root, { fresh, port: undefined }))
          expect(error).toMatchObject({ _tag: "UpRefused", message: expect.stringContaining("thesis.txt") })
        }
        expect(yield* fs.readDirectory(root)).toEqual(["thesis.txt"])
      })
    )
  )
})
