/** The manager that runs the daemon as a service of this machine, whichever it is. */
import { Context, Effect, FileSystem, Layer, Option, type Path, type Stream } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { DurableFiles } from "../storage/index.ts"
import {
  checkDescription,
  homeOfUnit,
  type ServiceDescription,
  type ServiceScope,
  type UnitRefused
} from "./Description.ts"
import { findManager, ManagerFailed, type ManagerProgram, runManager } from "./ManagerProgram.ts"
import { makeLaunchd } from "./Launchd.ts"
import { makeSystemd } from "./Systemd.ts"

/** One thing that an action does, as data, so that it can be shown instead of done. */
export type ServiceStep =
  | { readonly _tag: "Folder"; readonly path: string }
  | { readonly _tag: "Write"; readonly path: string; readonly content: string }
  | { readonly _tag: "Remove"; readonly path: string }
  /** `mayFail`: what it asks for may be so already. `untilItFails`: what it shows is waited to be gone. */
  | {
      readonly _tag: "Run"
      readonly program: ManagerProgram
      readonly args: ReadonlyArray<string>
      readonly mayFail?: boolean
      readonly untilItFails?: boolean
    }

/** The unit's file, as it lies there. */
export interface InstalledUnit {
  readonly content: string
  /** The home that it is for. */
  readonly home: string
}

/** What an installation finds, and what is to be there. */
export interface UnitChange {
  readonly content: string
  readonly before: string | null
  /** One before did not come to its end: what runs may be of another unit than the file's. */
  readonly unfinished: boolean
}

export interface ServiceStatus {
  /** In the manager's own words, such as `active (running)`. */
  readonly state: string
  readonly pid: number | null
}

export interface LogsOptions {
  readonly follow: boolean
  /** How many lines of before. */
  readonly lines: number
}

type Asked<A> = Effect.Effect<
  A,
  ManagerFailed,
  ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Path.Path
>
type Steps = ReadonlyArray<ServiceStep>

/** What differs between managers: each action as steps. They ask the manager how things are, and change nothing. */
export interface ManagerSteps {
  readonly kind: "systemd" | "launchd"
  /** What commands call the service. */
  readonly name: string
  /** The unit's file. */
  readonly file: string
  readonly render: (description: ServiceDescription) => Effect.Effect<string, UnitRefused>
  readonly install: (change: UnitChange) => Asked<Steps>
  readonly uninstall: Asked<Steps>
  readonly start: Asked<Steps>
  readonly stop: Asked<Steps>
  readonly restart: Asked<Steps>
  readonly status: Asked<ServiceStatus>
  /** The manager's own log of the service; null where it keeps none. */
  readonly logs:
    | ((
        options: LogsOptions
      ) => Stream.Stream<Uint8Array, ManagerFailed, ChildProcessSpawner.ChildProcessSpawner | Path.Path>)
    | null
}

/**
 * Actions answer the steps that they take, in order; `carryOut` takes them. Installing what is installed answers steps
 * that change nothing, uninstalling nothing none.
 */
export class ServiceManager extends Context.Service<
  ServiceManager,
  Pick<ManagerSteps, "kind" | "name" | "file" | "start" | "stop" | "restart" | "status" | "logs"> & {
    readonly scope: ServiceScope
    /** `None` where there is no unit. A file that is not ours is a failure. */
    readonly installed: Effect.Effect<Option.Option<InstalledUnit>, ManagerFailed>
    readonly install: (
      description: ServiceDescription
    ) => Effect.Effect<
      Steps,
      ManagerFailed | UnitRefused,
      ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Path.Path
    >
    readonly uninstall: Asked<Steps>
    readonly carryOut: (steps: Steps) => Asked<void>
  }
>()("holdfast/service/ServiceManager") {
  /** The manager of this machine, for the services with this label. Fails where there is none. */
  static readonly layer = (scope: ServiceScope, label: string) => Layer.effect(ServiceManager, make(scope, label))
}

const make = Effect.fnUntraced(function* (scope: ServiceScope, label: string) {
  const fs = yield* FileSystem.FileSystem
  const files = yield* DurableFiles
  const kind = yield* findManager(scope)
  const manager = yield* kind === "systemd" ? makeSystemd(scope, label) : makeLaunchd(scope, label)

  const read = fs.readFileString(manager.file).pipe(
    Effect.asSome,
    Effect.catch((error) =>
      error.reason._tag === "NotFound"
        ? Effect.succeed(Option.none<string>())
        : Effect.fail(fileFailed(manager.file, error))
    )
  )

  const installed = Effect.flatMap(
    read,
    Option.match({
      onNone: () => Effect.succeed(Option.none<InstalledUnit>()),
      onSome: (content) =>
        Option.match(homeOfUnit(content), {
          onNone: () =>
            Effect.fail(
              new ManagerFailed({
                message: `${manager.file} was not written by Holdfast, and stays as it is. Move it away, then try again.`
              })
            ),
          onSome: (home) => Effect.succeed(Option.some<InstalledUnit>({ content, home }))
        })
    })
  )

  const mark = `${manager.file}.unfinished`
  const isUnfinished = Effect.orElseSucceed(fs.exists(mark), () => true)

  const take = Effect.fnUntraced(function* (step: ServiceStep) {
    switch (step._tag) {
      case "Folder":
        return yield* Effect.mapError(files.makeDirectory(step.path), (error) => fileFailed(step.path, error))
      case "Write": {
        const { content, path } = step
        const cut = path.lastIndexOf("/")
        return yield* files.makeDirectory(path.slice(0, cut), 0o755).pipe(
          Effect.andThen(files.write(path.slice(0, cut), path.slice(cut + 1), content, 0o644)),
          Effect.mapError((error) => fileFailed(path, error))
        )
      }
      case "Remove":
        return yield* Effect.mapError(files.remove(step.path), (error) => fileFailed(step.path, error))
      case "Run": {
        const run = runManager(step.program, step.args)
        if (step.untilItFails === true) return yield* untilItFails(run, [step.program, ...step.args].join(" "))
        return yield* step.mayFail === true ? Effect.ignore(run) : run
      }
    }
  })

  return ServiceManager.of({
    ...manager,
    scope,
    installed,
    install: Effect.fn("ServiceManager.install")(function* (description) {
      const before = Option.map(yield* installed, ({ content }) => content)
      const content = yield* Effect.flatMap(checkDescription(description), manager.render)
      const change = { content, before: Option.getOrNull(before), unfinished: yield* isUnfinished }
      const steps = yield* manager.install(change)
      const folder: ServiceStep = { _tag: "Folder", path: description.home }
      return content === change.before && !change.unfinished
        ? [folder, ...steps]
        : [folder, { _tag: "Write", path: mark, content: UNFINISHED }, ...steps, { _tag: "Remove", path: mark }]
    }),
    uninstall: Effect.gen(function* () {
      if (Option.isNone(yield* installed)) return []
      const steps = yield* manager.uninstall
      return (yield* isUnfinished) ? [...steps, { _tag: "Remove", path: mark }] : steps
    }),
    carryOut: Effect.fn("ServiceManager.carryOut")((steps: Steps) => Effect.forEach(steps, take, { discard: true }))
  })
})

/** Lies beside the unit from before it is written until the service runs by it. */
const UNFINISHED = "holdfast daemon install has not come to its end. Run it again.\n"

/** An orderly stop takes 20 s at most, and the manager kills after 30 s. */
const GONE_TRIES = 175

const untilItFails = <R>(
  look: Effect.Effect<string, ManagerFailed, R>,
  what: string
): Effect.Effect<void, ManagerFailed, R> =>
  Effect.isSuccess(look).pipe(
    Effect.tap((there) => (there ? Effect.sleep("200 millis") : Effect.void)),
    Effect.repeat({ while: (there) => there, times: GONE_TRIES }),
    Effect.flatMap((there) =>
      there
        ? Effect.fail(new ManagerFailed({ message: `The service has not ended after 35 s: ${what} still finds it.` }))
        : Effect.void
    )
  )

const fileFailed = (path: string, { message }: { readonly message: string }): ManagerFailed =>
  new ManagerFailed({
    message: `${path} cannot be read or changed: ${message} Services of the machine need root (sudo).`
  })
