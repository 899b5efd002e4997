/** What areas offer each other about plugins. */
import { Context, type Effect, Schema } from "effect"
import type { ConfigDocument, PluginEntry } from "./Document.ts"
import type { Problem } from "./Problem.ts"

/** `holdfast.plugin.json`: what a plugin says of itself; validation reads this and loads no code. */
export const PluginManifest = Schema.Struct({
  schema_version: Schema.Literal(1),
  name: Schema.NonEmptyString,
  version: Schema.NonEmptyString,
  holdfast_api: Schema.NonEmptyString,
  runtime: Schema.Literal("node"),
  entrypoint: Schema.NonEmptyString,
  /** JSON Schema of `config`. */
  config_schema: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  provides: Schema.optionalKey(Schema.Struct({ capabilities: Schema.optionalKey(Schema.Array(Schema.String)) })),
  requires: Schema.optionalKey(Schema.Struct({ capabilities: Schema.optionalKey(Schema.Array(Schema.String)) }))
})
export type PluginManifest = typeof PluginManifest.Type

/** A plugin that this machine could run now. */
export interface KnownPlugin {
  readonly manifest: PluginManifest
  /** Absolute path of the module to load; null for what is part of the daemon itself. */
  readonly entry: string | null
  readonly origin: "bundled" | "test" | "installed"
}

/** The plugins that can be run, rebuilt from the disk at each call. */
export class PluginCatalogue extends Context.Service<
  PluginCatalogue,
  {
    readonly known: Effect.Effect<ReadonlyArray<KnownPlugin>>
    /** Daemon version and plugin set: what a verdict about bytes was made with. */
    readonly environment: Effect.Effect<string>
  }
>()("holdfast/domain/Plugins/PluginCatalogue") {}

/** Why pins could not be honoured. `transient`: another try with the same bytes may succeed. */
export interface PinRefusal {
  readonly verdict:
    | "artifact_hash_mismatch"
    | "bundled_version_mismatch"
    | "version_mismatch"
    | "config_invalid"
    | "plugin_install_failed"
  readonly transient: boolean
  readonly detail: string
}

/** Installs exactly the plugins that a document pins. */
export class PinInstaller extends Context.Service<
  PinInstaller,
  {
    /** null: everything that the document names is there. */
    readonly install: (document: ConfigDocument) => Effect.Effect<PinRefusal | null>
    /** What `install` would have to fetch, for `config validate`. */
    readonly missing: (document: ConfigDocument) => Effect.Effect<ReadonlyArray<PluginEntry>>
  }
>()("holdfast/domain/Plugins/PinInstaller") {}

/** What became of a plugin of the running document. */
export interface PluginState {
  readonly name: string
  readonly version: string
  readonly state: "active" | "failed" | "left out"
  readonly message?: string
}

/** Runs the plugins of the effective document, each in its Scope. */
export class PluginHost extends Context.Service<
  PluginHost,
  {
    /** Starts what the document names; a throw, a rejection or a missed deadline costs that plugin alone. */
    readonly load: (
      document: ConfigDocument,
      options: { readonly bundledOnly: boolean }
    ) => Effect.Effect<ReadonlyArray<PluginState>>
    /** Closes in reverse order, 5 s each. */
    readonly close: Effect.Effect<void>
    readonly states: Effect.Effect<ReadonlyArray<PluginState>>
  }
>()("holdfast/domain/Plugins/PluginHost") {}

/** Full validation of a document against a catalogue: every problem, empty when there is none. */
export type FullValidation = (document: ConfigDocument, known: ReadonlyArray<KnownPlugin>) => ReadonlyArray<Problem>
