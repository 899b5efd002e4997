/** Agent files over the API: read, put there, removed. Nothing of them is run. */
import { Effect, Option, Result, Schema } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HttpFailure, readJson, Shown } from "../http/index.ts"
import { sha256Hex } from "../storage/index.ts"
import { AgentFileRefused, type AgentStore, type StoredAgent } from "./AgentStore.ts"

const ImportBody = Schema.Struct({
  file: Schema.String,
  /** The whole file, as text. */
  content: Schema.String,
  /** Of the content as UTF-8, hex. */
  sha256: Schema.String,
  /** Otherwise a file of this name with another content stays. */
  replace: Schema.optionalKey(Schema.Boolean)
})

/** `GET /agents/:file`, `DELETE /agents/:file` and `POST /agents/import`. */
export const agentFileRoutes = (store: AgentStore["Service"]) =>
  [
    HttpRouter.route(
      "GET",
      "/agents/:file",
      Effect.gen(function* () {
        const { bytes, ...stored } = yield* Effect.mapError(store.read(yield* named), refusal)
        return HttpServerResponse.jsonUnsafe({ ...viewOf(stored), content: textOf(bytes) })
      })
    ),
    HttpRouter.route(
      "DELETE",
      "/agents/:file",
      Effect.gen(function* () {
        yield* tokenOnly
        const file = yield* named
        yield* Effect.mapError(store.remove(file), refusal)
        return HttpServerResponse.jsonUnsafe({ file, removed: true })
      })
    ),
    HttpRouter.route(
      "POST",
      "/agents/import",
      Effect.gen(function* () {
        yield* tokenOnly
        const { content, file, replace = false, sha256 } = yield* readJson(ImportBody)
        const bytes = new TextEncoder().encode(content)
        if ((yield* sha256Hex(bytes)) !== sha256.toLowerCase()) return yield* refusal(mismatch)
        const write = { file, bytes, origin: null, replaces: replace ? "any" : null }
        const stored = yield* Effect.mapError(store.write(write), refusal)
        return HttpServerResponse.jsonUnsafe(viewOf(stored), { status: 201 })
      })
    )
  ] as const

const named = Effect.map(HttpRouter.params, ({ file }) => file ?? "")

const viewOf = ({ condition, file, record, sha256, size }: StoredAgent) => ({
  file,
  sha256,
  size,
  condition,
  source: record?.source ?? null,
  ref: record?.ref ?? null,
  commit: record?.commit ?? null,
  installed_at: record?.installed_at ?? null
})

/** Null where it is no text: nobody is shown other bytes than the hash is of. */
const textOf = (bytes: Uint8Array): string | null =>
  Option.getOrNull(
    Result.getSuccess(Result.try(() => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)))
  )

const mismatch = new AgentFileRefused({
  reason: "hash_mismatch",
  message: "The content's SHA-256 is not the one that was given: it was changed or cut on the way. Send it again."
})

const STATUS: Readonly<Record<AgentFileRefused["reason"], number>> = {
  name_invalid: 422,
  too_large: 413,
  hash_mismatch: 422,
  file_exists: 409,
  not_a_file: 409,
  file_unknown: 404,
  storage_failed: 503
}

const refusal = ({ message, reason }: AgentFileRefused): HttpFailure =>
  new HttpFailure({
    status: STATUS[reason],
    error: reason,
    detail: reason === "file_exists" ? `${message} To have it replaced: "replace": true.` : message
  })

/** An agent runs with the rights of this user: nobody brings one with a page's session. */
const tokenOnly = Effect.gen(function* () {
  if ((yield* Shown) === "token") return
  return yield* new HttpFailure({
    status: 403,
    error: "token_needed",
    detail: "Agent files are put there and removed with the API's token: holdfast agent install, holdfast agent remove"
  })
})
