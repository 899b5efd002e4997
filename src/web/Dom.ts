/** The little that these pages need of a way to make elements. */

type Child = Node | string | null
type Value = string | number | boolean | ((event: Event) => void)

/** An element; `true` is an attribute without a value, `false` leaves it out, a function listens to the event of its name. */
export const h = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, Value>> = {},
  ...children: ReadonlyArray<Child>
): HTMLElementTagNameMap[K] => {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value)
    else if (value !== false) element.setAttribute(name, value === true ? "" : String(value))
  }
  element.append(...children.filter((child) => child !== null))
  return element
}

/** Milliseconds of the page's life: they run on whatever becomes of the clock. */
export const now = (): number => new Event("now").timeStamp

/** Changes a text only where it differs, so that screen readers and selections are left alone. */
export const setText = (element: Element, text: string): void => {
  if (element.textContent !== text) element.textContent = text
}

/** Puts other children in only where they differ. */
export const setChildren = (element: Element, ...children: ReadonlyArray<Element>): void => {
  const isSame =
    element.children.length === children.length &&
    children.every((child, index) => element.children[index]?.isEqualNode(child))
  if (!isSame) element.replaceChildren(...children)
}

/** One of several elements is in the order of Tab; arrows, Home and End go between them. */
export const rove = (container: Element, items: () => ReadonlyArray<HTMLElement | SVGElement>): void => {
  container.addEventListener("keydown", (event) => {
    if (!(event instanceof KeyboardEvent)) return
    const all = items()
    const at = all.findIndex((item) => item === document.activeElement)
    if (at < 0) return
    const to = destination(event.key, at, all.length)
    if (to === null) return
    event.preventDefault()
    all[to]?.focus()
  })
  container.addEventListener("focusin", ({ target }) => {
    for (const item of items()) item.tabIndex = item === target ? 0 : -1
  })
}

const destination = (key: string, at: number, length: number): number | null => {
  if (key === "ArrowDown" || key === "ArrowRight") return Math.min(at + 1, length - 1)
  if (key === "ArrowUp" || key === "ArrowLeft") return Math.max(at - 1, 0)
  if (key === "Home") return 0
  return key === "End" ? length - 1 : null
}
