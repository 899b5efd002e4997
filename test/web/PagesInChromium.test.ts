/** The built pages in real Chromium, against a stand-in for the daemon. */
import type { Browser } from "playwright-core"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import {
  cutOff,
  faintTexts,
  hasBrowser,
  keep,
  launch,
  openWindow,
  SCHEMES,
  SIZES,
  stumblingBlocks,
  transferred,
  type Window
} from "./Browser.ts"
import { entry, NOON, status, story } from "./Entries.ts"
import { StandIn } from "./StandIn.ts"

/** The first load of a page, in bytes on the wire. */
const FIRST_LOAD = 200_000

let browser: Browser
let daemon: StandIn
let windows: Array<Window> = []

beforeAll(async () => {
  if (hasBrowser) browser = await launch()
})
afterAll(() => browser?.close())
beforeEach(async () => {
  daemon = new StandIn(story(), troubled())
  await daemon.open()
})
afterEach(async () => {
  await Promise.all(windows.map(({ context }) => context.close()))
  windows = []
  await daemon.close()
})

/** A machine that has something to say in every part of its page. */
const troubled = () =>
  status(
    {
      last_rollback: {
        etag: '"33496fb344aa"',
        reason: "probation_expired",
        at: "2026-11-21T12:02:00.000Z",
        detail: "no confirmed poll within 120 s"
      },
      last_attempt: { etag: '"33496fb344aa"', verdict: "applied", at: "2026-11-21T12:00:00.000Z", attempt: 1 },
      quarantine: [
        {
          etag: '"33496fb344aa"',
          reason: "probation_expired",
          attempts: 2,
          retry_at: new Date(Date.now() + 3_000_000).toISOString()
        }
      ]
    },
    {
      overall: "degraded",
      diagnostics: [
        {
          severity: "error",
          kind: "poll_failing",
          message: "the last poll did not succeed (3 in a row): connection refused by 127.0.0.1:7070",
          repair: ["It is tried again by itself; what runs goes on."]
        },
        { severity: "warning", kind: "rolled_back", message: "revision 33496fb344 was rolled back", repair: [] }
      ],
      plugins: [{ name: "@holdfast/central", version: "0.1.0", state: "active" }]
    }
  )

const visit = async (path: string, look: Parameters<typeof openWindow>[1] = {}) => {
  const window = await openWindow(browser, look)
  windows.push(window)
  await window.page.goto(`${daemon.url}${path}`)
  return window
}

/** The states that a picture marks, by the class of the mark. */
const marked = (window: Window, mark: string) =>
  window.page
    .locator(`.stage .${mark}`)
    .evaluateAll((elements) =>
      elements
        .filter((element): element is SVGElement => element instanceof SVGElement)
        .map(({ dataset }) => dataset["state"] ?? dataset["transition"] ?? "?")
    )

const LARGE = ["join", "configPull", "configApply", "daemon"] as const

describe.runIf(hasBrowser)("the pages", () => {
  describe.each(SCHEMES)("in %s colours", (scheme) => {
    it.each(Object.keys(SIZES) as ReadonlyArray<keyof typeof SIZES>)("are whole and legible at a %s", async (size) => {
      const pages = ["/", "/runs", "/machines", ...LARGE.map((id) => `/machines#${id}`)]
      for (const path of pages) {
        const window = await visit(path, { size, scheme })
        const { page } = window
        await page.locator("#connection[data-connection=live]").waitFor()
        await page
          .locator(path === "/" ? ".known .word" : path === "/runs" ? ".empty-runs" : ".chart")
          .first()
          .waitFor()
        if (path === "/machines") await page.locator(".thumbnail .chart").nth(3).waitFor()
        await keep(page, `${path.replace("/", "").replace("#", "-") || "this-machine"}-${size}-${scheme}`)
        expect({ path, cut: await cutOff(page) }).toEqual({ path, cut: [] })
        expect({ path, faint: await faintTexts(page) }).toEqual({ path, faint: [] })
        expect({ path, blocks: await stumblingBlocks(page) }).toEqual({ path, blocks: [] })
        expect(window.complaints).toEqual([])
        await window.context.close()
      }
    })
  })

  it(`load /machines with less than ${FIRST_LOAD / 1000} kB`, async () => {
    const { page } = await visit("/machines")
    await page.locator(".thumbnail .chart").nth(3).waitFor()
    const bytes = await transferred(page)
    console.log(`first load of /machines: ${(bytes / 1000).toFixed(1)} kB transferred`)
    expect(bytes).toBeGreaterThan(20_000)
    expect(bytes).toBeLessThan(FIRST_LOAD)
  })

  it("show all machines side by side, each with its state and its last event", async () => {
    const window = await visit("/machines")
    const card = window.page.locator("[data-card=join]")
    await card.locator(".chart .active").waitFor()
    expect(await card.locator(".state-now").textContent()).toBe("enrolled.fresh")
    daemon.send(
      entry({
        event: "xstate.after.refreshDue.join.enrolled",
        cause: "timer",
        from: "enrolled.fresh",
        to: "refreshing",
        uptime: 90
      })
    )
    await card.locator('.chart [data-state="refreshing"].active').waitFor()
    expect(await card.locator(".last").textContent()).toContain("after refreshDue")
    await window.page.getByRole("link", { name: "Config pull" }).click()
    await window.page.locator("h1", { hasText: "Config pull" }).waitFor()
    expect(new URL(window.page.url()).hash).toBe("#configPull")
    await window.page.goBack()
    await card.waitFor()
    expect(new URL(window.page.url()).hash).toBe("")
  })

  it("show one machine live: what it left, what it took, where it is", async () => {
    const window = await visit("/machines#join")
    await window.page.locator('.stage [data-state="enrolled.fresh"].active').waitFor()
    daemon.send(
      entry({
        event: "REFRESH_NEEDED",
        cause: "machine configPull",
        from: "enrolled.fresh",
        to: "refreshing",
        uptime: 90,
        transitions: ["enrolled · REFRESH_NEEDED #1"]
      })
    )
    await window.page.locator('.stage [data-state="refreshing"].active').waitFor()
    expect(await marked(window, "active")).toEqual(["refreshing"])
    expect(await marked(window, "was")).toEqual(["enrolled.fresh"])
    expect(new Set(await marked(window, "taken"))).toEqual(new Set(["enrolled · REFRESH_NEEDED #1"]))
    const row = window.page.locator(".history .row").first()
    expect(await row.locator(".event").textContent()).toBe("REFRESH_NEEDED")
    expect(await row.locator(".cause").textContent()).toBe("machine configPull")
    expect(await row.locator(".move").textContent()).toBe("enrolled.fresh → refreshing")
  })

  it("show a moment of the past until a person goes back to live", async () => {
    const window = await visit("/machines#join")
    const { page } = window
    const row = page.locator(".history .row", { hasText: "loadIdentity done" })
    await row.click()
    expect(await marked(window, "was")).toEqual(["loading"])
    expect(await marked(window, "active")).toEqual(["enrolled.fresh"])
    expect(new Set(await marked(window, "taken"))).toEqual(new Set(["loading · loadIdentity done #1"]))
    expect(await page.locator(".moment").textContent()).toContain("loadIdentity done: loading → enrolled.fresh")
    await keep(page, "moment-desk-light")
    // What happens meanwhile is listed, and does not take the moment away.
    daemon.send(entry({ event: "REFRESH_NEEDED", from: "enrolled.fresh", to: "refreshing", uptime: 90 }))
    await page.locator(".history .row").nth(4).waitFor()
    expect(await marked(window, "active")).toEqual(["enrolled.fresh"])
    await page.getByRole("button", { name: "Live" }).click()
    expect(await marked(window, "active")).toEqual(["refreshing"])
  })

  it("can leave out what did not move the machine", async () => {
    const { page } = await visit("/machines#join")
    const rows = page.locator(".history .row .event")
    await rows.nth(3).waitFor()
    await page.getByLabel("only changes of state").check()
    expect(await rows.allTextContents()).toEqual(["loadIdentity done", "BEGIN", "start"])
    await page.getByLabel("only changes of state").uncheck()
    expect(await rows.allTextContents()).toEqual(["REFRESH_NEEDED", "loadIdentity done", "BEGIN", "start"])
  })

  it("can be used with the keyboard alone", async () => {
    const window = await visit("/machines#join")
    const { page } = window
    await page.locator(".history .row[tabindex='0']").focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    expect(await page.locator(".history .row[aria-pressed=true] .event").textContent()).toBe("loadIdentity done")
    await page.keyboard.press("Escape")
    expect(await page.locator(".history .row[aria-pressed=true]").count()).toBe(0)

    await page.locator(".stage [data-transition][tabindex='0']").focus()
    await page.keyboard.press("End")
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowDown")
    const focused = await page.evaluate(() => (document.activeElement as SVGElement).dataset["transition"])
    await page.keyboard.press("Enter")
    expect(new Set(await marked(window, "selected"))).toEqual(new Set([focused]))
    await keep(page, "chosen-desk-light")
    expect(await page.locator(".chosen .path li").first().textContent()).toBe("the process starts")
    await page.keyboard.press("Escape")
    expect(await page.locator(".chosen").isVisible()).toBe(false)

    await page.getByLabel("Transition", { exact: true }).selectOption("loading · loadIdentity failed")
    expect(await page.locator(".chosen .event").textContent()).toBe("loadIdentity failed")
    expect(await page.locator(".chosen .path li").allTextContents()).toEqual([
      "the process starts",
      "BEGINcentral yes",
      "loadIdentity: StorageError"
    ])
  })

  it("let a transition be clicked, and tell what is proved", async () => {
    const window = await visit("/machines#join")
    const { page } = window
    await page.locator('.stage [data-state="enrolled.fresh"].active').waitFor()
    // The picture may still be on its way to what is active when the pointer comes down.
    const click = async () => {
      await page.locator('.stage g[data-transition="idle · BEGIN #1"] text').first().click()
      return [...new Set(await marked(window, "selected"))]
    }
    await expect.poll(click, { timeout: 10_000 }).toEqual(["idle · BEGIN #1"])
    await page.getByText("Mutants:").click()
    const killed = page.locator(".mutants tr", { hasText: "the ladder has one rung" })
    expect(await killed.locator("code").textContent()).toBe("joinClimbs")
    expect(await page.locator(".figures").textContent()).toContain("31 of 31")
  })

  it("show the largest machine at a size that can be read, where something happens", async () => {
    const window = await visit("/machines#configApply", { size: "phone" })
    const { page } = window
    const stage = page.locator(".stage")
    await stage.locator('[data-state="probation.using"].active').waitFor()
    expect(await stage.getAttribute("data-zoom")).toBe("full")
    const isSeen = () =>
      page.evaluate(() => {
        const box = document.querySelector(".stage")?.getBoundingClientRect()
        const state = document.querySelector(".stage .active > rect")?.getBoundingClientRect()
        if (box === undefined || state === undefined) return false
        return state.left < box.right && state.right > box.left && state.top < box.bottom && state.bottom > box.top
      })
    expect(await isSeen()).toBe(true)
    await keep(page, "scrolled-phone-light", false)
    await page.getByRole("button", { name: "Fit" }).click()
    await keep(page, "fitted-phone-light", false)
    expect(await cutOff(page)).toEqual([])
    await page.getByRole("button", { name: "100 %" }).click()
    expect(await isSeen()).toBe(true)
  })

  it("say that the daemon is away, come back by themselves, and keep what they saw", async () => {
    const window = await visit("/machines#join")
    const { page } = window
    await page.locator(".history .row").nth(3).waitFor()
    await daemon.close()
    await page.getByText("connection lost, reconnecting").waitFor()
    expect(await page.locator(".moment").textContent()).toBe("last known: enrolled.fresh")
    await keep(page, "lost-desk-light")
    const restarted = story()
    daemon.hello = {
      ...restarted,
      pid: 200,
      startedAt: new Date(NOON + 184_000).toISOString(),
      entries: restarted.entries.slice(0, 1)
    }
    await daemon.open()
    await page.locator("#connection[data-connection=live]").waitFor()
    expect(await page.locator(".history > li").count()).toBe(6)
    expect(await page.locator(".history .restart").textContent()).toMatch(/^daemon restarted \d\d:03:04, pid 200$/)
    expect(window.complaints).toEqual([])
    await keep(page, "restarted-desk-light")
  })

  it("do not let a probation run down, nor call anything healthy, while nobody can know", async () => {
    const probation = { etag: '"aaaa"', applied_at: null, remaining_seconds: 90, attempts_left: 5 }
    daemon.status = status({ probation })
    const { page } = await visit("/")
    const why = page.locator(".why")
    await why.getByText(/1 min 2\d s left/).waitFor()
    await daemon.close()
    await page.getByText("last known: healthy").waitFor()
    const said = await why.textContent()
    await page.waitForTimeout(2_200)
    expect(await why.textContent()).toBe(said)
    await keep(page, "this-machine-lost-desk-light")
  })

  it("say what to do when this browser is not let in any longer", async () => {
    const { page } = await visit("/")
    await page.locator("#connection[data-connection=live]").waitFor()
    daemon.refuses = true
    await daemon.close()
    await daemon.open()
    await page.getByText("run holdfast open").waitFor()
  })

  it("tell when the daemon has become another version than the page", async () => {
    const { page } = await visit("/")
    await page.locator("#connection[data-connection=live]").waitFor()
    daemon.hello = { ...daemon.hello, version: "9.9.9", pid: 9 }
    await daemon.close()
    await daemon.open()
    await page.getByRole("button", { name: "Reload" }).waitFor()
    expect(await page.locator("#connection").textContent()).toContain("9.9.9")
  })

  it("ask for the status once per burst of transitions, and when the stream comes back", async () => {
    const { page } = await visit("/")
    await page.locator(".known .word", { hasText: "Rolled back" }).waitFor()
    const asked = daemon.asked
    daemon.status = status()
    for (let uptime = 100; uptime < 120; uptime += 1) daemon.send(entry({ uptime }))
    await page.locator(".word", { hasText: "Promoted" }).waitFor()
    expect(daemon.asked).toBe(asked + 1)
    await daemon.close()
    daemon.status = status(null)
    await daemon.open()
    await page.locator(".word", { hasText: "Not joined" }).waitFor()
  })

  it("go from one to the other without losing what was seen", async () => {
    const { page } = await visit("/machines#join")
    daemon.send(entry({ event: "REFRESH_NEEDED", from: "enrolled.fresh", to: "refreshing", uptime: 90 }))
    await page.locator(".history .row", { hasText: "refreshing" }).waitFor()
    daemon.hello = { ...daemon.hello, entries: [] }
    await page.getByRole("link", { name: "This machine" }).click()
    await page.locator("h1", { hasText: "This machine" }).waitFor()
    await page.goBack()
    expect(await page.locator(".history .row").count()).toBe(5)
  })
})
