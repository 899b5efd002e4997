/** Runs: one agent job each. What is asked for, what is known of it, and what its output ends with. */
import { Schema } from "effect"
import { GAP_REASONS, RUN_VERDICTS, TAIL_ENDS } from "../../machines/Vocabulary.ts"

/** A component of a log path: nothing that a path or a shell could take for something else. */
export const PathComponent = Schema.String.check(Schema.isPattern(/^[a-zA-Z0-9-]+$/), Schema.isMaxLength(200))

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** What a run executes. */
export const RunCommand = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("opencode"),
    /** Default: `opencode`, as the PATH finds it. */
    program: Schema.optionalKey(Schema.NonEmptyString),
    /** Words after its own, such as `--variant high`. */
    args: Schema.optionalKey(Schema.Array(Schema.String))
  }),
  Schema.Struct({ kind: Schema.Literal("exec"), argv: Schema.NonEmptyArray(Schema.NonEmptyString) })
])
export type RunCommand = typeof RunCommand.Type

/** Body of `POST /runs`. Times in seconds. */
export const RunRequest = Schema.Struct({
  companyId: Schema.String,
  agentId: Schema.String,
  /** Made up when it is left out. */
  runId: Schema.optionalKey(Schema.String),
  prompt: Schema.String,
  command: RunCommand,
  model: Schema.optionalKey(Schema.NonEmptyString),
  /** The session to go on with. */
  session: Schema.optionalKey(Schema.NonEmptyString),
  env: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  /** Where it runs on this machine, an absolute path; left out: a folder that all runs of the agent share. */
  cwd: Schema.optionalKey(Schema.NonEmptyString),
  limits: Schema.optionalKey(
    Schema.Struct({
      /** The run is ended, `timed_out`, after so long. */
      seconds: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
      /** Between TERM and KILL. */
      grace_seconds: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)))
    })
  ),
  /** Output is kept after the verdict. */
  retain: Schema.optionalKey(Schema.Boolean)
})
export type RunRequest = typeof RunRequest.Type

/** `<runId>.pod.exit`: written once by the run's own process 1, after its last byte. */
export const EndRecord = Schema.Struct({
  exit_code: Schema.Int,
  /** exit_code − 128; a shell cannot tell `exit 143` from a death by TERM. */
  signal: Schema.NullOr(Schema.Int),
  bytes: Count,
  /** An unterminated last line counts. */
  lines: Count,
  /** Of all bytes, hex. */
  sha256: Schema.String,
  /** The volume did not take everything, or did not confirm it. */
  volume_error: Schema.optionalKey(Schema.String),
  /** The agent truncated its own output. */
  truncated: Schema.optionalKey(Schema.Boolean)
})
export type EndRecord = typeof EndRecord.Type
export const EndRecordJson = Schema.fromJsonString(EndRecord)

/** Bytes that were written and not delivered, told instead of silence. */
export const Gap = Schema.Struct({
  from: Count,
  /** Exclusive; null where nobody can know. */
  to: Schema.NullOr(Count),
  reason: Schema.Literals(GAP_REASONS)
})
export type Gap = typeof Gap.Type

/** Where tailing goes on after a restart: never ahead of what the consumer has acknowledged. */
export const TailCheckpoint = Schema.Struct({
  path: Schema.NonEmptyString,
  inode: Schema.String,
  /** Bytes that the consumer has acknowledged. */
  offset: Count,
  line: Count,
  gaps: Schema.Array(Gap)
})
export type TailCheckpoint = typeof TailCheckpoint.Type

/** How the tailing of one file ended. */
export interface TailOutcome {
  readonly end: (typeof TAIL_ENDS)[number]
  /** Bytes and lines that the consumer has acknowledged. */
  readonly bytes: number
  readonly lines: number
  /** Of `incomplete`: what the record promised beyond that. */
  readonly missingBytes: number
  readonly gaps: ReadonlyArray<Gap>
  /** For people, of all but `complete`. */
  readonly message: string | null
}

/** A run as `GET /runs` shows it. Times are ISO 8601. */
export const RunView = Schema.Struct({
  company_id: Schema.String,
  agent_id: Schema.String,
  run_id: Schema.String,
  backend: Schema.Literals(["local", "kubernetes"]),
  state: Schema.String,
  verdict: Schema.NullOr(Schema.Literals(RUN_VERDICTS)),
  /** Always there unless the exit code 0 is known. */
  message: Schema.NullOr(Schema.String),
  exit_code: Schema.NullOr(Schema.Int),
  signal: Schema.NullOr(Schema.Int),
  created_at: Schema.String,
  started_at: Schema.NullOr(Schema.String),
  ended_at: Schema.NullOr(Schema.String),
  output: Schema.Struct({
    bytes: Count,
    lines: Count,
    end: Schema.NullOr(Schema.Literals(TAIL_ENDS)),
    gaps: Schema.Array(Gap)
  }),
  session: Schema.NullOr(Schema.String),
  /** Why going on with the session makes no sense, if so: it is not known there, or came to its limit of steps. */
  session_end: Schema.optionalKey(Schema.Literals(["unknown", "step_limit"])),
  /** Left out of the list of all runs. */
  summary: Schema.NullOr(Schema.String),
  usage: Schema.NullOr(Schema.Struct({ input: Count, output: Count, cached: Count, cost_usd: Schema.Finite })),
  /** Nothing was heard of it for five minutes; alone this is a warning. */
  stale: Schema.Boolean
})
export type RunView = typeof RunView.Type
