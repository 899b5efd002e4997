/** Server-sent events: an answer that goes on until the client or the server has enough. */
import { Duration, type Effect, Stream } from "effect"
import { Sse } from "effect/encoding"
import { HttpServerResponse } from "effect/http"

/** One event; `data` is sent as JSON. */
export interface ServerEvent {
  readonly event: string
  readonly data: unknown
}

/** How often a line says that the connection lives, so that nobody on the way takes it for dead. */
export const HEARTBEAT = Duration.seconds(15)

const LIVES = ": the connection lives\n\n"

/**
 * The events as text, until they end or `ended` completes, with a comment at once, because the head of an answer goes out
 * with its first bytes, and another one every 15 seconds.
 */
export const eventText = <E>(
  events: Stream.Stream<ServerEvent, E>,
  ended: Effect.Effect<unknown>
): Stream.Stream<string, E> => {
  const lines = events.pipe(
    Stream.map(({ data, event }) =>
      Sse.encoder.write({ _tag: "Event", event, id: undefined, data: JSON.stringify(data) })
    )
  )
  const heartbeat = Stream.tick(HEARTBEAT).pipe(
    Stream.drop(1),
    Stream.map(() => LIVES)
  )
  return Stream.make(LIVES).pipe(
    Stream.concat(Stream.merge(lines, heartbeat, { haltStrategy: "left" })),
    Stream.interruptWhen(ended)
  )
}

/** The answer that carries these events. Its connection ends with it, so that a server that stops waits for nobody. */
export const eventResponse = <E>(
  events: Stream.Stream<ServerEvent, E>,
  ended: Effect.Effect<unknown>
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.stream(Stream.encodeText(eventText(events, ended)), {
    contentType: "text/event-stream",
    headers: { "cache-control": "no-store", connection: "close" }
  })
