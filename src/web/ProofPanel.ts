/** What is proved of a machine, and the path that covers a transition. */
import { h } from "./Dom.ts"
import { fatesOf, figuresOf, pathOf } from "./Proof.ts"
import type { Coverage } from "./Wire.ts"
import { eventOf, sourceOf } from "./Words.ts"

/** Figures of a machine, and its mutants with the properties that killed them. */
export const proofPanel = (coverage: Coverage): ReadonlyArray<HTMLElement> => [
  h(
    "dl",
    { class: "figures" },
    ...figuresOf(coverage).map(({ name, value, whole }) =>
      h(
        "div",
        { "data-tone": whole === null ? "plain" : whole ? "good" : "bad" },
        h("dt", {}, name),
        h("dd", {}, value)
      )
    )
  ),
  h(
    "details",
    { class: "mutants" },
    h("summary", {}, "Mutants: small wrong changes, and the property that noticed each"),
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Wrong change"), h("th", { scope: "col" }, "Killed by"))),
      h(
        "tbody",
        {},
        ...fatesOf(coverage).map(({ killers, mutant }) =>
          h(
            "tr",
            {},
            h("td", {}, mutant),
            h(
              "td",
              { "data-tone": killers.length === 0 ? "bad" : "plain" },
              h("code", {}, killers.join(", ") || "nothing: alive")
            )
          )
        )
      )
    )
  )
]

/** One transition that a person chose: where it leads, and the shortest known way to take it. */
export const transitionPanel = (
  id: string,
  target: string | null,
  coverage: Coverage | null
): ReadonlyArray<HTMLElement> => {
  const path = coverage === null ? null : pathOf(coverage, id)
  return [
    h("p", { class: "event" }, eventOf(id)),
    h("p", { class: "move" }, target === null ? `in ${sourceOf(id)}` : `${sourceOf(id)} → ${target}`),
    ...(path === null
      ? [h("p", { class: "none" }, "No path is recorded for it.")]
      : [
          h("p", { class: "caption" }, "The path that covers it"),
          h(
            "ol",
            { class: "path" },
            ...path.map(({ detail, name }) =>
              h("li", {}, h("span", {}, name), detail === "" ? null : h("span", { class: "note" }, detail))
            )
          )
        ])
  ]
}
