/** What the editor of a config decides. Pure; the page carries it out. */
import type { CheckAnswer, ObjectionView, RevisionView, SavedAnswer } from "../domain/index.ts"

/** A revision with its bytes. */
export interface Base {
  readonly seq: number
  /** With its quotes. */
  readonly etag: string
  readonly text: string
}

/** What is kept over a reload; `base` null: there was no revision yet. */
export interface Draft {
  readonly base: Base | null
  readonly text: string
}

export type Newest = Pick<RevisionView, "seq" | "etag" | "saved_at" | "saved_by">

export interface Editor {
  /** The revision that the text began with, and that a save follows; null: none. */
  readonly base: Base | null
  readonly text: string
  /** What central said about a text. */
  readonly checked: { readonly text: string; readonly answer: CheckAnswer } | null
  /** `force` is the step after the objections were read. */
  readonly step: "edit" | "review" | "force"
  /** The text that is being saved. */
  readonly sending: string | null
  /** What somebody else saved since. */
  readonly meanwhile: Newest | null
  /** It came back over a reload. */
  readonly isRestored: boolean
  readonly said: { readonly isGood: boolean; readonly words: string } | null
}

export type EditorEvent =
  | { readonly type: "typed"; readonly text: string }
  | { readonly type: "checked"; readonly text: string; readonly answer: CheckAnswer }
  | { readonly type: "step"; readonly to: Editor["step"] }
  | { readonly type: "sent" }
  | { readonly type: "saved"; readonly answer: SavedAnswer }
  | { readonly type: "objected"; readonly objections: ReadonlyArray<ObjectionView> }
  /** Another admin was faster; who, the fleet tells. */
  | { readonly type: "overtaken"; readonly newest: Newest | null }
  | { readonly type: "failed"; readonly words: string }
  | { readonly type: "newest"; readonly newest: Newest }
  /** Goes on from another revision, with the text that is there. */
  | { readonly type: "rebased"; readonly base: Base }
  /** Begins anew with a revision. */
  | { readonly type: "reset"; readonly base: Base | null; readonly text: string }

/** Opens a config; a draft that is no different from its revision is none. */
export const openEditor = (newest: Base | null, template: string, draft: Draft | null): Editor => {
  const fresh: Editor = {
    base: newest,
    text: newest?.text ?? template,
    checked: null,
    step: "edit",
    sending: null,
    meanwhile: null,
    isRestored: false,
    said: null
  }
  if (draft === null || draft.text === fresh.text) return fresh
  return { ...fresh, base: draft.base ?? null, text: draft.text, isRestored: true }
}

/** Whether there is something that would be lost. */
export const isDirty = ({ base, text }: Editor): boolean => base === null || text !== base.text

/** What central objects to in this very text; null while it is not known. */
export const objectionsOf = ({ checked, text }: Editor): ReadonlyArray<ObjectionView> | null =>
  checked?.text === text ? checked.answer.objections : null

/** What may be done now. `force` needs that the objections were seen. */
export interface Ways {
  readonly review: boolean
  readonly save: boolean
  readonly force: boolean
}

export const waysOf = (editor: Editor): Ways => {
  const objections = objectionsOf(editor)
  const isFree = editor.sending === null && isDirty(editor)
  return {
    review: isFree && editor.step === "edit",
    save: isFree && editor.step === "review" && objections?.length === 0,
    force: isFree && editor.step === "force" && objections !== null && objections.length > 0
  }
}

export const edited = (editor: Editor, event: EditorEvent): Editor => {
  switch (event.type) {
    case "typed":
      // Words on what was before are no words on this.
      return { ...editor, text: event.text, step: "edit", said: null }
    case "checked":
      return event.text === editor.text ? { ...editor, checked: { text: event.text, answer: event.answer } } : editor
    case "step":
      return editor.sending === null ? { ...editor, step: event.to } : editor
    case "sent":
      return { ...editor, sending: editor.text, said: null }
    case "saved": {
      const { etag, seq, warnings } = event.answer
      const base = { seq, etag, text: editor.sending ?? editor.text }
      const forced = warnings.length === 0 ? "" : ` ${warnings.join(" ")}`
      return {
        ...editor,
        base,
        step: "edit",
        sending: null,
        meanwhile: null,
        isRestored: false,
        said: {
          isGood: warnings.length === 0,
          words: `Saved as revision ${seq}. Gateways fetch it at their next poll.${forced}`
        }
      }
    }
    case "objected": {
      const answer = { objections: event.objections, unchanged: false }
      return {
        ...editor,
        sending: null,
        step: "review",
        checked: { text: editor.sending ?? editor.text, answer },
        said: { isGood: false, words: "Central did not take it: read what speaks against it." }
      }
    }
    case "overtaken":
      return {
        ...editor,
        sending: null,
        step: "review",
        meanwhile: event.newest ?? editor.meanwhile,
        said: { isGood: false, words: "Not saved: another revision was saved meanwhile. What you wrote is still here." }
      }
    case "failed":
      return { ...editor, sending: null, said: { isGood: false, words: event.words } }
    case "newest":
      return event.newest.seq > (editor.base?.seq ?? 0) && editor.sending === null
        ? { ...editor, meanwhile: event.newest }
        : editor
    case "rebased":
      return {
        ...editor,
        base: event.base,
        meanwhile: null,
        said: null,
        step: event.base.text === editor.text ? "edit" : editor.step
      }
    case "reset":
      return { ...openEditor(event.base, event.text, null), checked: editor.checked }
  }
}
