/** A statechart as one SVG file: text is text, colours follow light and dark, states and transitions carry their names. */
import type { Layout, PlacedInitial, PlacedState, PlacedTransition, PlacedWay, Point } from "./Layout.ts"
import { titleOf, type TransitionOutline } from "./Outline.ts"
import { heightOf, LINE_HEIGHT, PADDING, type Line } from "./Text.ts"

/** The look of a picture; a page that shows one may set the custom properties, and the classes `active`, `was`, `taken`, `selected`. */
export const pictureStyle = `
.chart{--paper:#fff;--ink:#1d2530;--soft:#5b6675;--line:#8a94a3;--box:#f7f8fa;--nest:#fff;--rim:#c5ccd6;--error:#c0262d;--time:#7a5b00;--accent:#0a63c9;--lit:#dcebfd;font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;background:var(--paper)}
@media(prefers-color-scheme:dark){.chart{--paper:#12161c;--ink:#e6eaf0;--soft:#a3adbb;--line:#7d8896;--box:#1b212a;--nest:#151a21;--rim:#3a4452;--error:#ff7b80;--time:#e3b94d;--accent:#6fb1ff;--lit:#1c3350}}
.chart text{fill:var(--ink);white-space:pre}
.chart .title{font-size:13px;font-weight:600}
.chart .about{fill:var(--soft)}
.chart .state>rect{fill:var(--box);stroke:var(--rim)}
.chart .compound>rect,.chart .parallel>rect{fill:var(--nest)}
.chart .parallel>.state>rect{stroke-dasharray:6 4}
.chart .final>rect{stroke-width:3}
.chart path{fill:none;stroke:var(--line);stroke-width:1.2}
.chart .arrow,.chart .dot{fill:var(--line);stroke:none}
.chart .label{fill:transparent;stroke:none}
.chart .way>path{stroke-dasharray:1.5 3}
.chart .after>path{stroke-dasharray:5 4;stroke:var(--time)}
.chart .after .arrow{fill:var(--time)}
.chart .after text,.chart text.after{fill:var(--time)}
.chart .error>path{stroke:var(--error)}
.chart .error .arrow{fill:var(--error)}
.chart .error text,.chart text.error{fill:var(--error)}
.chart .was>rect{stroke:var(--accent);stroke-dasharray:3 3}
.chart .active>rect{stroke:var(--accent);stroke-width:2.5}
.chart .atomic.active>rect,.chart .final.active>rect{fill:var(--lit)}
.chart .taken>path,.chart .selected>path{stroke:var(--accent);stroke-width:2.6}
.chart .taken .arrow,.chart .selected .arrow{fill:var(--accent)}
.chart .taken text,.chart text.taken,.chart .selected text,.chart text.selected{fill:var(--accent);font-weight:600}
`.trim()

/** The SVG of a statechart that was laid out. */
export const svgOf = (layout: Layout): string => {
  const [width, height] = [Math.ceil(layout.width) + 2 * RIM, Math.ceil(layout.height) + 2 * RIM]
  const name = layout.outline.name
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart" data-machine="${escaped(name)}" width="${width}" height="${height}"`,
    ` viewBox="${-RIM} ${-RIM} ${width} ${height}" role="img" aria-label="Statechart ${escaped(name)}">`,
    `<style>${pictureStyle}</style>\n`,
    nested(layout, layout.outline.path),
    ...layout.initials.map(initialOf),
    ...layout.ways.map(wayOf),
    ...layout.transitions.map(arrowOf),
    "</svg>\n"
  ].join("")
}

/** Room around the outermost box, for its stroke. */
const RIM = 8

const nested = (layout: Layout, path: string): string => {
  const placed = layout.states.find(({ state }) => state.path === path)
  if (placed === undefined) return ""
  return stateOf(placed, placed.state.states.map((inner) => nested(layout, inner.path)).join(""))
}

const stateOf = ({ height, lines, state, width, x, y }: PlacedState, inner: string): string => {
  const rect = `<rect x="${at(x)}" y="${at(y)}" width="${at(width)}" height="${at(height)}" rx="8"/>`
  let top = y + PADDING
  const texts = lines.map((line) => {
    const text = lineOf(line, x + PADDING, top)
    top += heightOf(line)
    return text
  })
  return `<g class="state ${state.type}" data-state="${escaped(titleOf(state.path))}">${rect}${texts.join("")}${inner}</g>\n`
}

const lineOf = ({ kind, text, transition }: Line, x: number, top: number): string => {
  const baseline = top + (kind === "title" ? 13 : 11)
  const place = `x="${at(x)}" y="${at(baseline)}"`
  if (transition === null) return `<text class="${kind}" ${place}>${escaped(text)}</text>`
  return `<text class="transition ${transition.kind}" ${namesOf(transition)} ${place}>${escaped(text)}</text>`
}

const namesOf = ({ id, source, target }: TransitionOutline): string =>
  `data-transition="${escaped(id)}" data-source="${escaped(titleOf(source))}"` +
  (target === null ? "" : ` data-target="${escaped(titleOf(target))}"`)

const arrowOf = ({ label, points, transition, words }: PlacedTransition): string => {
  const texts = words.map(
    (word, index) =>
      `<text x="${at(label.x + 4)}" y="${at(label.y + 12 + index * (LINE_HEIGHT - 2))}">${escaped(word)}</text>`
  )
  const paper =
    words.length === 0
      ? ""
      : `<rect class="label" x="${at(label.x)}" y="${at(label.y)}" width="${at(label.width)}" height="${at(label.height)}"/>`
  return `<g class="transition ${transition.kind}" ${namesOf(transition)}>${lineThrough(points)}${headAt(points)}${paper}${texts.join("")}</g>\n`
}

const initialOf = ({ dot, of, points }: PlacedInitial): string =>
  `<g class="initial" data-of="${escaped(titleOf(of))}"><circle class="dot" cx="${at(dot.x)}" cy="${at(dot.y)}" r="5"/>` +
  `${lineThrough(points)}${headAt(points)}</g>\n`

const wayOf = ({ from, points, to }: PlacedWay): string =>
  `<g class="way" data-source="${escaped(from)}" data-target="${escaped(to)}">${lineThrough(points)}${headAt(points)}</g>\n`

const lineThrough = (points: ReadonlyArray<Point>): string =>
  `<path d="${points.map(({ x, y }, index) => `${index === 0 ? "M" : "L"}${at(x)} ${at(y)}`).join("")}"/>`

const headAt = (points: ReadonlyArray<Point>): string => {
  const [from, to] = points.slice(-2)
  if (from === undefined || to === undefined) return ""
  const isLevel = Math.abs(to.x - from.x) > Math.abs(to.y - from.y)
  const [dx, dy] = isLevel ? [Math.sign(to.x - from.x), 0] : [0, Math.sign(to.y - from.y)]
  const corner = (side: number): string => `${at(to.x - 8 * dx + side * 4 * dy)} ${at(to.y - 8 * dy + side * 4 * dx)}`
  return `<path class="arrow" d="M${at(to.x)} ${at(to.y)}L${corner(1)}L${corner(-1)}Z"/>`
}

const at = (value: number): string => String(Math.round(value * 10) / 10)

/** Text as it stands in markup. */
export const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
