/** The conversations that this browser keeps: opened, and deleted after a question. */
import type { Listed } from "./ChatStore.ts"
import { h, setChildren, setText } from "./Dom.ts"
import { section } from "./Facts.ts"
import { dateWords } from "./Words.ts"

export interface ConversationList {
  readonly root: HTMLElement
  /** `open` is the id of the one that is shown. */
  readonly show: (all: ReadonlyArray<Listed>, open: string | null) => void
  readonly say: (words: string | null) => void
}

/** `remove` gets the id of one, or null for all. */
export const conversationList = (remove: (id: string | null) => void): ConversationList => {
  const list = h("ul", { class: "conversations" })
  const none = h("p", { class: "none" }, "None yet.")
  const kept = h("p", { class: "note" }, "Kept in this browser alone, the last fifty.")
  const all = h("button", { type: "button", click: () => ask(null, "all conversations") }, "Delete all")
  const words = h("p", { id: "delete-words" })
  const yes = h("button", { type: "button", class: "danger", click: () => answer(true) }, "Yes, delete")
  const no = h("button", { type: "button", click: () => answer(false) }, "No, keep")
  const question = h(
    "div",
    { class: "question", role: "group", "aria-labelledby": "delete-words", hidden: true },
    words,
    h("div", { class: "tools-row" }, yes, no)
  )
  const said = h("p", { class: "failure", role: "alert", hidden: true })
  const tools = h("div", { class: "tools-row" }, all)
  const root = section("Conversations", "conversations-card", list, none, kept, question, said, tools)
  const title = root.querySelector("h2")
  title?.setAttribute("tabindex", "-1")
  let asked: { readonly id: string | null } | null = null

  const ask = (id: string | null, title: string): void => {
    asked = { id }
    setText(words, `Delete ${id === null ? title : `“${title}”`}? There is no other copy.`)
    question.hidden = false
    // The harmless answer has the focus: who presses Enter twice deletes nothing.
    no.focus()
  }
  const answer = (isYes: boolean): void => {
    const wanted = asked
    asked = null
    question.hidden = true
    title?.focus({ preventScroll: true })
    if (isYes && wanted !== null) remove(wanted.id)
  }
  root.addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && !question.hidden) answer(false)
  })
  // Rows are replaced by ones that look the same: who listens is the list.
  list.addEventListener("click", ({ target }) => {
    const button = target instanceof Element ? target.closest<HTMLElement>("[data-delete]") : null
    if (button !== null) ask(button.dataset["delete"] ?? "", button.dataset["title"] ?? "")
  })
  return {
    root,
    show: (conversations, open) => {
      setChildren(list, ...conversations.map((one) => rowOf(one, one.id === open)))
      none.hidden = conversations.length > 0
      kept.hidden = conversations.length === 0
      all.hidden = conversations.length === 0
    },
    say: (problem) => {
      setText(said, problem ?? "")
      said.hidden = problem === null
    }
  }
}

const rowOf = ({ at, id, questions, title }: Listed, isOpen: boolean): HTMLElement =>
  h(
    "li",
    {},
    h("a", { href: `/chat#${id}`, ...(isOpen ? { "aria-current": "true" } : {}) }, title),
    h(
      "span",
      { class: "note" },
      `${dateWords(at, Date.now())}, ${questions === 1 ? "1 question" : `${questions} questions`}`
    ),
    h("button", { type: "button", "data-delete": id, "data-title": title, "aria-label": `Delete “${title}”` }, "Delete")
  )
