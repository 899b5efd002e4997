/**
 * Tails files: one scheduler for all of them.
 *
 * A poll that finds nothing costs one look among thousands and no step of a machine; only a file with something to read
 * has a fibre, for as long as it reads.
 *
 * @ref LLP 0017#the-scheduler [implements]: who is looked at when, and what nobody waits for
 */
import { Context, Deferred, Effect, Fiber, Latch, Layer, Path, type Scope, Semaphore } from "effect"
import { tailPollDelay } from "../../machines/index.ts"
import { nextDue, type Now, Uptime } from "../statechart/index.ts"
import type { Tail, TailBatch, TailBytes, TailKnown, TailSink, TailSpec } from "./Tail.ts"
import { TailBuffers } from "./TailBuffers.ts"
import { checkpointOf, outcomeOf } from "./TailEnd.ts"
import { begin, contextOf, modeOf, pass, tell, type TailConsumer, type TailFile } from "./TailFile.ts"
import { TailFiles } from "./TailFiles.ts"
import { TailMeter } from "./TailMeter.ts"
import { BATCH_BYTES, countLines, linesOf } from "./TailLines.ts"
import { closeHandle, disturbed, type Glance, isUnchanged, learn, notGrown, poll } from "./TailPoll.ts"
import { GRID_MS, onGrid, TailWheel } from "./TailWheel.ts"
import type { TailWorld } from "./TailWorld.ts"

/** Buffers of 1 MiB that all files share. */
const BUFFERS = 4
/** Files that are looked at together: what is found out of them is garbage at once, and little of it. */
const GLANCE = 64
/** Of the four threads for files, one is left for everything else. */
const REMOTE_CALLS = 3
/** The most that a batch of bytes has, of several lines. */
const BYTES_MAX = 65_536

/** Delivers files as they grow, to their ends; a consumer that stalls stalls its own file only. */
export class Tails extends Context.Service<
  Tails,
  {
    /** Tails a file until the scope closes. What `sink` has returned from is acknowledged. */
    readonly open: (spec: TailSpec, sink: TailSink<TailBatch>) => Effect.Effect<Tail, never, Scope.Scope>
    /** The same for consumers that pass bytes on. */
    readonly openBytes: (spec: TailSpec, sink: TailSink<TailBytes>) => Effect.Effect<Tail, never, Scope.Scope>
  }
>()("holdfast/runs/Tails") {
  static readonly layer: Layer.Layer<Tails, never, TailFiles | Uptime | Path.Path> = Layer.suspend(() =>
    Layer.effect(Tails, make)
  )
}

const ofLines = (sink: TailSink<TailBatch>): TailConsumer => ({
  most: BATCH_BYTES,
  deliver: (chunk, at, next, from) => {
    const lines = linesOf(chunk, at, next)
    const ended = next.part === null ? lines.length : Number(next.part.last)
    return { effect: sink({ _tag: "Lines", lines, from, to: from + next.end - at }), lines: ended }
  },
  gap: (gap) => sink({ _tag: "Gap", ...gap })
})

const ofBytes = (sink: TailSink<TailBytes>): TailConsumer => ({
  most: BYTES_MAX,
  deliver: (chunk, at, next, from) => ({
    effect: sink({
      _tag: "Bytes",
      bytes: Uint8Array.prototype.slice.call(chunk, at, next.end),
      from,
      to: from + next.end - at
    }),
    lines: countLines(chunk, at, next)
  }),
  gap: (gap) => sink({ _tag: "Gap", ...gap })
})

const make = Effect.gen(function* () {
  const files = yield* TailFiles
  const uptime = yield* Uptime
  const path = yield* Path.Path
  const world: TailWorld = {
    files,
    uptime,
    buffers: new TailBuffers(BUFFERS),
    remote: yield* Semaphore.make(REMOTE_CALLS),
    meter: yield* TailMeter
  }
  const wheel = new TailWheel<TailFile>()
  const changed = Latch.makeUnsafe()
  let sleepsUntil = Infinity

  /** A file that is polled has only its machine's timers to wait for. */
  const schedule = (file: TailFile): void => {
    const due = file.isDone ? Infinity : Math.min(file.isBusy ? Infinity : file.pollAt, nextDue(file.instance).uptime)
    wheel.put(file, due)
    if (due < sleepsUntil) changed.openUnsafe()
  }

  /** Ends a tail whose machine has settled. Whatever it still waits for is let go, not waited for. */
  const settle = (file: TailFile): boolean => {
    if (file.isDone || modeOf(file) !== "settled") return file.isDone
    file.isDone = true
    const outcome = outcomeOf(file)
    if (file.spec.isMetered === true && outcome.gaps.length > file.gaps.length) world.meter.gap("unreadable")
    Deferred.doneUnsafe(file.settled, Effect.succeed(outcome))
    wheel.put(file, Infinity)
    return true
  }

  const pollEnded = (file: TailFile, now: Now): void => {
    file.isBusy = false
    file.fiber = null
    if (settle(file)) return
    // A deadline of the machine that has passed meanwhile comes first.
    const next = file.polledAt + tailPollDelay(contextOf(file))
    file.pollAt = next > now.uptime - GRID_MS ? next : onGrid(now.uptime)
    schedule(file)
  }

  const startPoll = (file: TailFile, glance: Glance) =>
    Effect.gen(function* () {
      yield* poll(world, file, glance).pipe(
        // A consumer that breaks is a bug; its batch is delivered again.
        Effect.catchDefect((defect) =>
          Effect.logError(`the consumer of the output at ${file.path} broke`, defect).pipe(
            Effect.andThen(uptime.read),
            Effect.map((now) => disturbed(file, now))
          )
        ),
        Effect.ensuring(
          Effect.map(uptime.read, (now) => {
            file.isDelivering = false
            pollEnded(file, now)
          })
        ),
        Effect.ensuring(Effect.suspend(() => (file.isDone ? closeHandle(world, file) : Effect.void)))
      )
    }).pipe(
      Effect.forkDetach({ startImmediately: true }),
      Effect.map((fiber) => {
        if (file.isBusy) file.fiber = fiber
      })
    )

  /** One look at many files on disks; those with news are polled. */
  const glanceAt = Effect.fnUntraced(function* (all: ReadonlyArray<TailFile>) {
    for (let first = 0; first < all.length; first += GLANCE) {
      // A thousand that grow at once are not a thousand fibres.
      yield* world.buffers.calm
      yield* glanceAtSome(all.slice(first, first + GLANCE))
    }
  })

  const glanceAtSome = Effect.fnUntraced(function* (all: ReadonlyArray<TailFile>) {
    const facts = yield* files.facts(all.map((file) => file.path))
    const now = yield* uptime.read
    for (const [index, file] of all.entries()) {
      if (file.isDone) continue
      const fact = facts[index]
      if (!isUnchanged(file, fact)) {
        yield* startPoll(file, { names: null, facts: fact ?? null })
        continue
      }
      notGrown(file, now)
      pollEnded(file, now)
    }
  })

  /** One listing of a directory for all files that are to be found in it. */
  const listFor = Effect.fnUntraced(function* (directory: string, all: ReadonlyArray<TailFile>) {
    const names = yield* files.list(directory).pipe(
      Effect.map((found) => new Set(found)),
      Effect.catch((error) =>
        Effect.as(Effect.logDebug(`the directory ${directory} cannot be listed: ${error.message}`), null)
      )
    )
    const now = yield* uptime.read
    for (const file of all) {
      if (file.isDone) continue
      const isThere = names?.has(file.spec.logName) === true
      // What is read is where it was; only a file that is not there is asked for by listing alone.
      if (modeOf(file) === "following" && !isThere) tell(file, { type: "TROUBLE" }, now)
      if (modeOf(file) === "waiting" && !isThere) {
        file.readAllAt = file.polledAt
        pollEnded(file, now)
      } else yield* startPoll(file, { names, facts: null })
    }
  })

  const isListing = (file: TailFile): boolean => {
    const mode = modeOf(file)
    if (mode === "reading" && (file.record === null || !contextOf(file).found)) return true
    return !file.isListed && file.handle === null && mode !== "flushing"
  }

  const wake = Effect.gen(function* () {
    const now = yield* uptime.read
    const looked: Array<TailFile> = []
    const listed = new Map<string, Array<TailFile>>()
    for (const file of wheel.take(now.uptime)) {
      if (nextDue(file.instance).uptime <= now.uptime) pass(file, now)
      if (settle(file)) {
        file.fiber?.interruptUnsafe()
        if (!file.isBusy) yield* Effect.forkDetach(closeHandle(world, file))
        continue
      }
      if (file.isBusy || file.pollAt > now.uptime) {
        schedule(file)
        continue
      }
      file.isBusy = true
      file.polledAt = file.pollAt
      if (isListing(file)) {
        const others = listed.get(file.spec.directory)
        if (others === undefined) listed.set(file.spec.directory, [file])
        else others.push(file)
      } else if (file.spec.reopen || contextOf(file).listensFor === "nothing") {
        yield* startPoll(file, { names: null, facts: null })
      } else looked.push(file)
      schedule(file)
    }
    if (looked.length > 0) yield* Effect.forkDetach(glanceAt(looked))
    for (const [directory, all] of listed) yield* Effect.forkDetach(listFor(directory, all))
  })

  yield* Effect.gen(function* () {
    while (true) {
      changed.closeUnsafe()
      sleepsUntil = wheel.next()
      yield* Effect.raceFirst(uptime.sleepUntil({ uptime: sleepsUntil, wall: Infinity }), changed.await)
      yield* wake
    }
  }).pipe(Effect.forkScoped)

  const drain = Effect.fnUntraced(function* (file: TailFile, { ended, record }: TailKnown) {
    const now = yield* uptime.read
    if (file.isDone) return
    if (record !== null) learn(file, record, now)
    else tell(file, { type: "DRAIN", ended }, now)
    file.pollAt = Math.min(file.pollAt, onGrid(now.uptime))
    schedule(file)
  })

  const close = Effect.fnUntraced(function* (file: TailFile) {
    const { fiber } = file
    file.isDone = true
    wheel.put(file, Infinity)
    yield* Deferred.interrupt(file.settled)
    if (fiber === null) return yield* closeHandle(world, file)
    fiber.interruptUnsafe()
    // A call of the file system that hangs is nothing to wait for; a consumer is.
    if (file.isDelivering) yield* Fiber.await(fiber)
  })

  const openFor = Effect.fnUntraced(function* (spec: TailSpec, consumer: TailConsumer) {
    const now = yield* uptime.read
    const settled = Deferred.makeUnsafe<Tail["settled"] extends Effect.Effect<infer A> ? A : never>()
    const file = begin(spec, path.join(spec.directory, spec.logName), consumer, settled, now)
    file.pollAt = onGrid(now.uptime)
    yield* Effect.addFinalizer(() => close(file))
    schedule(file)
    const tail: Tail = {
      drain: (known) => drain(file, known),
      settled: Deferred.await(settled),
      checkpoint: Effect.sync(() => checkpointOf(file))
    }
    return tail
  })

  return Tails.of({
    open: (spec, sink) => openFor(spec, ofLines(sink)),
    openBytes: (spec, sink) => openFor(spec, ofBytes(sink))
  })
})
