/** Why central does not do what it was asked. */
import { Schema } from "effect"
import { formatProblem, type Problem } from "../domain/index.ts"

/** An admin asked for something that does not exist or cannot be. */
export class AdminRefused extends Schema.TaggedError<AdminRefused>()("AdminRefused", { message: Schema.String }) {}

/** The save pipeline does not accept a revision. */
export class ConfigRefused extends Schema.TaggedError<ConfigRefused>()("ConfigRefused", {
  problems: Schema.Array(Schema.Struct({ pointer: Schema.String, message: Schema.String }))
}) {
  override get message(): string {
    const lines = this.problems.map((problem: Problem) => `  ${formatProblem(problem)}`)
    return `This document is not accepted:\n${lines.join("\n")}\nMend it, or use --force to accept it as it is.`
  }
}

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
