/** What a document must fulfil before a fleet may get it. */
import { Option, Result } from "effect"
import {
  centralSinks,
  checkShape,
  type ConfigDocument,
  isBundled,
  isCentralPlugin,
  isLoopbackHost,
  MAX_DOCUMENT_BYTES,
  normaliseUrl,
  pluginProblems,
  pointerOf,
  type Problem
} from "../domain/index.ts"

/** A problem, and what a fleet would make of it if the document were served all the same. */
export interface Objection extends Problem {
  readonly consequence: string
}

/**
 * Everything that speaks against serving these bytes from the central at `externalUrl` (none: it was never started). An
 * empty list is acceptance.
 */
export const reviewDocument = (bytes: Uint8Array, externalUrl: Option.Option<string>): ReadonlyArray<Objection> => {
  if (bytes.length > MAX_DOCUMENT_BYTES) {
    const message = `has ${bytes.length} bytes: a document has at most ${MAX_DOCUMENT_BYTES}`
    return [{ pointer: "", message, consequence: REFUSED_BY_GATEWAYS("document_too_large") }]
  }
  const shape = checkShape(bytes)
  return Result.isFailure(shape)
    ? shape.failure.map((problem) => ({ ...problem, consequence: REFUSED_BY_GATEWAYS("config_invalid") }))
    : [
        ...pinObjections(shape.success),
        ...pluginObjections(shape.success),
        ...centralObjections(shape.success, externalUrl)
      ]
}

/** Whether two base URLs are the same central: spelling aside, and all loopback names being one. */
export const sameCentral = (a: string, b: string): boolean => comparable(a) === comparable(b)

const comparable = (url: string): string => {
  const parsed = new URL(normaliseUrl(url))
  if (isLoopbackHost(parsed.hostname)) parsed.hostname = "localhost"
  return normaliseUrl(parsed.href)
}

const pinObjections = (document: ConfigDocument): ReadonlyArray<Objection> => {
  const plugins = document.plugins ?? []
  const unpinned = plugins.flatMap((plugin, index) => {
    if (needsNoPin(plugin.name)) return []
    const missing = (["version", "artifact_hash", "source"] as const).filter((key) => plugin[key] === undefined)
    if (missing.length === 0) return []
    const message = `\`${plugin.name}\` is not bundled and lacks ${missing.join(", ")}: pin it, or remove it`
    return [{ pointer: pointerOf(["plugins", index]), message, consequence: UNPINNED }]
  })
  const listed = new Set(plugins.map(({ name }) => name))
  const unlisted = Object.entries(document.sinks ?? {}).flatMap(([instance, { plugin }]) => {
    if (plugin === undefined || needsNoPin(plugin) || listed.has(plugin)) return []
    const message = `\`${plugin}\` is not bundled and not listed: add it to \`plugins\` with version, artifact_hash and source`
    return [{ pointer: pointerOf(["sinks", instance, "plugin"]), message, consequence: UNPINNED }]
  })
  return [...unpinned, ...unlisted]
}

const pluginObjections = (document: ConfigDocument): ReadonlyArray<Objection> =>
  pluginProblems(document).map(({ message, pointer, verdict }) => ({
    pointer,
    message,
    consequence: REFUSED_BY_GATEWAYS(verdict)
  }))

const needsNoPin = (name: string): boolean => isBundled(name) || isCentralPlugin(name)

const centralObjections = (document: ConfigDocument, externalUrl: Option.Option<string>): ReadonlyArray<Objection> => {
  const sinks = centralSinks(document)
  const [sink, ...more] = sinks
  if (sink === undefined) {
    const message = "has no central sink: add one that points at this server, or gateways that apply it are cut off"
    return [{ pointer: "/sinks", message, consequence: CUT_OFF }]
  }
  if (more.length > 0) {
    const names = sinks.map(({ instance }) => `\`${instance}\``).join(", ")
    const message = `has ${sinks.length} central sinks (${names}): keep exactly one`
    return [{ pointer: "/sinks", message, consequence: REFUSED_BY_GATEWAYS("config_invalid") }]
  }
  const pointer = pointerOf(["sinks", sink.instance, "config", "url"])
  if (Option.isNone(externalUrl)) {
    const message =
      "cannot be compared, for central was never started on this directory: start it once, then save again"
    return [{ pointer, message, consequence: CUT_OFF }]
  }
  if (sameCentral(sink.url, externalUrl.value)) return []
  const message =
    `points at ${normaliseUrl(sink.url)}, but this server is ${externalUrl.value}: ` +
    "mend the URL, or start central with the right --external-url"
  return [{ pointer, message, consequence: CUT_OFF }]
}

const REFUSED_BY_GATEWAYS = (verdict: string) =>
  `Every gateway refuses this revision (${verdict}), keeps what it runs, and reports it.`

const UNPINNED =
  "Gateways cannot tell whether they install what you meant: they refuse the revision, or fail to install the plugin and keep trying."

const CUT_OFF =
  "A gateway that applies this revision does not reach this server any more: it goes back by itself when its probation ends, and tries again later."
