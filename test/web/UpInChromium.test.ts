/** The pages in real Chromium, on a real `holdfast up`: what a newcomer sees in the first ten minutes. */
import { readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Programs, type Running } from "../support/Program.ts"
import { cutOff, hasBrowser, keep, launch, openWindow, type Window } from "./Browser.ts"

/** Two minutes of probation in four seconds. */
const TIME_SCALE = "30"

let programs: Programs
let up: Running
let browser: Browser
let window: Window
let page: Page
let url: string

/** A new one-time link, as `holdfast open` prints it. */
const link = async (): Promise<string> => {
  const { code, stderr, stdout } = await programs.start(["open"], {
    env: { HOLDFAST_HOME: programs.path("demo/gateway") }
  }).ended
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return stdout.trim()
}

beforeAll(async () => {
  if (!hasBrowser) return
  programs = new Programs()
  up = programs.start(["up", "--home", programs.path("demo")], { env: { HOLDFAST_TEST_TIME_SCALE: TIME_SCALE } })
  browser = await launch()
  await up.until(/Ctrl-C ends all of it/)
  window = await openWindow(browser, { reducedMotion: "no-preference" })
  page = window.page
  await page.goto(await link())
  await page.locator("h1", { hasText: "This machine" }).waitFor()
  url = new URL(page.url()).origin
})
afterAll(async () => {
  await browser?.close()
  await programs?.close()
})

/** Saves a document of the demonstration in central, as somebody who reads what `up` prints would. */
const save = async (file: string, ...more: ReadonlyArray<string>): Promise<void> => {
  const path = programs.path("demo/documents", file)
  const data = programs.path("demo/central")
  const { code, stderr } = await programs.run("central", "config", "put", "fleet", path, "--data", data, ...more)
  expect({ code, stderr }).toMatchObject({ code: 0 })
}

/** Polls every 30 s instead of every 5 s, so that what happens is not lost among polls. */
const slowDown = (file: string): void => {
  const path = programs.path("demo/documents", file)
  writeFileSync(path, readFileSync(path, "utf8").replace('"poll_interval_seconds": 5', '"poll_interval_seconds": 30'))
}

/** Waits until the picture shows this state where it can be seen: live (and not still on the way), in the past, or either. */
const arrived = async (state: string, view = "live"): Promise<void> => {
  await page.waitForFunction(
    ([state, view]) => {
      const box = document.querySelector(".stage")?.getBoundingClientRect()
      const rect = document.querySelector(`.stage .active[data-state^="${state}"] > rect`)?.getBoundingClientRect()
      if (box === undefined || rect === undefined) return false
      const isSeen =
        rect.top >= box.top && rect.bottom <= box.bottom && rect.left >= box.left && rect.right <= box.right
      return isSeen && (view === "any" || document.querySelector(`.machine[data-view="${view}"]`) !== null)
    },
    [state, view] as const
  )
}

/** From here on the picture's marks are noted down as they move, however fast. */
const watchMarks = (): Promise<void> =>
  page.evaluate(() => {
    const stage = document.querySelector(".stage")
    const noted: Array<string> = []
    Object.assign(globalThis, { noted })
    if (stage === null) throw new Error("no picture is shown")
    new MutationObserver((records) => {
      for (const { oldValue, target } of records) {
        if (!(target instanceof SVGElement)) continue
        const state = target.dataset["state"]
        const wasActive = /\bactive\b/.test(oldValue ?? "") || target.classList.contains("active")
        if (state !== undefined && wasActive && noted.at(-1) !== state) noted.push(state)
      }
    }).observe(stage, { subtree: true, attributeFilter: ["class"], attributeOldValue: true })
  })

const noted = (): Promise<ReadonlyArray<string>> =>
  page.evaluate(() => (globalThis as unknown as { readonly noted: ReadonlyArray<string> }).noted)

/** The first of the states that begins with each of these words, in this order. */
const order = (states: ReadonlyArray<string>, ...words: ReadonlyArray<string>): ReadonlyArray<string> => {
  let from = 0
  return words.map((word) => {
    const at = states.findIndex((state, index) => index >= from && state.startsWith(word))
    if (at < 0) return `no ${word} after ${states[from - 1] ?? "the start"}`
    from = at + 1
    return word
  })
}

describe.runIf(hasBrowser)("a browser on this machine", () => {
  it("sees what runs, since when and why", async () => {
    await page.locator(".word", { hasText: "Promoted" }).waitFor()
    const facts = await page.locator(".runs").textContent()
    expect(facts).toMatch(/Revision[0-9a-f]{10}slot [ab]/)
    expect(await page.locator(".identity").textContent()).toContain("gw_")
    await keep(page, "live-this-machine-promoted")
  })

  it("is let in by a link once, and not by its address alone", async () => {
    const stranger = await openWindow(browser)
    const answer = await stranger.page.goto(`${url}/machines`)
    expect(answer?.status()).toBe(401)
    expect(await stranger.page.locator("main").textContent()).toContain("holdfast open")

    const once = await link()
    expect((await stranger.page.goto(once))?.status()).toBe(200)
    await stranger.page.locator("h1", { hasText: "This machine" }).waitFor()
    await stranger.context.clearCookies()
    const again = await stranger.page.goto(once)
    expect(again?.status()).toBe(410)
    expect((await stranger.page.goto(`${url}/`))?.status()).toBe(401)
    await stranger.context.close()
  })

  it("is not let in under another name (DNS rebinding)", async () => {
    const port = new URL(url).port
    const rebound = await launch([`--host-resolver-rules=MAP evil.example 127.0.0.1`])
    const stranger = await openWindow(rebound)
    const answer = await stranger.page.goto(`http://evil.example:${port}/machines`)
    expect(answer?.status()).toBe(403)
    expect(await answer?.text()).toContain("host_not_allowed")
    await rebound.close()
  })

  it("cannot be used by a page from elsewhere, cookie or not", async () => {
    const elsewhere = createServer((_, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>elsewhere</title>")
    })
    await new Promise<void>((resolve) => void elsewhere.listen(0, "127.0.0.1", resolve))
    const tab = await window.context.newPage()
    await tab.goto(`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`)
    const refused = tab.waitForResponse(`${url}/restart`)
    const readable = await tab.evaluate(async (target) => {
      await fetch(`${target}/restart`, { method: "POST", mode: "no-cors", credentials: "include", body: "{}" })
      const get = (path: string) =>
        fetch(`${target}${path}`, { credentials: "include" }).then(String, () => "unreadable")
      return Promise.all([get("/status"), get("/machines/events")])
    }, url)
    expect((await refused).status()).toBe(403)
    expect(readable).toEqual(["unreadable", "unreadable"])
    await tab.close()
    elsewhere.close()
  })

  it("sees a new revision applied, the restart, the probation and the promotion, and comes through the restart", async () => {
    await page.getByRole("link", { name: "Machines", exact: true }).click()
    await page.getByRole("link", { name: "Config apply" }).click()
    await page.locator('.stage [data-state="steady.idle"].active').waitFor()
    await watchMarks()
    await page.evaluate(() => {
      const said: Array<string> = []
      Object.assign(globalThis, { said })
      const place = document.querySelector("#connection")
      if (place === null) throw new Error("the page has no word on its connection")
      new MutationObserver(() => said.push(place.textContent)).observe(place, {
        childList: true,
        characterData: true,
        subtree: true
      })
    })

    slowDown("fleet.json")
    await save("fleet.json")
    await up.until(/promoted: .* on probation/)
    const restart = page.locator(".history .restart")
    await restart.waitFor()
    await arrived("steady.idle")

    const states = await noted()
    const way = [
      "steady.checking",
      "steady.committing",
      "restarting",
      "boot",
      "probation.using",
      "probation.promoting",
      "steady.idle"
    ]
    expect(order(states, ...way)).toEqual(way)
    expect(await restart.textContent()).toMatch(/^daemon restarted \d\d:\d\d:\d\d, pid \d+$/)
    const pids = [...up.stdout().matchAll(/gateway started \(pid (\d+)\)/g)].map(([, pid]) => pid)
    expect(await restart.textContent()).toContain(`pid ${pids.at(-1)}`)
    expect(await page.evaluate(() => (globalThis as unknown as { readonly said: ReadonlyArray<string> }).said)).toEqual(
      ["connection lost, reconnecting …", "live"]
    )
    // What was seen of the process before is still there, below it.
    expect(await page.locator(".history .restart ~ li .row").count()).toBeGreaterThan(0)
    await keep(page, "live-config-apply-restarted")
    expect(window.complaints).toEqual([])
  })

  it("watches a broken revision roll back: applied, on probation, back on what was known good", async () => {
    await page.getByRole("link", { name: "This machine" }).click()
    const word = page.locator(".word")
    await word.getByText("Promoted").waitFor()
    const good = await page.locator(".runs .value").first().textContent()

    slowDown("wrong-url.json")
    await save("wrong-url.json", "--force")
    await word.getByText("On probation").waitFor()
    expect(await page.locator(".why").textContent()).toMatch(/left to reach central/)
    expect(await page.locator(".runs .value").first().textContent()).not.toBe(good)
    await keep(page, "live-rollback-1-probation")
    await page.getByRole("link", { name: "Machines", exact: true }).click()
    await page.getByRole("link", { name: "Config apply" }).click()
    await arrived("probation.", "any")
    await keep(page, "live-rollback-1-probation-picture")
    await watchMarks()

    await up.until(/rolled back from revision \w+: probation_expired/)
    const rows = page.locator(".history .row", { hasText: "rollingBack" })
    await rows.first().waitFor()
    await arrived("steady.idle")
    const way = ["probation", "rollingBack", "restarting", "boot", "steady.idle"]
    expect(order(await noted(), ...way)).toEqual(way)

    // The moment itself was over in an instant; here it can be looked at.
    await rows.last().click()
    await arrived("rollingBack", "past")
    expect(await page.locator(".stage .taken").count()).toBeGreaterThan(0)
    await keep(page, "live-rollback-2-rolling-back-picture")

    await page.getByRole("link", { name: "This machine" }).click()
    await word.getByText("Rolled back").waitFor()
    expect(await page.locator(".runs .value").first().textContent()).toBe(good)
    expect(await page.locator(".tried").textContent()).toContain("probation_expired")
    expect(await page.locator(".tried").textContent()).toContain("tried again after")
    expect(await page.locator(".attention").textContent()).toContain("rolled_back")
    await keep(page, "live-rollback-3-rolled-back")
    await page.setViewportSize({ width: 390, height: 844 })
    expect(await cutOff(page)).toEqual([])
    await keep(page, "live-rollback-3-rolled-back-phone")
    expect(window.complaints).toEqual([])
  })
})
