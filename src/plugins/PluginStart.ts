/** One plugin, from its entry file to what `setup` returned. */
import { Effect, Fiber, FileSystem, Path, Predicate, Ref, Result, Schema, type Scope } from "effect"
import type { KnownPlugin } from "../domain/index.ts"
import { directoryMode } from "../storage/index.ts"
import type { PluginApi, PluginContribution, PluginSetup } from "./PluginApi.ts"

/** How long a plugin may take from loading its entry to the end of `setup`. */
export const SETUP_DEADLINE = "10 seconds"
/** How long a plugin's `close` may take. */
export const CLOSE_DEADLINE = "5 seconds"

/** A plugin that did not start; `message` names it, says why and what to do. */
export class PluginFailed extends Schema.TaggedError<PluginFailed>()("PluginFailed", {
  plugin: Schema.String,
  message: Schema.String
}) {}

/**
 * Loads the entry and runs `setup`. When the surrounding Scope closes, `signal` is aborted and then `close` called. A
 * setup that ends after its deadline is closed in the background, in `host`.
 */
export const startPlugin = Effect.fnUntraced(function* (
  { entry, manifest: { name, version } }: KnownPlugin,
  { config, data }: { readonly config: Readonly<Record<string, unknown>>; readonly data: string },
  host: Scope.Scope
) {
  const failed = (what: string) =>
    new PluginFailed({
      plugin: name,
      message: `Plugin ${name} ${version} ${what}. It is left out; correct it, or remove it from the document.`
    })
  const services = yield* Effect.context()
  const runFork = Effect.runForkWith(services)
  const contribution = yield* Ref.make<PluginContribution>({})

  const close = Effect.gen(function* () {
    const { close } = yield* Ref.getAndSet(contribution, {})
    if (close === undefined) return
    yield* Effect.tryPromise({ try: () => Promise.resolve(close()), catch: describe }).pipe(
      Effect.timeoutOrElse({
        duration: CLOSE_DEADLINE,
        orElse: () => Effect.fail(`not done within ${CLOSE_DEADLINE}`)
      }),
      Effect.catch((reason) => Effect.logWarning(`Plugin ${name} ${version} was not closed in order: ${reason}`)),
      Effect.interruptible
    )
  })

  // Finalizers run last in, first out: the signal is aborted before `close` is called.
  yield* Effect.addFinalizer(() => close)
  const api: PluginApi = {
    name,
    version,
    config: structuredClone(config),
    data,
    log: (...said) => {
      runFork(Effect.annotateLogs(logLine(said), "plugin", name))
    },
    signal: yield* Effect.abortSignal
  }

  const fs = yield* FileSystem.FileSystem
  yield* fs
    .makeDirectory(data, { recursive: true, mode: directoryMode })
    .pipe(Effect.mapError(({ message }) => failed(`has no place to keep anything: ${message}`)))
  const path = yield* Path.Path
  const url = yield* Effect.orDie(path.toFileUrl(entry ?? ""))
  const setup = yield* Effect.tryPromise({
    try: () => import(url.href),
    catch: (error) => failed(`cannot be loaded: ${describe(error)}`)
  }).pipe(
    Effect.flatMap((module) => {
      const setup = setupOf(module)
      return setup === undefined
        ? Effect.fail(failed("exports no function `setup`"))
        : Effect.tryPromise({
            try: () => Promise.resolve(setup(api)).then(contributionOf),
            catch: (error) => failed(`did not start, setup threw: ${describe(error)}`)
          })
    }),
    Effect.flatMap((returned) => Ref.set(contribution, returned)),
    Effect.forkIn(host)
  )
  yield* Fiber.join(setup).pipe(
    Effect.timeoutOrElse({
      duration: SETUP_DEADLINE,
      orElse: () => Effect.fail(failed(`did not start, setup was not done within ${SETUP_DEADLINE}`))
    }),
    Effect.onError(() => Effect.forkIn(Effect.andThen(Fiber.await(setup), close), host))
  )
})

/** Characters of one line that a plugin logs. */
const LONGEST_LINE = 8_192

const LOG_LEVELS = {
  debug: Effect.logDebug,
  info: Effect.logInfo,
  warn: Effect.logWarning,
  error: Effect.logError
} as const

/** A plugin is JavaScript: what it passes may be anything. A first word that is no level is the beginning of the message. */
const logLine = (said: ReadonlyArray<unknown>) => {
  const [first, ...rest] = said
  const known = Object.entries(LOG_LEVELS).find(([name]) => name === first)?.[1]
  const isLevel = known !== undefined && rest.length > 0
  const text = (isLevel ? rest : said).map(wordOf).join(" ")
  return (isLevel ? known : Effect.logInfo)(text.slice(0, LONGEST_LINE))
}

const wordOf = (said: unknown): string => {
  const asText = Result.try(() => String(said))
  return Result.isSuccess(asText) ? asText.success : "an object without text"
}

const setupOf = (module: unknown): PluginSetup | undefined => {
  const exported = ["setup", "default"].map((name) => (Predicate.hasProperty(module, name) ? module[name] : undefined))
  return exported.find(isSetup)
}

const isSetup = (value: unknown): value is PluginSetup => typeof value === "function"

/** Bound to what it came from, for plugins written as classes. */
const contributionOf = (returned: unknown): PluginContribution => {
  if (!Predicate.hasProperty(returned, "close")) return {}
  const { close } = returned
  return typeof close === "function" ? { close: () => close.call(returned) } : {}
}

/** A plugin may throw anything, also what cannot be made text. */
const describe = (error: unknown): string =>
  Predicate.isError(error) ? error.message : Predicate.isString(error) ? error : `a thrown ${typeof error}`
