/** What is wrong with a text, and where. Pure. */
import type { ObjectionView } from "../domain/index.ts"
import { lineColumn, lineStarts, parseJson, type Place, placeOfPointer } from "./FleetJson.ts"
import type { Finding } from "./FleetSchema.ts"

export interface TextProblem extends Place {
  readonly line: number
  readonly column: number
  /** The JSON Pointer; null of what is no JSON yet. */
  readonly pointer: string | null
  readonly message: string
  /** What a fleet would make of it; null where central has not said. */
  readonly consequence: string | null
}

export interface Told {
  readonly problems: ReadonlyArray<TextProblem>
  /** Who says so: the text itself is no JSON, the schema, or central. */
  readonly by: "syntax" | "schema" | "central"
}

/**
 * One voice at a time: a text that is no JSON has no other problem yet; central's word on this very text counts, and the
 * schema's until that is there.
 */
export const problemsIn = (
  text: string,
  judge: ((value: unknown) => ReadonlyArray<Finding>) | null,
  objections: ReadonlyArray<ObjectionView> | null
): Told => {
  const parsed = parseJson(text)
  const starts = lineStarts(text)
  if (parsed.type === "broken") {
    const { at, message } = parsed
    return {
      by: "syntax",
      problems: [{ ...at, ...lineColumn(starts, at.from), pointer: null, message, consequence: null }]
    }
  }
  const placed = (pointer: string, message: string, consequence: string | null): TextProblem => {
    const place = placeOfPointer(parsed.root, pointer)
    return { ...place, ...lineColumn(starts, place.from), pointer, message, consequence }
  }
  const problems =
    objections === null
      ? (judge?.(JSON.parse(text)) ?? []).map(({ message, pointer }) => placed(pointer, message, null))
      : objections.map(({ consequence, message, pointer }) => placed(pointer, message, consequence))
  return { by: objections === null ? "schema" : "central", problems: problems.toSorted((a, b) => a.from - b.from) }
}
