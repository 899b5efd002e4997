/** A stand-in for an OTLP collector, on loopback: it keeps what it is sent, and answers what a test says. */
import { Effect } from "effect"
import { type Answer, json, standIn } from "../central/StandIn.ts"

export interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: number | string }
}

export interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly attributes: ReadonlyArray<Attribute>
}

interface Scope {
  readonly spans?: ReadonlyArray<Span>
  readonly metrics?: ReadonlyArray<Metric>
  readonly logRecords?: ReadonlyArray<{ readonly body: { readonly stringValue?: string } }>
}

export interface Metric {
  readonly name: string
  readonly unit: string
  readonly sum?: { readonly dataPoints: ReadonlyArray<Point>; readonly isMonotonic: boolean }
  readonly gauge?: { readonly dataPoints: ReadonlyArray<Point> }
  readonly histogram?: {
    readonly dataPoints: ReadonlyArray<{ attributes: ReadonlyArray<Attribute>; count: number; sum: number }>
  }
}

interface Point {
  readonly attributes: ReadonlyArray<Attribute>
  readonly asDouble: number
}

type Batch = Readonly<
  Record<
    string,
    ReadonlyArray<{ resource: { attributes: ReadonlyArray<Attribute> } } & Record<string, ReadonlyArray<Scope>>>
  >
>

export const pairs = (attributes: ReadonlyArray<Attribute>): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]))

/** Listens until the scope closes. */
export const collector = (answer: Answer = json(200, {})) =>
  Effect.map(standIn(answer), (stand) => {
    const batches = (signal: string): ReadonlyArray<Batch> =>
      stand.seen.filter(({ url }) => url === `/v1/${signal}`).map(({ body }) => JSON.parse(body) as Batch)
    const scopes = (signal: string, resources: string, inner: string): ReadonlyArray<Scope> =>
      batches(signal).flatMap((batch) => (batch[resources] ?? []).flatMap((one) => one[inner] ?? []))
    return {
      ...stand,
      /** Everything that has come in, as text. */
      everything: () => stand.seen.map(({ body, url }) => `${url} ${body}`).join("\n"),
      spans: () => scopes("traces", "resourceSpans", "scopeSpans").flatMap(({ spans }) => spans ?? []),
      logs: () =>
        scopes("logs", "resourceLogs", "scopeLogs")
          .flatMap(({ logRecords }) => logRecords ?? [])
          .map(({ body }) => body.stringValue),
      /** The last that was said of a metric. */
      metric: (name: string) =>
        scopes("metrics", "resourceMetrics", "scopeMetrics")
          .flatMap(({ metrics }) => metrics ?? [])
          .findLast((metric) => metric.name === name),
      /** What was last said of the source, for each signal. */
      resources: () =>
        (
          [
            ["logs", "resourceLogs"],
            ["metrics", "resourceMetrics"],
            ["traces", "resourceSpans"]
          ] as const
        ).map(([signal, key]) => pairs(batches(signal).at(-1)?.[key]?.[0]?.resource.attributes ?? []))
    }
  })
