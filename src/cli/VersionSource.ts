/** Where newer versions are announced: one file named VERSION behind a URL. */
import { Config, Context, Effect, FileSystem, Layer, Option, Path, Predicate, Result, Schema, SemVer } from "effect"
import { FetchHttpClient } from "effect/http"
import { packageRoot, VersionText } from "../domain/index.ts"
import { makeOutgoing } from "../http/index.ts"
import { Refused } from "./Failures.ts"

/** The whole check, ms: every redirect and the body to its end. */
const PATIENCE_MS = 5_000
/** Bytes of an answer that are read; a version has at most 64. */
const BYTES_MAX = 65_536
/** Characters of a version. */
const VERSION_MAX = 64
/** Above this, numbers of a version are refused: what a shell and JavaScript count alike has 15 digits. */
const NUMBER_MAX = 999_999_999_999_999

/** A version that may be compared and printed. */
export interface Offer {
  readonly version: SemVer.SemVer
  readonly text: string
}

/**
 * Reads a version of ours or of another place, exactly as `install.sh` does: the pattern first, then semver's own rules.
 *
 * @ref LLP 0013#what-a-version-is [implements]
 */
export const parseVersion = (text: string): Option.Option<Offer> => {
  if (text.length > VERSION_MAX || Option.isNone(decodeText(text))) return Option.none()
  return Option.filter(
    Option.map(Result.getSuccess(SemVer.parse(text)), (version) => ({ version, text })),
    ({ version: { major, minor, patch, prerelease } }) =>
      [major, minor, patch, ...prerelease].every((part) => !Predicate.isNumber(part) || part <= NUMBER_MAX)
  )
}

const decodeText = Schema.decodeUnknownOption(VersionText)

/** The announcement of versions. */
export class VersionSource extends Context.Service<
  VersionSource,
  {
    /** `HOLDFAST_VERSION_URL`, else `VERSION` below the package's `homepage`, else nothing. */
    readonly url: Effect.Effect<Option.Option<string>, Refused>
    /** Asks once, for 5 s at most. */
    readonly ask: (url: string) => Effect.Effect<Offer, Refused>
  }
>()("holdfast/cli/VersionSource") {
  static readonly layer = Layer.effect(
    VersionSource,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const root = yield* packageRoot
      const send = yield* makeOutgoing({
        peer: "what announces versions",
        remedy: "Nobody on the way may answer in its place.",
        maxBytes: BYTES_MAX,
        deadlineMs: PATIENCE_MS,
        mayFollow
      })
      const chosen = yield* Config.option(Config.NonEmptyString("HOLDFAST_VERSION_URL"))

      const homepage = fs.readFileString(path.join(root, "package.json")).pipe(
        Effect.flatMap(Schema.decodeUnknownEffect(Manifest)),
        Effect.mapError(
          () => new Refused({ message: `${path.join(root, "package.json")} cannot be read: install Holdfast again.` })
        ),
        Effect.map(({ homepage }) => Option.flatMap(Option.fromNullishOr(homepage), below))
      )

      const ask = Effect.fn("VersionSource.ask")(function* (url: string) {
        const parsed = URL.parse(url)
        if (parsed === null || !isFetchable(parsed)) {
          return yield* new Refused({
            message:
              "HOLDFAST_VERSION_URL, or the homepage of the package, must be an http or https URL without user name " +
              "and password."
          })
        }
        const { body, status } = yield* send({ method: "GET", url: parsed.href }).pipe(
          Effect.mapError(
            ({ message }) => new Refused({ message: `No version could be learned: ${message} ${UNCHANGED}` })
          )
        )
        if (status !== 200) return yield* refuse(url, `answered HTTP ${status}.`)
        if (body === null)
          return yield* refuse(url, `answered with more than ${BYTES_MAX / 1024} KiB: that is no version.`)
        const offer = parseVersion(trim(new TextDecoder("utf-8", { ignoreBOM: true }).decode(body)))
        return yield* Option.match(offer, {
          onNone: () => refuse(url, `answered with what is no version: ${describe(body)}.`),
          onSome: Effect.succeed
        })
      })

      return VersionSource.of({
        url: Option.isSome(chosen) ? Effect.succeed(chosen) : homepage,
        ask
      })
    })
  ).pipe(Layer.provide(FetchHttpClient.layer))
}

const Manifest = Schema.fromJsonString(Schema.Struct({ homepage: Schema.optionalKey(Schema.NonEmptyString) }))

const isFetchable = ({ password, protocol, username }: URL): boolean =>
  (protocol === "https:" || protocol === "http:") && username === "" && password === ""

// @ref LLP 0013#one-request [implements]: redirects of a browser, but never from https to http
const mayFollow = (from: URL, to: URL): boolean =>
  isFetchable(to) && !(from.protocol === "https:" && to.protocol !== "https:")

/** `VERSION` below a page. */
const below = (page: string): Option.Option<string> => {
  const url = URL.parse(page)
  return url === null ? Option.none() : Option.some(`${url.origin}${url.pathname.replace(/\/+$/, "")}/VERSION`)
}

const UNCHANGED = "Nothing was changed, and what runs goes on."

/** A URL without what may be secret in it. */
const shown = (url: string): string => {
  const parsed = URL.parse(url)
  return parsed === null ? "an unreadable URL" : `${parsed.origin}${parsed.pathname}`
}

const refuse = (url: string, what: string): Effect.Effect<never, Refused> =>
  Effect.fail(
    new Refused({
      message:
        `No version could be learned: ${shown(url)} ${what} ` +
        `Check HOLDFAST_VERSION_URL and the network. ${UNCHANGED}`
    })
  )

/** Without spaces and line ends around it; any other invisible character makes it no version. */
const trim = (text: string): string => text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "")

/** What was sent instead of a version, without a byte of it. */
const describe = (body: Uint8Array): string => {
  const text = trim(new TextDecoder().decode(body))
  if (text === "") return "nothing"
  if (text.startsWith("<")) return `${body.length} bytes that look like a web page`
  if (/[\r\n]/.test(text)) return `${body.length} bytes in more than one line`
  return `${body.length} bytes that do not look like 1.2.3 or 1.2.3-rc.1`
}
