/**
 * The page in real Chromium over a fleet of real gateways: processes of the built program, each with a home of its own.
 * `HOLDFAST_TEST_FLEET` says how many; elapsed time runs 30 times as fast, so that a probation of six minutes takes twelve
 * seconds.
 */
import { rmSync } from "node:fs"
import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { documentFor, Gateway, scratch, startCentral } from "../e2e/Processes.ts"
import { hasBrowser, keep, launch, openWindow, SCHEMES, SIZES } from "./Browser.ts"
import { compare, linkOf, openRoads, OwnWords, watch } from "./FleetRealStage.ts"

const GATEWAYS = Number(process.env["HOLDFAST_TEST_FLEET"] ?? 6)
const SCALE = "30"
/** How many are begun at a time. */
const AT_A_TIME = 4

const documentOf = (url: string, seconds: number): string =>
  `${JSON.stringify(documentFor(url, {}, { poll_interval_seconds: seconds }), null, 2)}\n`

it.runIf(hasBrowser)(
  `shows how a revision spreads over ${GATEWAYS} gateways, one of which gives it up, and never better than they do`,
  { timeout: 180_000 },
  async ({ onTestFinished }) => {
    const begun = Date.now()
    const figures: Array<string> = []
    const note = (what: string): void => void figures.push(`${((Date.now() - begun) / 1_000).toFixed(1)} s ${what}`)
    onTestFinished(() => console.log(figures.join("\n")))
    const roads = await openRoads()
    onTestFinished(roads.close)
    const data = scratch()
    onTestFinished(() => rmSync(data, { recursive: true, force: true }))
    const central = await startCentral(data, { externalUrl: roads.url })
    onTestFinished(async () => void (await central.stop()))
    roads.target = central.url
    const first = await central.put(documentOf(roads.url, 150))
    const token = await central.token()

    const gateways = new Map<string, Gateway>()
    const begin = async (): Promise<void> => {
      const gateway = new Gateway({ HOLDFAST_TEST_TIME_SCALE: SCALE })
      onTestFinished(() => gateway.remove())
      const joining = await gateway.run("join", roads.url, token, "--no-daemon")
      expect(joining.code, joining.stderr).toBe(0)
      gateway.start()
      const { identity } = await gateway.promoted(first, 60_000)
      gateways.set(identity.gateway_id ?? "", gateway)
    }
    let left = GATEWAYS
    const worker = async (): Promise<void> => {
      while (left-- > 0) await begin()
    }
    await Promise.all(Array.from({ length: AT_A_TIME }, worker))
    note(`all ${GATEWAYS} run revision 1, promoted`)
    const [unlucky = "", slow = ""] = [...gateways.keys()]

    const browser = await launch()
    onTestFinished(() => browser.close())
    const signedIn = async (hash = "") => {
      const window = await openWindow(browser)
      await window.page.goto(await linkOf(central))
      if (hash !== "") await window.page.goto(`${central.url}/${hash}`)
      return window
    }
    const watcher = await signedIn()
    const { page } = watcher
    await page.locator(".headline", { hasText: `all ${GATEWAYS} converged` }).waitFor()
    const words = new OwnWords(gateways)
    onTestFinished(() => words.stop())
    await watch(page)

    // One loses its road to central with the document in its hands, another finds it too busy to confirm anything.
    roads.fetched = (gateway, etag) => {
      if (etag === first) return
      if (gateway === unlucky) roads.of.set(gateway, "cut")
      if (gateway === slow) roads.of.set(gateway, "busy")
    }
    const admin = await signedIn("#config/main")
    await admin.page.locator("#editor-state", { hasText: "This is the newest revision." }).waitFor()
    const area = admin.page.locator(".code-area")
    await area.evaluate((one: HTMLTextAreaElement) => {
      const at = one.value.indexOf("150")
      one.focus()
      one.setSelectionRange(at, at + 3)
    })
    await admin.page.keyboard.type("120")
    expect(await area.inputValue()).toBe(documentOf(roads.url, 120))
    await admin.page.locator("#editor-state", { hasText: "Central would take this." }).waitFor()
    await admin.page.getByRole("button", { name: "Review and save" }).click()
    expect(await admin.page.locator(".editor .sides .text[data-kind=come]").allInnerTexts()).toEqual([
      expect.stringContaining('"poll_interval_seconds": 120')
    ])
    await admin.page.getByRole("button", { name: "Save as revision 2" }).click()
    await admin.page.locator(".success", { hasText: "Saved as revision 2." }).waitFor()
    note("revision 2 was saved on the page")

    const row = (id: string) => page.locator(`[data-gateway="${id}"] .standing`)
    // Whoever looks late may find some converged, and never all: two of them cannot be.
    await page.locator(".headline", { hasText: new RegExp(`\\d+ of ${GATEWAYS} converged`) }).waitFor()
    await row(slow).locator('[data-stand="probation"]').waitFor({ timeout: 30_000 })
    note(`one is on probation: ${await page.locator(".bar.large").getAttribute("aria-label")}`)
    await pictures(page, "spread")
    roads.of.delete(slow)
    await page
      .locator(".headline", { hasText: `${GATEWAYS - 1} of ${GATEWAYS} converged` })
      .waitFor({ timeout: 60_000 })
    note(`${GATEWAYS - 1} converged: ${await page.locator(".bar.large").getAttribute("aria-label")}`)
    const lost = gateways.get(unlucky)
    await lost?.until("the rollback", ({ remote_config }) => remote_config?.running_etag === first, 60_000)
    expect(await row(unlucky).locator("[data-stand]").getAttribute("data-stand")).not.toBe("converged")
    note("the one that was cut off has gone back by itself")
    roads.fetched = () => {}
    roads.of.delete(unlucky)
    await row(unlucky).locator('[data-stand="rolled_back"]').waitFor({ timeout: 30_000 })
    expect(await row(unlucky).innerText()).toMatch(
      /^rolled back\s+(just now|\d+ s ago): no confirmed poll while it ran on probation \(probation_expired\)/
    )
    expect(await page.locator("[data-gateway]").first().getAttribute("data-gateway")).toBe(unlucky)
    expect(await page.locator(".bar.large").getAttribute("aria-label")).toBe(
      `Where its gateways stand: ${GATEWAYS - 1} converged, 1 rolled back`
    )
    note("the page says so")
    await pictures(page, "rolled-back")
    await admin.page.goto(`${central.url}/#gateway/${unlucky}`)
    const events = admin.page.locator(".gateway-events li")
    await events.filter({ hasText: /Gave up \w+ · r2 · no confirmed poll while it ran on probation/ }).waitFor()
    await events.filter({ hasText: /Applied \w+ · r2/ }).waitFor()
    await pictures(admin.page, "gateway")
    await admin.page.goto(`${central.url}/#config/main`)

    await admin.page.getByRole("button", { name: "Roll back to revision 1", exact: true }).click()
    await admin.page.getByRole("button", { name: /^Roll back to revision 1: save its bytes as revision 3/ }).click()
    await admin.page.locator(".success", { hasText: "Revision 3 has the bytes of revision 1." }).waitFor()
    note("revision 1 was brought back on the page")
    await page.locator(".headline", { hasText: `all ${GATEWAYS} converged` }).waitFor({ timeout: 60_000 })
    note("all run it")
    await Promise.all([...gateways.values()].map((gateway) => gateway.promoted(first)))
    await pictures(page, "brought-back")

    await words.stop()
    const shown = await page.evaluate(() => window.shown)
    const seen = new Set(shown.flatMap(({ stands }) => Object.values(stands)))
    note(`the page showed ${shown.length} states: ${[...seen].join(", ")}`)
    const { leads, wrong } = compare(shown, words)
    note(`ahead of their own files by at most, ms: ${JSON.stringify(leads)}`)
    expect(wrong).toEqual([])
    expect([...seen]).toEqual(expect.arrayContaining(["waiting", "probation", "rolled_back", "converged"]))
    for (const { complaints } of [watcher, admin]) expect(complaints).toEqual([])
  }
)

/** Keeps what it shows, wide and narrow, light and dark. */
const pictures = async (page: Page, name: string): Promise<void> => {
  if ((process.env["HOLDFAST_SCREENSHOTS"] ?? "") === "") return
  for (const [size, { height, width }] of Object.entries(SIZES)) {
    await page.setViewportSize({ width, height: size === "phone" ? 2 * height : height })
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme })
      await keep(page, `fleet-real-${name}-${size}-${colorScheme}`, size === "desk")
    }
  }
  await page.setViewportSize(SIZES.desk)
  await page.emulateMedia({ colorScheme: "light" })
}
