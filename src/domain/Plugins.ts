/** What areas offer each other about plugins. */
import { Context, Effect, Record, Schema } from "effect"
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

/** What an installed plugin may be called: a name of npm's, with or without a scope, for it names a directory. */
export const PluginName = Schema.String.check(
  Schema.isPattern(/^(@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/),
  Schema.isMaxLength(214)
)

/** An artifact hash: 64 lower-case hex digits. */
export const TreeHash = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))

/** Which artifact of each installed plugin a revision runs with: its artifact hash, by name. */
export const PluginTrees = Schema.Record(PluginName, TreeHash)
export type PluginTrees = typeof PluginTrees.Type

/** One installed plugin, as the lock and the API say it. */
export const LockedPlugin = Schema.Struct({
  name: PluginName,
  version: Schema.NonEmptyString,
  /** Where it came from, in the form that a document has it; without secrets. */
  source: Schema.NonEmptyString,
  /** Below `state/`; follows from name and hash. */
  install_dir: Schema.NonEmptyString,
  content_hash: TreeHash,
  /** SHA-256 of the manifest's bytes, hex. */
  manifest_hash: TreeHash,
  /** ISO 8601. */
  installed_at: Schema.String,
  /** The commit that a git source stood for. */
  resolved_ref: Schema.optionalKey(Schema.String),
  /** A revision's own plugins go when no slot names them any more; an operator's stay. */
  installed_by: Schema.Literals(["operator", "revision"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("operator" as const))
  )
})
export type LockedPlugin = typeof LockedPlugin.Type

/** What became of an installed tree since: the bytes of every file are compared. */
export const TREE_CONDITIONS = ["intact", "missing", "changed"] as const
export type TreeCondition = (typeof TREE_CONDITIONS)[number]

/** What an operator wants installed; the pins are optional. */
export const PluginRequest = Schema.Struct({
  source: Schema.NonEmptyString,
  name: Schema.optionalKey(Schema.NonEmptyString),
  version: Schema.optionalKey(Schema.NonEmptyString),
  artifact_hash: Schema.optionalKey(Schema.NonEmptyString)
})
export type PluginRequest = typeof PluginRequest.Type

/** An installed plugin whose tree was hashed again; `repaired`: it was installed again from its source. */
export const VerifiedPlugin = Schema.Struct({
  ...LockedPlugin.fields,
  condition: Schema.Literals(TREE_CONDITIONS),
  repaired: Schema.Boolean,
  /** Why it could not be repaired. */
  problem: Schema.optionalKey(Schema.String)
})
export type VerifiedPlugin = typeof VerifiedPlugin.Type

/** A plugin that this machine could run now. */
export interface KnownPlugin {
  readonly manifest: PluginManifest
  /** Absolute path of the module to load; null for what is part of the daemon itself. */
  readonly entry: string | null
  readonly origin: "bundled" | "test" | "installed"
  /** Of an installed one: where it lies, and the artifact hash that it must have when it is loaded. */
  readonly artifact?: { readonly directory: string; readonly hash: string }
}

/** The plugins that can be run, rebuilt from the disk at each call. */
export class PluginCatalogue extends Context.Service<
  PluginCatalogue,
  {
    /** With the artifacts that a revision was staged with; for any other installed plugin, what the lock names. */
    readonly known: (trees: PluginTrees) => Effect.Effect<ReadonlyArray<KnownPlugin>>
    /**
     * Daemon version and the plugins that an operator chose: what a verdict about bytes was made with. What revisions
     * bring themselves does not count, for it is no reason to judge them anew.
     */
    readonly environment: Effect.Effect<string>
  }
>()("holdfast/domain/Plugins/PluginCatalogue") {}

/** Why a plugin is not installed, and whether another try with the same bytes may succeed. */
export const INSTALL_FAILURES = {
  /** The manifest is missing, is no manifest, or names what this version cannot run. */
  manifest_invalid: { verdict: "config_invalid", transient: false },
  /** The artifact is a plugin of another name, or claims a bundled one. */
  manifest_name_mismatch: { verdict: "config_invalid", transient: false },
  version_mismatch: { verdict: "version_mismatch", transient: false },
  artifact_hash_mismatch: { verdict: "artifact_hash_mismatch", transient: false },
  artifact_symlink_unsupported: { verdict: "config_invalid", transient: false },
  /** It holds what is neither file nor directory, leads outside, or is larger than a plugin may be. */
  artifact_invalid: { verdict: "config_invalid", transient: false },
  entrypoint_invalid: { verdict: "config_invalid", transient: false },
  /** Nobody may install from there: a local path in a served document, plain http to another machine, a secret in the URL. */
  source_forbidden: { verdict: "config_invalid", transient: false },
  /** A `#ref` beside a pinned version. */
  source_ambiguous: { verdict: "config_invalid", transient: false },
  git_unavailable: { verdict: "plugin_install_failed", transient: true },
  git_clone_failed: { verdict: "plugin_install_failed", transient: true },
  git_ref_not_found: { verdict: "plugin_install_failed", transient: true },
  fetch_failed: { verdict: "plugin_install_failed", transient: true },
  /** The artifact is right, and the disk did not take it. */
  artifact_write_error: { verdict: "plugin_install_failed", transient: true },
  lock_write_error: { verdict: "plugin_install_failed", transient: true }
} as const satisfies Readonly<Record<string, Pick<PinRefusal, "verdict" | "transient">>>

export type InstallFailure = keyof typeof INSTALL_FAILURES

/** A plugin was not installed; what was there before is untouched. */
export class PluginNotInstalled extends Schema.TaggedError<PluginNotInstalled>()("PluginNotInstalled", {
  reason: Schema.Literals(Record.keys(INSTALL_FAILURES)),
  /** What happened, why, and what to do; without secrets. */
  message: Schema.String
}) {}

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

export type InstalledPins = { readonly trees: PluginTrees } | { readonly refused: PinRefusal }

export interface PinPreview {
  readonly wouldInstall: ReadonlyArray<PluginEntry>
  readonly problems: ReadonlyArray<Problem>
}

/** Installs exactly the plugins that a document pins. */
export class PinInstaller extends Context.Service<
  PinInstaller,
  {
    /** Everything that the document names is there, and with which artifacts; or why not. */
    readonly install: (document: ConfigDocument) => Effect.Effect<InstalledPins>
    /** What `install` would fetch, and would refuse unfetched, for `config validate`. Writes and asks nothing. */
    readonly preview: (document: ConfigDocument) => Effect.Effect<PinPreview>
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
    /**
     * Starts what the document names, with the artifacts that it was staged with; a throw, a rejection, a missed deadline
     * or an artifact that was changed on the disk costs that plugin alone.
     */
    readonly load: (
      document: ConfigDocument,
      options: { readonly bundledOnly: boolean; readonly trees: PluginTrees }
    ) => Effect.Effect<ReadonlyArray<PluginState>>
    /** Closes in reverse order, 5 s each. */
    readonly close: Effect.Effect<void>
    readonly states: Effect.Effect<ReadonlyArray<PluginState>>
  }
>()("holdfast/domain/Plugins/PluginHost") {}

/** Full validation of a document against a catalogue: every problem, empty when there is none. */
export type FullValidation = (document: ConfigDocument, known: ReadonlyArray<KnownPlugin>) => ReadonlyArray<Problem>
