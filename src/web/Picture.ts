/** A machine's picture in a page: marks moments, and lets people choose transitions. */
import { pictureOf } from "./Assets.ts"
import { rove } from "./Dom.ts"
import { type Drawn, drawnOf, type Moment } from "./Moment.ts"
import { eventOf, sourceOf } from "./Words.ts"

/** Room that stays free around what is scrolled to, in pixels. */
const MARGIN = 48

export class Picture {
  readonly svg: SVGSVGElement
  /** Every transition of the picture, once each. */
  readonly drawn: ReadonlyArray<Drawn>
  /** Its size at 100 %, in pixels. */
  readonly width: number
  readonly height: number
  readonly #states: ReadonlyMap<string, SVGElement>
  readonly #transitions: ReadonlyMap<string, ReadonlyArray<SVGElement>>

  static async load(machine: string): Promise<Picture> {
    return new Picture(await pictureOf(machine))
  }

  private constructor(svg: SVGSVGElement) {
    this.svg = svg
    this.width = svg.viewBox.baseVal.width
    this.height = svg.viewBox.baseVal.height
    this.#states = new Map(
      [...svg.querySelectorAll<SVGElement>("[data-state]")].map((state) => [state.dataset["state"] ?? "", state])
    )
    const transitions = new Map<string, Array<SVGElement>>()
    for (const element of svg.querySelectorAll<SVGElement>("[data-transition]")) {
      const id = element.dataset["transition"] ?? ""
      transitions.set(id, [...(transitions.get(id) ?? []), element])
    }
    this.#transitions = transitions
    this.drawn = [...transitions].map(([id, [first]]) => ({ id, target: first?.dataset["target"] ?? null }))
  }

  /** Marks a moment, and nothing else. */
  mark({ active, taken, was }: Moment): void {
    const names = new Set(this.#states.keys())
    this.#toggle("active", this.#statesAt(active, names))
    this.#toggle("was", this.#statesAt(was, names))
    this.#toggle(
      "taken",
      taken.flatMap((id) => this.#transitions.get(id) ?? [])
    )
  }

  /** Writes how many are in each state at its corner; null: nothing of the kind. */
  count(counts: ReadonlyMap<string, number> | null): void {
    const names = new Set(this.#states.keys())
    const drawn = new Map<string, number>()
    for (const [path, count] of counts ?? []) {
      const name = drawnOf(path, names)
      if (name !== null) drawn.set(name, (drawn.get(name) ?? 0) + count)
    }
    for (const [name, state] of this.#states) {
      const count = drawn.get(name)
      const old = state.querySelector(":scope > .count")
      if (count === undefined) old?.remove()
      else if (old?.textContent !== String(count)) {
        old?.remove()
        state.append(badgeOf(state, count))
      }
    }
  }

  /** Marks the transition that a person has chosen. */
  select(id: string | null): void {
    const chosen = id === null ? [] : (this.#transitions.get(id) ?? [])
    this.#toggle("selected", chosen)
    for (const elements of this.#transitions.values()) {
      for (const element of elements) element.setAttribute("aria-pressed", String(chosen.includes(element)))
    }
  }

  /** Makes every transition something to click, or to reach with the arrow keys and press. */
  offer(choose: (id: string) => void): void {
    // The parts are now what a reader should hear, and not one image.
    this.svg.setAttribute("role", "group")
    const all = [...this.#transitions.values()].flat()
    for (const element of all) {
      const id = element.dataset["transition"] ?? ""
      const target = element.dataset["target"]
      element.setAttribute("role", "button")
      element.setAttribute("tabindex", "-1")
      element.setAttribute(
        "aria-label",
        `${sourceOf(id)}: ${eventOf(id)}${target === undefined ? ", stays" : `, to ${target}`}`
      )
      widen(element)
    }
    all[0]?.setAttribute("tabindex", "0")
    let inOrder: ReadonlyArray<SVGElement> | undefined
    rove(this.svg, () => (inOrder ??= readingOrder(all)))
    const chosen = (event: Event): void => {
      const element = event.target instanceof Element ? event.target.closest<SVGElement>("[data-transition]") : null
      if (element !== null) choose(element.dataset["transition"] ?? "")
    }
    this.svg.addEventListener("click", chosen)
    this.svg.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return
      event.preventDefault()
      chosen(event)
    })
  }

  /** Scrolls `box` until what is active can be seen, and what was left too if there is room; not when they can be seen. */
  scrollToMarks(box: Element): void {
    const active = [...this.svg.querySelectorAll(".active > rect")].slice(0, 1)
    const marks = [...active, ...this.svg.querySelectorAll(".was > rect")]
    const room = box.getBoundingClientRect()
    const both = around(marks)
    const fits = both !== null && both.width + 2 * MARGIN <= room.width && both.height + 2 * MARGIN <= room.height
    scrollTo(box, fits ? both : around(active))
  }

  /** The same for a transition, by its label. */
  scrollToTransition(box: Element, id: string): void {
    const [element] = this.#transitions.get(id) ?? []
    scrollTo(box, around([element?.querySelector(".label, path") ?? element].filter((one) => one !== undefined)))
  }

  #statesAt(paths: ReadonlyArray<string>, names: ReadonlySet<string>): ReadonlyArray<SVGElement> {
    return paths.flatMap((path) => this.#states.get(drawnOf(path, names) ?? "") ?? [])
  }

  #toggle(name: string, elements: ReadonlyArray<Element>): void {
    for (const element of this.svg.querySelectorAll(`.${name}`)) {
      if (!elements.includes(element)) element.classList.remove(name)
    }
    for (const element of elements) element.classList.add(name)
  }
}

/** A number at the upper right corner of a state's box. */
const badgeOf = (state: SVGElement, count: number): SVGElement => {
  const box = state.querySelector<SVGRectElement>(":scope > rect")
  const text = String(count)
  const width = 12 + 8 * text.length
  const right = (box?.x.baseVal.value ?? 0) + (box?.width.baseVal.value ?? 0) + 6
  const top = (box?.y.baseVal.value ?? 0) - 9
  const make = <K extends "g" | "rect" | "text">(
    name: K,
    attributes: Readonly<Record<string, string | number>>
  ): SVGElementTagNameMap[K] => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name)
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value))
    return element
  }
  const badge = make("g", { class: "count" })
  const label = make("text", { x: right - width / 2, y: top + 14, "text-anchor": "middle" })
  label.textContent = text
  badge.append(make("rect", { x: right - width, y: top, width, height: 19, rx: 9.5 }), label)
  return badge
}

/** The smallest rectangle of the window around all of these; null around nothing. */
const around = (elements: ReadonlyArray<Element>): DOMRect | null => {
  if (elements.length === 0) return null
  const rects = elements.map((element) => element.getBoundingClientRect())
  const left = Math.min(...rects.map((rect) => rect.left))
  const top = Math.min(...rects.map((rect) => rect.top))
  const right = Math.max(...rects.map((rect) => rect.right))
  const bottom = Math.max(...rects.map((rect) => rect.bottom))
  return new DOMRect(left, top, right - left, bottom - top)
}

const scrollTo = (box: Element, inner: DOMRect | null): void => {
  if (inner === null) return
  const outer = box.getBoundingClientRect()
  const left = shift(inner.left - outer.left, inner.width, outer.width)
  const top = shift(inner.top - outer.top, inner.height, outer.height)
  if (left === 0 && top === 0) return
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches
  box.scrollBy({ left, top, behavior: calm ? "instant" : "smooth" })
}

/** How far to scroll so that `size` at `start` lies within `room`: to its middle, or not at all. */
const shift = (start: number, size: number, room: number): number => {
  const margin = Math.min(MARGIN, Math.max(0, (room - size) / 2))
  return start >= margin && start + size <= room - margin ? 0 : start + Math.min(size, room) / 2 - room / 2
}

/** A line of one pixel is hard to hit: an unseen wider one lies under it. */
const widen = (element: SVGElement): void => {
  const line = element.querySelector("path:not(.arrow)")
  const hit = line?.cloneNode()
  if (!(hit instanceof SVGElement)) return
  hit.setAttribute("class", "hit")
  element.prepend(hit)
}

const readingOrder = (elements: ReadonlyArray<SVGElement>): ReadonlyArray<SVGElement> =>
  elements
    .map((element) => ({ element, box: (element.querySelector("text") ?? element).getBoundingClientRect() }))
    .sort((a, b) => a.box.top - b.box.top || a.box.left - b.box.left)
    .map(({ element }) => element)
