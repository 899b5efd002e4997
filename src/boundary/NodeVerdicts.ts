/** A plugin's tree of packages against the shared packages of a Node host. */
import { Effect, FileSystem, Option, Path, Predicate } from "effect"
import type { CoreLockFile } from "../domain/index.ts"
import { rangeContains } from "./NodeRange.ts"
import { readNodeTree, type TreePackage } from "./NodeTree.ts"

/** One reason why a plugin tree is refused. */
export interface NodeVerdict {
  readonly verdict: "core_conflict" | "range_unreadable" | "alias" | "bundled_copy" | "nested_copy"
  /** The shared package. */
  readonly name: string
  /** What the host has. */
  readonly has: string
  /** `name version` of who asks for it or brings it. */
  readonly asker: string
  /** Its place in the tree. */
  readonly at: string
  /** Who asks for what, where, what the host has, and what to do. */
  readonly message: string
}

/**
 * Judges a tree: every range for a shared package contains the host's version, and no copy of one lies in the tree, by
 * whatever name. `host`: the host's directory, if it is known; links to its own copies are fine.
 *
 * @ref LLP 0022#plugins-of-node-hosts [implements]
 */
export const judgeNodeTree = Effect.fn("boundary.judgeNodeTree")(function* (
  lock: CoreLockFile,
  directory: string,
  host: string | null
) {
  const shared = new Map(lock.distributions.map(({ name, version }) => [name, version] as const))
  const own = host === null ? null : yield* hostCopies(host, [...shared.keys()])
  const packages = yield* readNodeTree(directory, own ?? new Set())
  return packages.flatMap((each) => [...copyOf(each, shared, own), ...requestsOf(each, shared)])
})

/** Where the host's own copies really lie, as it would resolve them. */
const hostCopies = Effect.fnUntraced(function* (host: string, names: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const copies = new Set<string>()
  for (const name of names) {
    for (let folder = path.resolve(host); ; folder = path.dirname(folder)) {
      const copy = yield* Effect.option(fs.realPath(path.join(folder, "node_modules", name)))
      if (Option.isSome(copy)) copies.add(copy.value)
      if (Option.isSome(copy) || folder === path.dirname(folder)) break
    }
  }
  return copies
})

type Shared = ReadonlyMap<string, string>

const nameOf = ({ manifest }: TreePackage): string | null => (Predicate.isString(manifest?.name) ? manifest.name : null)

/** `name version`, as far as its package.json says. */
const label = (each: TreePackage): string => {
  const version = each.manifest?.version
  const name = nameOf(each) ?? each.importedAs ?? (each.at === "." ? "the plugin" : each.at)
  return Predicate.isString(version) ? `${name} ${version}` : name
}

/** `own`: where the host's copies lie; null where its directory is not known. */
const copyOf = (each: TreePackage, shared: Shared, own: ReadonlySet<string> | null): ReadonlyArray<NodeVerdict> => {
  const name = [nameOf(each), each.importedAs].find((known) => known !== null && shared.has(known))
  if (name === null || name === undefined) return []
  // A package.json that only says how to read the files beside it names no package.
  if (each.importedAs === null && !Predicate.isString(each.manifest?.version)) return []
  const has = shared.get(name) ?? ""
  if (each.linkTo !== null && own?.has(each.linkTo) === true) return []
  const as = each.importedAs !== null && each.importedAs !== name ? ` under the name ${each.importedAs}` : ""
  const link =
    each.linkTo === null
      ? ""
      : ` It is a link to ${each.linkTo}, which ${own === null ? "may be" : "is"} another copy than the host's` +
        (own === null ? " (name the host's directory with --host to allow links into it)." : ".")
  return [
    {
      verdict: "nested_copy",
      name,
      has,
      asker: label(each),
      at: each.at,
      message:
        `${each.at} is a copy of ${name} (${label(each)})${as}, and the host has ${name} ${has} itself: its objects would ` +
        `be of other classes.${link} Make it a peer dependency and remove the copy (npm install --omit=peer).`
    }
  ]
}

const FIELDS = ["dependencies", "optionalDependencies", "peerDependencies"] as const

const requestsOf = (each: TreePackage, shared: Shared): ReadonlyArray<NodeVerdict> => {
  const { manifest } = each
  if (manifest === null) return []
  const asker = label(each)
  const where = each.at === "." ? "package.json" : `${each.at}/package.json`
  const asked = FIELDS.flatMap((field) =>
    Object.entries(manifest[field] ?? {}).flatMap(([name, range]) =>
      judgeRange({ asker, where, field, name, range }, shared)
    )
  )
  const bundled = [manifest.bundleDependencies, manifest.bundledDependencies].flatMap((list) =>
    list === true
      ? Object.keys(manifest.dependencies ?? {})
      : Array.isArray(list)
        ? list.filter(Predicate.isString)
        : []
  )
  const bundles = [...new Set(bundled)].flatMap((name): ReadonlyArray<NodeVerdict> => {
    const has = shared.get(name)
    if (has === undefined) return []
    const message =
      `${asker} bundles ${name} (bundleDependencies in ${where}), and the host has ${name} ${has} itself. ` +
      "Take it out of the bundle and make it a peer dependency."
    return [{ verdict: "bundled_copy", name, has, asker, at: each.at, message }]
  })
  return [...asked, ...bundles].map((verdict) => ({ ...verdict, at: each.at }))
}

interface Request {
  readonly asker: string
  readonly where: string
  readonly field: string
  readonly name: string
  readonly range: unknown
}

const judgeRange = (
  { asker, field, name, range, where }: Request,
  shared: Shared
): ReadonlyArray<Omit<NodeVerdict, "at"> & { readonly at: string }> => {
  const text = Predicate.isString(range) ? range.trim() : JSON.stringify(range)
  const alias = /^npm:((?:@[^/@]+\/)?[^@]+)(?:@(.*))?$/.exec(text)
  const target = alias?.[1] ?? name
  // An alias that stands in the place of a shared package, or brings one by another name.
  const own = shared.has(name) ? name : target
  const has = shared.get(own)
  if (has === undefined) return []
  const asks = `${asker} asks for ${name} ${text === "" ? "*" : text} (${field} in ${where})`
  const verdict = (kind: NodeVerdict["verdict"], message: string) => [
    { verdict: kind, name: own, has, asker, at: "", message }
  ]
  if (alias !== null) {
    const what = shared.has(name) ? `puts another package in the place of ${own}` : `brings ${own} by another name`
    return verdict("alias", `${asks}, an alias that ${what}; the host has ${own} ${has}. Ask for ${own} itself.`)
  }
  return Option.match(rangeContains(text, has), {
    onNone: () =>
      verdict(
        "range_unreadable",
        `${asks}, which is no range of versions, so nobody can say that it means the host's ${has}. Write a range.`
      ),
    onSome: (contains) =>
      contains
        ? []
        : verdict("core_conflict", `${asks}, and the host has ${own} ${has}. Use a version of it that fits the host.`)
  })
}
