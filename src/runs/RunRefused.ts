/** Why nothing came of what somebody asked of the runs. */
import { Schema } from "effect"

/** A run that is asked for and cannot be, or one that is not there. */
export class RunRefused extends Schema.TaggedError<RunRefused>()("RunRefused", {
  code: Schema.Literals([
    "run_invalid",
    "run_exists",
    "run_unknown",
    "storage_failed",
    "not_running",
    "backend_unavailable"
  ]),
  message: Schema.String
}) {}

export const unknownRun = () =>
  new RunRefused({
    code: "run_unknown",
    message: "There is no run of that id: holdfast run list shows those that there are."
  })

export const notRunning = () =>
  new RunRefused({ code: "not_running", message: "The daemon starts or stops: try again in a moment." })

export const invalid = ({ message }: { readonly message: string }) => new RunRefused({ code: "run_invalid", message })

export const unavailable = ({ message }: { readonly message: string }) =>
  new RunRefused({ code: "backend_unavailable", message })

export const notWritten = ({ message }: { readonly message: string }) =>
  new RunRefused({ code: "storage_failed", message })

export const unreadable = ({ message }: { readonly message: string }) =>
  new RunRefused({ code: "storage_failed", message: `Not every run of this machine can be read: ${message}` })
