/** Where an installed agent file came from, as it is written down. */
import { Schema } from "effect"

const Sha256 = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))

/** Where an installed file came from. */
export const AgentOrigin = Schema.Struct({
  /** As the command line takes it again, without its ref; without secrets. */
  source: Schema.NonEmptyString,
  /** What was asked for: a tag, a branch, a commit; null: the remote's default, or no repository. */
  ref: Schema.NullOr(Schema.NonEmptyString),
  /** What that was, 40 hex digits; null: no repository. */
  commit: Schema.NullOr(Schema.NonEmptyString)
})
export type AgentOrigin = typeof AgentOrigin.Type

/** `state/agents/FILE.json`: one installed file, as it was installed. */
export const AgentRecord = Schema.Struct({
  version: Schema.Literal(1),
  file: Schema.NonEmptyString,
  ...AgentOrigin.fields,
  sha256: Sha256,
  /** ISO 8601. */
  installed_at: Schema.NonEmptyString
})
export type AgentRecord = typeof AgentRecord.Type

export const decodeRecord = Schema.decodeUnknownOption(Schema.fromJsonString(AgentRecord))
