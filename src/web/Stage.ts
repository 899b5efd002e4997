/** The box that a picture is looked at in: whole or at 100 %, following what is active until a person pans. */
import { h } from "./Dom.ts"
import type { Picture } from "./Picture.ts"

/** Below this share of its size a picture cannot be read, and starts at 100 % instead. */
const LEGIBLE = 0.6

type Zoom = "fit" | "full"

export class Stage {
  readonly root: HTMLElement
  readonly tools: HTMLElement
  readonly #fit: HTMLButtonElement
  readonly #full: HTMLButtonElement
  readonly #follow: HTMLButtonElement
  #picture: Picture | null = null
  #following = true

  constructor() {
    this.root = h("div", { class: "stage", tabindex: 0, role: "region", "aria-label": "Picture, scrolls" })
    this.#fit = h("button", { type: "button", click: () => this.#zoom("fit") }, "Fit")
    this.#full = h("button", { type: "button", click: () => this.#zoom("full") }, "100 %")
    this.#follow = h("button", { type: "button", "aria-pressed": "true", click: () => this.startFollowing() }, "Follow")
    this.#follow.title = "Scroll to the active state"
    this.tools = h("div", { class: "zoom", role: "group", "aria-label": "View" }, this.#fit, this.#full, this.#follow)
    for (const pan of ["wheel", "touchmove", "pointerdown", "keydown"]) {
      this.root.addEventListener(pan, (event) => this.#panned(event), { passive: true })
    }

    // What is active may have moved on while the box was still on its way to it.
    this.root.addEventListener("scrollend", () => this.follow())
  }

  /** Shows a picture, as large as can be read. */
  put(picture: Picture): void {
    this.#picture = picture
    picture.svg.classList.add("large")
    this.root.replaceChildren(picture.svg)
    this.#zoom(this.root.clientWidth / picture.width < LEGIBLE ? "full" : "fit")
  }

  /** Scrolls to what is active, if a person did not scroll elsewhere. */
  follow(): void {
    if (this.#following) this.#picture?.scrollToMarks(this.root)
  }

  startFollowing(): void {
    this.#setFollowing(true)
    this.follow()
  }

  /** Scrolls to a transition, and stays there. */
  reveal(transition: string): void {
    this.#setFollowing(false)
    this.#picture?.scrollToTransition(this.root, transition)
  }

  close(): void {
    this.#picture = null
  }

  #zoom(zoom: Zoom): void {
    this.root.dataset["zoom"] = zoom
    this.#fit.setAttribute("aria-pressed", String(zoom === "fit"))
    this.#full.setAttribute("aria-pressed", String(zoom === "full"))
    this.follow()
  }

  #panned(event: Event): void {
    const isPan =
      event instanceof KeyboardEvent
        ? event.target === this.root && /^(Arrow|Page|Home|End)/.test(event.key)
        : event.type !== "pointerdown" || event.target === this.root
    if (isPan) this.#setFollowing(false)
  }

  #setFollowing(following: boolean): void {
    this.#following = following
    this.#follow.setAttribute("aria-pressed", String(following))
  }
}
