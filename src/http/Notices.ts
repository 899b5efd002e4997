/** The few words that a server itself says to a browser; everything else is in the pages' own files. */
import { Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpFailure } from "./HttpFailure.ts"

/** Whether a person's browser asks for a page, and not a program for data. */
export const wantsHtml = (accept: string | undefined): boolean => /\btext\/html\b/i.test(accept ?? "")

/** What every answer in HTML carries: nothing from elsewhere, no frame around it, and no address given away. */
export const HTML_HEADERS = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer"
} as const

const notice = (title: string, body: string, options: { readonly status: number; readonly head?: string }) =>
  HttpServerResponse.text(
    `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
${options.head ?? ""}<title>${title} · Holdfast</title>
<style>
body { margin: 15vh auto; max-width: 34rem; padding: 0 1.25rem; font: 1.0625rem/1.6 system-ui, sans-serif }
h1 { font-size: 1.375rem; line-height: 1.3 }
code { font: 0.9375em ui-monospace, monospace }
</style>
</head>
<body>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`,
    { status: options.status, contentType: "text/html; charset=utf-8", headers: HTML_HEADERS }
  )

/** What a server says to browsers that come for a session. */
export interface Notices {
  /** The ticket was good. */
  readonly welcome: HttpServerResponse.HttpServerResponse
  /** The ticket was used, or is too old. */
  readonly ticketGone: HttpServerResponse.HttpServerResponse
  /** A person came without a session. */
  readonly signInFirst: HttpServerResponse.HttpServerResponse
}

/**
 * The notices of a server that calls its page `place` and whose links are printed by `command`, which `who` runs. All of
 * them as they stand in HTML.
 *
 * The page is gone to by a refresh and not by a redirect: a browser that came here from elsewhere would not send the new
 * cookie along with a redirect.
 */
export const makeNotices = (words: {
  readonly place: string
  readonly command: string
  readonly who: string
}): Notices => {
  const how =
    `<p>In a terminal on this machine, as ${words.who}:</p>\n<p><code>${words.command}</code></p>\n` +
    "<p>and open the link that it prints. It works once, within a minute.</p>"
  return {
    welcome: notice("Signed in", `<p>This goes on to <a href="./">${words.place}</a>.</p>`, {
      status: 200,
      head: '<meta http-equiv="refresh" content="0; url=./">\n'
    }),
    ticketGone: notice("This link is used up or too old", how, { status: 410 }),
    signInFirst: notice("This browser is not signed in", how, { status: 401 })
  }
}

/** Words for a person who has no session yet, in the place of a 401 for programs. */
export const orSignIn =
  ({ signInFirst }: Pick<Notices, "signInFirst">) =>
  <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.catchIf(
      app,
      (error) => error instanceof HttpFailure && error.status === 401,
      (unauthorized) =>
        Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers, method }) =>
          method === "GET" && wantsHtml(headers.accept) ? Effect.succeed(signInFirst) : Effect.fail(unauthorized)
        )
    )
