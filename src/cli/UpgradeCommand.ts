/** `holdfast upgrade`. */
import { Effect, FileSystem, Layer, Option, Path, SemVer } from "effect"
import { Command, Flag } from "effect/cli"
import { packageRoot, Version } from "../domain/index.ts"
import { Refused } from "./Failures.ts"
import { note, print, printJson } from "./Output.ts"
import { parseVersion, VersionSource } from "./VersionSource.ts"

/**
 * Says whether there is a newer version, and how to get it. Changes nothing; nothing else in Holdfast asks, so that no
 * start waits for an answer.
 *
 * @ref LLP 0013#holdfast-upgrade [implements]
 */
export const upgradeCommand = Command.make(
  "upgrade",
  {
    check: Flag.Boolean("check").pipe(
      Flag.withDescription("Only say whether there is a newer version"),
      Flag.withDefault(false)
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false))
  },
  Effect.fnUntraced(
    function* ({ check, json }) {
      const current = yield* Version
      const source = yield* VersionSource
      const url = yield* source.url
      if (Option.isNone(url)) {
        const nowhere: Verdict = { verdict: "no_source", current, offered: null, source: null, run: null }
        if (json) return yield* printJson(nowhere)
        yield* print(`No source configured: this is ${current}, and nobody was asked.`)
        return yield* note("Name the URL of a VERSION file: HOLDFAST_VERSION_URL=https://… holdfast upgrade --check")
      }
      const own = yield* Option.match(parseVersion(current), {
        onNone: () => new Refused({ message: "The VERSION file of this program is damaged: install Holdfast again." }),
        onSome: Effect.succeed
      })
      const offer = yield* source.ask(url.value)
      const order = SemVer.Order(own.version, offer.version)
      const verdict = order === 0 ? "up_to_date" : order < 0 ? "available" : "ahead"
      const run = verdict === "available" || !check ? yield* installLine(url.value) : null
      const found: Verdict = { verdict, current, offered: offer.text, source: url.value, run }
      if (json) return yield* printJson(found)
      yield* print(say(found))
      if (run === null) return
      yield* print(verdict === "available" ? `To upgrade: ${run}` : `Upgrades are made by: ${run}`)
      if (!check) yield* note(KEPT)
    },
    Effect.provide(Layer.mergeAll(VersionSource.layer, Version.layer))
  )
).pipe(
  Command.withDescription(
    "Say whether there is a newer version, and how to get it. Asks HOLDFAST_VERSION_URL once, and changes nothing."
  ),
  Command.withShortDescription("Whether there is a newer version"),
  Command.withExamples([
    { command: "holdfast upgrade --check", description: "Already up to date, or upgrade available" },
    { command: "holdfast upgrade", description: "The same, with what to run" },
    { command: "holdfast upgrade --check --json", description: "For programs" }
  ])
)

/** What `--json` prints. */
interface Verdict {
  readonly verdict: "up_to_date" | "available" | "ahead" | "no_source"
  readonly current: string
  /** Null without a source. */
  readonly offered: string | null
  /** The URL that was asked. */
  readonly source: string | null
  /** A line for the shell that installs the offered version. */
  readonly run: string | null
}

const say = ({ current, offered, verdict }: Verdict): string => {
  switch (verdict) {
    case "up_to_date":
      return `Already up to date (${current})`
    case "available":
      return `Upgrade available: ${current} → ${offered}`
    default:
      return `This is newer than what the source offers: ${current}, ${offered}`
  }
}

const KEPT =
  "It changes nothing under HOLDFAST_HOME, keeps this version for going back, and restarts no daemon: " +
  "holdfast daemon restart does, once it is there."

/** How to run the installer of this installation; one that it did not make itself is told where to get the source. */
const installLine = Effect.fnUntraced(function* (url: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = yield* packageRoot
  const prefix = path.dirname(path.dirname(root))
  const installed =
    path.basename(path.dirname(root)) === "versions" &&
    (yield* Effect.orElseSucceed(fs.exists(path.join(prefix, "current")), () => false))
  const where = installed ? `--prefix ${quote(prefix)}` : "--source GIT_URL"
  return `sh ${quote(path.join(installed ? path.join(prefix, "current") : root, "install.sh"))} --version-url ${quote(url)} ${where}`
})

/** One word of a shell, whatever it holds. */
const quote = (text: string): string => (/^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)
