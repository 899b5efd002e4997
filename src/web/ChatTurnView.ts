/** One question with what came of it, as elements that are made once and only grow. */
import { ChatProse } from "./ChatProse.ts"
import type { AgentCall, Part, Turn } from "./ChatTurn.ts"
import { failureView, modelWords, type Remedy } from "./ChatWords.ts"
import { h, setText } from "./Dom.ts"

/** What the buttons of a turn do. */
export interface TurnActions {
  readonly retry: () => void
  readonly pickModel: () => void
  /** Where an account gets a subscription; null when nobody knows. */
  readonly signUp: () => string | null
}

interface PartView {
  readonly kind: Part["kind"]
  readonly root: HTMLElement
  readonly show: (part: Part, isOver: boolean) => void
}

export class ChatTurnView {
  readonly root: HTMLElement
  readonly #actions: TurnActions
  readonly #parts = h("div", { class: "parts" })
  readonly #waits = h("p", { class: "waits" })
  readonly #note = h("p", { class: "note" })
  readonly #model = h("p", { class: "note model-note" })
  readonly #failure = h("div", { class: "failure chat-failure" })
  readonly #tools = h("div", { class: "tools-row" })
  readonly #views: Array<PartView> = []
  #drawn = ""

  constructor(turn: Turn, actions: TurnActions) {
    this.#actions = actions
    this.root = h(
      "article",
      { class: "turn" },
      h("h2", { class: "asked" }, "You"),
      h("div", { class: "question-text" }, turn.question),
      h("h2", { class: "answered" }, "Answer"),
      this.#parts,
      this.#waits,
      this.#failure,
      this.#note,
      this.#tools,
      this.#model
    )
  }

  /** `isLast`: it can be asked again. */
  show(turn: Turn, isLast: boolean): void {
    const { failure, note, parts, state } = turn
    const isOver = state !== "asking"
    this.root.dataset["state"] = state
    for (const [index, part] of parts.entries()) {
      let view = this.#views[index]
      if (view?.kind !== part.kind) {
        view?.root.remove()
        view = part.kind === "text" ? textView() : agentsView()
        this.#views[index] = view
        this.#parts.insertBefore(view.root, this.#parts.children[index] ?? null)
      }
      view.show(part, isOver || index < parts.length - 1)
    }
    setText(this.#waits, isOver ? "" : parts.at(-1)?.kind === "agents" ? "Reading what the agents gave…" : WAITS)
    this.#waits.hidden = isOver || parts.at(-1)?.kind === "text"
    const stopped = state === "stopped" && note === null ? "Stopped." : (note ?? "")
    setText(this.#note, stopped)
    this.#note.hidden = stopped === ""
    const model = state === "done" ? modelWords(turn) : ""
    setText(this.#model, model)
    this.#model.hidden = model === ""
    this.#failure.hidden = failure === null
    const key = JSON.stringify([state, failure, isLast, this.#actions.signUp()])
    if (key === this.#drawn) return
    this.#drawn = key
    const seen = failure === null ? null : failureView(failure)
    this.#failure.replaceChildren(
      ...(seen === null ? [] : [h("p", { class: "word" }, seen.word), h("p", {}, seen.text)])
    )
    const remedies: ReadonlyArray<Remedy> = seen?.remedies ?? (state === "stopped" ? ["retry"] : [])
    const offers = isLast && isOver ? remedies.map((one, index) => this.#remedy(one, index === 0)) : []
    this.#tools.replaceChildren(...offers.filter((one) => one !== null))
  }

  #remedy(remedy: Remedy, isMain: boolean): HTMLElement | null {
    const look = isMain && this.root.dataset["state"] === "failed" ? { class: "main" } : {}
    const { pickModel, retry, signUp } = this.#actions
    switch (remedy) {
      case "retry":
        return h("button", { type: "button", ...look, click: retry }, "Ask again")
      case "model":
        return h("button", { type: "button", ...look, click: pickModel }, "Pick another model")
      case "account":
        return h("a", { href: "/", ...look }, "Model account")
      case "new":
        return h("a", { href: "/chat", ...look }, "New conversation")
      case "sign-up": {
        const href = signUp()
        return href === null ? null : h("a", { href, target: "_blank", rel: "noopener noreferrer" }, "Sign up")
      }
    }
  }
}

const WAITS = "Asking the model…"

const textView = (): PartView => {
  const prose = new ChatProse()
  return {
    kind: "text",
    root: prose.root,
    show: (part, isOver) => {
      if (part.kind !== "text") return
      prose.show(part.text)
      if (isOver) prose.end()
    }
  }
}

/** A round of calls; it comes whole, so it is drawn once. */
const agentsView = (): PartView => {
  const root = h("div", { class: "calls" })
  return {
    kind: "agents",
    root,
    show: (part) => {
      if (part.kind === "agents" && root.childElementCount === 0) root.append(...part.calls.map(callElement))
    }
  }
}

const SUMMARY_CHARS = 90

const callElement = ({ agent, result }: AgentCall): HTMLElement => {
  const line = result.trim().split("\n", 1)[0] ?? ""
  return h(
    "details",
    { class: "call" },
    h(
      "summary",
      {},
      h("span", { class: "agent-name" }, agent),
      " ",
      h("span", { class: "note" }, line.length > SUMMARY_CHARS ? `${line.slice(0, SUMMARY_CHARS)}…` : line)
    ),
    h("pre", { tabindex: 0, role: "region", "aria-label": `Result of ${agent}, scrolls` }, result)
  )
}
