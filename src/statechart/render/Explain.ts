/** A statechart as text: what its picture shows, for terminals and for readers of plain text. */
import { statesOf, titleOf, transitionsOf, type StateOutline, type TransitionOutline } from "./Outline.ts"

/** The states in the order of the definition, each with what it does and where it goes. */
export const explained = (outline: StateOutline): string => {
  const states = statesOf(outline)
  const counts = `${states.length - 1} states, ${transitionsOf(outline).length} transitions`
  return [`${outline.name}: ${outline.description ?? ""} (${counts})`, ...states.map(stateText)].join("\n\n") + "\n"
}

const stateText = (state: StateOutline): string => {
  const { description, entry, exit, initial, invokes, path, states, tags, transitions, type } = state
  const inside =
    states.length === 0
      ? ""
      : type === "parallel"
        ? `: at once ${states.map(({ name }) => name).join(" and ")}`
        : `: begins in ${initial ?? "?"}`
  const shown = tags.length === 0 ? "" : `  #${tags.join(" #")}`
  return [
    `${titleOf(path)}${type === "final" ? " (final)" : ""}${inside}${shown}`,
    ...(description === null || path === "" ? [] : [description]),
    ...entry.map((name) => `entry / ${name}`),
    ...invokes.map((name) => `run ${name}`),
    ...exit.map((name) => `exit / ${name}`),
    ...transitions.map(transitionText)
  ].join("\n    ")
}

const transitionText = ({ actions, event, guard, target }: TransitionOutline): string =>
  [
    event,
    ...(guard === null ? [] : [`[${guard}]`]),
    ...(actions.length === 0 ? [] : [`/ ${actions.join(", ")}`]),
    ...(target === null ? (actions.length === 0 ? ["is ignored"] : []) : [`→ ${titleOf(target)}`])
  ].join(" ")
