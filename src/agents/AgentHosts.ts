/**
 * The processes of agent files: one machine for each file as it is, started by the first call.
 *
 * @ref LLP 0024#the-pool [implements]: whom a call goes to, and what becomes of a file that has changed
 */
import {
  Context,
  Deferred,
  Effect,
  Exit,
  type FileSystem,
  Layer,
  type Path,
  Queue,
  Ref,
  Scope,
  Semaphore,
  Stream
} from "effect"
import type { ChildProcessSpawner } from "effect/process"
import {
  AGENT_HOST_VISIBLE,
  AgentHost,
  type AgentHostEvent,
  HOST_CALL_MS,
  HOST_IDLE_MS,
  HOST_START_MS,
  type HostFailure,
  type HostLimits
} from "../../machines/index.ts"
import type { Home } from "../domain/index.ts"
import { interpret, type Interpreter, type Journal, type Switchboard, type Uptime } from "../statechart/index.ts"
import { agentPython } from "./AgentEnvironment.ts"
import type { AgentFile } from "./AgentFiles.ts"
import { runHost, type HostBounds } from "./HostProcess.ts"
import type { DescribedAgent, HostOrder, HostRequest, HostWord } from "./HostProtocol.ts"

/** What every agent file may take. */
export interface AgentLimits extends HostLimits, HostBounds {}

export const AGENT_LIMITS: AgentLimits = {
  startMs: HOST_START_MS,
  callMs: HOST_CALL_MS,
  idleMs: HOST_IDLE_MS,
  memoryMiB: 512,
  outputBytes: 1_048_576
}

/** How a call of a host ended. */
export type HostAnswer<A> =
  | { readonly ok: true; readonly value: A }
  | {
      readonly ok: false
      readonly failure: HostFailure
      readonly message: string
      /** The file could not be loaded, for it imports this top-level module. */
      readonly missing?: string
    }

/** What a call is for: to be performed, or only to learn what the file holds. */
interface Call {
  readonly request: HostRequest | null
  readonly done: Deferred.Deferred<HostAnswer<unknown>>
  readonly begun: Deferred.Deferred<void> | undefined
  answer: HostAnswer<unknown> | null
}

/** One file as it was, and its machine. */
interface Host {
  readonly calls: Map<number, Call>
  readonly machine: Interpreter<typeof AgentHost>
  readonly scope: Scope.Closeable
}

export class AgentHosts extends Context.Service<
  AgentHosts,
  {
    /** What the file holds, as it says itself. */
    readonly describe: (file: AgentFile) => Effect.Effect<HostAnswer<ReadonlyArray<DescribedAgent>>>
    /**
     * Asks an agent of the file; an interruption ends the call, and the process that performs it. `begun` is told when the
     * process is asked: until then it may load, or perform what others have asked before.
     */
    readonly ask: (
      file: AgentFile,
      request: HostRequest,
      begun?: Deferred.Deferred<void>
    ) => Effect.Effect<HostAnswer<string>>
    /** These are the files there are: processes of others end with the call that they perform. */
    readonly retain: (files: ReadonlyArray<AgentFile>) => Effect.Effect<void>
  }
>()("holdfast/agents/AgentHosts") {
  static readonly layerOf = (limits: AgentLimits) => Layer.effect(AgentHosts, make(limits))
}

const CLOSED: HostAnswer<never> = { ok: false, failure: "exited", message: "its process ended, for the daemon ends" }

/** Another process for other bytes, and for other packages. */
const keyOf = ({ hash, packages, path }: AgentFile): string => `${hash} ${packages?.stamp ?? ""} ${path}`

const make = Effect.fnUntraced(function* (limits: AgentLimits) {
  const parent = yield* Effect.scope
  const context = yield* Effect.context<
    ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Home | Journal | Path.Path | Switchboard | Uptime
  >()
  const python = yield* agentPython
  const hosts = new Map<string, Host>()
  const oneAtATime = yield* Semaphore.make(1)
  const closed = yield* Deferred.make<HostAnswer<never>>()
  // The machines are gone by then, and would leave whoever waits for them waiting.
  yield* Effect.addFinalizer(() => Deferred.succeed(closed, CLOSED))
  let launched = 0
  let asked = 0

  const launch = Effect.fnUntraced(function* (file: AgentFile) {
    const scope = yield* Scope.fork(parent)
    const calls = new Map<number, Call>()
    const machine = yield* Deferred.make<Interpreter<typeof AgentHost>>()
    const printed = yield* Ref.make(0)
    const settle = (call: number, answer: HostAnswer<unknown> | null) =>
      Effect.suspend(() => {
        const known = calls.get(call)
        const given = answer ?? known?.answer
        return known === undefined || given == null ? Effect.void : Deferred.succeed(known.done, given)
      })
    let orders: Queue.Queue<HostOrder> | undefined
    let described: ReadonlyArray<DescribedAgent> = []
    let missing: string | undefined
    let process = 0

    const send = (event: AgentHostEvent) =>
      Effect.flatMap(Deferred.await(machine), (running) => running.send(event, "host"))

    /** What a process says, as the machine is told; the words themselves stay here. */
    const heard =
      (process: number) =>
      (word: HostWord): Effect.Effect<void> => {
        if ("loaded" in word) {
          described = word.loaded
          return send({ type: "LOADED", process })
        }
        if ("failed" in word) {
          missing = word.missing
          return send({ type: "FAULT", process, failure: word.failed, message: word.message })
        }
        const { call } = word
        const known = calls.get(call)
        if (known !== undefined) {
          known.answer =
            "output" in word
              ? { ok: true, value: word.output }
              : { ok: false, failure: word.failure, message: word.message }
        }
        return send({ type: "ANSWERED", process, call })
      }

    const running = yield* interpret(
      { machine: AgentHost, visible: AGENT_HOST_VISIBLE, instance: `${file.name} ${++launched}` },
      limits,
      {
        tasks: {
          host: Effect.fnUntraced(function* (input: { readonly process: number }) {
            process = input.process
            const queue = yield* Queue.unbounded<HostOrder>()
            orders = queue
            missing = undefined
            yield* Ref.set(printed, 0)
            return yield* runHost(file, file.language === "python" ? python : globalThis.process.execPath, limits, {
              orders: Stream.fromQueue(queue),
              hear: heard(input.process),
              fault: (trouble) => send({ type: "FAULT", process: input.process, ...trouble }),
              printed
            })
          })
        },
        actions: {
          perform: ({ call }) =>
            Effect.suspend(() => {
              const known = calls.get(call)
              if (known?.request == null) {
                // Whoever wants to know what the file holds has what its process said first.
                if (known !== undefined) known.answer = { ok: true, value: described }
                return send({ type: "ANSWERED", process, call })
              }
              if (orders !== undefined) Queue.offerUnsafe(orders, { ...known.request, call })
              if (known.begun !== undefined) Deferred.doneUnsafe(known.begun, Effect.void)
              return Ref.set(printed, 0)
            }),
          deliver: ({ call }) => settle(call, null),
          refuse: ({ calls, failure, message }) =>
            Effect.forEach(
              calls,
              (call) => settle(call, { ok: false, failure, message, ...(missing === undefined ? {} : { missing }) }),
              { discard: true }
            ),
          endHost: () =>
            Effect.sync(() => {
              if (orders !== undefined) Queue.offerUnsafe(orders, { do: "end" })
            })
        }
      }
    ).pipe(Effect.provideService(Scope.Scope, scope), Effect.provideContext(context))
    yield* Deferred.succeed(machine, running)
    const host: Host = { calls, machine: running, scope }
    return host
  })

  const hostOf = (file: AgentFile) =>
    oneAtATime.withPermits(1)(
      Effect.gen(function* () {
        const known = hosts.get(keyOf(file))
        if (known !== undefined) return known
        const host = yield* launch(file)
        hosts.set(keyOf(file), host)
        return host
      }).pipe(Effect.uninterruptible)
    )

  const call = Effect.fnUntraced(function* (
    file: AgentFile,
    request: HostRequest | null,
    begun?: Deferred.Deferred<void>
  ) {
    const { calls, machine } = yield* hostOf(file)
    const id = ++asked
    const done = yield* Deferred.make<HostAnswer<unknown>>()
    calls.set(id, { request, done, begun, answer: null })
    return yield* Effect.uninterruptibleMask((restore) =>
      machine.send({ type: "CALL", call: id }, "caller").pipe(
        Effect.andThen(restore(Effect.raceFirst(Deferred.await(done), Deferred.await(closed)))),
        // Who goes away is gone once the process is.
        Effect.onInterrupt(() =>
          Effect.raceFirst(machine.ask({ type: "CANCEL", call: id }, "caller"), Deferred.await(closed))
        ),
        Effect.ensuring(Effect.sync(() => calls.delete(id)))
      )
    )
  })

  const retain = Effect.fnUntraced(function* (files: ReadonlyArray<AgentFile>) {
    const present = new Set(files.map(keyOf))
    for (const [key, host] of hosts) {
      if (present.has(key)) continue
      hosts.delete(key)
      yield* host.machine.send({ type: "RETIRE" }, "folder")
      yield* host.machine
        .until((snapshot) => snapshot.hasTag("closed"))
        .pipe(Effect.andThen(Scope.close(host.scope, Exit.void)), Effect.forkIn(parent))
    }
  })

  return AgentHosts.of({
    describe: (file) => call(file, null) as Effect.Effect<HostAnswer<ReadonlyArray<DescribedAgent>>>,
    ask: (file, request, begun) => call(file, request, begun) as Effect.Effect<HostAnswer<string>>,
    retain: Effect.fn("AgentHosts.retain")(retain)
  })
})
