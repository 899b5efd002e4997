import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Browser } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { catalogue } from "../../machines/index.ts"
import { node, script } from "../support/Program.ts"
import { hasBrowser, keep, launch, openWindow, SCHEMES } from "./Browser.ts"

const pictureOf = (id: string): string => join(import.meta.dirname, "../../llp/machines", `${id}.svg`)
const folder = mkdtempSync(join(tmpdir(), "holdfast-pictures-"))

let browser: Browser
beforeAll(async () => {
  if (hasBrowser) browser = await launch()
})
afterAll(async () => {
  await browser?.close()
  rmSync(folder, { recursive: true })
})

/** Texts that the browser draws wider than the room that was reckoned for them, and the contrast of each colour of text. */
const measured = () => {
  const svg = document.querySelector("svg") as SVGSVGElement
  const rooms = [...svg.querySelectorAll<SVGGElement>("g.state, g.transition")]
  const cut = rooms.flatMap((group) => {
    const rect = group.querySelector<SVGRectElement>(":scope > rect")
    const texts = [...group.querySelectorAll<SVGTextElement>(":scope > text")]
    const frame = rect?.getBBox()
    if (frame === undefined) return []
    return texts
      .filter((text) => text.getBBox().x + text.getBBox().width > frame.x + frame.width + 0.5)
      .map((text) => text.textContent)
  })
  const channels = (colour: string): ReadonlyArray<number> =>
    (colour.match(/[\d.]+/g) ?? []).slice(0, 3).map((each) => {
      const value = Number(each) / 255
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
    })
  const light = (colour: string): number => {
    const [red = 0, green = 0, blue = 0] = channels(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const paperOf = (text: SVGTextElement): string => {
    // The words on an arrow stand on the box of the state around it, whatever that is: the paper is much the same.
    const rect = text.closest("g.state")?.querySelector(":scope > rect")
    return rect === null || rect === undefined ? getComputedStyle(svg).backgroundColor : getComputedStyle(rect).fill
  }
  const contrasts = [...svg.querySelectorAll<SVGTextElement>("text")].map((text) => {
    const [one, other] = [light(getComputedStyle(text).fill), light(paperOf(text))]
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
  })
  return { texts: contrasts.length, cut, contrast: Math.min(...contrasts) }
}

describe.runIf(hasBrowser).each(SCHEMES)("in Chromium, %s", (scheme) => {
  it.each(catalogue.map(({ id }) => id))("the picture of %s cuts no text, and all of it can be read", async (id) => {
    const { context, page } = await openWindow(browser, { scheme })
    await page.setContent(`<!doctype html><body style="margin: 0">${readFileSync(pictureOf(id), "utf8")}`)
    const { contrast, cut, texts } = await page.evaluate(measured)
    await keep(page, `${id}-${scheme}`)
    await context.close()
    expect(texts).toBeGreaterThan(20)
    expect(cut).toEqual([])
    expect(contrast).toBeGreaterThanOrEqual(4.5)
  })
})

describe.runIf(hasBrowser)("the page that `holdfast machines render --format html` writes", () => {
  it.each(catalogue.map(({ id, title }) => [id, title] as const))(
    "shows %s from the disk, with no network and no other file",
    async (id, title) => {
      const { status, stdout } = spawnSync(node, [
        script,
        "machines",
        "render",
        id,
        "--format",
        "html",
        "--out",
        folder
      ])
      expect({ status, written: String(stdout).trim() }).toEqual({ status: 0, written: join(folder, `${id}.html`) })
      const { complaints, context, page } = await openWindow(browser, { offline: true })
      const asked: Array<string> = []
      page.on("request", (request) => asked.push(request.url()))
      const url = pathToFileURL(join(folder, `${id}.html`)).href
      await page.goto(url)
      expect(await page.locator("h1").textContent()).toBe(title)
      expect(await page.locator("svg [data-state]").count()).toBeGreaterThan(5)
      await page.locator("summary").click()
      expect(await page.locator("pre").isVisible()).toBe(true)
      await keep(page, `offline-${id}`)
      await context.close()
      expect({ asked, complaints }).toEqual({ asked: [url], complaints: [] })
    }
  )
})
