/** What the daemon's health says of the core lock, and the look at the packages that lie there when it starts. */
import { Context, Deferred, Effect, FileSystem, Layer, Option, Path, Ref, Result } from "effect"
import {
  BESIDE_PACKAGES,
  CORE_LOCK_VARIABLE,
  CoreLock,
  coreLockPlace,
  type CoreLockState,
  type CoreLockStatus,
  describeCopy,
  type Diagnostic,
  Home,
  type QuarantineReport
} from "../domain/index.ts"

export interface CoreLockSeen {
  /** Null until the daemon has started. */
  readonly status: CoreLockStatus | null
  /** Of the lock as it is now, and of what was found when the daemon started. */
  readonly diagnostics: ReadonlyArray<Diagnostic>
}

/** So many copies of one directory are named in the status; the log names all. */
const NAMED = 10

/**
 * Tells of the lock, and keeps what the scan found for as long as the process lives.
 *
 * @ref LLP 0022#in-the-daemon [implements]
 */
export class CoreLockWatch extends Context.Service<
  CoreLockWatch,
  {
    /** To be called once, when the daemon runs: scans the packages of agents. From then on the lock is looked at. */
    readonly open: Effect.Effect<void>
    /** Waits for the end of that scan: before it, what lies there may stand in for a part of the core. */
    readonly scanned: Effect.Effect<void>
    readonly seen: Effect.Effect<CoreLockSeen>
  }
>()("holdfast/daemon/CoreLockWatch") {
  static readonly layer = Layer.suspend(() => Layer.effect(CoreLockWatch, make))
}

const make = Effect.gen(function* () {
  const core = yield* CoreLock
  const { isNamed } = yield* coreLockPlace
  const services = yield* Effect.context<FileSystem.FileSystem | Home | Path.Path>()
  const isOpen = yield* Ref.make(false)
  const scan = yield* Deferred.make<void>()
  const found = yield* Ref.make<ReadonlyArray<Diagnostic>>([])
  const places = Effect.provideContext(packagePlaces, services)

  const note = (directory: string, report: QuarantineReport) =>
    Effect.andThen(
      Ref.update(found, (before) => [...before, ...reportDiagnostics(directory, report)]),
      Effect.forEach([...report.moved.map(movedText), ...report.problems], (text) => Effect.logWarning(text), {
        discard: true
      })
    )

  const open = Effect.gen(function* () {
    yield* Ref.set(isOpen, true)
    const { directories, problems, root } = yield* places
    if (problems.length > 0) yield* note(root, { moved: [], problems })
    yield* Effect.forEach(
      directories,
      // What was moved is told of, also by a daemon that is just being stopped.
      (each) =>
        core.quarantine(each).pipe(
          Effect.flatMap((report) => note(each, report)),
          Effect.uninterruptible
        ),
      { discard: true }
    )
  }).pipe(Effect.ensuring(Deferred.succeed(scan, undefined)))

  const seen = Effect.gen(function* () {
    const scanned = yield* Ref.get(found)
    if (!(yield* Ref.get(isOpen))) return { status: null, diagnostics: scanned }
    const state = yield* core.state
    const isMissed = state._tag === "missing" && (isNamed || (yield* places).directories.length > 0)
    const diagnostics = [...stateDiagnostics(state, { isMissed, isNamed }), ...scanned]
    return { status: statusOf(state), diagnostics }
  })

  return CoreLockWatch.of({ open, scanned: Deferred.await(scan), seen })
})

/** The packages of each agent: what is there, or was there before a killed install. */
const packagePlaces = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = (yield* Home).packages
  const problems: Array<string> = []
  const listed = yield* Effect.result(fs.readDirectory(root))
  if (Result.isFailure(listed) && listed.failure.reason._tag !== "NotFound") {
    problems.push(`${root} cannot be looked through: ${listed.failure.message}.`)
  }
  const { former, quarantine, staging } = BESIDE_PACKAGES
  const names = Result.getOrElse(listed, () => [])
    .filter((name) => !name.endsWith(quarantine) && !name.endsWith(staging))
    .map((name) => (name.endsWith(former) ? name.slice(0, -former.length) : name))
  const directories: Array<string> = []
  for (const name of new Set(names.toSorted())) {
    const directory = path.join(root, name)
    const info = yield* Effect.option(fs.lstat(directory))
    if (Option.isNone(info) || info.value.type === "Directory") directories.push(directory)
    else if (info.value.type === "SymbolicLink") {
      problems.push(`${directory} is a link, and was not looked through: what it leads to is not the daemon's to move.`)
    }
  }
  return { root, directories, problems }
})

const movedText = (copy: QuarantineReport["moved"][number]): string =>
  `${describeCopy(copy)}: it was moved to ${copy.movedTo}`

const warning = (kind: string, message: string, ...repair: ReadonlyArray<string>): Diagnostic => ({
  severity: "warning",
  kind,
  message,
  repair
})

const reportDiagnostics = (directory: string, { moved, problems }: QuarantineReport): ReadonlyArray<Diagnostic> => [
  ...(moved.length === 0
    ? []
    : [
        warning(
          "core_copy_quarantined",
          `${directory} held what the core has itself. ${some(moved.map(movedText))}.`,
          "What needs it gets the core's own from now on. If that is another version than it asks for, have it ask for one that fits.",
          `Nothing was deleted: when it is not needed any more, remove ${directory}${BESIDE_PACKAGES.quarantine}`
        )
      ]),
  ...(problems.length === 0
    ? []
    : [
        warning(
          "core_scan_incomplete",
          some(problems),
          "Mend that, then: holdfast daemon restart. Until then a copy there may stand in for a package of the core."
        )
      ])
]

const some = (texts: ReadonlyArray<string>): string =>
  texts.length <= NAMED
    ? texts.join("; ")
    : `${texts.slice(0, NAMED).join("; ")}; and ${texts.length - NAMED} more, which the log names`

const stateDiagnostics = (
  state: CoreLockState,
  { isMissed, isNamed }: { readonly isMissed: boolean; readonly isNamed: boolean }
): ReadonlyArray<Diagnostic> => {
  if (state._tag === "unreadable") {
    return [warning("core_lock_unreadable", state.message, "Until it can be read, no Python packages are installed.")]
  }
  if (state._tag === "ready" || !isMissed) return []
  const why = isNamed ? `${CORE_LOCK_VARIABLE} names it` : "agents have packages that it should judge"
  return [
    warning("core_lock_missing", `${state.message} (${why})`, "Until it is there, no Python packages are installed.")
  ]
}

const statusOf = (state: CoreLockState): CoreLockStatus =>
  state._tag === "ready"
    ? { state: "ready", path: state.path, distributions: state.lock.distributions.length }
    : { state: state._tag, path: state.path, message: state.message }
