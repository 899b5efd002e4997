/** The text of an answer as elements that only grow: whatever a model writes goes in as text. */
import { FenceCutter, type Piece } from "./ChatFences.ts"
import { h } from "./Dom.ts"

export class ChatProse {
  readonly root = h("div", { class: "prose" })
  #cutter = new FenceCutter()
  #shown = ""
  #at: Text | null = null

  /** Shows `text`, of which only what is new is put in. */
  show(text: string): void {
    if (text === this.#shown) return
    if (!text.startsWith(this.#shown)) {
      this.root.replaceChildren()
      this.#cutter = new FenceCutter()
      this.#shown = ""
      this.#at = null
    }
    for (const piece of this.#cutter.push(text.slice(this.#shown.length))) this.#put(piece)
    this.#shown = text
  }

  /** Nothing comes any more. */
  end(): void {
    for (const piece of this.#cutter.end()) this.#put(piece)
  }

  #put({ begins, kind, text }: Piece): void {
    if (this.#at !== null && !begins) return this.#at.appendData(text)
    this.#at = document.createTextNode(text)
    this.root.append(
      kind === "text"
        ? h("p", {}, this.#at)
        : h("pre", { tabindex: 0, role: "region", "aria-label": "Code, scrolls" }, h("code", {}, this.#at))
    )
  }
}
