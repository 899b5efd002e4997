/** A button for what cannot be undone, and the question before it. */
import { h, setText } from "./Dom.ts"

export interface ConfirmOptions {
  readonly button: string
  /** What the button is called where several look alike. */
  readonly label?: string
  /** What happens then. */
  readonly words: string
  readonly yes: string
  readonly no: string
  /** Answers why it was not done; null when it was. */
  readonly carryOut: () => Promise<string | null>
  /** Takes the focus when nothing here can have it any more. */
  readonly elsewhere: HTMLElement
}

export interface Confirm {
  readonly root: HTMLElement
  /** `isOpen`: there is something to end; `isAsked`: somebody has asked for it already. */
  readonly show: (isOpen: boolean, isAsked?: boolean) => void
}

let questions = 0

export const confirm = (options: ConfirmOptions): Confirm => {
  const { carryOut, elsewhere, label = "" } = options
  const id = `question-${++questions}`
  const button = h(
    "button",
    { type: "button", "aria-expanded": "false", "aria-label": label === "" ? false : label, click: () => ask(true) },
    options.button
  )
  const yes = h("button", { type: "button", class: "danger", click: () => void answer() }, options.yes)
  const no = h("button", { type: "button", click: () => ask(false) }, options.no)
  const said = h("p", { class: "failure", role: "alert", hidden: true })
  const question = h(
    "div",
    { class: "question", role: "group", "aria-labelledby": id, hidden: true },
    h("p", { id }, options.words),
    h("div", { class: "tools-row" }, yes, no)
  )
  const root = h("div", { class: "confirm" }, button, question, said)
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
  const answer = async (): Promise<void> => {
    if (isBusy) return
    isBusy = true
    yes.setAttribute("aria-disabled", "true")
    const why = await carryOut()
    isBusy = false
    yes.removeAttribute("aria-disabled")
    if (why !== null) return say(why)
    question.hidden = true
    button.setAttribute("aria-expanded", "false")
    if (root.contains(document.activeElement) || document.activeElement === document.body) elsewhere.focus()
  }
  root.addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && !question.hidden) ask(false)
  })

  return {
    root,
    show: (isOpen, isAsked = false) => {
      const hadFocus = root.contains(document.activeElement)
      if (!isOpen || isAsked) question.hidden = true
      if (!isOpen) say("")
      button.hidden = !isOpen || isAsked || !question.hidden
      root.hidden = button.hidden && question.hidden && said.hidden
      if (hadFocus && document.activeElement?.checkVisibility() !== true) elsewhere.focus()
    }
  }
}
