/** What a package asks for: a name, versions and a condition (PEP 508). */
import { Option } from "effect"
import { evaluateMarker, type Marker, type MarkerEnvironment, parseMarker } from "./PythonMarker.ts"
import { canonicalName } from "./PythonNames.ts"
import { parsePythonSpecifier, type PythonSpecifier } from "./PythonSpecifier.ts"

export interface PythonRequirement {
  /** As it is written. */
  readonly name: string
  /** Canonical. */
  readonly extras: ReadonlyArray<string>
  readonly specifier: PythonSpecifier
  /** The comparisons as they are written, or `@ URL`; empty where every version will do. */
  readonly wants: string
  /** A certain file instead of versions. */
  readonly url: string | null
  readonly marker: Marker | null
}

const NAME = /^\s*([a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)\s*(?:\[([^\]]*)\])?\s*/i

/** Reads one requirement; `None` for what is none, among it options of pip and paths. */
export const parsePythonRequirement = (text: string): Option.Option<PythonRequirement> => {
  const head = NAME.exec(text)
  const [whole = "", name, extraList = ""] = head ?? []
  if (name === undefined || /[\r\n\0]/.test(text)) return Option.none()
  const rest = text.slice(whole.length)
  const extras = extraList
    .split(",")
    .map((extra) => extra.trim())
    .filter((extra) => extra !== "")
  const isUrl = rest.startsWith("@")
  // In an address a semicolon is part of it unless a space comes before.
  const at = isUrl ? rest.search(/\s;/) : rest.indexOf(";")
  const [body, condition] = at < 0 ? [rest, ""] : [rest.slice(0, at), rest.slice(at).replace(/^\s*;/, "")]
  const marker = at < 0 ? Option.some(null) : parseMarker(condition)
  const url = isUrl ? body.slice(1).trim() : null
  const wants = isUrl
    ? ""
    : body
        .trim()
        .replace(/^\(([^()]*)\)$/, "$1")
        .trim()
  const specifier = parsePythonSpecifier(wants)
  if (Option.isNone(marker) || Option.isNone(specifier) || (isUrl && !/^[a-z][a-z0-9+.-]*:\S+$/i.test(url ?? ""))) {
    return Option.none()
  }
  return Option.some({
    name,
    extras: extras.map(canonicalName),
    specifier: specifier.value,
    wants: url === null ? wants : `@ ${url}`,
    url,
    marker: marker.value
  })
}

/** Whether the requirement counts there, for somebody who was asked for with these extras. */
export const isWanted = (
  { marker }: PythonRequirement,
  environment: MarkerEnvironment,
  extras: ReadonlyArray<string> = []
): boolean => marker === null || ["", ...extras].some((extra) => evaluateMarker(marker, { ...environment, extra }))
