/** Why central does not do what it was asked. */
import { Schema } from "effect"
import { formatProblem, ObjectionView } from "../domain/index.ts"

/** An admin asked for something that does not exist (`not_found`) or cannot be (`invalid`). */
export class AdminRefused extends Schema.TaggedError<AdminRefused>()("AdminRefused", {
  reason: Schema.Literals(["not_found", "invalid"]),
  message: Schema.String
}) {}

/** The save pipeline does not accept a revision. */
export class ConfigRefused extends Schema.TaggedError<ConfigRefused>()("ConfigRefused", {
  objections: Schema.Array(ObjectionView)
}) {
  override get message(): string {
    const lines = this.objections.map((objection) => `  ${formatProblem(objection)}`)
    return `This document is not accepted:\n${lines.join("\n")}\nMend it, or use --force to accept it as it is.`
  }
}

/** Somebody else has saved since: the newest revision is not the one that was expected. */
export class RevisionChanged extends Schema.TaggedError<RevisionChanged>()("RevisionChanged", {
  config: Schema.String,
  /** What is the newest now; null when there is no revision. */
  newest: Schema.NullOr(
    Schema.Struct({ seq: Schema.Int, etag: Schema.String, saved_at: Schema.String, saved_by: Schema.String })
  )
}) {
  override get message(): string {
    const { config, newest } = this
    return newest === null
      ? `Nothing is saved under ${config}, so it is not what you have seen: look again, then save without that condition.`
      : `${config} has changed since you looked: revision ${newest.seq}, ${newest.etag}, was saved at ${newest.saved_at} ` +
          `(${newest.saved_by}). Nothing was saved: look at it, bring your change into it, and save again.`
  }
}

/** A backup cannot be made, or cannot be put back. */
export class BackupRefused extends Schema.TaggedError<BackupRefused>()("BackupRefused", { message: Schema.String }) {}

/** A credential is not accepted. `error` is what the wire says. */
export class CredentialRefused extends Schema.TaggedError<CredentialRefused>()("CredentialRefused", {
  error: Schema.Literals([
    "token_unknown",
    "token_expired",
    "token_revoked",
    "identity_missing",
    "identity_invalid",
    "identity_expired",
    "gateway_unknown",
    "gateway_revoked"
  ]),
  message: Schema.String
}) {}
