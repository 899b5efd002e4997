/** What a gateway has sent, a line each; a line opens on the whole row. */
import type { IngestedRow } from "../domain/index.ts"
import { h, setText } from "./Dom.ts"
import { sentWords } from "./FleetSentWords.ts"
import { ago } from "./FleetWords.ts"
import { harmless } from "./RunLine.ts"

/** The most characters of a row that are shown. */
const ROW_MAX = 20_000

export interface SentList {
  readonly root: HTMLElement
  readonly update: (rows: ReadonlyArray<IngestedRow>, numbers: ReadonlyMap<string, number>, now: number) => void
}

interface Line {
  readonly root: HTMLElement
  readonly update: (numbers: ReadonlyMap<string, number>, now: number) => void
}

/** Lines stay the same elements, so that one that was opened stays open. */
export const sentList = (none: string): SentList => {
  const nothing = h("li", { class: "none" }, none)
  const root = h("ol", { class: "rows" }, nothing)
  let lines = new Map<string, Line>()
  return {
    root,
    update: (rows, numbers, now) => {
      const next = new Map<string, Line>()
      for (const row of rows) {
        const key = JSON.stringify(row)
        const one = next.get(key) ?? lines.get(key) ?? lineOf(row)
        next.set(key, one)
        one.update(numbers, now)
      }
      lines = next
      const wanted = next.size === 0 ? [nothing] : [...next.values()].map((one) => one.root)
      if (wanted.length !== root.children.length || wanted.some((one, index) => root.children[index] !== one)) {
        root.replaceChildren(...wanted)
      }
    }
  }
}

const lineOf = ({ at, received_at, row }: IngestedRow): Line => {
  const when = h("span", { class: "note when", title: at ?? received_at })
  const words = h("span", { class: "value" })
  const note = h("span", { class: "note" })
  const whole = h("pre", { class: "document" })
  const details = h(
    "details",
    { toggle: () => setText(whole, details.open ? textOf(row) : "") },
    h("summary", {}, when, h("span", {}, words, " ", note)),
    whole
  )
  return {
    root: h("li", {}, details),
    update: (numbers, now) => {
      const said = sentWords(row, numbers)
      setText(when, ago(at ?? received_at, now))
      words.dataset["tone"] = said.tone
      setText(words, said.words)
      setText(note, said.note === "" ? "" : `· ${said.note}`)
    }
  }
}

const textOf = (row: unknown): string => {
  const text = JSON.stringify(row, null, 2)
  const shown = text.slice(0, ROW_MAX).split("\n").map(harmless).join("\n")
  return text.length > ROW_MAX ? `${shown} …` : shown
}
