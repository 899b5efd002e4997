import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { type Browser, chromium } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { catalogue } from "../../machines/index.ts"

const executablePath = process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium"
const hasBrowser = existsSync(executablePath)
if (!hasBrowser) console.log(`skipped: no Chromium at ${executablePath}; install it, or set CHROMIUM_PATH`)
it.runIf(process.env["CI"] !== undefined)("finds a Chromium in CI", () => {
  expect(hasBrowser).toBe(true)
})

const screenshots = process.env["HOLDFAST_SCREENSHOTS"]
const pictureOf = (id: string): string => join(import.meta.dirname, "../../llp/machines", `${id}.svg`)

let browser: Browser
beforeAll(async () => {
  if (hasBrowser) browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] })
})
afterAll(async () => {
  await browser?.close()
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

describe.runIf(hasBrowser).each(["light", "dark"] as const)("in Chromium, %s", (colorScheme) => {
  it.each(catalogue.map(({ id }) => id))("the picture of %s cuts no text, and all of it can be read", async (id) => {
    const page = await browser.newPage({ colorScheme })
    await page.goto(pathToFileURL(pictureOf(id)).href)
    const { contrast, cut, texts } = await page.evaluate(measured)
    if (screenshots !== undefined) {
      mkdirSync(screenshots, { recursive: true })
      await page.locator("svg").screenshot({ path: join(screenshots, `${id}-${colorScheme}.png`) })
    }
    await page.close()
    expect(texts).toBeGreaterThan(20)
    expect(cut).toEqual([])
    expect(contrast).toBeGreaterThanOrEqual(4.5)
  })
})
