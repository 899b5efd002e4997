/** Where a question is written. */
import { h, setText } from "./Dom.ts"

export interface Composer {
  readonly root: HTMLElement
  /** While an answer comes there is something to stop, and nothing to send. */
  readonly setBusy: (isBusy: boolean) => void
  readonly say: (words: string) => void
  readonly focus: () => void
}

/** Rows that a question takes before it scrolls. */
const ROWS_MAX = 8

export const composer = (send: (question: string) => void, stop: () => void): Composer => {
  const text = h("textarea", {
    id: "question",
    rows: 2,
    placeholder: "Ask something",
    "aria-describedby": "question-keys",
    input: () => grow(),
    keydown: (event) => {
      // Enter that ends a word of an input method sends nothing.
      if (!(event instanceof KeyboardEvent) || event.key !== "Enter" || event.shiftKey || event.isComposing) return
      event.preventDefault()
      submit()
    }
  })
  const sendButton = h("button", { type: "submit", class: "main" }, "Send")
  const stopButton = h("button", { type: "button", class: "danger", hidden: true, click: stop }, "Stop")
  const said = h("p", { class: "note chat-said", role: "status" })
  const root = h(
    "form",
    {
      class: "composer",
      "aria-label": "Your question",
      submit: (event) => {
        event.preventDefault()
        submit()
      }
    },
    h("label", { for: "question" }, "Question"),
    h("div", { class: "composer-row" }, text, h("div", { class: "composer-buttons" }, sendButton, stopButton)),
    h("p", { id: "question-keys", class: "note keys" }, "Enter sends, Shift+Enter begins a new line."),
    said
  )
  let isBusy = false

  const grow = (): void => {
    text.rows = Math.max(2, Math.min(ROWS_MAX, text.value.split("\n").length))
  }
  const submit = (): void => {
    const question = text.value.trim()
    if (isBusy || question === "") return
    text.value = ""
    grow()
    send(question)
  }
  return {
    root,
    setBusy: (next) => {
      const hadFocus = document.activeElement === stopButton || document.activeElement === sendButton
      isBusy = next
      sendButton.hidden = next
      stopButton.hidden = !next
      if (hadFocus) (next ? stopButton : text).focus()
    },
    say: (words) => setText(said, words),
    focus: () => text.focus()
  }
}
