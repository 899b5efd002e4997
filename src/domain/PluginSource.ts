/** Where a plugin or agents come from, as a document or a command line names it. */
import { Result } from "effect"
import { isLoopbackHost } from "./CentralProtocol.ts"
import { PluginNotInstalled } from "./Plugins.ts"

/** A repository, and what of it. */
export interface GitSource {
  readonly kind: "git"
  /** As git is given it: without `git+`, and without a secret. */
  readonly url: string
  /** A tag, a branch or a commit (40 hex digits); null: the remote's HEAD. */
  readonly ref: string | null
  readonly protocol: "https" | "ssh" | "http"
}

/** Where an artifact is fetched from. Everything in it is safe to show. */
export type PluginSource =
  | GitSource
  | { readonly kind: "tarball"; readonly url: string }
  | { readonly kind: "folder"; readonly path: string }

export interface SourceOptions {
  /** The pinned version, which decides what is taken from a repository. */
  readonly version: string | null
  /** Whether a folder of this machine may be named: at its command line, never in a served document. */
  readonly mayBeLocal: boolean
}

type Parsed<A> = Result.Result<A, PluginNotInstalled>

const LONGEST = 2_048

const FORMS =
  "Write git+https://HOST/PATH#REF, git+ssh://USER@HOST/PATH#REF, or https://HOST/PATH.tgz; a REF is a tag, a branch or " +
  "a commit, and a pinned version takes its place."

/** Reads a source. What could be an option of git, a secret, or another machine's cleartext is refused. */
export const parseSource = (text: string, { mayBeLocal, version }: SourceOptions): Parsed<PluginSource> => {
  if (text === "") return refuse(text, `is empty. ${FORMS}`)
  if (text.length > LONGEST) return refuse(text, `is longer than ${LONGEST} characters. ${FORMS}`)
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text) || !text.isWellFormed()) {
    return refuse(text, "holds characters that cannot be printed: remove them.")
  }
  if (text.startsWith("-")) return refuse(text, "begins with `-`, which git would take for an option.")
  if (/^(\.{0,2}\/|\.{1,2}$|file:)/i.test(text)) {
    if (mayBeLocal) return parseFolder(text)
    return refuse(
      text,
      "is a path of this machine, which a document may never name: publish the plugin as a git repository or a tarball."
    )
  }
  const [, git, scheme] = /^(git\+)?([a-z][a-z0-9+.-]*):\/\//i.exec(text) ?? []
  switch (`${git ?? ""}${scheme ?? ""}`.toLowerCase()) {
    case "git+https":
    case "git+ssh":
    case "git+http":
      return parseGit(text, version)
    case "https":
    case "http":
      return parseTarball(text)
    case "ssh":
      return refuse(text, "names no kind of source: write git+ssh:// for a repository.")
    case "git":
    case "git+git":
      return refuse(text, "uses git's own protocol, which is neither encrypted nor signed: write git+https://.")
    case "":
      return refuse(
        text,
        mayBeLocal
          ? `names no kind of source. ${FORMS} A folder of this machine begins with / or ./`
          : `names no kind of source. ${FORMS}`
      )
    default:
      return refuse(text, `is of a kind that nothing is installed from. ${FORMS}`)
  }
}

/** Its normal form, which {@link parseSource} reads as the same source: for people, and for the lock. */
export const showSource = (source: PluginSource): string => {
  switch (source.kind) {
    case "git":
      return `git+${source.url}${source.ref === null ? "" : `#${source.ref}`}`
    case "tarball":
      return source.url
    case "folder":
      return source.path
  }
}

const parseFolder = (text: string): Parsed<PluginSource> => {
  if (!/^file:/i.test(text)) return Result.succeed({ kind: "folder", path: text })
  const path = Result.try(() => decodeURIComponent(new URL(text).pathname))
  return Result.isSuccess(path) && URL.parse(text)?.host === "" && !/[?#]|%[01][0-9a-f]|%7f/i.test(text)
    ? Result.succeed({ kind: "folder", path: path.success })
    : refuse(text, "is no file URL of this machine: write the path itself.")
}

const parseGit = (text: string, version: string | null): Parsed<PluginSource> => {
  const at = text.indexOf("#")
  const named = at < 0 ? null : text.slice(at + 1)
  return Result.flatMap(parseUrl(at < 0 ? text : text.slice(0, at), "git+".length), (url) => {
    if (named !== null && version !== null) {
      return refuse(
        text,
        "names a ref beside a pinned version, and version 1.2.3 stands for the tag v1.2.3: remove one of the two.",
        "source_ambiguous"
      )
    }
    if (url.href.includes("?")) return refuse(text, "has a query, which git cannot ask with: remove it.")
    if (/^\/*$/.test(url.pathname)) return refuse(text, "names a host and no repository: add its path.")
    const ref = version === null ? named : `v${version}`
    const wrong = ref === null ? undefined : wrongRef(ref)
    if (wrong !== undefined) return refuse(text, `has a ref that git does not allow, for it ${wrong}: correct it.`)
    return Result.succeed({ kind: "git", url: url.href, ref, protocol: PROTOCOLS[url.protocol] ?? "https" })
  })
}

const PROTOCOLS: Readonly<Record<string, GitSource["protocol"]>> = { "https:": "https", "ssh:": "ssh", "http:": "http" }

const parseTarball = (text: string): Parsed<PluginSource> =>
  Result.flatMap(parseUrl(text, 0), (url) => {
    if (text.includes("#")) {
      return refuse(text, "has a `#`, which means nothing beside a tarball: pin its content with `artifact_hash`.")
    }
    if (!/\.(tgz|tar\.gz)$/i.test(url.pathname)) {
      return refuse(
        text,
        "is no tarball, for its path does not end in .tgz or .tar.gz: for a repository, write git+https://."
      )
    }
    if ([...url.searchParams.keys()].some((key) => SECRET_KEYS.test(key))) {
      return refuse(text, `has a query that looks like a secret. ${NO_SECRETS}`)
    }
    return Result.succeed({ kind: "tarball", url: url.href })
  })

const SECRET_KEYS = /token|secret|passw|signature|credential|api[-_]?key|^(auth|authorization|sig)$/i

const NO_SECRETS =
  "Whoever reads the document would have it: remove it (and renew it), and fetch what is private by git with git's " +
  "credential helper or an ssh key."

/** A URL without secrets, to a machine that may be asked. `skip`: the length of what stands before it. */
const parseUrl = (text: string, skip: number): Parsed<URL> => {
  const url = URL.parse(text.slice(skip))
  if (url === null || url.host === "" || /\s/.test(text)) return refuse(text, `is no URL. ${FORMS}`)
  if (url.password !== "" || (url.protocol !== "ssh:" && url.username !== "")) {
    return refuse(text, `has a password or a token in it. ${NO_SECRETS}`)
  }
  // git decodes the parts of an ssh URL, and hands them to a program that takes what begins with `-` for an option.
  if (!/^(\[[0-9a-f:.]+\]|[a-z0-9][a-z0-9._-]*)$/i.test(url.hostname) || !/^([a-z0-9_][\w.-]*)?$/i.test(url.username)) {
    return refuse(text, "has a host or a user that is no name: correct it.")
  }
  if (/%([01][0-9a-f]|7f)/i.test(url.href)) return refuse(text, "holds control characters: remove them.")
  return url.protocol === "http:" && !isLoopbackHost(url.hostname)
    ? refuse(text, "would cross the network in the clear, where anybody can change it: use https.")
    : Result.succeed(url)
}

/** Why git has no such ref; git's own rules for names. */
const wrongRef = (ref: string): string | undefined => {
  if (ref === "") return "is empty"
  if (ref.length > 250) return "is longer than 250 characters"
  if (ref.startsWith("-")) return "begins with `-`"
  if (/[\s~^:?*[\\]/.test(ref)) return "holds a space or one of ~ ^ : ? * [ \\"
  if (/\.\.|@\{|\/\/|\/\.|\.lock(\/|$)|^[./]|[./]$|^@$/.test(ref))
    return "holds `..`, `@{`, `//`, or ends or begins wrongly"
  return undefined
}

/** Names as much of a source as is no secret for sure. */
const refuse = (
  text: string,
  why: string,
  reason: PluginNotInstalled["reason"] = "source_forbidden"
): Result.Result<never, PluginNotInstalled> => {
  const { host = "", pathname = "", protocol = "" } = URL.parse(text.replace(/^git\+/i, "")) ?? {}
  // An `@` further on may end a password with a slash in it.
  const url = host === "" || /[^/]@/.test(pathname) ? "" : `${protocol}//${host}${pathname}`
  const known = /^[./]/.test(text) ? text : url
  const shown = /[\p{Cc}\p{Zl}\p{Zp}]/u.test(known) || known.length > 200 || known === "" ? "" : `${known} `
  return Result.fail(new PluginNotInstalled({ reason, message: `The source ${shown}${why}` }))
}
