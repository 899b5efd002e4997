import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { type AnyStateMachine, createMachine } from "xstate"
import { catalogue } from "../../../machines/index.ts"
import { explained } from "../../../src/statechart/render/Explain.ts"
import { htmlOf } from "../../../src/statechart/render/Html.ts"
import { layoutOf } from "../../../src/statechart/render/Layout.ts"
import { outlineOf, statesOf, titleOf, transitionsOf } from "../../../src/statechart/render/Outline.ts"
import { statelyOf } from "../../../src/statechart/render/Stately.ts"
import { svgOf } from "../../../src/statechart/render/Svg.ts"

const machines = catalogue.map(
  ({ id, machine, title }) => [id, { machine: machine as AnyStateMachine, title }] as const
)
const folder = join(import.meta.dirname, "../../../llp/machines")
const coverage = JSON.parse(readFileSync(join(folder, "coverage.json"), "utf8")) as Record<
  string,
  { readonly paths: object }
>

const attributes = (markup: string, name: string): Array<string> =>
  [...markup.matchAll(new RegExp(` ${name}="([^"]*)"`, "g"))].map(([, value = ""]) =>
    value.replaceAll("&quot;", '"').replaceAll("&gt;", ">").replaceAll("&lt;", "<").replaceAll("&amp;", "&")
  )

describe.each(machines)("the statechart %s", (id, { machine, title }) => {
  const outline = outlineOf(machine)
  const layout = Effect.runPromise(layoutOf(outline))

  it("names its transitions as coverage does", () => {
    expect(
      transitionsOf(outline)
        .map((transition) => transition.id)
        .sort()
    ).toEqual(Object.keys(coverage[id]?.paths ?? {}).sort())
  })

  it("is the committed picture (npm run pictures draws it anew)", async () => {
    expect(readFileSync(join(folder, `${id}.svg`), "utf8")).toBe(svgOf(await layout))
  })

  it("names every state and every transition once", async () => {
    const svg = svgOf(await layout)
    expect(attributes(svg, "data-state").sort()).toEqual(
      statesOf(outline)
        .map(({ path }) => titleOf(path))
        .sort()
    )
    expect(attributes(svg, "data-transition").sort()).toEqual(
      transitionsOf(outline)
        .map((transition) => transition.id)
        .sort()
    )
  })

  it("is a page that loads nothing", async () => {
    const html = htmlOf(await layout, title)
    expect(html).toContain(`<title>${title} · Holdfast</title>`)
    expect(html.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|\bsrc=|\bhref=|@import|url\(/)
  })

  it("is explained in words, with every state and every transition", () => {
    const text = explained(outline)
    for (const { path } of statesOf(outline)) expect(text).toContain(`\n${titleOf(path)}`)
    for (const { event, guard, target } of transitionsOf(outline)) {
      const words = guard === null ? event : `${event} [${guard}]`
      const line = text.split("\n").find((each) => each.trim().startsWith(words) && each.includes(target ?? ""))
      expect(line, words).toBeDefined()
    }
  })

  it("is the same machine again from its JSON", () => {
    const json = JSON.stringify(statelyOf(machine))
    const again = outlineOf(createMachine(JSON.parse(json)) as AnyStateMachine)
    const told = (of: typeof outline) =>
      statesOf(of).map(({ entry, exit, initial, invokes, path, transitions, type }) => ({
        state: { path, type, initial, invokes, entry, exit },
        transitions: transitions
          .map(({ actions, event, guard, target }) => ({ actions, event, guard, target }))
          .filter(({ actions, target }) => actions.length > 0 || target !== null)
      }))
    expect(told(again)).toEqual(told(outline))
  })
})
