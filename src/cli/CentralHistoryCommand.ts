/** `holdfast central config history`, `diff` and `rollback`. */
import { Effect, Option } from "effect"
import { Argument, Command } from "effect/cli"
import { diffDocuments } from "../domain/index.ts"
import { administerExisting, dataFlag, forceFlag, ifMatchFlag, jsonFlag, nameArgument } from "./CentralData.ts"
import { printDiff } from "./DiffText.ts"
import { Refused, UsageError } from "./Failures.ts"
import { note, plain, print, printJson, readInput, table } from "./Output.ts"

/** Every revision, and how it does in the fleet. */
export const historyCommand = Command.make(
  "history",
  { name: nameArgument, data: dataFlag, json: jsonFlag },
  Effect.fnUntraced(function* ({ data, json, name }) {
    const revisions = yield* administerExisting(data, (admin) => admin.history(name))
    if (json) return yield* printJson(revisions)
    yield* print(
      table([
        ["SEQ", "SAVED", "BY", "BYTES", "FORCED", "GATEWAYS", "REVISION"],
        ...revisions.map(({ bytes, convergence, etag, forced, restores, saved_at, saved_by, seq }) => [
          String(seq),
          saved_at,
          restores === null ? plain(saved_by) : `${plain(saved_by)} (rollback to ${restores})`,
          String(bytes),
          forced ? "yes" : "no",
          Object.entries(convergence)
            .filter(([, count]) => count > 0)
            .map(([where, count]) => `${count} ${where.replace("_", " ")}`)
            .join(", ") || "none",
          etag
        ])
      ])
    )
    const oldest = revisions.at(-1)?.seq ?? 1
    if (oldest > 1) yield* note(`${oldest - 1} older revisions are not shown.`)
  })
).pipe(
  Command.withDescription("List the newest 50 revisions of a config, and how each does in the fleet."),
  Command.withExamples([{ command: "holdfast central config history fleet --data DIR" }])
)

/** Brings earlier bytes back as a new revision. */
export const rollbackCommand = Command.make(
  "rollback",
  {
    name: nameArgument,
    revision: Argument.Int("revision").pipe(
      Argument.withDescription("The revision's number; else the newest one that is another document than the newest"),
      Argument.optional
    ),
    data: dataFlag,
    force: forceFlag,
    ifMatch: ifMatchFlag,
    json: jsonFlag
  },
  Effect.fnUntraced(function* ({ data, force, ifMatch, json, name, revision }) {
    const options = { force, seq: Option.getOrUndefined(revision), expect: Option.getOrUndefined(ifMatch) }
    const saved = yield* administerExisting(data, (admin) => admin.rollback(name, options))
    for (const warning of saved.warnings) yield* note(`warning: ${plain(warning)}`)
    if (json) return yield* printJson(saved)
    yield* print(`${plain(name)} is now revision ${saved.seq}, ${saved.etag}.`)
  })
).pipe(
  Command.withDescription("Save an earlier document as the new revision; every machine of that config gets it."),
  Command.withExamples([
    { command: "holdfast central config rollback fleet --data DIR" },
    { command: "holdfast central config rollback fleet 7 --data DIR", description: "As history numbers them" }
  ])
)

/** What changed between two revisions, or between one and a file. */
export const diffCommand = Command.make(
  "diff",
  {
    name: nameArgument,
    a: Argument.String("a").pipe(
      Argument.withDescription("A revision's number; else the one before the newest. A file: it, and the newest"),
      Argument.optional
    ),
    b: Argument.String("b").pipe(
      Argument.withDescription("A revision's number, a file, or - for standard input; else the newest revision"),
      Argument.optional
    ),
    data: dataFlag,
    json: jsonFlag
  },
  Effect.fnUntraced(function* ({ a, b, data, json, name }) {
    const [left, right] = Option.isNone(b) && !Option.exists(a, isNumber) ? [b, a] : [a, b]
    if (Option.isSome(left) && !isNumber(left.value)) {
      return yield* new UsageError({
        message: `${plain(left.value)} is no number of a revision: \`config history\` shows them. A file comes last.`
      })
    }
    const file = Option.filter(right, (text) => !isNumber(text))
    const offered = Option.isSome(file)
      ? { label: file.value, bytes: yield* readInput(file.value, "The document") }
      : undefined
    const { after, before } = yield* administerExisting(data, (admin) =>
      Effect.gen(function* () {
        const newest = yield* admin.getConfig(name)
        const to =
          offered ?? labelled(name, Option.isSome(right) ? yield* admin.revision(name, Number(right.value)) : newest)
        const from = Option.isSome(left) ? Number(left.value) : offered === undefined ? newest.seq - 1 : newest.seq
        if (from === 0 && Option.isNone(left)) {
          return yield* new Refused({ message: `${name} has one revision only: name a file to compare it with.` })
        }
        return { before: labelled(name, yield* admin.revision(name, from)), after: to }
      })
    )
    yield* printDiff(before, after, diffDocuments(before.bytes, after.bytes), { json })
  })
).pipe(
  Command.withDescription("Show what changed between two revisions, or between a revision and a file."),
  Command.withExamples([
    { command: "holdfast central config diff fleet --data DIR", description: "What the newest revision changed" },
    { command: "holdfast central config diff fleet 3 5 --data DIR" },
    { command: "holdfast central config diff fleet fleet.json --data DIR", description: "What a save would change" }
  ])
)

const isNumber = (text: string): boolean => /^\d+$/.test(text)

const labelled = (name: string, { bytes, seq }: { readonly bytes: Uint8Array; readonly seq: number }) => ({
  label: `${name} revision ${seq}`,
  bytes
})
