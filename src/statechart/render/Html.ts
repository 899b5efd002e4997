/** A statechart as one HTML file that needs nothing else: the picture, and the same in words beside it. */
import { explained } from "./Explain.ts"
import type { Layout } from "./Layout.ts"
import { escaped, svgOf } from "./Svg.ts"

/** `title` is the machine's name for people. */
export const htmlOf = (layout: Layout, title: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)} · Holdfast</title>
<style>
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2530; --soft: #5b6675; --accent: #0a63c9 }
@media (prefers-color-scheme: dark) { :root { --paper: #12161c; --ink: #e6eaf0; --soft: #a3adbb; --accent: #6fb1ff } }
body { margin: 1.5rem; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
h1 { margin: 0 0 .25rem; font-size: 1.4rem }
p { margin: 0 0 1rem; color: var(--soft); max-width: 70ch }
figure { margin: 0; overflow: auto }
pre { font-size: 12px; overflow: auto }
summary { cursor: pointer; margin: 1rem 0 }
summary:focus-visible { outline: 2px solid var(--accent) }
</style>
<h1>${escaped(title)}</h1>
<p>${escaped(layout.outline.description ?? "")} Dashed: after a time. Red: when a task failed. Dotted: a state inside goes
there, and a line in its box says when. “run” names a task, “entry /” and “exit /” what is done on the way.</p>
<figure>
${svgOf(layout)}</figure>
<details><summary>The same in words</summary><pre>${escaped(explained(layout.outline))}</pre></details>
</html>
`
