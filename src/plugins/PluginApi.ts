/** What crosses the border between Holdfast and a plugin: plain data and functions, no package of ours. */

/** Given to `setup`, the function that a plugin's entry exports. */
export interface PluginApi {
  /** Name and version of the plugin, as its manifest says. */
  readonly name: string
  readonly version: string
  /** Its settings in the document, a copy; `{}` where the document gives none. */
  readonly config: Readonly<Record<string, unknown>>
  /** Absolute path of a directory of its own, which lasts: what lies beside its code is no place to write to. */
  readonly data: string
  /** Writes to the daemon's log, under the plugin's name; what begins with no level is told at `info`. */
  readonly log: (level: "debug" | "info" | "warn" | "error", message: string) => void
  /** Aborted when the plugin is closed, and when its setup has failed or missed its deadline. */
  readonly signal: AbortSignal
}

/** What `setup` may return, now or by a promise. */
export interface PluginContribution {
  /** Called once, at shutdown, after `signal` is aborted. It has 5 s. */
  readonly close?: () => void | PromiseLike<void>
}

/** The entry's export `setup`, or its default export. It has 10 s. */
export type PluginSetup = (
  api: PluginApi
) => PluginContribution | undefined | void | PromiseLike<PluginContribution | undefined | void>
