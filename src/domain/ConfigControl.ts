/** The narrow facade between the apply engine and the transport: what runs, and where an offered revision goes. */
import { Context, type Effect, type Option, type Redacted } from "effect"
import type { CentralSink, ConfigDocument } from "./Document.ts"
import type { RemoteConfig } from "./CentralProtocol.ts"

export class ConfigControl extends Context.Service<
  ConfigControl,
  {
    /** The revision this process booted with, frozen; null on the seed or bare. What If-None-Match says. */
    readonly runningEtag: Effect.Effect<string | null>
    /** The effective document; waits until boot evaluation is over. */
    readonly document: Effect.Effect<ConfigDocument>
    /** The plugins that the user's own config.json configures in entries that are not used; "all" while it cannot be read. */
    readonly unusedPlugins: Effect.Effect<ReadonlyArray<string> | "all">
    /** The one central of the effective document. */
    readonly central: Effect.Effect<Option.Option<CentralSink>>
    /** A policy token for this normalised URL, in the running document or the seed. */
    readonly policyToken: (url: string) => Effect.Effect<Option.Option<Redacted.Redacted<string>>>
    /** Keeps the bytes of an offered revision for the machine, which only sees the handle. */
    readonly keepOffer: (etag: string, bytes: Uint8Array) => Effect.Effect<number>
    /** What this machine says about its configuration; null when it never joined. */
    readonly remoteConfig: Effect.Effect<RemoteConfig | null>
  }
>()("holdfast/domain/ConfigControl") {}
