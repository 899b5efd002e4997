/** Files from a source beside what lies in the folder: what would change, said, asked, and done. */
import { Effect } from "effect"
import type { AgentOrigin, StoredAgent } from "../agents/index.ts"
import { installNeeds, linesOfNeed, needsOf, viewOfNeed } from "./AgentNeeds.ts"
import { loadAgents } from "./AgentServices.ts"
import type { SourceFile, SourceFiles } from "./AgentSource.ts"
import { confirm } from "./Confirm.ts"
import { Refused } from "./Failures.ts"
import { plain, print, printJson } from "./Output.ts"

/**
 * - `new`: none of that name is there
 * - `changed`: what was installed, and is as it was, is replaced
 * - `same`: these bytes are there
 * - `edited`: what is there was edited or put there by hand, and is another one
 * - `here`: the file of the folder itself, of which only packages are wanted
 */
type ChangeKind = "new" | "changed" | "same" | "edited" | "here"

export interface Change {
  readonly kind: ChangeKind
  readonly from: SourceFile
  /** Null: it is there already. */
  readonly origin: AgentOrigin | null
  /** What is there now. */
  readonly present: StoredAgent | null
}

/** What installing these files would do. */
export const changesOf = Effect.fnUntraced(function* ({ files, origin }: SourceFiles) {
  const { AgentStore } = yield* loadAgents
  const store = yield* AgentStore
  return yield* Effect.forEach(files, (from) =>
    store.look(from.file).pipe(
      Effect.map((present): Change => ({
        kind: origin === null ? "here" : kindOf(present, from),
        from,
        origin,
        present
      })),
      Effect.catchIf(
        ({ reason }) => reason === "file_unknown",
        () => Effect.succeed<Change>({ kind: "new", from, origin, present: null })
      )
    )
  )
})

const kindOf = ({ condition, sha256 }: StoredAgent, from: SourceFile): ChangeKind => {
  if (sha256 === from.sha256) return "same"
  if (condition === "missing") return "new"
  return condition === "intact" ? "changed" : "edited"
}

interface ChangeOptions {
  /** Distributions that Python files are to have besides what they import. */
  readonly packages: ReadonlyArray<string>
  readonly yes: boolean
  readonly force: boolean
  readonly json: boolean
}

/** Shows what would change, asks, and does it; says so. Writes nothing before the answer. */
export const carryOut = Effect.fnUntraced(function* (
  changes: ReadonlyArray<Change>,
  { force, json, packages, yes }: ChangeOptions
) {
  const { AgentStore } = yield* loadAgents
  const store = yield* AgentStore
  const folder = yield* store.folder
  const writes = changes.filter(({ kind }) => kind !== "same" && kind !== "here")
  if (!json) for (const change of changes) yield* print(lineOf(change))
  const edited = writes.filter(({ kind }) => kind === "edited").map(({ from }) => plain(from.file))
  if (edited.length > 0 && !force) {
    return yield* new Refused({
      message:
        `${edited.join(", ")} in ${folder} ${edited.length === 1 ? "was" : "were"} edited or put there by hand, ` +
        "and nothing was changed: move it away, or add --force to lose what is there."
    })
  }
  const needs = yield* needsOf(
    changes.map(({ from }) => from),
    packages
  )
  const added = needs.flatMap(({ plan }) => plan?.packages ?? [])
  if (!json) for (const need of needs) for (const line of linesOfNeed(need)) yield* print(line)
  const what = [
    ...(writes.length === 0 ? [] : [`write ${count(writes.length, "file")} to ${folder}`]),
    ...(added.length === 0 ? [] : [`install ${count(added.length, "package")}`])
  ].join(" and ")
  if (what !== "") yield* confirm(`${what.charAt(0).toUpperCase()}${what.slice(1)}?`, { yes })
  // Whoever meets the new file meets its packages, too.
  yield* installNeeds(needs)
  for (const { from, origin, present } of changes) {
    if (origin === null) continue
    yield* store.write({ file: from.file, bytes: from.bytes, origin, replaces: present?.sha256 ?? null })
  }
  if (json) return yield* printJson({ folder, files: changes.map(viewOf), packages: needs.map(viewOfNeed) })
  yield* print(what === "" ? "Nothing is to be changed." : "Done: the next request meets it.")
})

const count = (number: number, of: string): string => `${number} ${of}${number === 1 ? "" : "s"}`

const viewOf = ({ from, kind, origin, present }: Change) => ({
  file: from.file,
  change: kind,
  sha256: from.sha256,
  size: from.bytes.length,
  source: origin?.source ?? null,
  ref: origin?.ref ?? null,
  commit: origin?.commit ?? null,
  former_commit: present?.record?.commit ?? null
})

const lineOf = ({ from, kind, origin, present }: Change): string => {
  if (origin === null) return `${WORDS[kind].padEnd(7)} ${plain(from.file)}`
  const record = present?.record ?? null
  const now = commitOf(origin)
  const before = record === null ? "" : record.source === origin.source ? commitOf(record) : plain(record.source)
  const move = before === now || before === "" ? now : `${before} -> ${now}`
  return `${WORDS[kind].padEnd(7)} ${plain(from.file)}  ${from.bytes.length} bytes  ${move}`.trimEnd()
}

const WORDS: Readonly<Record<ChangeKind, string>> = {
  new: "new",
  changed: "changed",
  same: "same",
  edited: "edited!",
  here: "here"
}

/** As people name a commit. */
export const commitOf = ({ commit }: Pick<AgentOrigin, "commit">): string => commit?.slice(0, 12) ?? ""
