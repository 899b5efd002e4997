/** The few words that the daemon itself says to a browser; everything else is in the pages' own files. */
import { HttpServerResponse } from "effect/http"

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

const HOW =
  "<p>In a terminal on this machine, as the user that runs the daemon:</p>\n<p><code>holdfast open</code></p>\n" +
  "<p>and open the link that it prints. It works once, within a minute.</p>"

/**
 * The ticket was good. The page is gone to by a refresh and not by a redirect: a browser that came here from elsewhere
 * would not send the new cookie along with a redirect.
 */
export const welcome = notice("Signed in", '<p>This goes on to <a href="/">this machine</a>.</p>', {
  status: 200,
  head: '<meta http-equiv="refresh" content="0; url=/">\n'
})

/** The ticket was used, or is too old. */
export const ticketGone = notice("This link is used up or too old", HOW, { status: 410 })

/** A person came without a session. */
export const signInFirst = notice("This browser is not signed in", HOW, { status: 401 })
