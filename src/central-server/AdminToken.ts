/** What lets an admin in: the token in central's directory, and links for browsers that are made of it. */
import { Effect, FileSystem, Layer, Option, Path, Redacted, Schema } from "effect"
import { signTicket, TICKET_SECONDS, tokenIn } from "../http/index.ts"
import { ADMIN_TOKEN, Database } from "./Database.ts"
import { Settings } from "./Settings.ts"

/** There is no link to be made. `message` says why and what to do. */
export class NoAdminLink extends Schema.TaggedError<NoAdminLink>()("NoAdminLink", { message: Schema.String }) {}

/**
 * A link to the page of the central in this directory, that works once and within {@link TICKET_SECONDS}. It is signed with
 * the admin token: the server is not asked, so that no proxy, authority or port can be in the way or be fooled.
 */
export const adminLink = Effect.fn("central.adminLink")(function* (data: string) {
  const fs = yield* FileSystem.FileSystem
  const file = (yield* Path.Path).join(data, ADMIN_TOKEN)
  const text = yield* Effect.mapError(
    fs.readFileString(file),
    ({ reason }) =>
      new NoAdminLink({
        message:
          reason._tag === "NotFound"
            ? `No central has run in ${data} yet (there is no ${file}). Start one: holdfast central --data ${data}`
            : `${file} cannot be read (${reason._tag}). Run this as the user that runs central.`
      })
  )
  const token = tokenIn(text)
  const url = yield* Settings.use((settings) => settings.get("external_url")).pipe(
    Effect.provide(Settings.layer.pipe(Layer.provide(Database.layer(data))))
  )
  if (Option.isNone(token) || Option.isNone(url)) {
    return yield* new NoAdminLink({
      message: `${Option.isNone(token) ? file : `The database in ${data}`} is not as central leaves it: start central again, which mends it.`
    })
  }
  const ticket = yield* signTicket(token.value)
  return { url: `${url.value}/open?ticket=${Redacted.value(ticket)}`, expires_in_seconds: TICKET_SECONDS }
})
