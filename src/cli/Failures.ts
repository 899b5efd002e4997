/** How a command ends when it does not end well. */
import { Schema } from "effect"

/** The command line itself is wrong: exit code 2. */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", { message: Schema.String }) {}

/** What was asked cannot be done, or cannot be read: exit code 1. `message`: what happened, why, what to do. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}

/** Exit code 1 after the command has said everything itself. */
export class Unsuccessful extends Schema.TaggedError<Unsuccessful>()("Unsuccessful", { message: Schema.String }) {}

/** Failures of the command line, by tag: a URL that cannot be central's is one. */
const USAGE_TAGS: ReadonlySet<string> = new Set(["UsageError", "CentralUrlInvalid", "ShowHelp"])

/** The exit code of a failed command. */
export const exitCodeOf = (failure: { readonly _tag: string }): 1 | 2 => (USAGE_TAGS.has(failure._tag) ? 2 : 1)
