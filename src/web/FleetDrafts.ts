/** Drafts outlive a reload of this window, and nothing else: they are in its session storage. */
import { fieldsOf, numberOf, textOf } from "./Fields.ts"
import type { Base, Draft } from "./FleetEditor.ts"

const keyOf = (name: string): string => `holdfast.fleet.draft/${name}`

/** The draft of a config, if there is one that can be read. */
export const draftOf = (name: string): Draft | null => {
  try {
    const fields = fieldsOf(JSON.parse(sessionStorage.getItem(keyOf(name)) ?? "null"))
    if (fields === null || typeof fields["text"] !== "string") return null
    return { base: baseOf(fields["base"]), text: fields["text"] }
  } catch {
    // A browser that keeps nothing, or something else under this name: there is no draft.
    return null
  }
}

const baseOf = (value: unknown): Base | null => {
  const fields = fieldsOf(value)
  const seq = numberOf(fields?.["seq"])
  const etag = textOf(fields?.["etag"])
  const text = fields?.["text"]
  return seq === null || etag === null || typeof text !== "string" ? null : { seq, etag, text }
}

/** Keeps a draft, or forgets it; false when the browser does not take it. */
export const keepDraft = (name: string, draft: Draft | null): boolean => {
  try {
    if (draft === null) sessionStorage.removeItem(keyOf(name))
    else sessionStorage.setItem(keyOf(name), JSON.stringify(draft))
    return true
  } catch {
    return false
  }
}
