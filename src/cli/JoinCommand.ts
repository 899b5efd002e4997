/** `holdfast join`. */
import { Effect, Option, Path } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { checkCentralUrl, Home, normaliseUrl, seedDocument } from "../domain/index.ts"
import { DaemonLock } from "../storage/index.ts"
import { Refused, Unsuccessful } from "./Failures.ts"
import { type Joined, knownJoin, sameJoin } from "./JoinKnown.ts"
import { readAuthority, readToken } from "./JoinSecrets.ts"
import { findDaemon, type LiveDaemon } from "./LiveDaemon.ts"
import { loadInspection } from "./LocalServices.ts"
import { note, plain, print, printJson } from "./Output.ts"

const flags = {
  url: Argument.String("url").pipe(
    Argument.withDescription("Base URL of central, such as https://central.example.com")
  ),
  token: Argument.String("token").pipe(
    Argument.withDescription("The policy token; better given by --token-file or standard input"),
    Argument.optional
  ),
  tokenFile: Flag.String("token-file").pipe(
    Flag.withMetavar("<file | ->"),
    Flag.withDescription("Read the policy token from a file, or from standard input (-)"),
    Flag.optional
  ),
  noDaemon: Flag.Boolean("no-daemon").pipe(
    Flag.withoutNegation,
    Flag.withDescription("Write the joining intent, and neither install nor restart the daemon"),
    Flag.withDefault(false)
  ),
  dryRun: Flag.Boolean("dry-run").pipe(
    Flag.withDescription("Say what would be done, and write nothing"),
    Flag.withDefault(false)
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false)),
  ca: Flag.String("ca").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("Trust these certificate authorities (PEM) besides the system's"),
    Flag.optional
  ),
  allowInsecureHttp: Flag.Boolean("allow-insecure-http").pipe(
    Flag.withDescription("Accept http to a host that is not loopback: the token crosses the network in the clear"),
    Flag.withDefault(false)
  )
}

/** Writes the joining intent, and has a live daemon take it up. */
export const joinCommand = Command.make(
  "join",
  flags,
  Effect.fnUntraced(function* (input) {
    const { href } = yield* Effect.fromResult(checkCentralUrl(input.url, input))
    const url = normaliseUrl(href)
    const token = yield* readToken(input)
    const ca = Option.getOrUndefined(yield* readAuthority(input.ca))
    const wanted: Joined = { url, token, ca, allowInsecureHttp: input.allowInsecureHttp }
    const layer = yield* loadInspection
    const report = yield* join(wanted, input).pipe(Effect.provide(layer))
    yield* input.json ? printJson(report) : print(report.message)
    if (report.refused) return yield* new Unsuccessful({ message: "central does not accept the token" })
  })
).pipe(
  Command.withDescription("Join this machine to a fleet: from then on central says what it runs."),
  Command.withShortDescription("Join this machine to a fleet"),
  Command.withExamples([
    { command: "holdfast join https://central.example.com --token-file token.txt" },
    { command: "printenv TOKEN | holdfast join https://central.example.com", description: "Token on standard input" },
    { command: "holdfast join http://127.0.0.1:7070 --token-file - --dry-run < token.txt" }
  ])
)

/** What a join did, or would do. */
interface JoinReport {
  readonly url: string
  readonly already_joined: boolean
  readonly dry_run: boolean
  /** What of another join goes; null when there was none. */
  readonly replaces: { readonly url: string | null; readonly etag: string | null } | null
  /** The intent that was written. */
  readonly intent: string | null
  readonly daemon: "restarting" | "installed" | "stopped" | "not asked"
  /** The first revision of the fleet that runs, with its quotes. */
  readonly revision: string | null
  /** Central does not take this token: waiting does not help. */
  readonly refused: boolean
  readonly message: string
}

interface JoinOptions {
  readonly dryRun: boolean
  readonly noDaemon: boolean
}

/** What a join does about the daemon once the intent is written. */
const whatThen = Effect.fnUntraced(function* (daemon: Option.Option<LiveDaemon>) {
  if (Option.isSome(daemon)) return `Then it would have the daemon (pid ${daemon.value.pid}) restart into it.`
  const { nameForJoin } = yield* Effect.promise(() => import("./DaemonForJoin.ts"))
  const name = yield* nameForJoin
  return name === null
    ? "No service manager is here, so starting the daemon would be yours."
    : `Then it would install and start the service ${name}: holdfast daemon install --dry-run shows how.`
})

const join = Effect.fnUntraced(function* (wanted: Joined, { dryRun, noDaemon }: JoinOptions) {
  const home = yield* Home
  const { ControlFiles } = yield* Effect.promise(() => import("../config/index.ts"))
  const control = yield* ControlFiles
  const known = Option.getOrNull(yield* knownJoin)
  const intent = (yield* Path.Path).join(home.control, "join.json")
  const same = known !== null && !known.leaving && (yield* sameJoin(known, wanted))
  const replaces = known === null || same ? null : { url: known.url, etag: known.etag }
  const daemon = noDaemon ? Option.none<LiveDaemon>() : yield* findDaemon
  const report: JoinReport = {
    url: wanted.url,
    already_joined: same && !known.pending,
    dry_run: dryRun,
    replaces,
    intent: null,
    daemon: "not asked",
    revision: null,
    refused: false,
    message: ""
  }

  if (report.already_joined) {
    const message = `This machine is already joined to ${wanted.url}.`
    if (noDaemon) return { ...report, message }
    if (Option.isNone(daemon)) {
      return {
        ...report,
        message: `${message} No daemon runs for this home: holdfast daemon, or holdfast daemon install`
      }
    }
    const { refusalOf } = yield* Effect.promise(() => import("./JoinWait.ts"))
    const refusal = yield* refusalOf(daemon.value)
    return refusal === null ? { ...report, message } : { ...report, refused: true, message: refusal }
  }
  const what = replaces === null ? "" : replacement(replaces)
  if (dryRun) {
    const then = noDaemon ? "" : ` ${yield* whatThen(daemon)}`
    const would = same ? `The joining intent ${intent} is` : `Would write the joining intent ${intent}`
    return { ...report, message: `${what}${would} for ${wanted.url}.${then}` }
  }
  if (what !== "") yield* note(what.trim())
  if (known?.leaving === true) {
    // Otherwise the next start would carry out the leaving, and this join with it.
    yield* Effect.scoped(Effect.andThen((yield* DaemonLock).acquire(home.root), control.executeLeave))
  }
  // One that waits was written with --no-daemon, or its service could not be installed: now it is taken up.
  if (!same) {
    yield* control.writeJoin({
      document: seedDocument(wanted.url, wanted.token),
      ca: wanted.ca,
      allowInsecureHttp: wanted.allowInsecureHttp
    })
  }
  const wrote = same ? `The joining intent ${intent} is written already.` : `Wrote the joining intent ${intent}.`
  const written: JoinReport = { ...report, intent, message: `${wrote} ${START}` }
  if (noDaemon) return written
  const stopped: JoinReport = {
    ...written,
    daemon: "stopped",
    message: `${wrote} No daemon runs for this home yet. ${START}`
  }
  if (Option.isNone(daemon)) {
    const { installForJoin } = yield* Effect.promise(() => import("./DaemonForJoin.ts"))
    const service = yield* installForJoin(intent)
    if (service === null) return stopped
    yield* note(`The service ${service} is installed and started, and takes up the joining intent.`)
    const { firstRevision } = yield* Effect.promise(() => import("./JoinWait.ts"))
    return { ...stopped, daemon: "installed", ...(yield* firstRevision({ service })) }
  }
  const { restartIntoFleet } = yield* Effect.promise(() => import("./JoinWait.ts"))
  return yield* restartIntoFleet(daemon.value).pipe(
    Effect.map((first): JoinReport => ({ ...written, daemon: "restarting", ...first })),
    Effect.catchTag("DaemonGone", () => Effect.succeed(stopped)),
    Effect.catchTag("DaemonUnresponsive", ({ message }) =>
      Effect.fail(
        new Refused({
          message: `The joining intent ${intent} is written, but the daemon could not be asked to take it up. ${message}`
        })
      )
    )
  )
})

const replacement = ({ etag, url }: { readonly etag: string | null; readonly url: string | null }): string =>
  `This replaces the configuration of ${url ?? "the present central"}` +
  `${etag === null ? "" : ` (revision ${plain(etag)}, and what is kept of older ones)`}; ` +
  "your own config.json stays as it is. "

const START = "Start the daemon to take it up: holdfast daemon"
