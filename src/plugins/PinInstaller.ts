/** Honours the pins of a document. This version fetches nothing: what is not here already cannot be had. */
import { Effect, Layer } from "effect"
import {
  type ConfigDocument,
  isBundled,
  type KnownPlugin,
  PinInstaller,
  type PinRefusal,
  PluginCatalogue,
  type PluginEntry
} from "../domain/index.ts"

/** Answers from the catalogue alone. A bundled name that this version lacks is left to full validation. */
export const pinInstallerLayer = Layer.effect(
  PinInstaller,
  Effect.gen(function* () {
    const catalogue = yield* PluginCatalogue

    const knownByName = Effect.map(
      catalogue.known,
      (known) => new Map(known.map((plugin) => [plugin.manifest.name, plugin]))
    )

    const install = Effect.fn("PinInstaller.install")(function* (document: ConfigDocument) {
      const known = yield* knownByName
      const refusals = enabledPlugins(document).flatMap((entry) => refuse(entry, known.get(entry.name)) ?? [])
      // What no other try can mend decides over what one could.
      return refusals.find(({ transient }) => !transient) ?? refusals[0] ?? null
    })

    const missing = Effect.fn("PinInstaller.missing")(function* (document: ConfigDocument) {
      const known = yield* knownByName
      return enabledPlugins(document).filter(({ name }) => !isBundled(name) && !known.has(name))
    })

    return PinInstaller.of({ install, missing })
  })
)

const enabledPlugins = ({ plugins = [] }: ConfigDocument): ReadonlyArray<PluginEntry> =>
  plugins.filter(({ enabled }) => enabled !== false)

const refuse = ({ name, version }: PluginEntry, plugin: KnownPlugin | undefined): PinRefusal | undefined => {
  if (plugin === undefined) return isBundled(name) ? undefined : notInstallable(name)
  const ours = plugin.manifest.version
  if (version === undefined || version === ours) return undefined
  return plugin.origin === "bundled"
    ? {
        verdict: "bundled_version_mismatch",
        transient: false,
        detail:
          `${name} is part of the daemon and has its version, ${ours}, but the document pins ${version}. ` +
          `Pin ${ours}, leave the version out, or run Holdfast ${version}.`
      }
    : {
        verdict: "version_mismatch",
        transient: false,
        detail: `${name} is ${ours} on this machine, but the document pins ${version}. Pin ${ours}, or provide ${version}.`
      }
}

const notInstallable = (name: string): PinRefusal => ({
  verdict: "plugin_install_failed",
  transient: true,
  detail:
    `this version installs no plugins: ${name} is not bundled. ` +
    "Remove it from the document, or use a daemon that can install plugins."
})
