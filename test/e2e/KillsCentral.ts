/** Central's own server in this process, with identities that live for seconds, so that kills can meet their refresh. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Context, Effect, Layer, Logger, ManagedRuntime, Redacted } from "effect"
import { Admin, serve } from "../../src/central-server/index.ts"
import type { GatewayView } from "../../src/domain/index.ts"
import { holdfast, scratch } from "./Processes.ts"
import { openWire, type Wire } from "./Wire.ts"

/** Real seconds that an identity lives; at its half the gateway refreshes it, in elapsed time. */
const IDENTITY_SECONDS = 20

export interface ShortLivedCentral {
  readonly wire: Wire
  readonly token: (config: string) => Promise<string>
  /** Saves a document byte for byte; its etag. */
  readonly put: (config: string, document: string) => Promise<string>
  /** Who runs what, asked in this process: cheap. */
  readonly views: () => Promise<ReadonlyArray<GatewayView>>
  /** `holdfast central gateways --json`, as an operator. */
  readonly gateways: () => Promise<ReadonlyArray<GatewayView>>
  readonly close: () => Promise<void>
}

class Served extends Context.Service<Served, { readonly url: string }>()("holdfast/test/Served") {}

export const openShortLivedCentral = async (): Promise<ShortLivedCentral> => {
  const wire = await openWire()
  const data = join(scratch(), "central")
  const identity = { lifetimeSeconds: IDENTITY_SECONDS }
  const server = Layer.effect(Served, serve({ data, host: "127.0.0.1", port: 0, externalUrl: wire.url, identity }))
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(server, Admin.layer(data)).pipe(
      Layer.provideMerge(Layer.merge(NodeServices.layer, Logger.layer([])))
    )
  )
  wire.target = (await runtime.runPromise(Served)).url
  return {
    wire,
    token: (config) =>
      runtime.runPromise(
        Admin.use((admin) => admin.createToken({ config })).pipe(Effect.map(({ token }) => Redacted.value(token)))
      ),
    put: (config, document) =>
      runtime.runPromise(
        Admin.use((admin) => admin.putConfig(config, new TextEncoder().encode(document), { force: true })).pipe(
          Effect.map(({ etag }) => etag)
        )
      ),
    views: () => runtime.runPromise(Admin.use((admin) => admin.listGateways)),
    gateways: async () => {
      const run = await holdfast(["central", "gateways", "--data", data, "--json"])
      if (run.code !== 0) throw new Error(`central gateways: ${run.code} ${run.stderr}`)
      return JSON.parse(run.stdout) as ReadonlyArray<GatewayView>
    },
    close: async () => {
      await runtime.dispose()
      await wire.close()
      rmSync(join(data, ".."), { recursive: true, force: true })
    }
  }
}
