/** `holdfast core-lock install`. */
import { Effect, Option, Path } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { CoreLock, coreLockPlace, type InstallPlan } from "../domain/index.ts"
import { UsageError } from "./Failures.ts"
import { homeLayer } from "./LocalServices.ts"
import { plain, print, printJson, readInput } from "./Output.ts"

const flag = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

/** Adds Python packages beside a runtime that stays what it is. */
export const installCommand = Command.make(
  "install",
  {
    lock: Flag.String("lock").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("The core lock; default: HOLDFAST_CORE_LOCK_PATH, else core-lock.json in HOLDFAST_HOME"),
      Flag.optional
    ),
    python: Flag.String("python").pipe(Flag.withMetavar("<path>"), Flag.withDescription("The host's interpreter")),
    into: Flag.String("into").pipe(
      Flag.withMetavar("<directory>"),
      Flag.withDescription("Replaced as a whole by what the requirements need; the last entry of the host's sys.path")
    ),
    requirementFile: Flag.String("requirements").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("Requirements, one a line; - is standard input"),
      Flag.optional
    ),
    indexUrl: Flag.String("index-url").pipe(Flag.withMetavar("<url>"), Flag.withDescription("As pip's"), Flag.optional),
    findLinks: Flag.String("find-links").pipe(
      Flag.withMetavar("<place>"),
      Flag.withDescription("As pip's; may be repeated"),
      Flag.atLeast(0)
    ),
    offline: flag("no-index", "As pip's: only what --find-links names"),
    builds: flag("allow-builds", "Also packages that have to be built, which runs their code"),
    dryRun: flag("dry-run", "Only say what would be added"),
    json: flag("json", "Print one JSON document"),
    requirements: Argument.String("requirement").pipe(
      Argument.withDescription("Such as requests>=2"),
      Argument.variadic()
    )
  },
  Effect.fnUntraced(function* (options) {
    const path = yield* Path.Path
    const requirements = [...options.requirements, ...(yield* fromFile(options.requirementFile))]
    if (requirements.length === 0) {
      return yield* new UsageError({ message: "Name what is to be installed: REQUIREMENT…, or --requirements FILE." })
    }
    const { coreLockLayerOf } = yield* Effect.promise(() => import("../boundary/index.ts"))
    const file = Option.isSome(options.lock) ? options.lock.value : (yield* coreLockPlace).path
    const done = yield* Effect.gen(function* () {
      const core = yield* CoreLock
      const plan = yield* core.plan({
        python: options.python,
        directory: options.into,
        requirements,
        index: {
          ...(Option.isSome(options.indexUrl) ? { url: options.indexUrl.value } : {}),
          findLinks: options.findLinks,
          offline: options.offline
        },
        builds: options.builds
      })
      return { plan, directory: options.dryRun ? null : yield* core.install(plan) }
    }).pipe(Effect.provide(coreLockLayerOf(path.resolve(file))))
    if (options.json) return yield* printJson({ directory: done.directory, packages: done.plan.packages })
    for (const line of describe(done.plan)) yield* print(plain(line))
    yield* print(
      done.directory === null
        ? "Nothing was installed (--dry-run)."
        : `Installed in ${done.directory}, for new processes.`
    )
  }, Effect.provide(homeLayer))
).pipe(
  Command.withDescription(
    "Install what a Python plugin needs beside the packages of the core, none of which it may replace: resolved first, " +
      "staged, judged, and put in place by one rename."
  ),
  Command.withExamples([
    {
      command:
        "holdfast core-lock install --lock core-lock.json --python python3 --into plugins/site-packages 'requests>=2'"
    },
    {
      command:
        "holdfast core-lock install --python python3 --into plugins/site-packages --requirements requirements.txt --dry-run"
    }
  ])
)

const fromFile = Effect.fnUntraced(function* (file: Option.Option<string>) {
  if (Option.isNone(file)) return []
  const bytes = yield* readInput(file.value, "The requirements")
  return new TextDecoder()
    .decode(bytes)
    .split(/\r?\n/)
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .filter((line) => line !== "")
})

const describe = ({ packages }: InstallPlan): ReadonlyArray<string> =>
  packages.length === 0
    ? ["The runtime has all of it already."]
    : packages.map(({ name, requested, version }) => `+ ${name} ${version}${requested ? "" : " (needed by another)"}`)
