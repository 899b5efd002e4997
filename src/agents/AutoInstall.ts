/**
 * What becomes of a file that cannot be loaded because an import is missing.
 *
 * @ref LLP 0024#packages [implements]: installed once, in the background; remembered until the file changes
 */
import { Effect, Predicate, Result, Semaphore } from "effect"
import { ConfigControl } from "../domain/index.ts"
import type { AgentFile } from "./AgentFiles.ts"
import { AgentPackages, type NeededImport } from "./AgentPackages.ts"
import { agentSettings } from "./AgentSettings.ts"

/** What is known of one file as it is. */
interface Attempt {
  /** Of the packages that `said` is about. */
  readonly stamp: string | null
  /** What is said of it; empty: nothing. */
  readonly said: string
  /** An install has been begun: another one would be the same. */
  readonly isTried: boolean
  /** What a person may agree to. */
  readonly offered: ReadonlyArray<NeededImport>
}

/** What is to be said of a file beside its failure. */
export interface Mending {
  /** Empty: nothing. */
  readonly said: string
  /** Packages that are installed as soon as a person agrees. */
  readonly installable: ReadonlyArray<string>
}

/** What a look does about files that cannot be loaded. */
export interface AutoInstaller {
  /**
   * What is to be said of a file whose load found no module `missing`. May begin to install what it needs, and waits for no
   * install; `ended` is done when one that it began has ended, well or not.
   */
  readonly mend: (file: AgentFile, missing: string, ended: Effect.Effect<unknown>) => Effect.Effect<Mending>
  /** A person agrees to what was told as installable: what is said of the file from now on; null: nothing is. */
  readonly agree: (file: AgentFile, ended: Effect.Effect<unknown>) => Effect.Effect<string | null>
  /** These are the files there are: what was remembered of others is forgotten. */
  readonly retain: (files: ReadonlyArray<AgentFile>) => void
}

const mendingOf = (said: string, offered: ReadonlyArray<NeededImport> = []): Mending => ({
  said,
  installable: offered.flatMap(({ distribution }) => distribution ?? [])
})

/** Leaves everything as it is. */
export const NO_INSTALLS: AutoInstaller = {
  mend: () => Effect.succeed(mendingOf("")),
  agree: () => Effect.succeed(null),
  retain: () => {}
}

const keyOf = ({ hash, name }: AgentFile): string => `${hash} ${name}`

const stampOf = ({ packages }: AgentFile): string | null => packages?.stamp ?? null

/**
 * Installs what a file needs, if the document lets it and every name is well known. An install that runs when the scope
 * closes is ended, and leaves what was there.
 */
export const makeAutoInstall = Effect.gen(function* () {
  const packages = yield* AgentPackages
  const control = yield* ConfigControl
  const scope = yield* Effect.scope
  const oneAtATime = yield* Semaphore.make(1)
  const attempts = new Map<string, Attempt>()

  /** In the background: no request is there to wait for it, or to end it. Says that it has begun. */
  const install = (
    file: AgentFile,
    needed: ReadonlyArray<NeededImport>,
    ended: Effect.Effect<unknown>
  ): Effect.Effect<string> => {
    const key = keyOf(file)
    const begun = `It needs ${listed(needed)}, which is being installed: look again in a moment.`
    const note = (said: string, offered: ReadonlyArray<NeededImport> = []): void => {
      attempts.set(key, { stamp: stampOf(file), said, isTried: true, offered })
    }
    const run = Effect.gen(function* () {
      const plan = yield* packages.plan(
        file,
        needed.flatMap(({ distribution }) => distribution ?? [])
      )
      yield* packages.install(plan)
      const added = plan.packages.map(({ name, version }) => `${name} ${version}`).join(", ")
      yield* Effect.logInfo("agent_packages_installed").pipe(Effect.annotateLogs({ file: file.name, packages: added }))
    }).pipe(
      Effect.catch(({ message }) => {
        const again = `This is tried again when the file changes; or: ${command(file)}`
        // A file that is another one by now has been forgotten.
        if (attempts.has(key)) note(`It needs ${listed(needed)}. ${message.replace(/[^.]$/, "$&.")} ${again}`, needed)
        return Effect.logWarning("agent_packages_refused").pipe(
          Effect.annotateLogs({ file: file.name, reason: message })
        )
      })
    )
    return Effect.suspend(() => {
      note(begun)
      return Effect.as(Effect.forkIn(Effect.andThen(oneAtATime.withPermits(1)(run), ended), scope), begun)
    }).pipe(Effect.uninterruptible)
  }

  const judge = Effect.fnUntraced(function* (file: AgentFile, missing: string, isTried: boolean) {
    const { autoInstall } = yield* agentSettings(control)
    if (autoInstall === "off") return ""
    const needed = yield* packages.needs(file, [missing])
    if (needed.length === 0) return ""
    if (isTried) return `It still needs ${listed(needed)}, though packages were installed. ${byHand(file)}`
    const unlisted = needed.filter(({ distribution }) => distribution === null)
    if (unlisted.length === 0) return { needed, isAsked: autoInstall === "ask" }
    if (autoInstall === "ask") return `It needs ${listed(needed)}. ${byHand(file)}`
    const names = unlisted.map(({ name }) => name).join(", ")
    return `It needs ${listed(needed)}. Nothing was installed, for ${names} is no well-known name: it may be misspelt. ${byHand(file)}`
  })

  const mend = Effect.fn("AutoInstall.mend")(function* (
    file: AgentFile,
    missing: string,
    ended: Effect.Effect<unknown>
  ): Effect.fn.Return<Mending> {
    const key = keyOf(file)
    const stamp = stampOf(file)
    const before = attempts.get(key)
    if (before?.stamp === stamp) return mendingOf(before.said, before.offered)
    const answer = yield* Effect.result(judge(file, missing, before?.isTried ?? false))
    // Of the interpreter, not of the file: another look may find out.
    if (Result.isFailure(answer)) return mendingOf(answer.failure.message)
    const judged = answer.success
    // Somebody else may have looked at the same time.
    const now = attempts.get(key)
    if (now?.stamp === stamp) return mendingOf(now.said, now.offered)
    if (!Predicate.isString(judged) && !judged.isAsked) return mendingOf(yield* install(file, judged.needed, ended))
    const offered = Predicate.isString(judged) ? [] : judged.needed
    const said = Predicate.isString(judged) ? judged : `It needs ${listed(offered)}. ${byHand(file)}`
    attempts.set(key, { stamp, said, isTried: now?.isTried ?? false, offered })
    return mendingOf(said, offered)
  })

  const agree = Effect.fn("AutoInstall.agree")(function* (file: AgentFile, ended: Effect.Effect<unknown>) {
    const attempt = attempts.get(keyOf(file))
    if (attempt === undefined || attempt.stamp !== stampOf(file) || attempt.offered.length === 0) return null
    return yield* install(file, attempt.offered, ended)
  })

  const installer: AutoInstaller = {
    mend,
    agree,
    retain: (files) => {
      const present = new Set(files.map(keyOf))
      for (const key of attempts.keys()) if (!present.has(key)) attempts.delete(key)
    }
  }
  return installer
})

const listed = (needed: ReadonlyArray<NeededImport>): string =>
  needed
    .map(({ distribution, name }) =>
      distribution === null || distribution === name ? name : `${name} (${distribution})`
    )
    .join(", ")

const command = ({ path }: AgentFile): string => `holdfast agent install ${path}`

const byHand = (file: AgentFile): string => `To install what it needs: ${command(file)}`
