/** What an interpreter has: its distributions, its standard library, and what conditions of requirements ask for. */
import { Effect, Option, Schema } from "effect"
import { PROBE_MARK, PYTHON_PROBE } from "./PythonProbe.ts"
import { hearProgram, type ProgramFailed, stderrText } from "../process/index.ts"

/** How the probe is named in messages. */
const GENERATOR = "the generator (Holdfast's built-in Python probe)"

const Text = Schema.NullOr(Schema.String)

/** One installed distribution, as the interpreter sees it. */
const ProbedRecord = Schema.Struct({
  /** Name of the directory of its metadata. */
  place: Schema.String,
  name: Schema.optionalKey(Text),
  version: Schema.optionalKey(Text),
  /** Why name and version cannot be read. */
  error: Schema.optionalKey(Schema.String),
  /** `top_level.txt`, if it has one. */
  top_level: Schema.optionalKey(Text),
  top_level_error: Schema.optionalKey(Schema.String),
  /** Modules among the files of RECORD. */
  recorded: Schema.optionalKey(Schema.Array(Schema.String)),
  recorded_error: Schema.optionalKey(Schema.String)
})
export type ProbedRecord = typeof ProbedRecord.Type

const Probe = Schema.Struct({
  python: Schema.Struct({ executable: Schema.String, platform: Schema.String, version: Schema.String }),
  stdlib: Schema.Array(Schema.String),
  /** In the order of `sys.path`. */
  records: Schema.Array(ProbedRecord),
  environment: Schema.Record(Schema.String, Schema.String)
})
export type PythonRuntime = typeof Probe.Type

const TooOld = Schema.Struct({ too_old: Schema.String })

const decodeAnswer = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Union([Probe, TooOld])))

/** The interpreter did not say what it has. `message` names it and the generator, and keeps the end of its stderr. */
export class RuntimeUnknown extends Schema.TaggedError<RuntimeUnknown>()("RuntimeUnknown", {
  kind: Schema.Literals(["spawn", "exit", "signal", "deadline", "output", "too_old"]),
  message: Schema.String
}) {}

/** Asks an interpreter that runs isolated: no user site, no variables of Python, no byte code written. */
export const readPythonRuntime = Effect.fn("boundary.readPythonRuntime")(function* (
  python: string,
  deadlineSeconds: number
) {
  const { stderr, stdout } = yield* hearProgram(python, {
    args: ["-I", "-B", "-c", PYTHON_PROBE],
    deadline: `${deadlineSeconds} seconds`
  }).pipe(Effect.mapError(explain(python)))
  const at = stdout.lastIndexOf(`\n${PROBE_MARK}`)
  const answer = at < 0 ? Option.none() : decodeAnswer(stdout.slice(at + 1 + PROBE_MARK.length))
  if (Option.isNone(answer)) {
    return yield* new RuntimeUnknown({
      kind: "output",
      message:
        `${python} ended well, but did not answer ${GENERATOR}: it wrote ${stdout.length} characters that are no list ` +
        `of packages. Name a Python interpreter. ${stderrText(stderr)}`
    })
  }
  if ("too_old" in answer.value) {
    return yield* new RuntimeUnknown({
      kind: "too_old",
      message: `${python} is Python ${answer.value.too_old}, and ${GENERATOR} needs 3.8 or newer: name a newer one. ${stderrText(stderr)}`
    })
  }
  return answer.value
})

const explain =
  (python: string) =>
  ({ kind, message }: ProgramFailed): RuntimeUnknown =>
    new RuntimeUnknown({ kind, message: `${python}, running ${GENERATOR}, ${message}` })
