/** A text area with the numbers of its lines, and marks where something is wrong. */
import { h } from "./Dom.ts"

/** The height of a line in pixels, as the looks have it. */
const LINE = 20
/** Beyond so many marks nobody looks at the next. */
const MARKS_MAX = 200

export interface CodeBox {
  readonly root: HTMLElement
  readonly area: HTMLTextAreaElement
  readonly set: (text: string) => void
  /** Lines, from 1, with what is wrong in them. */
  readonly mark: (lines: ReadonlyArray<number>) => void
  /** Selects what lies there, and brings it into view. */
  readonly reveal: (from: number, to: number, line: number) => void
}

export const codeBox = (label: string, describedBy: string, typed: (text: string) => void): CodeBox => {
  const numbers = h("pre", { class: "numbers" })
  const bands = h("div", { class: "bands" })
  const area = h("textarea", {
    class: "code-area",
    "aria-label": label,
    "aria-describedby": describedBy,
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    wrap: "off",
    input: () => {
      number()
      typed(area.value)
    },
    scroll: () => follow()
  })
  const root = h(
    "div",
    { class: "code-box" },
    h("div", { class: "gutter", "aria-hidden": "true" }, numbers),
    h("div", { class: "sheet" }, h("div", { class: "band-frame", "aria-hidden": "true" }, bands), area)
  )
  let counted = 0

  const number = (): void => {
    let lines = 1
    for (let at = area.value.indexOf("\n"); at >= 0; at = area.value.indexOf("\n", at + 1)) lines += 1
    if (lines === counted) return
    counted = lines
    numbers.textContent = Array.from({ length: lines }, (_, index) => index + 1).join("\n")
  }
  const follow = (): void => {
    const shift = `translateY(${-area.scrollTop}px)`
    numbers.style.transform = shift
    bands.style.transform = shift
  }

  return {
    root,
    area,
    set: (text) => {
      if (area.value === text) return
      area.value = text
      number()
      follow()
    },
    mark: (lines) => {
      const wanted = [...new Set(lines)].slice(0, MARKS_MAX)
      bands.replaceChildren(
        ...wanted.map((line) => {
          const band = h("div", { class: "band" })
          band.style.top = `${(line - 1) * LINE}px`
          return band
        })
      )
    },
    reveal: (from, to, line) => {
      area.focus()
      area.setSelectionRange(from, to)
      area.scrollTop = Math.max(0, (line - 1) * LINE - area.clientHeight / 2)
      follow()
    }
  }
}
