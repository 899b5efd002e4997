/**
 * What process 1 of a run executes: text for `sh -c`, in plain POSIX sh.
 *
 * It runs the agent with its output in a file on local scratch, copies that file to the volume, and ends with the agent's
 * exit status, whatever the volume does.
 *
 * @ref LLP 0016#the-nine-properties [implements]
 */
import { Effect, Schema } from "effect"
import { copiers } from "./PodCommandCopy.ts"
import { ending, pace } from "./PodCommandEnd.ts"

/** Every value gets into the text single-quoted and is otherwise taken as it is. */
export interface PodCommandSpec {
  /** The agent's command line, argv; every word is single-quoted. */
  readonly argv: ReadonlyArray<string>
  /** Absolute paths inside the container or on this machine. */
  readonly paths: {
    /** A directory on local disk that is this run's alone. It takes all of the agent's output. */
    readonly scratch: string
    /** On the volume, as `prepareRunFiles` made them. */
    readonly log: string
    readonly stderr: string
    readonly record: string
    readonly recordTmp: string
    /** Where the record is written before the volume is waited for: `/dev/termination-log`, or a file on the scratch. */
    readonly termination: string
  }
  /** File from which the agent reads its prompt on stdin; null: stdin is empty. */
  readonly promptFile: string | null
  /** Between TERM and KILL. */
  readonly graceSeconds: number
}

/** A pod command that cannot be written. */
export class PodCommandInvalid extends Schema.TaggedError<PodCommandInvalid>()("PodCommandInvalid", {
  message: Schema.String
}) {}

/** The programs that the pod command needs in an image besides `sh`; `dd` with `conv=fsync,notrunc`. */
export const podCommandTools = ["dd", "mv", "rm", "sha256sum", "sleep", "wc"] as const

/** How long the pod command may need after the agent's grace, s, and the time to hash the output on top. */
export const podCommandEndSeconds = 15

/** Exit status when the agent could not be started because the scratch or its prompt cannot be used. */
export const podCommandUnusable = 125

/** One word of a shell command that the shell takes as it is. */
export const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

/** What no shell can be told, or would take for something else. */
const problemOf = ({ argv, graceSeconds, paths, promptFile }: PodCommandSpec): string | null => {
  const [program = ""] = argv
  if (program === "" || program.startsWith("-")) return "the command line does not begin with a program"
  if (argv.some((word) => word.includes("\u0000"))) return "a word of the command line holds a NUL byte"
  if (!Number.isFinite(graceSeconds) || graceSeconds < 0) return "the grace is not a number of seconds"
  const places = [...Object.values(paths), ...(promptFile === null ? [] : [promptFile])]
  const odd = places.find((path) => !path.startsWith("/") || path.includes("\u0000") || path.includes("\n"))
  return odd === undefined ? null : `${JSON.stringify(odd)} is not an absolute path`
}

/** The text for `sh -c`, of values that were checked. */
export const podCommand = ({ argv, graceSeconds, paths, promptFile }: PodCommandSpec): string =>
  [
    FIRST,
    `hf_d=${quote(paths.scratch)} hf_log=${quote(paths.log)} hf_errlog=${quote(paths.stderr)}`,
    `hf_rec=${quote(paths.record)} hf_tmp=${quote(paths.recordTmp)} hf_term=${quote(paths.termination)}`,
    `hf_prompt=${quote(promptFile ?? "/dev/null")} hf_grace=${Math.ceil(graceSeconds)}`,
    `hf_agent() { exec ${argv.map(quote).join(" ")}; }`,
    copiers.trim(),
    ending.trim(),
    main.trim()
  ].join("\n")

/** The text for `sh -c`, or why there is none. */
export const checkedPodCommand = (spec: PodCommandSpec): Effect.Effect<string, PodCommandInvalid> => {
  const problem = problemOf(spec)
  return problem === null ? Effect.succeed(podCommand(spec)) : Effect.fail(new PodCommandInvalid({ message: problem }))
}

/** A TERM that comes before there is an agent is remembered; its file is for an agent that is just being started. */
const FIRST = `trap 'hf_t=1; [ -z "$hf_a" ] || hf_pass' TERM INT HUP; hf_a= hf_o= hf_v=`

/**
 * `wait` answers early when a TERM comes: then the agent is looked at until it is gone or its grace is over. A second
 * `wait` for what was waited for gives the same answer, as long as no process was started in between.
 */
const main = String.raw`
hf_pass() {
  true >"$hf_d/term"
  kill -TERM "$hf_a"
} 2>/dev/null
hf_ended() {
  if [ -z "$hf_t" ]; then
    wait "$hf_a"
    hf_s=$?
    [ -n "$hf_t" ] || return
  fi
  [ -e "$hf_d/term" ] || hf_pass
  hf_i=0
  while kill -0 "$hf_a"; do
    [ "$hf_i" -lt $((hf_grace * hf_per)) ] || { kill -KILL "$hf_a"; break; }
    sleep "$hf_fast"
    hf_i=$((hf_i + 1))
  done
  trap '' TERM INT HUP
  wait "$hf_a"
  hf_s=$?
}
hf_start() {
  rm -f "$hf_d"/stop "$hf_d"/term "$hf_d"/truncated "$hf_d"/vol?* "$hf_d"/out?* "$hf_d"/rec?* "$hf_d"/end.?
  true >"$hf_d/stdout" && true >"$hf_d/stderr" && [ -r "$hf_prompt" ]
}
true >&1 || exec >/dev/null
true 2>&2 || exec 2>/dev/null
exec </dev/null
if ! hf_start; then
  echo "holdfast: the agent cannot be started: $hf_d cannot be written or $hf_prompt cannot be read" >&2
  exit ${podCommandUnusable}
fi
[ -n "$hf_t" ] || {
  (
    trap - TERM INT HUP
    [ ! -e "$hf_d/term" ] || exit 143
    hf_agent
  ) 2>>"$hf_d/stderr" >>"$hf_d/stdout" <"$hf_prompt" &
  hf_a=$!
}
${pace}
hf_keep vol '' </dev/null >/dev/null 2>&1 &
hf_v=$!
if [ /dev/fd/1 -ef /dev/null ]; then true >"$hf_d/out.done"
else
  hf_keep out '' 3<"$hf_d/stdout" 4>&1 </dev/null >/dev/null 2>&1 &
  hf_o=$!
fi
hf_s=143
[ -z "$hf_a" ] || hf_ended 2>/dev/null
hf_a=
trap '' TERM INT HUP
hf_finish 2>/dev/null
exit "$hf_s"`
