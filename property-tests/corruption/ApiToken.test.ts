import { NodePath } from "@effect/platform-node"
import { Effect, Layer, Redacted } from "effect"
import { describe, expect, it } from "vitest"
import { apiToken } from "../../src/daemon/ApiToken.ts"
import { Home } from "../../src/domain/index.ts"
import { DurableFiles } from "../../src/storage/index.ts"
import { emptyDisk, makeDirectory, readFile } from "../crash/Disk.ts"
import { layerMounted, mount } from "../crash/DiskFileSystem.ts"
import { HOME } from "../crash/Services.ts"
import { damaged, damagesOf } from "./Damage.ts"

const PATH = `${HOME}/state/api-token`
const SOUND = /^[A-Za-z0-9_-]{32,}$/

describe("the token of the daemon's API", () => {
  it("is what the file says after any damage, or a new one, so that commands and daemon agree", async () => {
    const mounted = mount(makeDirectory(makeDirectory(emptyDisk, HOME), `${HOME}/state`))
    const layer = DurableFiles.layer.pipe(
      Layer.provideMerge(
        Layer.mergeAll(
          layerMounted(mounted, () => "boot"),
          Home.layerOf(HOME)
        )
      ),
      Layer.provideMerge(NodePath.layer)
    )
    const token = () => Effect.runPromise(Effect.map(apiToken, Redacted.value).pipe(Effect.provide(layer)))
    const first = await token()
    expect(first).toMatch(SOUND)
    const sound = mounted.disk
    for (const damage of damagesOf(sound, PATH)) {
      mounted.disk = damaged(sound, [damage])
      const now = await token()
      expect(now, damage.what).toMatch(SOUND)
      expect(Buffer.from(readFile(mounted.disk, PATH)).toString().trim(), damage.what).toBe(now)
    }
  })
})
