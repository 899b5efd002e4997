/** `state/run/status.json`: how commands find a live daemon, and what they say of one that is down. */
import { Duration, Effect, FileSystem, Queue, Ref, Semaphore, Stream } from "effect"
import { Home, type Status } from "../domain/index.ts"
import { Journal } from "../statechart/index.ts"
import { directoryMode, fileMode, storageStep } from "../storage/index.ts"

const QUIET = Duration.millis(100)
const AT_LEAST = Duration.seconds(10)

/**
 * Atomic where the disk has room for a second file, else over the old one; not synced: after a power cut no daemon runs,
 * whatever the file says.
 */
const writeStatusFile = Effect.fn("daemon.status-file")(function* (status: Status) {
  const home = yield* Home
  const fs = yield* FileSystem.FileSystem
  const bytes = new TextEncoder().encode(`${JSON.stringify(status)}\n`)
  const temporary = `${home.statusFile}.tmp`
  const replace = Effect.gen(function* () {
    const write = fs.writeFile(temporary, bytes, { mode: fileMode })
    yield* Effect.catchReason(write, "PlatformError", "NotFound", () =>
      Effect.andThen(fs.makeDirectory(home.run, { recursive: true, mode: directoryMode }), write)
    )
    yield* fs.rename(temporary, home.statusFile)
  })
  // On a full disk the space that the file has already is all there is.
  const overwrite = Effect.gen(function* () {
    const file = yield* fs.open(home.statusFile, { flag: "r+" })
    yield* file.writeAll(bytes)
    yield* file.truncate(bytes.length)
  }).pipe(Effect.scoped)
  yield* replace.pipe(
    Effect.catch(() => Effect.andThen(Effect.ignore(fs.remove(temporary, { force: true })), overwrite)),
    storageStep("write", home.statusFile)
  )
})

/**
 * Keeps the file current: after each transition, and every ten seconds. After `writeStopped` nothing is written any more: a
 * status that was on its way would take the place of the last one.
 */
export const keepStatusFile = Effect.fnUntraced(function* (status: Effect.Effect<Status>) {
  const services = yield* Effect.context<FileSystem.FileSystem | Home>()
  const journal = yield* Journal
  const failing = yield* Ref.make(false)
  const oneAtATime = yield* Semaphore.make(1)
  const ended = yield* Ref.make(false)
  const writeNow = (wanted: Effect.Effect<Status>) =>
    wanted.pipe(
      Effect.flatMap(writeStatusFile),
      Effect.matchEffect({
        onSuccess: () => Ref.set(failing, false),
        onFailure: (error) =>
          Effect.flatMap(Ref.getAndSet(failing, true), (known) =>
            known ? Effect.void : Effect.logWarning(error.message)
          )
      }),
      Effect.provideContext(services)
    )
  const write = Effect.flatMap(Ref.get(ended), (last) => (last ? Effect.void : writeNow(status))).pipe(
    oneAtATime.withPermits(1)
  )
  const writeStopped = Ref.set(ended, true).pipe(
    Effect.andThen(writeNow(Effect.map(status, asStopped))),
    oneAtATime.withPermits(1)
  )
  const due = yield* Queue.sliding<void>(1)
  yield* journal.stream.pipe(
    Stream.filter(({ changed }) => changed),
    Stream.merge(Stream.tick(AT_LEAST)),
    Stream.runForEach(() => Queue.offer(due, undefined)),
    Effect.forkScoped
  )
  // At most one file per quiet time, and the last transition is always in the last one.
  yield* Queue.take(due).pipe(
    Effect.andThen(Effect.sleep(QUIET)),
    Effect.andThen(write),
    Effect.forever,
    Effect.forkScoped
  )
  return { write, writeStopped }
})

const asStopped = (last: Status): Status => ({
  ...last,
  daemon: { ...last.daemon, state: "stopped", pid: null, api_url: null }
})
