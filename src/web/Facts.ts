/** Cards, and the names and values in them. */
import { h } from "./Dom.ts"
import type { Fact } from "./ThisMachine.ts"

/** A card with its heading. */
export const section = (title: string, id: string, ...children: ReadonlyArray<HTMLElement>): HTMLElement =>
  h(
    "section",
    { class: `card ${id}`, "aria-labelledby": `${id}-title` },
    h("h2", { id: `${id}-title` }, title),
    ...children
  )

/** Facts as the rows of a list; `none` says that there are none. */
export const factElements = (facts: ReadonlyArray<Fact>, none: string): ReadonlyArray<HTMLElement> =>
  facts.length === 0
    ? none === ""
      ? []
      : [h("div", { class: "none" }, h("dt", {}, none))]
    : facts.map(({ full, name, note, tone, value }) =>
        h(
          "div",
          {},
          h("dt", {}, name),
          h(
            "dd",
            {},
            h(
              "span",
              { class: "value", "data-tone": tone ?? "plain", ...(full === undefined ? {} : { title: full }) },
              value
            ),
            note === undefined ? null : h("span", { class: "note" }, note)
          )
        )
      )
