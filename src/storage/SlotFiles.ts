/** What a slot holds on disk, as data. */
import { Schema } from "effect"
import { type SlotName, SLOTS } from "../../machines/Vocabulary.ts"
import { PluginTrees } from "../domain/index.ts"
import type { StorageError } from "./StorageError.ts"

/** record.json: which revision the slot's document is. `etag` is null for the copy of the seed. */
export class SlotRecord extends Schema.Class<SlotRecord>("SlotRecord")({
  etag: Schema.NullOr(Schema.String),
  /** SHA-256 of document.json, 64 lower-case hex digits. */
  digest: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/)),
  /** The artifacts that its pins stood for when it was staged: a rollback runs them, whatever was installed since. */
  plugins: Schema.optionalKey(PluginTrees)
}) {}

/** Reads record.json's bytes as text into a `SlotRecord`; unknown keys are ignored. */
export const SlotRecordJson = Schema.fromJsonString(SlotRecord)

/** Where `active` points: nowhere yet, to a slot, or to what cannot be one (`""` when it is not a link at all). */
export type ActiveLink = "absent" | { readonly dangling: string } | { readonly slot: SlotName }

/** What was found in a slot. */
export interface SlotContents {
  /** There is something of that name. */
  readonly present: boolean
  /** The exact bytes of document.json. */
  readonly document?: Uint8Array
  readonly record?: SlotRecord
  /** The document's SHA-256 is the one that the record names. */
  readonly intact: boolean
  /** The slot was confirmed on probation. Whether the file is there decides, not what it says. */
  readonly promoted: boolean
  /** ISO time of the promotion, if it can still be read. */
  readonly promotedAt?: string
  /** Why document.json or record.json could not be read although it is there (a bad sector, a directory instead). */
  readonly problem?: StorageError
}

/**
 * `active` could not be made to point to `slot`, or that it does could not be made durable.
 *
 * `renamed` tells whether `active` points to it all the same (also when that cannot be found out): from then on the
 * running process must neither confirm nor stage anything, and restart.
 */
export class FlipError extends Schema.TaggedError<FlipError>()("FlipError", {
  renamed: Schema.Boolean,
  slot: Schema.Literals(SLOTS),
  operation: Schema.String,
  path: Schema.String,
  code: Schema.String,
  message: Schema.String
}) {}
