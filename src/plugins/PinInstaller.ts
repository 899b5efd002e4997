/** Honours the pins of a document: every plugin that it names is on this machine, and is the artifact that was meant. */
import { Effect, Layer, Result } from "effect"
import {
  type ConfigDocument,
  isBundled,
  type KnownPlugin,
  parseSource,
  PinInstaller,
  type PinPreview,
  type PinRefusal,
  pinRefusal,
  PluginCatalogue,
  type PluginEntry,
  PluginNotInstalled,
  pointerOf,
  wrongPin
} from "../domain/index.ts"
import type { LockedPlugins } from "./PluginLock.ts"
import { type InstallOrder, PluginStore } from "./PluginStore.ts"

/**
 * Plugins of the daemon and of tests are not installed, only compared. A name that nobody brings and nothing is known of
 * is full validation's matter.
 */
export const pinInstallerLayer = Layer.effect(
  PinInstaller,
  Effect.gen(function* () {
    const catalogue = yield* PluginCatalogue
    const store = yield* PluginStore

    /** What has to be done for each entry, decided without asking or writing anything. */
    const stepsOf = Effect.fnUntraced(function* (document: ConfigDocument) {
      const known = new Map((yield* catalogue.known({})).map((plugin) => [plugin.manifest.name, plugin]))
      const lock = yield* store.lock
      return (document.plugins ?? []).flatMap((entry, index) =>
        entry.enabled === false ? [] : [{ entry, index, step: stepOf(entry, known.get(entry.name), lock) }]
      )
    })

    const install = Effect.fn("PinInstaller.install")(function* (document: ConfigDocument) {
      const steps = yield* stepsOf(document)
      // What no other try can mend decides over what one could, and is found before anything is fetched.
      for (const { step } of steps) if (step.does === "refuse") return { refused: step.refusal }
      const trees: Record<string, string> = {}
      const refusals: Array<PinRefusal> = []
      for (const { entry, step } of steps) {
        if (step.does !== "install") continue
        const done = yield* Effect.result(store.install(step.order))
        if (Result.isSuccess(done)) trees[entry.name] = done.success.content_hash
        else refusals.push(pinRefusal(done.failure))
      }
      const refused = refusals.find(({ transient }) => !transient) ?? refusals[0]
      return refused === undefined ? { trees } : { refused }
    })

    const preview = Effect.fn("PinInstaller.preview")(function* (document: ConfigDocument) {
      const wouldInstall: Array<PluginEntry> = []
      const problems: Array<PinPreview["problems"][number]> = []
      for (const { entry, index, step } of yield* stepsOf(document)) {
        if (step.does === "refuse") {
          problems.push({ pointer: pointerOf(["plugins", String(index)]), message: step.refusal.detail })
        } else if (step.does === "install" && !(yield* isInstalled(step.order))) wouldInstall.push(entry)
      }
      return { wouldInstall, problems }
    })

    const isInstalled = Effect.fnUntraced(function* ({ hash, name }: InstallOrder) {
      const wanted = hash ?? (yield* store.lock)[name ?? ""]?.content_hash
      return name !== null && wanted !== undefined && (yield* store.condition(name, wanted)) === "intact"
    })

    return PinInstaller.of({ install, preview })
  })
)

type Step =
  | { readonly does: "nothing" }
  | { readonly does: "refuse"; readonly refusal: PinRefusal }
  | { readonly does: "install"; readonly order: InstallOrder }

const NOTHING: Step = { does: "nothing" }

const stepOf = (entry: PluginEntry, plugin: KnownPlugin | undefined, lock: LockedPlugins): Step => {
  const { artifact_hash, name, source, version } = entry
  if (isBundled(name) || plugin?.origin === "test") return compare(entry, plugin)
  const former = lock[name]
  if (source === undefined && former === undefined) return NOTHING
  const wrong = wrongPin(entry)
  if (wrong !== undefined) return { does: "refuse", refusal: pinRefusal(wrong) }
  // What the operator installed may come from a folder of this machine; what is served may not.
  const from = source ?? former?.source ?? ""
  const parsed = parseSource(from, {
    version: source === undefined ? null : (version ?? null),
    mayBeLocal: source === undefined
  })
  if (Result.isFailure(parsed)) return { does: "refuse", refusal: pinRefusal(parsed.failure) }
  if (source === undefined && former !== undefined) {
    if (version !== undefined && former.version !== version) {
      return refuse(
        "version_mismatch",
        `${name} is ${former.version} on this machine, but the document pins ${version} and names no source: add one`
      )
    }
    if (artifact_hash !== undefined && former.content_hash !== artifact_hash) {
      return refuse(
        "artifact_hash_mismatch",
        `${name} has the artifact hash ${former.content_hash} on this machine, but the document pins ${artifact_hash} and names no source: add one`
      )
    }
  }
  const hash = artifact_hash ?? (source === undefined ? former?.content_hash : undefined)
  return {
    does: "install",
    order: { name, source: parsed.success, version: version ?? null, hash: hash ?? null, by: "revision" }
  }
}

/** A bundled name that this version lacks is left to full validation. */
const compare = ({ name, version }: PluginEntry, plugin: KnownPlugin | undefined): Step => {
  const ours = plugin?.manifest.version
  if (ours === undefined || version === undefined || version === ours) return NOTHING
  return plugin?.origin === "bundled"
    ? {
        does: "refuse",
        refusal: {
          verdict: "bundled_version_mismatch",
          transient: false,
          detail:
            `${name} is part of the daemon and has its version, ${ours}, but the document pins ${version}. ` +
            `Pin ${ours}, leave the version out, or run Holdfast ${version}.`
        }
      }
    : refuse(
        "version_mismatch",
        `${name} is ${ours} on this machine, but the document pins ${version}. Pin ${ours}, or provide ${version}.`
      )
}

const refuse = (reason: PluginNotInstalled["reason"], message: string): Step => ({
  does: "refuse",
  refusal: pinRefusal(new PluginNotInstalled({ reason, message }))
})
