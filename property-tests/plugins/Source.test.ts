/** Whatever is written as a source of a plugin: what is accepted is safe to hand to git and to show. */
import { Result } from "effect"
import * as fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import * as Source from "../../src/domain/PluginSource.ts"
import { loadMutant, removeMutants } from "../Mutants.ts"
import { describeFailure, hunt, options } from "../Options.ts"

const pieces = fc.constantFrom(
  "git+",
  "https://",
  "http://",
  "ssh://",
  "file:///",
  "ext::",
  "h.example",
  "127.0.0.1",
  "localhost",
  "[::1]",
  "-o",
  "-",
  "%2D",
  "%0a",
  "user",
  ":s3cret@",
  "s3cret@",
  "@",
  ":",
  ":22",
  "/",
  "/o/r.git",
  ".tgz",
  ".tar.gz",
  "?",
  "?token=s3cret",
  "?a=b&sig=s3cret",
  "#",
  "#main",
  "#v1",
  "..",
  ".",
  "~",
  "^",
  " ",
  "\t",
  "\n",
  "\0",
  "é",
  "💡",
  "\\",
  "@{1}",
  ".lock",
  "%"
)
const parts = [
  ["git+https://", "git+ssh://", "git+http://", "https://", "http://", "GIT+HTTPS://"],
  ["", "", "git@", "s3cret@", "user:s3cret@", ":s3cret@", "-oProxyCommand=x@", "%2Dx@"],
  [
    "h.example",
    "H.Example.",
    "127.0.0.1",
    "127.1",
    "localhost",
    "[::1]",
    "-oProxyCommand=x",
    "-host",
    "-host",
    "%2Dx",
    "xn--bcher-kva.example",
    "bücher.example"
  ],
  ["", "", ":443", ":22", ":x"],
  ["", "/", "/o/r.git", "/p.tgz", "/a/../p.tar.gz", "//r", "/~o/r", "/a%2fb", "/a%0ab", "/é", "/@o/p@1.tgz"],
  ["", "", "?", "?a=b", "?token=s3cret", "?a=b&sig=s3cret", "?to%6ben=s3cret"],
  ["", "", "#", "#main", "#-f", "#--upload-pack=x", "#a..b", "#a b", "#a~1", "#é", "#a#b", "#%2F", "#@{1}"]
] as const
const composed = fc.tuple(...parts.map((choices) => fc.constantFrom(...choices))).map((chosen) => chosen.join(""))
const text = fc.oneof(
  { weight: 8, arbitrary: composed },
  fc.tuple(composed, pieces).map((both) => both.join("")),
  fc.array(pieces, { maxLength: 8 }).map((some) => some.join("")),
  fc.webUrl({ withFragments: true, withQueryParameters: true }).map((url) => `git+${url}`),
  fc.webUrl({ withQueryParameters: true }).map((url) => url.replace(/(\?|$)/, ".tgz$1")),
  fc.string({ unit: "binary" })
)
const version = fc.option(fc.constantFrom("1.2.3", "-1", "1..2", "1.0.0+b", ""))

/** Why an answer is wrong; undefined when it is right. */
const wrongIn = (
  { parseSource, showSource }: typeof Source,
  written: string,
  pinned: string | null,
  mayBeLocal: boolean
) => {
  const answer = parseSource(written, { version: pinned, mayBeLocal })
  if (Result.isFailure(answer)) {
    const { message } = answer.failure
    const isPath = /^[./]/.test(written)
    if (/\p{Cc}/u.test(message) || (!isPath && /s3cret@|=s3cret/.test(message)))
      return `the message repeats what it must not: ${message}`
    return message.length > 600 ? "the message is too long" : undefined
  }
  const source = answer.success
  const shown = showSource(source)
  const again = parseSource(shown, { version: null, mayBeLocal })
  if (Result.isFailure(again)) return `what is shown is refused: ${shown}: ${again.failure.message}`
  if (JSON.stringify(again.success) !== JSON.stringify(source)) return `what is shown is another source: ${shown}`
  if (/[\p{Cc}]/u.test(shown)) return "control characters are accepted"
  if (source.kind === "folder") return mayBeLocal ? undefined : "a document names a folder"
  const { hostname, password, protocol, searchParams, username } = new URL(source.url)
  if (
    password !== "" ||
    (protocol !== "ssh:" && username !== "") ||
    ["token", "sig"].some((key) => searchParams.has(key))
  )
    return "a secret is accepted"
  if (protocol === "http:" && !/^(127\.\d+\.\d+\.\d+|\[::1\]|(.*\.)?localhost\.?)$/.test(hostname))
    return "http leaves the machine"
  const parts = [
    source.url,
    ...[hostname, username].map(decodeURIComponent),
    source.kind === "git" ? (source.ref ?? "") : ""
  ]
  if (parts.some((part) => part.startsWith("-"))) return "an option is accepted"
  if (source.kind === "tarball") return undefined
  if (pinned !== null && source.ref !== `v${pinned}`) return "the pinned version does not count"
  return source.ref !== null && /^$|[\s~^:?*[\\]|\.\.|@\{/.test(source.ref)
    ? "a ref is accepted that git refuses"
    : undefined
}

const check = (source: typeof Source, parameters: fc.Parameters<[string, string | null, boolean]>) =>
  fc.check(
    fc.property(text, version, fc.boolean(), (written, pinned, mayBeLocal) => {
      const wrong = wrongIn(source, written, pinned, mayBeLocal)
      if (wrong !== undefined) throw new Error(wrong)
    }),
    parameters
  )

const mutants: ReadonlyArray<readonly [change: string, search: string, replacement: string]> = [
  [
    "takes a folder from a document",
    "if (mayBeLocal) return parseFolder(text)",
    "if (text.length > 0) return parseFolder(text)"
  ],
  ["takes a token for a user name", `(url.protocol !== "ssh:" && url.username !== "")`, "false"],
  [
    "does not look at the password of ssh",
    `url.password !== "" ||`,
    `(url.protocol !== "ssh:" && url.password !== "") ||`
  ],
  ["does not look at queries", ".some((key) => SECRET_KEYS.test(key))", ".includes(SECRET_KEYS.source)"],
  ["lets the host be an option", "[a-z0-9][a-z0-9._-]*)$/i.test(url.hostname)", "[a-z0-9%._-]*)$/i.test(url.hostname)"],
  ["lets the ref be an option", `if (ref.startsWith("-")) return`, `if (ref === "--") return`],
  ["lets http go anywhere", "!isLoopbackHost(url.hostname)", "isLoopbackHost(url.pathname)"],
  ["forgets the ref", "`#${source.ref}`", '""'],
  ["takes the ref beside the version", "const ref = version === null ? named : `v${version}`", "const ref = named"],
  ["repeats what it refuses", "`${protocol}//${host}${pathname}`", "text"],
  ["lets a ref be anything", 'return "holds a space or one of ~ ^ : ? * [ \\\\"', "return undefined"]
]

describe("sources of plugins", () => {
  afterAll(removeMutants)

  it("are refused, or are safe and read again as the same", () => {
    const details = check(Source, options(10))
    expect(details.failed ? `${describeFailure(details)} ${String(details.errorInstance)}` : null).toBeNull()
  })

  it.each(mutants)("are not so in a program that %s", async (_, search, replacement) => {
    const mutant = await loadMutant<typeof Source>("src/domain/PluginSource.ts", search, replacement)
    expect(check(mutant, hunt).failed).toBe(true)
  })
})
