/** Two documents compared: beside each other where there is room, else one under the other. */
import { h, setText } from "./Dom.ts"
import { diffLines, type DiffLine, diffWords, pairsOf, partsOf } from "./FleetDiff.ts"
import { harmless } from "./RunLine.ts"

/** The most lines that are put up at once. */
const LINES_MAX = 2_000

export interface DiffView {
  readonly root: HTMLElement
  readonly show: (before: Side, after: Side) => void
  readonly close: () => void
}

export interface Side {
  readonly name: string
  readonly text: string
}

export const diffView = (): DiffView => {
  const words = h("p", { class: "note" })
  const box = h("div", { class: "diff-box" })
  const root = h("div", { class: "diff" }, words, box)
  const wide = matchMedia("(min-width: 62rem)")
  let shown: { readonly before: Side; readonly after: Side; readonly lines: ReadonlyArray<DiffLine> } | null = null
  const opened = new Set<number>()

  const draw = (): void => {
    if (shown === null) return
    const { after, before, lines } = shown
    setText(words, `From ${before.name} to ${after.name}. ${diffWords(lines)}`)
    const body = h("tbody", {})
    let left = LINES_MAX
    for (const [index, { lines: some, type }] of partsOf(lines).entries()) {
      if (left <= 0) break
      if (type === "fold" && !opened.has(index)) {
        const button = h("button", { type: "button", click: () => unfold(index) }, `${some.length} equal lines`)
        body.append(h("tr", { class: "fold" }, h("td", { colspan: wide.matches ? 4 : 3 }, button)))
        continue
      }
      const rows = wide.matches ? pairsOf(some).slice(0, left).map(pairRow) : some.slice(0, left).map(lineRow)
      body.append(...rows)
      left -= rows.length
    }
    if (left <= 0) {
      const note = `Only the first ${LINES_MAX} lines are shown: compare the documents with a program.`
      body.append(h("tr", {}, h("td", { colspan: 4, class: "note" }, note)))
    }
    const head = wide.matches
      ? h(
          "tr",
          {},
          h("th", { scope: "col", colspan: 2 }, before.name),
          h("th", { scope: "col", colspan: 2 }, after.name)
        )
      : h("tr", {}, h("th", { scope: "col", colspan: 2 }, "line"), h("th", { scope: "col" }, "text"))
    const table = h(
      "table",
      { class: wide.matches ? "sides" : "unified" },
      h("caption", {}, "Difference"),
      h(
        "colgroup",
        {},
        ...(wide.matches ? SIDES : UNIFIED).map((name) => h("col", name === "" ? {} : { class: name }))
      ),
      h("thead", {}, head),
      body
    )
    box.replaceChildren(table)
    box.hidden = lines.every(({ kind }) => kind === "same")
  }
  const unfold = (index: number): void => {
    opened.add(index)
    draw()
  }
  wide.addEventListener("change", draw)

  return {
    root,
    show: (before, after) => {
      if (shown?.before.text === before.text && shown.after.text === after.text && shown.before.name === before.name)
        return
      opened.clear()
      shown = { before, after, lines: diffLines(before.text, after.text) }
      draw()
    },
    close: () => wide.removeEventListener("change", draw)
  }
}

/** The columns: of each side the number and the text; or both numbers, and one text. */
const SIDES = ["number", "", "number", ""]
const UNIFIED = ["number", "number", ""]

/** A line that ends nowhere helps nobody. */
const TEXT_MAX = 2_000
const textOf = (text: string): string =>
  harmless(text.slice(0, TEXT_MAX)) + (text.length > TEXT_MAX ? ` … ${text.length - TEXT_MAX} characters more` : "")

const SIGNS = { same: " ", gone: "−", come: "+" } as const
const NAMES = { same: "", gone: "removed: ", come: "added: " } as const

const cell = (line: DiffLine | null, number: number | null, kind: DiffLine["kind"]): ReadonlyArray<HTMLElement> => [
  h("td", { class: "number" }, number === null ? "" : String(number)),
  h(
    "td",
    { class: "text", "data-kind": line === null ? "none" : kind },
    ...(line === null
      ? []
      : [
          h("span", { class: "sign", "aria-hidden": "true" }, SIGNS[kind]),
          h("span", { class: "unseen" }, NAMES[kind]),
          textOf(line.text)
        ])
  )
]

const pairRow = ({ left, right }: { readonly left: DiffLine | null; readonly right: DiffLine | null }): HTMLElement =>
  h(
    "tr",
    {},
    ...cell(left, left?.left ?? null, left?.kind ?? "same"),
    ...cell(right, right?.right ?? null, right?.kind ?? "same")
  )

const lineRow = (line: DiffLine): HTMLElement => {
  const [, text] = cell(line, null, line.kind)
  return h(
    "tr",
    {},
    h("td", { class: "number" }, line.left === null ? "" : String(line.left)),
    h("td", { class: "number" }, line.right === null ? "" : String(line.right)),
    ...(text === undefined ? [] : [text])
  )
}
