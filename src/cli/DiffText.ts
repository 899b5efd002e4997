/** Differences of documents, for people and programs. */
import { Effect } from "effect"
import type { DocumentChange, DocumentDiff } from "../domain/index.ts"
import { note, plain, print, printJson } from "./Output.ts"

interface Side {
  readonly label: string
}

/** Prints one line per value that changed, then a unified diff; with `json` one document. */
export const printDiff = Effect.fnUntraced(function* (
  before: Side,
  after: Side,
  { changes, lines }: DocumentDiff,
  { json }: { readonly json: boolean }
) {
  const [from, to] = [plain(before.label), plain(after.label)]
  if (json) return yield* printJson({ before: from, after: to, changes, lines })
  if (lines.length === 0) return yield* note(`${from} and ${to} say the same.`)
  // As comments, which a patch may begin with.
  for (const change of changes) yield* print(plain(`# ${changeLine(change)}`))
  yield* print(`--- ${from}\n+++ ${to}`)
  for (const line of lines) yield* print(`${line.slice(0, 1)}${visible(line.slice(1))}`)
})

const changeLine = ({ after, before, kind, pointer }: DocumentChange): string => {
  const place = pointer === "" ? "the document" : pointer
  switch (kind) {
    case "added":
      return `${place} added${after === null ? "" : `: ${after}`}`
    case "removed":
      return `${place} removed${before === null ? "" : `: ${before}`}`
    case "changed":
      return before === null || after === null ? `${place} changed` : `${place}: ${before} -> ${after}`
  }
}

/** A line with its indentation, and without what a terminal takes for orders. */
const visible = (line: string): string => line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ")
