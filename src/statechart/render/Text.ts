/** The text in a picture: what stands in a state's box and on a transition, and how much room it takes. */
import type { StateOutline, TransitionOutline } from "./Outline.ts"

/** A line of text; `transition` names the transition that it stands for. */
export interface Line {
  readonly text: string
  readonly kind: "title" | "about" | "does" | "inner"
  readonly transition: TransitionOutline | null
}

/** Height of a line, in user units of the picture (CSS pixels at 100 %). */
export const LINE_HEIGHT = 15
/** Height of the line with a state's name. */
export const TITLE_HEIGHT = 20
/** Room between text and the border of its box. */
export const PADDING = 10

/** Advance of a monospace character at 11 px, and at the 13 px of titles; the widest of the fonts that pages name. */
const ADVANCE = 6.65
const TITLE_ADVANCE = 7.95
/** Characters in a line of a description, in a box without states and in one with. */
const NARROW = 34
const WIDE = 64

/** A picture has room for the name of an action, not for what only changes the context. */
const shown = (actions: ReadonlyArray<string>): ReadonlyArray<string> => actions.filter((name) => name !== "assign")

/** A transition in words: event, guard in brackets, actions after a slash. */
export const wordsOf = ({ actions, event, guard, kind }: TransitionOutline): ReadonlyArray<string> => {
  const does = shown(actions)
  return [
    ...(kind === "always" && guard !== null ? [] : [event]),
    ...(guard === null ? [] : [`[${guard}]`]),
    ...(does.length === 0 ? [] : [`/ ${does.join(", ")}`])
  ]
}

const parentOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf("."), 0))

/**
 * Whether a picture draws a transition as an arrow: between two states of the same state. All others are lines in the box
 * of their source, for arrows across many borders are what nobody can follow.
 */
export const isDrawn = ({ source, target }: TransitionOutline): boolean =>
  target !== null && source !== "" && target !== source && parentOf(source) === parentOf(target)

/** Of a transition that leaves its state: the two states that stand beside each other around its ends. */
export const sidesOf = ({ source, target }: TransitionOutline): readonly [from: string, to: string] | null => {
  if (target === null || source === "") return null
  const [from, to] = [source.split("."), target.split(".")]
  let same = 0
  while (same < from.length && from[same] === to[same]) same++
  return same === from.length || same === to.length
    ? null
    : [from.slice(0, same + 1).join("."), to.slice(0, same + 1).join(".")]
}

/** What stands in the box of a state. */
export const linesOf = (state: StateOutline): ReadonlyArray<Line> => {
  const plain = (kind: Line["kind"]) => (text: string) => ({ text, kind, transition: null })
  const does = [
    ...state.entry.filter((name) => name !== "assign").map((name) => `entry / ${name}`),
    ...state.invokes.map((name) => `run ${name}`),
    ...state.exit.filter((name) => name !== "assign").map((name) => `exit / ${name}`)
  ]
  return [
    plain("title")(state.name),
    ...wrapped(state.description ?? "", state.states.length === 0 ? NARROW : WIDE).map(plain("about")),
    ...does.map(plain("does")),
    ...state.transitions
      .filter((transition) => !isDrawn(transition))
      .map((transition) => ({ text: innerText(transition), kind: "inner" as const, transition }))
  ]
}

const innerText = (transition: TransitionOutline): string => {
  const { source, target } = transition
  const words = wordsOf(transition).join(" ")
  if (target === null) return shown(transition.actions).length > 0 ? words : `${words} ${remains(transition)}`
  if (target === source) return `${words} → again`
  return `${words} → ${target.startsWith(`${source}.`) ? target.slice(source.length + 1) : target}`
}

const remains = ({ actions }: TransitionOutline): string => (actions.length > 0 ? "/ noted" : "is ignored")

const wrapped = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ").filter((each) => each !== "")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === "" ? word : `${line} ${word}`
    }
  }
  return line === "" ? lines : [...lines, line]
}

export const widthOf = ({ kind, text }: Line): number =>
  Math.ceil(text.length * (kind === "title" ? TITLE_ADVANCE : ADVANCE))
export const heightOf = ({ kind }: Line): number => (kind === "title" ? TITLE_HEIGHT : LINE_HEIGHT)

/** The room that lines take, with the padding around them. */
export const roomOf = (lines: ReadonlyArray<Line>): { readonly width: number; readonly height: number } => ({
  width: Math.max(0, ...lines.map(widthOf)) + 2 * PADDING,
  height: lines.reduce((sum, line) => sum + heightOf(line), 0) + 2 * PADDING
})

/** The room that the words on an arrow take. */
export const labelRoom = (words: ReadonlyArray<string>): { readonly width: number; readonly height: number } => ({
  width: Math.ceil(Math.max(0, ...words.map((word) => word.length)) * ADVANCE) + 8,
  height: words.length * (LINE_HEIGHT - 2) + 4
})
