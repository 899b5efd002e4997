/** What a service is, whichever manager runs it. */
import { Config, Effect, FileSystem, Option, Path, Schema } from "effect"
import { Home } from "../domain/index.ts"
import { durableProgram } from "./DurableProgram.ts"
import { ownUid } from "./OwnUid.ts"

/** For one user, or for the whole machine. */
export type ServiceScope = "user" | "system"

/** All that the text of a unit depends on. Paths are absolute. */
export interface ServiceDescription {
  readonly scope: ServiceScope
  /** The name of the service without a suffix: one per user in each scope. */
  readonly label: string
  readonly node: string
  readonly script: string
  /** `HOLDFAST_HOME`. */
  readonly home: string
  /** Whom a service of the machine runs as, when not as its manager. */
  readonly uid: number | null
  /** Folders that the daemon, agents and runs may write to besides its home. */
  readonly writable: ReadonlyArray<string>
  /** Everything but `HOLDFAST_HOME` and what every unit sets. */
  readonly environment: Readonly<Record<string, string>>
}

/** Text that no unit can hold, or that would mean something else in it. */
export class UnitRefused extends Schema.TaggedError<UnitRefused>()("UnitRefused", { message: Schema.String }) {}

/** What a service gets from the shell that installs it: managers start programs with next to nothing. */
const CARRIED = [
  "PATH",
  "HOLDFAST_PORT",
  "HOLDFAST_LOG_LEVEL",
  "HOLDFAST_PYTHON",
  "HOLDFAST_CORE_LOCK_PATH",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "NODE_EXTRA_CA_CERTS",
  "KUBECONFIG",
  "OTEL_EXPORTER_OTLP_ENDPOINT"
] as const

/** Those that Node reads before any of our code: one that it cannot use ends the daemon with a stack trace. */
const PROXIES: ReadonlySet<string> = new Set(["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"])

const URLS: ReadonlySet<string> = new Set([...PROXIES, "OTEL_EXPORTER_OTLP_ENDPOINT"])

/** A variable of the shell that no unit gets. */
export interface LeftOut {
  readonly name: string
  readonly why: "secret" | "unusable"
}

/** What the service gets from this shell, and what not. */
export const carriedEnvironment = Effect.gen(function* () {
  const environment: Record<string, string> = {}
  const leftOut: Array<LeftOut> = []
  for (const name of CARRIED) {
    const value = Option.getOrNull(yield* Config.option(Config.NonEmptyString(name)))
    if (value === null) continue
    const carried = PROXIES.has(name) ? proxyUrl(value) : value
    if (URLS.has(name) && mayHoldSecret(value)) leftOut.push({ name, why: "secret" })
    else if (carried === null) leftOut.push({ name, why: "unusable" })
    else environment[name] = carried
  }
  return { environment, leftOut }
})

/** The service of this home, and the variables that were left out. */
export const describeService = Effect.fn("service.describe")(function* (scope: ServiceScope) {
  const path = yield* Path.Path
  const home = yield* Home
  const { node, script } = yield* durableProgram
  const uid = yield* serviceUser(scope)
  const userHome = Option.getOrNull(yield* Config.option(Config.NonEmptyString("HOME")))
  const { environment, leftOut } = yield* carriedEnvironment
  const description: ServiceDescription = {
    scope,
    label: yield* serviceLabel(scope),
    node,
    script,
    home: home.root,
    uid,
    writable: [
      ...(userHome === null ? [] : [path.resolve(userHome)]),
      ...(scope === "system" ? ["/home"] : []),
      "/tmp",
      "/var/tmp"
    ],
    environment
  }
  return { description, leftOut }
})

/** Whom the service runs as, when not as its manager: of the machine, the owner of the home. */
const serviceUser = Effect.fnUntraced(function* (scope: ServiceScope) {
  const fs = yield* FileSystem.FileSystem
  const { root } = yield* Home
  const own = yield* ownUid
  const owner = yield* fs.stat(root).pipe(
    Effect.map(({ uid }) => Option.getOrElse(uid, () => own)),
    Effect.orElseSucceed(() => own)
  )
  return scope === "system" && owner !== 0 ? owner : null
})

/** The name of the service of this home: users do not share one. */
export const serviceLabel = (scope: ServiceScope) =>
  Effect.map(serviceUser(scope), (uid) => (uid === null ? "holdfast" : `holdfast-${uid}`))

/** A user, with or without a password, or a query, also where it is no whole URL: who reads units is not known. */
const mayHoldSecret = (value: string): boolean => /[@?#]/.test(value)

/** As Node can read it: HOST:PORT, which others take, is one of http, and a path is none of a proxy's. Null for others. */
const proxyUrl = (value: string): string | null => {
  const url = URL.parse(/^https?:/i.test(value) || value.includes("://") ? value : `http://${value}`)
  return url !== null && /^https?:$/.test(url.protocol) ? url.origin : null
}

/** A unit is text in lines: none of these can be written in one, and systemd refuses what is no character. */
const UNWRITABLE = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u

/** Every text of a description, checked: what is rendered can be read back. */
export const checkDescription = (description: ServiceDescription): Effect.Effect<ServiceDescription, UnitRefused> => {
  const { environment, home, node, script, writable } = description
  const bad = [
    ...Object.entries({ "the path of Node": node, "the path of the program": script, HOLDFAST_HOME: home }),
    ...writable.map((folder) => ["the path of a folder", folder] as const),
    ...Object.entries(environment)
  ].find(([, text]) => UNWRITABLE.test(text))
  return bad === undefined
    ? Effect.succeed(description)
    : Effect.fail(
        new UnitRefused({
          message: `${bad[0]} holds a line break or another character that no unit can hold. Change or unset it.`
        })
      )
}

const Mark = Schema.fromJsonString(Schema.Struct({ home: Schema.String }))

const MARK = "Written by holdfast daemon install: "

/** The line by which a unit is known as ours, with the home that it is for. No `--`, which ends comments in XML. */
export const markOf = ({ home }: ServiceDescription): string =>
  MARK + JSON.stringify({ home }).replaceAll("--", "-\\u002d")

/** The home that a unit of ours is for; `None` for a file of somebody else. */
export const homeOfUnit = (text: string): Option.Option<string> => {
  const line = text.split("\n").find((each) => each.includes(MARK)) ?? ""
  const json = /\{.*\}/.exec(line.slice(line.indexOf(MARK)))?.[0]
  return Option.map(Schema.decodeUnknownOption(Mark)(json), ({ home }) => home)
}
