/** All machines side by side, small and live. */
import { h, setText } from "./Dom.ts"
import { hasInstances, instancesWords } from "./Instances.ts"
import type { Page } from "./Page.ts"
import { Picture } from "./Picture.ts"
import { activeOf, isStale, lastOf, type Seen } from "./Seen.ts"
import type { Machine } from "./Wire.ts"
import { clockWords, eventWords, stateWords, statesOf } from "./Words.ts"

interface Card {
  readonly root: HTMLElement
  readonly update: (machine: Machine, seen: Seen) => void
}

export const overviewPage = (): Page => {
  const cards = new Map<string, Card>()
  const grid = h("div", { class: "overview" })
  const root = h("div", {}, h("div", { class: "heading" }, h("h1", { tabindex: -1 }, "Machines")), grid)
  return {
    title: () => "Machines",
    root,
    update: (seen) => {
      for (const machine of seen.machines) {
        let card = cards.get(machine.id)
        if (card === undefined) {
          card = cardOf(machine)
          cards.set(machine.id, card)
          grid.append(card.root)
        }
        card.update(machine, seen)
      }
      root.classList.toggle("stale", isStale(seen))
    },
    tick: () => {},
    close: () => {}
  }
}

const cardOf = ({ id, title }: Machine): Card => {
  const state = h("p", { class: "state-now" })
  const last = h("p", { class: "last" })
  const frame = h("div", { class: "thumbnail", "aria-hidden": true })
  const root = h(
    "article",
    { class: "card machine-card", "data-card": id },
    h("h2", {}, h("a", { href: `/machines#${id}` }, title)),
    state,
    last,
    frame
  )
  let picture: Picture | undefined
  let active = ""
  const mark = (): void => picture?.mark({ active: statesOf(active), was: [], taken: [] })
  const load = async (): Promise<void> => {
    try {
      picture = await Picture.load(id)
      picture.svg.classList.add("small")
      frame.append(picture.svg)
      mark()
    } catch {
      frame.append(h("p", { class: "none" }, "No picture of this machine could be fetched."))
    }
  }
  void load()
  return {
    root,
    update: (machine, seen) => {
      active = activeOf(machine)
      setText(
        state,
        `${isStale(seen) ? "last known: " : ""}${hasInstances(machine) ? instancesWords(machine) : stateWords(active)}`
      )
      const entry = lastOf(seen, id)
      const ids = picture?.drawn.map((drawn) => drawn.id) ?? []
      setText(last, entry === null ? "nothing happened yet" : `${clockWords(entry.at)}  ${eventWords(entry, ids)}`)
      mark()
    }
  }
}
