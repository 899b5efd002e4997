/** `holdfast central backup` and `holdfast central restore`. */
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { Holdings } from "../central-server/index.ts"
import { dataFlag, jsonFlag } from "./CentralData.ts"
import { confirm } from "./Confirm.ts"
import { note, print, printJson } from "./Output.ts"

const load = Effect.promise(() =>
  import("../central-server/index.ts").then(({ backUp, prepareRestore }) => ({ backUp, prepareRestore }))
)

/** Copies a central into one file. */
export const backupCommand = Command.make(
  "backup",
  {
    file: Argument.String("file").pipe(Argument.withDescription("Where to write it; replaced when it is there")),
    data: dataFlag,
    json: jsonFlag
  },
  Effect.fnUntraced(function* ({ data, file, json }) {
    const { backUp } = yield* load
    const made = yield* backUp(data, file)
    if (json) return yield* printJson({ file, ...made })
    yield* print(`${file} holds ${sentence(made)}, as of ${made.backed_up_at}.`)
    yield* note("It holds this central's signing key: keep it like a password.")
  })
).pipe(
  Command.withDescription("Copy a central into one file, whether or not it runs."),
  Command.withShortDescription("Copy a central into one file"),
  Command.withExamples([{ command: "holdfast central backup central-monday.sqlite --data DIR" }])
)

/** Puts a copy in the place of a central. */
export const restoreCommand = Command.make(
  "restore",
  {
    file: Argument.String("file").pipe(Argument.withDescription("A file that `central backup` wrote")),
    data: dataFlag,
    yes: Flag.Boolean("yes").pipe(Flag.withDescription("Do not ask"), Flag.withDefault(false)),
    json: jsonFlag
  },
  Effect.fnUntraced(function* ({ data, file, json, yes }) {
    const { prepareRestore } = yield* load
    const { apply, backup, found } = yield* prepareRestore(data, file)
    yield* note(`${file} is whole: ${sentence(backup)}, as of ${backup.backed_up_at}.`)
    if (WARNINGS[found] !== "") yield* note(WARNINGS[found])
    yield* confirm(QUESTIONS[found], { yes: yes || found === "nothing" })
    const { kept, still_revoked } = yield* apply
    if (json) yield* printJson({ ...backup, found, kept, still_revoked })
    else yield* print(`${data} is put back to ${backup.backed_up_at}.`)
    if (kept !== null) yield* note(`What was there is kept as ${kept}.`)
    yield* note(
      found === "other"
        ? "Gateways of the central that was there are not known here: each has to join again."
        : "Gateways that joined since are taken in again when they poll."
    )
    if (found === "same") {
      const { gateways, tokens } = still_revoked
      yield* note(`What was revoked since stays revoked: ${count(gateways, "gateway")}, ${count(tokens, "token")}.`)
    } else {
      yield* note("Gateways and tokens that were revoked since the backup are not known to be: revoke them again.")
    }
    if (found !== "same") {
      yield* note("If a server runs on this directory, restart it now.")
    }
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Put a backup in the place of a central, whether or not it runs. What was there is kept as a file beside it."
  ),
  Command.withShortDescription("Put a backup back"),
  Command.withExamples([{ command: "holdfast central restore central-monday.sqlite --data DIR" }])
)

/** Said to whoever is asked, and to whoever is not. */
const WARNINGS = {
  nothing: "",
  same: "",
  other:
    "ANOTHER central is in this directory, which gave out identities of its own: its gateways would have to join again.",
  damaged: "What is in the directory is damaged."
} as const

const QUESTIONS = {
  nothing: "",
  same: "Put it in the place of the central that is there? What was saved and joined since the backup is lost to it.",
  other: "Put the backup in its place?",
  damaged: "Put the backup in its place?"
} as const

const sentence = ({ configs, gateways, revisions, rows, tokens }: Holdings): string =>
  `${count(configs, "config")} with ${count(revisions, "revision")}, ${count(gateways, "gateway")}, ` +
  `${count(tokens, "token")}, ${count(rows, "row")} that gateways sent`

const count = (amount: number, what: string): string => `${amount} ${what}${amount === 1 ? "" : "s"}`
