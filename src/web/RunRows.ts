/** Rows of a run's output as elements. All text goes in as text. */
import { h } from "./Dom.ts"
import { type Cut, moreWords } from "./RunLine.ts"
import type { OutputRow } from "./RunOutput.ts"
import { endWords, gapWords } from "./RunWords.ts"
import { clockWords } from "./Words.ts"

/** Whether events are shown as what they mean, or as the lines that they are. */
export type Manner = "readable" | "raw"

/** The element of one row. */
export const rowElement = (row: OutputRow, manner: Manner): HTMLElement => {
  switch (row.kind) {
    case "gap":
      return h("div", { class: "log-row gap", "data-tone": "bad" }, `${gapWords(row.gap)}.`)
    case "end": {
      const { end, message } = row.end
      const tone = end === "complete" ? "plain" : "bad"
      const told = message === null ? "" : ` ${message}`
      return h("div", { class: "log-row end", "data-tone": tone }, `End of the output, ${endWords(end)}.${told}`)
    }
    case "line":
      return manner === "raw" ? lineElement(row.raw) : shownElement(row)
  }
}

const shownElement = ({ shown }: Extract<OutputRow, { kind: "line" }>): HTMLElement => {
  if (shown.kind === "plain") return lineElement(shown.line)
  const { at, body, title, tone, what } = shown
  return h(
    "div",
    { class: "log-row event", "data-tone": tone, "data-what": what },
    h("span", { class: "what" }, what),
    h(
      "div",
      {},
      title.text === "" ? null : h("p", { class: "event-title" }, ...texts(title)),
      body.text === "" ? null : h("div", { class: "body" }, ...texts(body))
    ),
    at === null ? null : h("time", { datetime: new Date(at).toISOString() }, clockWords(at))
  )
}

const lineElement = (line: Cut): HTMLElement => h("div", { class: "log-row line" }, ...texts(line))

const texts = (cut: Cut): ReadonlyArray<Node | string> =>
  cut.more === 0 ? [cut.text] : [cut.text, h("span", { class: "note" }, ` ${moreWords(cut)}`)]
