/** `holdfast status`. */
import { Command, Flag } from "effect/cli"
import { showStatus } from "./Status.ts"

/** Prints what this machine runs and why, whether the daemon is up or down. */
export const statusCommand = Command.make(
  "status",
  {
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false))
  },
  showStatus
).pipe(
  Command.withDescription("Show what this machine runs, since when and why. Works with the daemon up or down."),
  Command.withShortDescription("What this machine runs, and why"),
  Command.withExamples([
    { command: "holdfast status", description: "For people" },
    { command: "holdfast status --json", description: "For programs" }
  ])
)
