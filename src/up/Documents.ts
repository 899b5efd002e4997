/** The documents of the demonstration: one that runs, and two ways to be wrong. Pure. */

/** A document by file name. */
export type DocumentName = "fleet.json" | "unknown-key.json" | "wrong-url.json"

/** Polls every 5 s, so that nothing takes long to watch. */
const POLL_SECONDS = 5

/** Nobody listens there. */
const NOWHERE = "http://127.0.0.1:9"

/** What the fleet of a central at `url` runs, and what may be tried on it. */
export const documentsFor = (url: string): Readonly<Record<DocumentName, string>> => ({
  "fleet.json": text({ version: 2, sinks: { central: central(url) } }),
  "unknown-key.json": text({ version: 2, sinks: { central: central(url) }, pluggins: [] }),
  "wrong-url.json": text({ version: 2, sinks: { central: central(NOWHERE) } })
})

/** Commands that show what Holdfast is for; `program` is how this program is called here. */
export const thingsToTry = (program: string, central: string, documents: string): ReadonlyArray<string> => {
  const put = (file: DocumentName, more = "") =>
    `  ${program} central config put fleet ${quoted(`${documents}/${file}`)} --data ${quoted(central)}${more}`
  return [
    "Things to try, in another terminal:",
    "· change something (poll_interval_seconds, say) and roll it out:",
    `  \${EDITOR:-vi} ${quoted(`${documents}/fleet.json`)}`,
    put("fleet.json"),
    "· a revision that central refuses:",
    put("unknown-key.json"),
    "· the same by force: the gateway refuses it, and keeps what it runs:",
    put("unknown-key.json", " --force"),
    "· one that cuts the gateway off from central: applied, and rolled back by itself after two minutes:",
    put("wrong-url.json", " --force"),
    "· who runs what, and why:",
    `  ${program} central gateways --data ${quoted(central)}`
  ]
}

const central = (url: string) => ({
  plugin: "@holdfast/central",
  config: { url, identity: {}, poll_interval_seconds: POLL_SECONDS }
})

const text = (document: unknown): string => `${JSON.stringify(document, null, 2)}\n`

/** As a word of a POSIX shell. */
export const quoted = (word: string): string =>
  /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
