/** A run's output in the terminal. */
import { Effect, Option, Ref, Schema, Stdio, Stream } from "effect"
import { Sse } from "effect/encoding"
import { RunView } from "../domain/index.ts"
import type { DaemonClient } from "./DaemonClient.ts"
import { Unsuccessful } from "./Failures.ts"
import { findDaemon, type LiveDaemon } from "./LiveDaemon.ts"
import { note, plain, print, printJson } from "./Output.ts"

const AGAIN = "1 second"

/** The output that is there, byte for byte. */
export const printLog = Effect.fnUntraced(function* (
  daemon: LiveDaemon,
  client: DaemonClient["Service"],
  id: string,
  from: number
) {
  const stdio = yield* Stdio.Stdio
  yield* Stream.run(client.runLog(daemon, id, { from, follow: false }), stdio.stdout())
})

const Lines = Schema.Struct({
  from: Schema.Int,
  to: Schema.Int,
  lines: Schema.Array(
    Schema.Struct({
      text: Schema.String,
      part: Schema.optionalKey(Schema.Struct({ index: Schema.Int, last: Schema.Boolean }))
    })
  )
})
const Gap = Schema.Struct({ from: Schema.Int, to: Schema.NullOr(Schema.Int), reason: Schema.String })
const End = Schema.Struct({ run: Schema.NullOr(RunView) })

const decode = <A>(schema: Schema.ConstraintDecoder<A>, data: string): Option.Option<A> =>
  Schema.decodeUnknownOption(Schema.fromJsonString(schema))(data)

/** The output as it is written. A daemon that is away is waited for, and the output goes on where it stopped. */
export const followRun = Effect.fnUntraced(function* (
  daemon: LiveDaemon,
  client: DaemonClient["Service"],
  id: string,
  { from, json }: { readonly from: number; readonly json: boolean }
) {
  const at = yield* Ref.make(from)
  const end = yield* Ref.make(Option.none<typeof End.Type>())

  const take = Effect.fnUntraced(function* ({ data, event }: Sse.Event) {
    if (event === "end") {
      yield* Ref.set(end, decode(End, data))
      return
    }
    if (event === "gap") {
      const gap = decode(Gap, data)
      if (Option.isSome(gap)) {
        const { from: begin, reason, to } = gap.value
        // What lies behind a gap begins anew, or at its end.
        yield* Ref.set(at, to ?? 0)
        yield* json ? printJson({ gap: gap.value }) : note(`(bytes ${begin} to ${to ?? "?"} are missing: ${reason})`)
      }
      return
    }
    const batch = decode(Lines, data)
    if (Option.isNone(batch)) return
    for (const { text } of batch.value.lines) yield* json ? printJson({ line: text }) : print(text)
    yield* Ref.set(at, batch.value.to)
  })

  let current: LiveDaemon = daemon
  while (Option.isNone(yield* Ref.get(end))) {
    yield* client.runLog(current, id, { from: yield* Ref.get(at), follow: true }).pipe(
      Stream.decodeText(),
      Stream.pipeThroughChannel(Sse.decode()),
      Stream.runForEach((event) => (event._tag === "Event" ? take(event) : Effect.void)),
      Effect.catchTag(["DaemonGone", "SseError", "Retry"], () => Effect.void)
    )
    if (Option.isSome(yield* Ref.get(end))) break
    yield* note("The daemon does not answer; the output goes on as soon as it does.")
    yield* Effect.sleep(AGAIN)
    const found = yield* findDaemon
    if (Option.isSome(found) && found.value.apiUrl !== null) current = found.value
  }
  const ended = Option.getOrNull(yield* Ref.get(end))?.run ?? (yield* client.run(current, id))
  if (json) yield* printJson({ run: ended })
  else
    yield* note(
      `Run ${ended.run_id}: ${ended.verdict ?? ended.state}${ended.message === null ? "" : `, ${plain(ended.message)}`}`
    )
  if (ended.verdict !== "succeeded") return yield* new Unsuccessful({ message: ended.message ?? "" })
})
