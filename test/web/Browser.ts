/** Real Chromium for the tests of the pages. */
import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core"

const executablePath = process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium"

/** Whether there is a browser; with `CI` set there has to be. */
export const hasBrowser = existsSync(executablePath)
if (!hasBrowser) {
  const missing = `no Chromium at ${executablePath}: install it (Debian: chromium), or set CHROMIUM_PATH`
  if (process.env["CI"] !== undefined) throw new Error(missing)
  console.log(`skipped: ${missing}`)
}

/** A desk, and a phone held upright. */
export const SIZES = { desk: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } } as const
export type Size = keyof typeof SIZES
export const SCHEMES = ["light", "dark"] as const
export type Scheme = (typeof SCHEMES)[number]

/** A browser; as root it cannot have its sandbox. */
export const launch = (args: ReadonlyArray<string> = []): Promise<Browser> =>
  chromium.launch({ executablePath, args: [...args, ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])] })

/** A window of its own, with what goes wrong in it. */
export interface Window {
  readonly page: Page
  readonly context: BrowserContext
  /** Errors of scripts, what the policy of the page refused, and failed loads other than those of a restart. */
  readonly complaints: ReadonlyArray<string>
}

export const openWindow = async (
  browser: Browser,
  look: { readonly size?: Size; readonly scheme?: Scheme } & BrowserContextOptions = {}
): Promise<Window> => {
  const { scheme = "light", size = "desk", ...more } = look
  const context = await browser.newContext({
    viewport: SIZES[size],
    colorScheme: scheme,
    reducedMotion: "reduce",
    locale: "en-GB",
    hasTouch: size === "phone",
    ...more
  })
  const page = await context.newPage()
  const complaints: Array<string> = []
  page.on("pageerror", (error) => complaints.push(String(error)))
  page.on("console", (message) => {
    const isLoss = message.text().includes("net::ERR_")
    if (message.type() === "error" && !isLoss) complaints.push(`${message.text()} (${message.location().url})`)
  })
  return { page, context, complaints }
}

/** Keeps a picture of the window where `HOLDFAST_SCREENSHOTS` says; nowhere without it. */
export const keep = async (page: Page, name: string, fullPage = true): Promise<void> => {
  const folder = process.env["HOLDFAST_SCREENSHOTS"]
  if (folder === undefined || folder === "") return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage })
}

/** What lies beyond the sides of the window, other than inside a box that scrolls or that fits its picture. */
export const cutOff = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate(() => {
    const width = document.documentElement.clientWidth
    const wide = document.documentElement.scrollWidth > width ? ["the page scrolls sideways"] : []
    const beyond = [...document.querySelectorAll("body *:not(.skip)")].filter((element) => {
      const { left, right } = element.getBoundingClientRect()
      const isInside = element.parentElement?.closest(".stage, .thumbnail, .prose pre") != null
      return !isInside && element.checkVisibility() && (left < -0.5 || right > width + 0.5)
    })
    return [...wide, ...beyond.map((element) => element.outerHTML.slice(0, 80))]
  })

/** How many bytes the page made the browser load, headers and packing included; the stream, which never ends, is not in it. */
export const transferred = (page: Page): Promise<number> =>
  page.evaluate(() =>
    performance
      .getEntries()
      .filter((entry) => entry instanceof PerformanceResourceTiming)
      .reduce((sum, { transferSize }) => sum + transferSize, 0)
  )

/** What of the text cannot be told from its ground: ratio under 4.5, or under 3 where it is large. By hand, without an image. */
export const faintTexts = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate(() => {
    const channels = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number)
    const light = (colour: string): number => {
      const [r = 0, g = 0, b = 0] = channels(colour).map((value) => {
        const share = value / 255
        return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const groundOf = (element: Element | null): string => {
      for (let at = element; at !== null; at = at.parentElement) {
        const colour = getComputedStyle(at).backgroundColor
        if ((channels(colour)[3] ?? 1) > 0) return colour
      }
      return "rgb(255, 255, 255)"
    }
    return [...document.querySelectorAll<HTMLElement>("body *")]
      .filter((element) => !(element instanceof SVGElement) && element.checkVisibility())
      .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.nodeValue?.trim() !== ""))
      .flatMap((element) => {
        const style = getComputedStyle(element)
        const [one, other] = [light(style.color), light(groundOf(element))]
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
        const isLarge = Number.parseFloat(style.fontSize) >= 24
        return ratio < (isLarge ? 3 : 4.5) ? [`${element.textContent}: ${ratio.toFixed(2)}`] : []
      })
  })

/** What a person without a pointer or without sight would stumble over, as far as the tree can tell. */
export const stumblingBlocks = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate(() => {
    const named = (element: Element): boolean => {
      const label = element.getAttribute("aria-label") ?? element.getAttribute("aria-labelledby") ?? ""
      const labels = element instanceof HTMLSelectElement ? element.labels.length : 0
      return label !== "" || labels > 0 || (element.textContent ?? "").trim() !== ""
    }
    const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id)
    const levels = [...document.querySelectorAll("h1, h2, h3")].map(({ tagName }) => Number(tagName[1]))
    return [
      ...[...document.querySelectorAll("a[href], button, select, [role=button], [tabindex='0']")]
        .filter((element) => !named(element))
        .map((element) => `without a name: ${element.outerHTML.slice(0, 120)}`),
      ...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `twice: #${id}`),
      ...(levels.filter((level) => level === 1).length === 1 ? [] : ["not one h1"]),
      ...levels.flatMap((level, index) =>
        level - (levels[index - 1] ?? 0) > 1 ? [`h${level} after too high a one`] : []
      ),
      ...(document.documentElement.lang === "" ? ["no language"] : []),
      ...(document.querySelectorAll("main").length === 1 ? [] : ["not one main"])
    ]
  })
