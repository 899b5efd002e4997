/** Whether a range that a package declares contains a version, in the dialect that npm reads. */
import { Option, Result, SemVer, SemVerRange } from "effect"

/** `None` for what is no range: a tag, an address, a path. */
export const rangeContains = (range: string, version: string): Option.Option<boolean> => {
  const parsed = SemVerRange.parse(strictly(range))
  const own = SemVer.parse(version)
  if (Result.isFailure(parsed) || Result.isFailure(own)) return Option.none()
  return Option.some(SemVerRange.matches(parsed.success, own.success))
}

/** npm forgives what the standard does not: a `v`, `~>`, build metadata, an alternative that is empty. */
const strictly = (range: string): string =>
  range
    .split("||")
    .map((alternative) => {
      const text = alternative
        .trim()
        .replace(/~\s*>/g, "~")
        .replace(/(<=|>=|[<>=~^])\s+/g, "$1")
        .replace(/(^|\s|[<>=~^])v(?=[\dxX*])/g, "$1")
        // The standard's reader takes `<=*` for none.
        .replace(/(^|\s)[<>]=(?=[xX*](?:$|\s))/g, "$1")
        .replace(/(\d(?:-[0-9A-Za-z.-]+)?)\+[0-9A-Za-z.-]+/g, "$1")
      return text === "" ? "*" : text
    })
    .join("||")
