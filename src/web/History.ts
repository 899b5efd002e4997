/** The last transitions of one machine, the newest first; each can be chosen. */
import { h, rove, setText } from "./Dom.ts"
import type { Row } from "./Seen.ts"
import type { Entry } from "./Wire.ts"
import { clockWords, eventWords, moveWords } from "./Words.ts"

/** How many are listed before a person asks for more. */
export const LISTED = 50

export interface HistoryOptions {
  readonly choose: (key: number) => void
  /** Ids of the machine's transitions, to put names on events. */
  readonly ids: () => ReadonlyArray<string>
  /** Of many instances: each row says whose it is. */
  readonly isMixed: () => boolean
}

export class History {
  readonly root: HTMLElement
  readonly #list = h("ol", { class: "history", reversed: true, "aria-label": "Last transitions, the newest first" })
  readonly #more: HTMLButtonElement
  readonly #filter: HTMLInputElement
  readonly #none = h("p", { class: "none" }, "Nothing happened yet.")
  readonly #items = new Map<number, HTMLLIElement>()
  readonly #options: HistoryOptions
  #all = false
  #rows: ReadonlyArray<Row> = []
  #chosen: number | null = null

  constructor(options: HistoryOptions) {
    this.#options = options
    this.#more = h("button", { type: "button", class: "more", click: () => this.#showAll() })
    this.#filter = h("input", { type: "checkbox", change: () => this.update(this.#rows) })
    const filter = h("label", { class: "filter" }, this.#filter, " only changes of state")
    this.root = h("div", { class: "history-box" }, filter, this.#list, this.#none, this.#more)
    rove(this.#list, () => [...this.#list.querySelectorAll("button")])
  }

  /** Shows these rows, oldest first as given; what is listed already stays the element that it is. */
  update(rows: ReadonlyArray<Row>): void {
    this.#rows = rows
    const wanted = this.#filter.checked ? rows.filter(movesOrRestarts) : rows
    const listed = this.#all ? wanted : newest(wanted)
    const keys = new Set(listed.map(({ key }) => key))
    for (const [key, item] of this.#items) {
      if (keys.has(key)) continue
      item.remove()
      this.#items.delete(key)
    }
    let next: Element | null = null
    for (const row of listed) {
      const known = this.#items.get(row.key)
      const item = known ?? this.#itemOf(row)
      if (known === undefined) {
        this.#items.set(row.key, item)
        this.#list.insertBefore(item, next)
      }
      next = item
    }
    this.#offerTab()
    const hidden = wanted.length - listed.length
    this.#more.hidden = hidden === 0
    this.#none.hidden = listed.length > 0
    setText(this.#more, `Show ${hidden} earlier`)
  }

  /** Which one the picture shows; null while it is live. */
  mark(chosen: number | null): void {
    this.#chosen = chosen
    for (const [key, item] of this.#items) {
      item.querySelector("button")?.setAttribute("aria-pressed", String(key === chosen))
    }
  }

  /** Builds all rows anew: names of events have become known. */
  rename(): void {
    this.clear()
    this.update(this.#rows)
  }

  /** Forgets all rows: others follow. */
  clear(): void {
    for (const item of this.#items.values()) item.remove()
    this.#items.clear()
  }

  #showAll(): void {
    this.#all = true
    this.update(this.#rows)
  }

  #offerTab(): void {
    const buttons = [...this.#list.querySelectorAll("button")]
    if (buttons.some(({ tabIndex }) => tabIndex === 0)) return
    buttons[0]?.setAttribute("tabindex", "0")
  }

  #itemOf(row: Row): HTMLLIElement {
    if (row.kind === "restart") {
      return h("li", { class: "restart" }, `daemon restarted ${clockWords(row.at)}, pid ${row.pid}`)
    }
    return h("li", {}, this.#buttonOf(row.key, row.entry))
  }

  #buttonOf(key: number, entry: Entry): HTMLElement {
    const { from, to } = moveWords(entry)
    const { at, cause, changed, instance } = entry
    const event = eventWords(entry, this.#options.ids())
    const whose = instance !== null && this.#options.isMixed() ? [instance] : []
    const notes = [...whose, ...(cause === "" || cause === event ? [] : [cause]), ...(changed ? [] : ["ignored"])].join(
      ", "
    )
    return h(
      "button",
      {
        type: "button",
        tabindex: -1,
        class: changed ? "row" : "row ignored",
        "aria-pressed": String(key === this.#chosen),
        "data-key": key,
        click: () => this.#options.choose(key)
      },
      h("time", { datetime: new Date(at).toISOString() }, clockWords(at)),
      h("span", { class: "what" }, h("span", { class: "event" }, event), " ", h("span", { class: "cause" }, notes)),
      h("span", { class: "move" }, ...(from === to ? [`in ${to}`] : [`${from} → ${to}`]))
    )
  }
}

const movesOrRestarts = (row: Row): boolean => row.kind === "restart" || row.entry.from !== row.entry.to

const newest = (rows: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const transitions = rows.filter(({ kind }) => kind === "transition")
  const first = transitions.at(-LISTED)
  return first === undefined ? rows : rows.filter(({ key }) => key >= first.key)
}
