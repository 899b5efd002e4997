// @effect-diagnostics nodeBuiltinImport:off - unpacks as the bytes arrive, for which Effect has no service
/** A tree from a `.tgz`: downloaded and unpacked at once, and never more of it than a plugin may be. */
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Effect, FileSystem, Path, Predicate, Stream } from "effect"
import { Tar } from "effect/encoding"
import { createGunzip } from "node:zlib"
import { isLoopbackHost, PluginNotInstalled } from "../domain/index.ts"
import { type Download, makeDownload } from "../http/index.ts"
import { directoryMode, storageStep } from "../storage/index.ts"
import { createFile } from "./Artifact.ts"
import {
  ARTIFACT_LIMITS,
  invalidArtifact,
  kindRefused,
  linkRefused,
  parentsOf,
  pathRefused,
  quoted,
  SKIPPED_NAMES,
  tooLarge,
  tooMany,
  writeFailure
} from "./ArtifactRules.ts"
import { MANIFEST_FILE } from "./Manifest.ts"

/** The largest archive that is downloaded: 64 MiB. */
export const TARBALL_BYTES = 67_108_864

const DEADLINE_MS = 240_000
const STALL_MS = 30_000

/**
 * Downloads an archive and unpacks it into the empty directory `into`; answers the directory of the tree: where the
 * `marker` is, `into` itself or the one directory at the top of the archive; with `null` that directory, if nothing is
 * beside it. Nothing is written outside `into`, nothing
 * takes over modes, owners or times, what is skipped is not written, and nothing is synced. When it fails, what is in
 * `into` is of no use.
 *
 * Fails with `source_forbidden` for a URL that nothing is fetched from, `fetch_failed` when the archive could not be had
 * whole, and with `artifact_symlink_unsupported`, `artifact_invalid` or `manifest_invalid` when that is what it is.
 */
export const fetchTarball = Effect.fn("plugins.fetchTarball")(function* (
  url: string,
  into: string,
  marker: string | null = MANIFEST_FILE
) {
  const parsed = URL.parse(url)
  if (parsed === null || !isFetchable(parsed)) {
    return yield* new PluginNotInstalled({
      reason: "source_forbidden",
      message:
        "A tarball is downloaded from an https URL without user name and password, or over http from this machine " +
        "itself: correct the source."
    })
  }
  const shown = `${parsed.origin}${parsed.pathname}`
  const download = yield* makeDownload({
    peer: "The plugin's server",
    remedy: "Name a URL that leads to the file over https all the way.",
    mayFollow: (from, to) => isFetchable(to) && !(from.protocol === "https:" && to.protocol !== "https:"),
    deadlineMs: DEADLINE_MS,
    stallMs: STALL_MS
  })
  const tree = yield* makeTree(into, marker)
  yield* download(url, (answer) => unpack(answer, shown, tree)).pipe(
    Effect.catchTag("Unreachable", ({ message }) => fetchFailed(shown, `could not be downloaded: ${message}`))
  )
  return yield* tree.root
})

const isFetchable = ({ hostname, password, protocol, username }: URL): boolean =>
  (protocol === "https:" || (protocol === "http:" && isLoopbackHost(hostname))) && username === "" && password === ""

const fetchFailed = (shown: string, what: string) =>
  new PluginNotInstalled({ reason: "fetch_failed", message: `${shown} ${what}` })

/** Everything streams: the answer is read as fast as files are written. */
const unpack = Effect.fnUntraced(function* ({ body, headers, status }: Download, shown: string, tree: Tree) {
  if (status !== 200) {
    return yield* fetchFailed(
      shown,
      `answered ${status}: check the URL, and that the file can be had there without signing in.`
    )
  }
  // Without either, a connection that was cut looks like the end.
  const isFramed = headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined
  const noArchive = (why: string, isCut: boolean) =>
    isCut && !isFramed
      ? fetchFailed(shown, `did not arrive whole (${why}): try again.`)
      : invalidArtifact(`${shown} is no .tgz archive, or a damaged one (${why}): check the URL, or pack it anew.`)

  const allowance = makeAllowance(shown)
  yield* body.pipe(
    throughLimit(TARBALL_BYTES, () =>
      invalidArtifact(`${shown} is larger than ${TARBALL_BYTES / 1_048_576} MiB: leave out what is not needed to run.`)
    ),
    // What a server calls encoded was decoded on the way.
    headers["content-encoding"] === undefined ? gunzip(noArchive) : (same) => same,
    throughLimit(ARTIFACT_LIMITS.bytes, tooLarge),
    Stream.mapEffect((chunk) => Effect.as(allowance.spend(chunk.length), chunk)),
    Stream.pipeThroughChannel(Tar.decode()),
    Stream.runForEach((entry) => Effect.andThen(allowance.grant(entry.header), tree.place(entry))),
    Effect.catchTag("TarError", ({ kind, message }) => noArchive(message, kind === "Truncated"))
  )
})

/** Fails with the first chunk that is too much. */
const throughLimit = (limit: number, refused: () => PluginNotInstalled) => {
  let size = 0
  return Stream.mapEffect((chunk: Uint8Array) => {
    size += chunk.length
    return size > limit ? Effect.fail(refused()) : Effect.succeed(chunk)
  })
}

const gunzip =
  (noArchive: (why: string, isCut: boolean) => PluginNotInstalled) =>
  <E>(self: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E | PluginNotInstalled> =>
    Stream.pipeThroughChannel(
      self,
      NodeStream.fromDuplex<E, Uint8Array, Uint8Array, PluginNotInstalled>({
        evaluate: () => createGunzip({ chunkSize: CHUNK_BYTES }),
        onError: (error) => {
          const code = Predicate.hasProperty(error, "code") ? error.code : undefined
          return noArchive(Predicate.isError(error) ? error.message : String(error), code === "Z_BUF_ERROR")
        },
        // As many chunks as are read at once.
        chunkSize: 4
      })
    )

const CHUNK_BYTES = 65_536

/**
 * What comes between two files is held until the next one, and what is said of all files is held to the end: an archive
 * may not fill the memory with either.
 */
const makeAllowance = (shown: string) => {
  let left = HEADER_BYTES
  const refused = invalidArtifact(`${shown} says more about its files than there is in them: pack it anew.`)
  return {
    spend: (bytes: number) => {
      left -= bytes
      return left < 0 ? Effect.fail(refused) : Effect.void
    },
    grant: ({ pax, size }: Tar.Header) => {
      left = size + HEADER_BYTES
      return Object.keys(pax).length > RECORDS_MAX ? Effect.fail(refused) : Effect.void
    }
  }
}

/** Of headers before a file, and of what follows the last one. */
const HEADER_BYTES = 1_048_576

/** Of what a PAX header says that we do not use. */
const RECORDS_MAX = 256

interface Tree {
  /** Writes one entry, or refuses it. */
  readonly place: <E>(entry: Tar.Entry<E>) => Effect.Effect<void, E | PluginNotInstalled, FileSystem.FileSystem>
  /** Where the marker is. */
  readonly root: Effect.Effect<string, PluginNotInstalled>
}

const makeTree = Effect.fnUntraced(function* (into: string, marker: string | null) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const files = new Set<string>()
  const directories = new Set<string>()
  let bytes = 0

  const claim = Effect.fnUntraced(function* (name: string, isFile: boolean) {
    const parents = parentsOf(name)
    const isTaken = files.has(name) || (isFile && directories.has(name))
    if (isTaken || parents.some((parent) => files.has(parent))) {
      return yield* invalidArtifact(
        `${quoted(name)} is in the archive twice, or as a file and as a directory: pack it anew.`
      )
    }
    if (isFile) files.add(name)
    for (const directory of isFile ? parents : [...parents, name]) {
      if (directories.has(directory)) continue
      directories.add(directory)
      const place = path.join(into, directory)
      yield* fs
        .makeDirectory(place, { mode: directoryMode })
        .pipe(storageStep("makeDirectory", place), Effect.mapError(writeFailure), Effect.uninterruptible)
    }
    if (files.size + directories.size > ARTIFACT_LIMITS.files) return yield* tooMany()
  })

  const place = Effect.fnUntraced(function* <E>({ body, header }: Tar.Entry<E>) {
    const name = yield* nameOf(header.path)
    if (name === null) return
    const { path: said, size, type } = header
    if (type === "Symlink" || type === "Hardlink") return yield* linkRefused(name)
    if (type !== "File" && type !== "Directory") return yield* kindRefused(name, type)
    if (type === "Directory") return yield* name === "" ? Effect.void : claim(name, false)
    if (name === "" || said.endsWith("/")) return yield* invalidArtifact(`${quoted(said)} names no file: pack it anew.`)
    bytes += size
    if (bytes > ARTIFACT_LIMITS.bytes) return yield* tooLarge()
    yield* claim(name, true)
    yield* createFile(path.join(into, name)).pipe(
      Effect.flatMap(({ write }) => Stream.runForEach(body, write)),
      Effect.scoped
    )
  })

  const root = Effect.suspend(() => {
    const tops = [...directories].filter((directory) => !directory.includes("/"))
    if (marker === null) {
      const isAlone = tops.length === 1 && [...files].every((file) => file.includes("/"))
      return Effect.succeed(path.join(into, (isAlone ? tops[0] : undefined) ?? ""))
    }
    const places = ["", ...(tops.length === 1 ? tops : [])]
    const found = places.find((place) => files.has(path.join(place, marker)))
    return found === undefined
      ? Effect.fail(
          new PluginNotInstalled({
            reason: "manifest_invalid",
            message:
              `The archive has no ${marker}, neither at its top nor in its one directory there: check that the ` +
              "URL is that of a plugin, and that the file was packed."
          })
        )
      : Effect.succeed(path.join(into, found))
  })

  const tree: Tree = { place, root }
  return tree
})

/** Where an entry belongs, below the tree; null when it is skipped. */
const nameOf = (entry: string): Effect.Effect<string | null, PluginNotInstalled> => {
  const names = entry.split("/")
  if (entry.startsWith("/") || names.includes("..") || /^[a-z]:/i.test(entry)) {
    return Effect.fail(invalidArtifact(`${quoted(entry)} leads out of the archive's own directory: pack it anew.`))
  }
  if (names.some((name) => SKIPPED_NAMES.has(name))) return Effect.succeed(null)
  const name = names.filter((each) => each !== "" && each !== ".").join("/")
  const refused = pathRefused(name)
  return refused === undefined ? Effect.succeed(name) : Effect.fail(refused)
}
