/** Asks central's API. */
import type { CheckAnswer, RevisionView, SavedAnswer, TokenView } from "../domain/index.ts"
import { READ_MS } from "./Ask.ts"
import { type Fields, fieldsOf, textOf } from "./Fields.ts"
import {
  type Fleet,
  type GatewayHistory,
  readCheck,
  readDetail,
  readFleet,
  readRevisions,
  readSaved,
  readSecret,
  readTokens,
  type Secret
} from "./FleetWire.ts"

/** What came of a question. `date`: central's clock at its answer, milliseconds; null when it did not say. */
export type Reply<A> =
  | { readonly type: "ok"; readonly value: A; readonly etag: string | null; readonly date: number | null }
  /** As it was when its ETag was heard. */
  | { readonly type: "same"; readonly date: number | null }
  /** Central says why not. */
  | {
      readonly type: "failed"
      readonly status: number
      readonly code: string
      readonly words: string
      readonly body: Fields
    }
  /** `refused`: the door is closed to this browser; `odd`: something answered that is no central. */
  | { readonly type: "away"; readonly why: "lost" | "odd" | "refused" }

/** How long a request that writes may take, in milliseconds. */
const WRITE_MS = 30_000

interface Question {
  readonly method?: "GET" | "POST" | "PUT"
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

const request = async <A>(
  path: string,
  reader: (response: Response) => Promise<A | null>,
  { body, headers, method = "GET" }: Question = {}
): Promise<Reply<A>> => {
  try {
    // From where the page lies, which a proxy may have put below a path.
    const response = await fetch(`.${path}`, {
      method,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers
      },
      // A condition that is ours is answered to us, and not by what the browser keeps.
      cache: "no-store",
      signal: AbortSignal.timeout(method === "GET" ? READ_MS : WRITE_MS),
      ...(body === undefined ? {} : { body })
    })
    const date = Date.parse(response.headers.get("date") ?? "")
    const heard = Number.isFinite(date) ? date : null
    if (response.status === 304) return { type: "same", date: heard }
    if (!response.ok) return refusalOf(response.status, await response.text())
    const value = await reader(response)
    if (value === null) return { type: "away", why: "odd" }
    return { type: "ok", value, etag: response.headers.get("etag"), date: heard }
  } catch (error) {
    return { type: "away", why: error instanceof SyntaxError ? "odd" : "lost" }
  }
}

const refusalOf = (status: number, text: string): Reply<never> => {
  const body = fieldsOf(parsed(text)) ?? {}
  const code = textOf(body["error"]) ?? String(status)
  if (status === 401 || code === "origin_not_allowed") return { type: "away", why: "refused" }
  const words = textOf(body["detail"]) ?? `Central answered ${status}${code === String(status) ? "" : ` (${code})`}.`
  return { type: "failed", status, code, words, body }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    // A proxy's page, say: the status is all that there is to tell.
    return null
  }
}

const json =
  <A>(reader: (value: unknown) => A | null) =>
  async (response: Response): Promise<A | null> =>
    reader(await response.json())

const nothing = (): Promise<true> => Promise.resolve(true)

const configPath = (name: string, more = ""): string => `/configs/${encodeURIComponent(name)}${more}`

/** `GET /fleet`, unless it is still what had this ETag. */
export const fetchFleet = (etag: string | null): Promise<Reply<Fleet>> =>
  request("/fleet", json(readFleet), etag === null ? {} : { headers: { "if-none-match": etag } })

/** `GET /gateways/{id}`. */
export const fetchGateway = (id: string): Promise<Reply<GatewayHistory>> =>
  request(`/gateways/${encodeURIComponent(id)}`, json(readDetail))

/** `POST /gateways/{id}/revoke`. */
export const revokeGateway = (id: string): Promise<Reply<true>> =>
  request(`/gateways/${encodeURIComponent(id)}/revoke`, nothing, { method: "POST", body: "{}" })

/** The revisions before this number, or the newest; 50 at most. */
export const fetchRevisions = (name: string, before: number | null): Promise<Reply<ReadonlyArray<RevisionView>>> =>
  request(configPath(name, `/revisions${before === null ? "" : `?before=${before}`}`), json(readRevisions))

/** The bytes of a revision, as text. */
export const fetchDocument = (name: string, seq: number): Promise<Reply<string>> =>
  request(configPath(name, `/revisions/${seq}`), (response) => response.text())

/** What central thinks of a document. */
export const checkDocument = (name: string, text: string): Promise<Reply<CheckAnswer>> =>
  request(configPath(name, "/check"), json(readCheck), { method: "POST", body: text })

/** The revision that somebody has seen; null: there is none yet. */
const condition = (etag: string | null): Readonly<Record<string, string>> =>
  etag === null ? { "if-none-match": "*" } : { "if-match": etag }

/** Saves a document as the newest revision after the one with this ETag. */
export const saveDocument = (
  name: string,
  text: string,
  after: string | null,
  force: boolean
): Promise<Reply<SavedAnswer>> =>
  request(configPath(name, force ? "?force=true" : ""), json(readSaved), {
    method: "PUT",
    headers: condition(after),
    body: text
  })

/** Makes the bytes of an older revision the newest again. */
export const rollBack = (name: string, seq: number, after: string, force: boolean): Promise<Reply<SavedAnswer>> =>
  request(configPath(name, "/rollback"), json(readSaved), {
    method: "POST",
    headers: condition(after),
    body: JSON.stringify(force ? { seq, force } : { seq })
  })

/** `GET /tokens`. */
export const fetchTokens = (): Promise<Reply<ReadonlyArray<TokenView>>> => request("/tokens", json(readTokens))

/** `POST /tokens`; null: it does not expire. */
export const createToken = (config: string, seconds: number | null): Promise<Reply<Secret>> =>
  request("/tokens", json(readSecret), {
    method: "POST",
    body: JSON.stringify(seconds === null ? { config } : { config, expires_in_seconds: seconds })
  })

/** `POST /tokens/{id}/revoke`. */
export const revokeToken = (id: string): Promise<Reply<true>> =>
  request(`/tokens/${encodeURIComponent(id)}/revoke`, nothing, { method: "POST", body: "{}" })

/** The JSON Schema of a document. */
export const fetchSchema = (): Promise<Reply<Fields>> => request("/schema.json", json(fieldsOf))

/** Why something was not done; null when it was. */
export const undoneWords = (reply: Reply<unknown>, doing: string): string | null =>
  reply.type === "ok" || reply.type === "same"
    ? null
    : `${replyWords(reply, doing)} Nothing was changed, as far as is known.`

/** Why there is no answer, for a person; `doing` is what was asked for. */
export const replyWords = (reply: Exclude<Reply<unknown>, { readonly type: "ok" | "same" }>, doing: string): string => {
  if (reply.type === "failed") return reply.words
  if (reply.why === "refused") return "This browser is not let in any longer: run holdfast central open --data DIR"
  if (reply.why === "odd") return `${doing}: what answered is no central, or of another version.`
  return `${doing}: central did not answer.`
}
