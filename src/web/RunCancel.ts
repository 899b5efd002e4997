/** The button that ends a run, and the question before it. */
import type { Answer } from "./Ask.ts"
import { h, setText } from "./Dom.ts"

export interface RunCancel {
  readonly root: HTMLElement
  /** `isOpen`: there is something to end; `isAsked`: somebody has asked for it already. */
  readonly show: (isOpen: boolean, isAsked: boolean) => void
}

/** `elsewhere` takes the focus when nothing here can have it any more. */
export const runCancel = (cancel: () => Promise<Answer<unknown>>, elsewhere: HTMLElement): RunCancel => {
  const button = h("button", { type: "button", "aria-expanded": "false", click: () => ask(true) }, "Cancel this run")
  const yes = h("button", { type: "button", class: "danger", click: () => void carryOut() }, "Yes, end it")
  const no = h("button", { type: "button", click: () => ask(false) }, "No, let it run")
  const said = h("p", { class: "failure", role: "alert", hidden: true })
  const words = h("p", { id: "cancel-words" }, "End this run? Its work is told to stop, and killed if it does not.")
  const question = h(
    "div",
    { class: "question", role: "group", "aria-labelledby": "cancel-words", hidden: true },
    words,
    h("div", { class: "tools-row" }, yes, no)
  )
  const root = h("div", { class: "cancel" }, button, question, said)
  let isBusy = false

  const say = (text: string): void => {
    setText(said, text)
    said.hidden = text === ""
  }
  const ask = (isAsking: boolean): void => {
    if (isBusy) return
    say("")
    question.hidden = !isAsking
    button.hidden = isAsking
    button.setAttribute("aria-expanded", String(isAsking))
    // The harmless answer has the focus: who presses Enter twice ends nothing.
    ;(isAsking ? no : button).focus()
  }
  const carryOut = async (): Promise<void> => {
    if (isBusy) return
    isBusy = true
    yes.setAttribute("aria-disabled", "true")
    const answer = await cancel()
    isBusy = false
    yes.removeAttribute("aria-disabled")
    if (answer.type === "ok") {
      question.hidden = true
      if (root.contains(document.activeElement) || document.activeElement === document.body) elsewhere.focus()
      return
    }
    say(
      answer.type === "failed"
        ? answer.words
        : "The daemon did not answer: nothing was asked of it, as far as is known."
    )
  }
  root.addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && !question.hidden) ask(false)
  })

  return {
    root,
    show: (isOpen, isAsked) => {
      const hadFocus = root.contains(document.activeElement)
      if (!isOpen || isAsked) question.hidden = true
      if (!isOpen) say("")
      button.hidden = !isOpen || isAsked || !question.hidden
      root.hidden = button.hidden && question.hidden && said.hidden
      if (hadFocus && !root.contains(document.activeElement)) elsewhere.focus()
    }
  }
}
