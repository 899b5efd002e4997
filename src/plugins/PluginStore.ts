/** The plugins that are installed: content-addressed directories, and a lock that says which of them counts. */
import { Clock, Context, Effect, FileSystem, Layer, Path, Ref, Schema, Semaphore } from "effect"
import {
  Home,
  isoTime,
  type KnownPlugin,
  type LockedPlugin,
  PluginName,
  PluginNotInstalled,
  type PluginSource,
  type PluginTrees,
  showSource,
  type TreeCondition
} from "../domain/index.ts"
import { DurableFiles, sha256Hex, storageStep } from "../storage/index.ts"
import { MANIFEST_FILE, readPluginFolder } from "./Manifest.ts"
import { PluginFetcher } from "./PluginFetcher.ts"
import { type LockedPlugins, PluginLock } from "./PluginLock.ts"

/** What is to be installed, and what it must be. */
export interface InstallOrder {
  /** null: whatever the artifact says. */
  readonly name: string | null
  readonly source: PluginSource
  /** The pins, where there are any. */
  readonly version: string | null
  readonly hash: string | null
  readonly by: LockedPlugin["installed_by"]
}

/** What the slots run, as far as plugins go. */
export interface PluginsInUse {
  /** The artifacts of both slots. */
  readonly kept: ReadonlyArray<PluginTrees>
  /** Those of the running revision. */
  readonly running: PluginTrees
  /** The plugins that the running configuration names, and where it has them from. */
  readonly sources: Readonly<Record<string, string | null>>
}

export class PluginStore extends Context.Service<
  PluginStore,
  {
    readonly lock: Effect.Effect<LockedPlugins>
    /** An installed artifact, by its manifest alone. */
    readonly find: (name: string, hash: string) => Effect.Effect<KnownPlugin, PluginNotInstalled>
    /** Hashes an installed tree again. */
    readonly condition: (name: string, hash: string) => Effect.Effect<TreeCondition>
    /**
     * Fetches, verifies and installs; what an intact tree answers already is not fetched. The tree is durable before the
     * lock names it, and nothing installed is changed by a failure.
     *
     * @ref LLP 0023#install [implements]
     */
    readonly install: (order: InstallOrder) => Effect.Effect<LockedPlugin, PluginNotInstalled>
    /** Takes a plugin out of the lock; its trees go when no slot names them. False: it was not there. */
    readonly remove: (name: string) => Effect.Effect<boolean, PluginNotInstalled>
    /**
     * Removes every tree that neither a slot, nor an operator, nor an install of this process needs, and makes the lock
     * say what the running revision runs with. Answers what went, as `name hash`.
     *
     * @ref LLP 0023#garbage [implements]
     */
    readonly collect: (use: PluginsInUse) => Effect.Effect<ReadonlyArray<string>, PluginNotInstalled>
  }
>()("holdfast/plugins/PluginStore") {
  static readonly layer = Layer.effect(
    PluginStore,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const home = yield* Home
      const files = yield* DurableFiles
      const locked = yield* PluginLock
      const { fetch } = yield* PluginFetcher
      const oneAtATime = yield* Semaphore.make(1)
      /** `name hash` of what this process installed: a revision that is being staged is in no slot yet. */
      const held = yield* Ref.make<ReadonlySet<string>>(new Set())
      const world = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
      const staging = path.join(home.plugins, STAGING)

      const placeOf = (name: string, hash: string) => path.join(home.plugins, ...name.split("/"), hash)

      const find = Effect.fn("PluginStore.find")(function* (name: string, hash: string) {
        const directory = placeOf(name, hash)
        const { entry, manifest } = yield* Effect.provide(readPluginFolder(directory), world)
        if (manifest.name !== name) {
          const message = `${directory} holds the plugin \`${manifest.name}\`, and not \`${name}\`: install it again.`
          return yield* new PluginNotInstalled({ reason: "manifest_name_mismatch", message })
        }
        const known: KnownPlugin = { manifest, entry, origin: "installed", artifact: { directory, hash } }
        return known
      })

      const condition = Effect.fn("PluginStore.condition")(function* (name: string, hash: string) {
        const directory = placeOf(name, hash)
        const isThere = yield* Effect.orElseSucceed(files.exists(directory), () => true)
        if (!isThere) return "missing"
        const { readArtifact } = yield* artifacts
        return yield* readArtifact(directory).pipe(
          Effect.match({
            onSuccess: (artifact): TreeCondition => (artifact.hash === hash ? "intact" : "changed"),
            onFailure: (): TreeCondition => "changed"
          }),
          Effect.provide(world)
        )
      })

      /** The tree that already answers an order, if there is one: any place of the pinned content, else the same source. */
      const answered = Effect.fnUntraced(function* ({ by, hash, name, source, version }: InstallOrder) {
        if (name === null) return null
        const entry = (yield* locked.read)[name]
        const wanted = hash ?? (by === "revision" && entry?.source === showSource(source) ? entry.content_hash : null)
        if (wanted === null) return null
        const state = yield* condition(name, wanted)
        if (state === "changed") {
          yield* Effect.logWarning(
            `The files of plugin ${name} in ${placeOf(name, wanted)} were changed after it was installed: it is installed again`
          )
        }
        if (state !== "intact") return null
        const found = yield* Effect.option(find(name, wanted))
        if (found._tag === "None") return null
        // A pin decides over what happens to be there.
        if (version !== null && found.value.manifest.version !== version) {
          return hash === null ? null : yield* versionMismatch(name, found.value.manifest.version, version)
        }
        const isSame = entry?.content_hash === wanted && entry.source === showSource(source)
        return { known: found.value, resolvedRef: isSame ? (entry?.resolved_ref ?? null) : null }
      })

      /** Fetched and copied durably, verified, and in its place. */
      const brought = Effect.fnUntraced(
        function* (order: InstallOrder) {
          yield* files.remove(staging).pipe(Effect.mapError(notWritten))
          yield* files.makeDirectory(path.join(staging, "fetched")).pipe(Effect.mapError(notWritten))
          const fetched = yield* fetch(order.source, path.join(staging, "fetched"))
          const tree = path.join(staging, "tree")
          const { copyArtifact } = yield* artifacts
          const { hash } = yield* copyArtifact(fetched.directory, tree)
          const { manifest } = yield* readPluginFolder(tree)
          yield* checkPins(order, manifest, hash)
          // What is there already stays: a slot or the lock may name it, and a cut must not find it gone.
          if ((yield* condition(manifest.name, hash)) !== "intact") {
            yield* moveIn(tree, manifest.name, hash).pipe(Effect.mapError(notWritten))
          }
          return { known: yield* find(manifest.name, hash), resolvedRef: fetched.resolvedRef }
        },
        // What is left of it is swept before the next one, and when garbage is collected.
        (effect) =>
          effect.pipe(
            Effect.ensuring(Effect.ignore(files.remove(staging))),
            Effect.provide(world),
            Effect.provideService(DurableFiles, files)
          )
      )

      // A tree of that name which is not intact makes room first; whoever runs it has loaded it.
      const moveIn = Effect.fnUntraced(function* (tree: string, name: string, hash: string) {
        const place = placeOf(name, hash)
        yield* files.makeDirectory(path.dirname(place))
        yield* files.remove(place)
        yield* fs.rename(tree, place).pipe(storageStep("rename", tree))
      }, Effect.uninterruptible)

      const entryOf = Effect.fnUntraced(function* (
        { artifact, manifest: { name, version } }: KnownPlugin,
        {
          by,
          resolvedRef,
          source
        }: { readonly source: string; readonly resolvedRef: string | null; readonly by: InstallOrder["by"] }
      ) {
        const hash = artifact?.hash ?? ""
        const bytes = yield* fs
          .readFile(path.join(placeOf(name, hash), MANIFEST_FILE))
          .pipe(Effect.mapError(({ message }) => new PluginNotInstalled({ reason: "manifest_invalid", message })))
        const entry: LockedPlugin = {
          name,
          version,
          source,
          install_dir: path.relative(home.state, placeOf(name, hash)),
          content_hash: hash,
          manifest_hash: yield* sha256Hex(bytes),
          installed_at: isoTime(yield* Clock.currentTimeMillis),
          ...(resolvedRef === null ? {} : { resolved_ref: resolvedRef }),
          installed_by: by
        }
        return entry
      })

      const install = Effect.fn("PluginStore.install")(function* (order: InstallOrder) {
        const { known, resolvedRef } = (yield* answered(order)) ?? (yield* brought(order))
        const { manifest } = known
        const hash = known.artifact?.hash ?? ""
        // Also what was there: a process that was killed after its rename has left this to the next one.
        yield* files.syncDirectory(path.dirname(placeOf(manifest.name, hash))).pipe(Effect.mapError(notWritten))
        yield* Ref.update(held, (before) => new Set([...before, `${manifest.name} ${hash}`]))
        const before = yield* locked.read
        const former = before[manifest.name]
        const source = showSource(order.source)
        const isSame = former?.content_hash === hash && former.source === source
        if (isSame && (former.installed_by === "operator" || order.by === "revision")) return former
        const entry = yield* entryOf(known, { source, resolvedRef, by: order.by })
        // What an operator chose stays chosen: the slot says what the revision runs with.
        if (former?.installed_by === "operator" && order.by === "revision") return entry
        yield* locked.write({ ...before, [manifest.name]: entry })
        yield* Effect.logInfo(`Plugin ${manifest.name} ${manifest.version} is installed`).pipe(
          Effect.annotateLogs({ source, content_hash: hash })
        )
        return entry
      }, oneAtATime.withPermit)

      const remove = Effect.fn("PluginStore.remove")(function* (name: string) {
        const before = yield* locked.read
        if (before[name] === undefined) return false
        yield* locked.write(without(before, (entry) => entry.name === name))
        return true
      }, oneAtATime.withPermit)

      /** A revision that was staged after the running one, and refused, may have taken its place in the lock. */
      const lockRunning = Effect.fnUntraced(function* (lock: LockedPlugins, { running, sources }: PluginsInUse) {
        const after: Record<string, LockedPlugin> = { ...lock }
        for (const [name, hash] of Object.entries(running)) {
          const source = sources[name]
          const entry = lock[name]
          if (typeof source !== "string" || entry?.content_hash === hash || entry?.installed_by === "operator") continue
          const found = yield* Effect.option(
            Effect.flatMap(find(name, hash), (known) => entryOf(known, { source, resolvedRef: null, by: "revision" }))
          )
          if (found._tag === "Some") after[name] = found.value
        }
        return after
      })

      const collect = Effect.fn("PluginStore.collect")(function* (use: PluginsInUse) {
        const named = new Set([
          ...use.kept.flatMap((trees) => Object.entries(trees).map(([name, hash]) => `${name} ${hash}`)),
          ...(yield* Ref.get(held))
        ])
        const before = yield* locked.read
        const needed = without(
          before,
          ({ content_hash, installed_by, name }) =>
            installed_by === "revision" &&
            !named.has(`${name} ${content_hash}`) &&
            // What the running revision's slot does not say runs as the lock says.
            (use.sources[name] === undefined || use.running[name] !== undefined)
        )
        const after = yield* lockRunning(needed, use)
        // The lock first: it never names a tree that is gone.
        if (JSON.stringify(after) !== JSON.stringify(before)) yield* locked.write(after)
        for (const { content_hash, name } of Object.values(after)) named.add(`${name} ${content_hash}`)
        return yield* Effect.gen(function* () {
          yield* files.remove(staging)
          const gone: Array<string> = []
          for (const [name, hash] of yield* installedTrees) {
            if (named.has(`${name} ${hash}`)) continue
            yield* files.remove(placeOf(name, hash))
            gone.push(`${name} ${hash}`)
          }
          return gone
        }).pipe(Effect.mapError(notWritten))
      }, oneAtATime.withPermit)

      const names = (directory: string) =>
        fs.readDirectory(directory).pipe(
          storageStep("readDirectory", directory),
          Effect.catchIf(
            ({ code }) => code === "ENOENT" || code === "ENOTDIR",
            () => Effect.succeed<Array<string>>([])
          )
        )

      const installedTrees = Effect.gen(function* () {
        const trees: Array<readonly [name: string, hash: string]> = []
        for (const top of yield* names(home.plugins)) {
          const plugins = top.startsWith("@")
            ? (yield* names(path.join(home.plugins, top))).map((name) => `${top}/${name}`)
            : [top]
          for (const name of plugins) {
            for (const hash of yield* names(path.join(home.plugins, ...name.split("/")))) trees.push([name, hash])
          }
        }
        return trees
      })

      return PluginStore.of({ lock: locked.read, find, condition, install, remove, collect })
    })
  )
}

/** Below `state/plugins`; no name of a plugin begins with a dot. */
const STAGING = ".staging"

/** Loaded when a tree is looked at: a machine without installed plugins never does. */
const artifacts = Effect.promise(() => import("./Artifact.ts"))

const without = (plugins: LockedPlugins, goes: (plugin: LockedPlugin) => boolean): LockedPlugins =>
  Object.fromEntries(Object.entries(plugins).filter(([, plugin]) => !goes(plugin)))

const notWritten = ({ message }: { readonly message: string }) =>
  new PluginNotInstalled({ reason: "artifact_write_error", message })

const isName = Schema.is(PluginName)

const checkPins = (
  { hash, name, source, version }: InstallOrder,
  found: KnownPlugin["manifest"],
  content: string
): Effect.Effect<void, PluginNotInstalled> => {
  const from = showSource(source)
  if (!isName(found.name)) {
    return Effect.fail(
      new PluginNotInstalled({
        reason: "manifest_invalid",
        message: `${from} calls itself \`${found.name}\`: a name has lower-case letters, digits, - . and _, and may have a scope such as @acme/.`
      })
    )
  }
  if (name !== null && found.name !== name) {
    return Effect.fail(
      new PluginNotInstalled({
        reason: "manifest_name_mismatch",
        message: `${from} is the plugin \`${found.name}\`, not \`${name}\`: correct the name, or the source.`
      })
    )
  }
  if (hash !== null && content !== hash) {
    return Effect.fail(
      new PluginNotInstalled({
        reason: "artifact_hash_mismatch",
        message:
          `${from} has the artifact hash ${content}, and ${hash} was pinned. If that is the artifact you mean, pin its ` +
          "hash; if not, somebody changed it after you looked."
      })
    )
  }
  return version === null || found.version === version
    ? Effect.void
    : versionMismatch(found.name, found.version, version)
}

const versionMismatch = (name: string, found: string, pinned: string) =>
  Effect.fail(
    new PluginNotInstalled({
      reason: "version_mismatch",
      message: `${name} is ${found} there, and ${pinned} is pinned: pin ${found}, or name the source of ${pinned}.`
    })
  )

/** Installs from everywhere; needs the files of a home and an HTTP client. */
export const pluginStoreLayer = PluginStore.layer.pipe(
  Layer.provide(Layer.merge(PluginLock.layer, PluginFetcher.layer))
)
