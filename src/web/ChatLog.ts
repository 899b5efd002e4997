/** The questions and answers of a conversation in a box that scrolls, and stays at its end unless somebody scrolled up. */
import type { Turn } from "./ChatTurn.ts"
import { ChatTurnView, type TurnActions } from "./ChatTurnView.ts"
import { h } from "./Dom.ts"

/** New words are put in this often at most, ms. */
const DRAW_MS = 50
/** So close to the end counts as the end, px. */
const NEAR = 40

export class ChatLog {
  readonly root: HTMLElement
  readonly #box: HTMLElement
  readonly #rows = h("div", { class: "turns" })
  readonly #toEnd = h(
    "button",
    { type: "button", class: "to-end", hidden: true, click: () => this.follow() },
    "To the end"
  )
  readonly #actions: TurnActions
  readonly #views: Array<ChatTurnView> = []
  readonly #resized: ResizeObserver
  #turns: ReadonlyArray<Turn> = []
  #isFollowing = true
  #top = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /** `empty` stands where there is nothing yet. */
  constructor(actions: TurnActions, empty: HTMLElement) {
    this.#actions = actions
    // Busy while an answer comes: it is read out once, as a whole.
    this.#box = h(
      "div",
      { class: "chat-log", tabindex: 0, role: "log", "aria-live": "polite", "aria-label": "Conversation, scrolls" },
      empty,
      this.#rows
    )
    this.#box.addEventListener("scroll", () => this.#scrolled(), { passive: true })
    this.#resized = new ResizeObserver(() => this.#stick())
    this.#resized.observe(this.#box)
    this.#resized.observe(this.#rows)
    this.root = h("div", { class: "chat-log-frame" }, this.#box, this.#toEnd)
  }

  /** Shows these turns, soon: words come faster than anybody reads. */
  show(turns: ReadonlyArray<Turn>): void {
    this.#turns = turns
    this.#timer ??= setTimeout(() => this.draw(), DRAW_MS)
  }

  /** Shows what there is at once. */
  draw(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const turns = this.#turns
    const last = turns.length - 1
    this.#box.setAttribute("aria-busy", String(turns[last]?.state === "asking"))
    for (const [index, turn] of turns.entries()) {
      let view = this.#views[index]
      if (view === undefined) {
        view = new ChatTurnView(turn, this.#actions)
        this.#views.push(view)
        this.#rows.append(view.root)
      }
      view.show(turn, index === last)
    }
    this.#stick()
  }

  /** The last turn is asked anew: it is shown from its beginning. */
  forgetLast(): void {
    this.#views.pop()?.root.remove()
  }

  /** Goes to the end, and stays there. */
  follow(): void {
    this.#isFollowing = true
    this.#stick()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#resized.disconnect()
  }

  #stick(): void {
    if (this.#isFollowing) this.#box.scrollTop = this.#box.scrollHeight
    this.#top = this.#box.scrollTop
    this.#toEnd.hidden = this.#isFollowing
  }

  #scrolled(): void {
    const { clientHeight, scrollHeight, scrollTop } = this.#box
    const isUp = scrollTop < this.#top
    this.#top = scrollTop
    const left = scrollHeight - scrollTop - clientHeight
    // The first pixels upwards count, or a slow hand would be pulled back for ever.
    if (isUp && left > 1) this.#isFollowing = false
    else if (!isUp && left <= NEAR) this.#isFollowing = true
    this.#toEnd.hidden = this.#isFollowing
  }
}
