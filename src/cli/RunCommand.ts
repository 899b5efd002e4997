/** `holdfast run`. */
import { Effect, Option, Path, Result, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { PathComponent, type RunRequest, type RunView } from "../domain/index.ts"
import { UsageError } from "./Failures.ts"
import { homeLayer } from "./LocalServices.ts"
import { note, plain, print, printJson, printPretty, readInput, table } from "./Output.ts"
import { withLiveDaemon } from "./WithDaemon.ts"

const withDaemon = withLiveDaemon("it is the daemon that keeps runs")

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON, one document a line"), Flag.withDefault(false))
const idArgument = Argument.String("id").pipe(Argument.withDescription("The run's id, as `run list` shows it"))
const isId = Schema.is(PathComponent)
const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description))
const optional = (name: string, metavar: string, description: string) =>
  text(name, metavar, description).pipe(
    Flag.filter(
      (given) => given !== "",
      () => "some text, or no such flag"
    ),
    Flag.optional
  )
/** Part of a path, as every id of a run is. */
const id = (name: string, description: string) =>
  text(name, "<id>", description).pipe(Flag.filter(isId, () => "1 to 200 letters, digits and dashes"))

/** What a run is, on the command line. */
const requestFlags = {
  agent: id("agent", "Whose run it is: an agent has one at a time").pipe(Flag.withDefault("local")),
  company: id("company", "What the agent belongs to").pipe(Flag.withDefault("local")),
  id: id("id", "The run's id; one is made up when it is left out").pipe(Flag.optional),
  prompt: text("prompt", "<text>", "What the agent is to do").pipe(Flag.optional),
  promptFile: optional("prompt-file", "<file>", "The same, from a file; - is standard input"),
  model: optional("model", "<name>", "For OpenCode: provider/model"),
  session: optional("session", "<id>", "For OpenCode: the session to go on with"),
  env: Flag.KeyValuePair("env").pipe(
    Flag.withDescription("A variable of the run's environment, NAME=VALUE; may be repeated"),
    Flag.optional
  ),
  seconds: Flag.Int("seconds").pipe(
    Flag.withDescription("End it after so long, as timed out"),
    Flag.filter(
      (given) => given > 0,
      () => "1 second or more"
    ),
    Flag.optional
  ),
  drop: Flag.Boolean("drop-output").pipe(
    Flag.withDescription("Remove the output once there is a verdict"),
    Flag.withDefault(false)
  ),
  argv: Argument.String("command").pipe(
    Argument.withDescription("After --: what to run instead of OpenCode"),
    Argument.variadic()
  )
}

type RequestOptions = Command.Command.Config.Infer<typeof requestFlags>

const requestOf = Effect.fnUntraced(function* (options: RequestOptions) {
  const request: RunRequest = {
    companyId: options.company,
    agentId: options.agent,
    ...present("runId", options.id),
    prompt: yield* promptOf(options),
    command: commandOf(options.argv),
    ...present("model", options.model),
    ...present("session", options.session),
    ...present("env", options.env),
    cwd: yield* Path.Path.use((path) => Effect.sync(() => path.resolve("."))),
    ...Option.match(options.seconds, { onNone: () => ({}), onSome: (seconds) => ({ limits: { seconds } }) }),
    retain: !options.drop
  }
  return request
})

const startCommand = Command.make(
  "start",
  {
    ...requestFlags,
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Print the output as it is written, until the end"),
      Flag.withDefault(false)
    ),
    json
  },
  Effect.fnUntraced(function* (options) {
    const request = yield* requestOf(options)
    yield* withDaemon(
      Effect.fnUntraced(function* (daemon, client) {
        const view = yield* client.startRun(daemon, request)
        if (!options.follow) return yield* options.json ? printJson(view) : print(view.run_id)
        yield* note(`Run ${view.run_id} is started; Ctrl-C leaves it running.`)
        const { followRun } = yield* Effect.promise(() => import("./RunFollow.ts"))
        yield* followRun(daemon, client, view.run_id, { from: 0, json: options.json })
      })
    )
  })
).pipe(
  Command.withDescription(
    "Start an agent job on this machine. It goes on whatever becomes of this terminal or the daemon."
  ),
  Command.withExamples([
    { command: "holdfast run start --prompt 'Tidy up the README' --follow", description: "With OpenCode" },
    { command: "holdfast run start --follow -- sh -c 'make test'", description: "Any program" }
  ])
)

const present = <const Key extends string, A>(key: Key, value: Option.Option<A>) =>
  Option.isSome(value) ? ({ [key]: value.value } as { readonly [K in Key]: A }) : {}

const commandOf = ([first, ...rest]: ReadonlyArray<string>): RunRequest["command"] =>
  first === undefined ? { kind: "opencode" } : { kind: "exec", argv: [first, ...rest] }

const promptOf = Effect.fnUntraced(function* (options: {
  readonly prompt: Option.Option<string>
  readonly promptFile: Option.Option<string>
  readonly argv: ReadonlyArray<string>
}) {
  if (Option.isSome(options.prompt) && Option.isSome(options.promptFile)) {
    return yield* new UsageError({ message: "Give --prompt or --prompt-file, not both." })
  }
  if (Option.isSome(options.prompt)) return options.prompt.value
  if (Option.isNone(options.promptFile)) {
    if (options.argv.length > 0) return ""
    return yield* new UsageError({ message: "OpenCode needs a prompt: --prompt TEXT, or --prompt-file FILE." })
  }
  const bytes = yield* readInput(options.promptFile.value, "The prompt")
  return yield* Result.match(
    Result.try(() => new TextDecoder("utf-8", { fatal: true }).decode(bytes)),
    {
      onFailure: () => Effect.fail(new UsageError({ message: "The prompt is not UTF-8 text." })),
      onSuccess: Effect.succeed
    }
  )
})

const listCommand = Command.make(
  "list",
  { json },
  Effect.fnUntraced(function* ({ json: asJson }) {
    const { runs } = yield* withDaemon((daemon, client) => client.runs(daemon))
    if (asJson) return yield* printJson({ runs })
    if (runs.length === 0) return yield* note("There are no runs yet: holdfast run start")
    yield* print(
      table([
        ["RUN", "AGENT", "STATE", "VERDICT", "CREATED", "OUTPUT"],
        ...runs.map(({ agent_id, created_at, output, run_id, state, verdict }) => [
          run_id,
          plain(agent_id),
          plain(state),
          verdict ?? "-",
          created_at,
          `${output.lines} lines`
        ])
      ])
    )
  })
).pipe(Command.withDescription("All runs, newest first."), Command.withExamples([{ command: "holdfast run list" }]))

const showCommand = Command.make(
  "show",
  { id: idArgument, json },
  Effect.fnUntraced(function* ({ id, json: asJson }) {
    const view = yield* withDaemon((daemon, client) => client.run(daemon, id))
    yield* asJson ? printJson(view) : print(viewText(view))
  })
).pipe(
  Command.withDescription("What is known of one run."),
  Command.withExamples([{ command: "holdfast run show 5f2a… --json" }])
)

const logsCommand = Command.make(
  "logs",
  {
    id: idArgument,
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Go on until the run has ended"),
      Flag.withDefault(false)
    ),
    from: Flag.Int("from").pipe(
      Flag.withDescription("Begin at this byte"),
      Flag.filter(
        (given) => given >= 0,
        () => "0 bytes or more"
      ),
      Flag.withDefault(0)
    ),
    json
  },
  Effect.fnUntraced(function* ({ follow, from, id, json: asJson }) {
    yield* withDaemon(
      Effect.fnUntraced(function* (daemon, client) {
        const { followRun, printLog } = yield* Effect.promise(() => import("./RunFollow.ts"))
        yield* follow ? followRun(daemon, client, id, { from, json: asJson }) : printLog(daemon, client, id, from)
      })
    )
  })
).pipe(
  Command.withDescription("The output of a run. With --follow as it is written, over restarts of the daemon."),
  Command.withExamples([{ command: "holdfast run logs -f 5f2a…" }])
)

const cancelCommand = Command.make(
  "cancel",
  { id: idArgument },
  Effect.fnUntraced(function* ({ id }) {
    const view = yield* withDaemon((daemon, client) => client.cancelRun(daemon, id))
    yield* print(
      view.verdict === null ? `Run ${view.run_id} is being ended.` : `Run ${view.run_id} has ended: ${view.verdict}.`
    )
  })
).pipe(
  Command.withDescription("End a run: TERM, and KILL after its grace."),
  Command.withExamples([{ command: "holdfast run cancel 5f2a…" }])
)

const renderCommand = Command.make(
  "render",
  {
    ...requestFlags,
    settings: Flag.String("settings").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("The `kubernetes` settings of @holdfast/runs, as JSON; - is standard input")
    )
  },
  Effect.fnUntraced(function* (options) {
    const request = yield* requestOf(options)
    const bytes = yield* readInput(options.settings, "The settings")
    const { renderedJob } = yield* Effect.promise(() => import("./RunRender.ts"))
    yield* printPretty(yield* renderedJob(request, new TextDecoder().decode(bytes)))
  })
).pipe(
  Command.withDescription(
    "Print the Kubernetes Job that a run would be, and its Secret if it needs one. Sends nothing."
  ),
  Command.withExamples([
    {
      command:
        "holdfast run render --id r1 --prompt hello --settings cluster.json | kubectl apply --dry-run=server -f -"
    }
  ])
)

/** Agent jobs. */
export const runCommand = Command.make("run").pipe(
  Command.withSubcommands([startCommand, listCommand, showCommand, logsCommand, cancelCommand, renderCommand]),
  Command.withDescription("Agent jobs: started, watched, and with an outcome that is known and not guessed."),
  Command.withShortDescription("Agent jobs"),
  Command.withExamples([{ command: "holdfast run start --prompt 'Tidy up the README' --follow" }]),
  Command.provide(homeLayer)
)

/** A run in words. */
export const viewText = (view: RunView): string =>
  [
    `Run ${view.run_id} of ${plain(view.agent_id)}: ${view.verdict ?? plain(view.state)}${view.stale ? " (nothing heard of it for five minutes)" : ""}`,
    view.message === null ? undefined : plain(view.message),
    view.exit_code === null ? undefined : `Exit code ${view.exit_code}`,
    `Output: ${view.output.lines} lines, ${view.output.bytes} bytes${view.output.end === null ? "" : `, ${view.output.end}`}`,
    ...view.output.gaps.map(({ from, reason, to }) => `Gap: bytes ${from} to ${to ?? "?"} (${reason})`),
    view.session === null ? undefined : `Session ${plain(view.session)}`,
    view.usage === null
      ? undefined
      : `Tokens: ${view.usage.input} in, ${view.usage.output} out, ${view.usage.cached} cached; $${view.usage.cost_usd.toFixed(6)}`,
    view.summary === null || view.summary === "" ? undefined : `\n${view.summary}`
  ]
    .filter((line) => line !== undefined)
    .join("\n")
