/** The plugins of one process: what the daemon does with them beside its charts, without running a byte of them. */
import { Cause, type Context, Effect, Exit } from "effect"
import { Offers, RunningConfig } from "../../src/config/index.ts"
import { collectPlugins } from "../../src/daemon/PluginGarbage.ts"
import { PluginCatalogue } from "../../src/domain/index.ts"
import { PluginStore } from "../../src/plugins/index.ts"
import { versionRunBy } from "./Central.ts"
import { pluginsSeen, seen } from "./Oracle.ts"
import { HASHES, type PluginVersion, sourceOf, WEATHER } from "./Plugins.ts"
import { collected, namesWhatIsThere, started } from "./PluginWitness.ts"
import type { Services, Surroundings } from "./Services.ts"
import type { Witness } from "./Witness.ts"

/** Steps of staging before which the rest of the process is as busy as it may be. */
const STAGING: ReadonlySet<string> = new Set(["validate", "writeSlot", "flip"])

export class ProcessPlugins {
  /** Garbage was collected since the daemon runs. */
  hasCollected = false
  private isRunning = false
  /** Artifacts that this process has installed, or began to. */
  private held: ReadonlyArray<string> = []
  private readonly services: Context.Context<PluginStore | Services>
  private readonly around: Surroundings

  constructor(services: Context.Context<PluginStore | Services>, around: Surroundings) {
    this.services = services
    this.around = around
  }

  /** Plugins of a start are about to be loaded. */
  start(etag: string | null): void {
    started(etag, this.inside(toStart))
  }

  /** The daemon runs: garbage is collected from now on, and a slow disk may be slow about it. */
  runs(): void {
    this.isRunning = true
  }

  /** Nothing else is left to do. */
  rests(witness: Witness): void {
    if (this.isRunning && !this.hasCollected) this.collect(witness)
  }

  /** By an operator. */
  install(version: PluginVersion): void {
    this.held = [...this.held, HASHES[version]]
    this.inside(install(version))
  }

  /**
   * A step of the apply engine comes next. While a revision is staged garbage is collected, at each of some steps, for
   * nobody knows when it is; and a poll that was slow offers the same revision again.
   */
  before(src: string, input: unknown, witness: Witness): void {
    const version = versionRunBy(this.around.central.serving ?? "")
    if (src === "installPins" && version !== undefined) this.held = [...this.held, HASHES[version]]
    if (!STAGING.has(src) || !this.isRunning) return
    this.collect(witness)
    if (src === "writeSlot") this.inside(offerAgain(input as { readonly etag: string; readonly offer: number }))
  }

  private collect(witness: Witness): void {
    this.hasCollected = true
    const { mounted } = this.around
    const before = pluginsSeen(mounted.disk)
    const gone = this.inside(collectPlugins)
    const now = seen(mounted.disk)
    const after = pluginsSeen(mounted.disk)
    namesWhatIsThere(witness, now, after)
    collected({ gone, held: this.held, now, before, after })
  }

  private inside<A, E>(effect: Effect.Effect<A, E, PluginStore | Services>): A {
    const exit = Effect.runSyncExitWith(this.services)(effect)
    if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
    return exit.value
  }
}

/** The artifact that the plugin host would start, and the condition of its tree; null: none is known. */
const toStart = Effect.gen(function* () {
  const { trees } = yield* (yield* RunningConfig).effective
  const known = yield* (yield* PluginCatalogue).known(trees)
  const artifact = known.find(({ manifest }) => manifest.name === WEATHER)?.artifact
  if (artifact === undefined) return null
  return { hash: artifact.hash, condition: yield* (yield* PluginStore).condition(WEATHER, artifact.hash) }
})

/** `holdfast plugin install`, as the API carries it out. */
const install = (version: PluginVersion) =>
  Effect.flatMap(PluginStore, (store) =>
    store.install({
      name: null,
      source: { kind: "tarball", url: sourceOf(version) },
      version: null,
      hash: null,
      by: "operator"
    })
  )

const offerAgain = ({ etag, offer }: { readonly etag: string; readonly offer: number }) =>
  Effect.gen(function* () {
    const offers = yield* Offers
    const { bytes } = yield* offers.get(offer)
    yield* offers.keep({ etag, bytes })
  })
