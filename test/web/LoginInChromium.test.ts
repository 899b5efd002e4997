/** Signing in on the page, in real Chromium, on real daemons and a stand-in for the provider. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { StandInProvider } from "../login/StandInProvider.ts"
import { Programs } from "../support/Program.ts"
import { hasBrowser, keep, launch, SIZES } from "./Browser.ts"
import {
  account,
  button,
  code,
  enter,
  eventually,
  type House,
  lasting,
  picture,
  shows,
  Stage,
  watch,
  watched
} from "./LoginStage.ts"

let house: House

beforeAll(async () => {
  if (hasBrowser) house = { programs: new Programs(), browser: await launch() }
})
afterAll(async () => {
  if (!hasBrowser) return
  await house.browser.close()
  await house.programs.close()
})

describe.runIf(hasBrowser).concurrent("a person who signs in on the page", () => {
  it("gets a code, enters it at the provider's page, and is signed in, with models to pick from", async ({
    onTestFinished
  }) => {
    const stage = await Stage.open(house, onTestFinished)
    const { page, provider } = stage
    await picture(page, "signed-out")
    await watch(page)
    await button(page, "Sign in").click()
    await shows(page, "waiting")
    expect(await account(page).locator(".left").innerText()).toMatch(/^1[45]:\d\d left to enter it$/)
    await picture(page, "waiting")
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"])
    await button(page, "Copy").click()
    await button(page, "Copied").waitFor()
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(await code(page))

    await enter(page, "octocat")
    await shows(page, "signed-in", "Signed in as octocat")
    expect(await lasting(page)).toEqual(["signed-out", "waiting", "signed-in"])
    expect(provider.tooSoon).toBe(0)

    const model = account(page).getByLabel("Model", { exact: true })
    await eventually(
      () => model.locator("option").allTextContents(),
      ["The default", "GPT (stand-in) (gpt-stand-in)", "claude-stand-in"]
    )
    await model.selectOption("claude-stand-in")
    await account(page).getByText("claude-stand-in is used from now on.").waitFor()
    await picture(page, "signed-in")
    await page.reload()
    await shows(page, "signed-in", "Signed in as octocat")
    await eventually(() => model.inputValue(), "claude-stand-in")
    provider.script.models.push({ status: 500, body: {} })
    await model.selectOption("gpt-stand-in")
    await account(page).getByText("Nothing was changed:").waitFor()
    expect(await model.inputValue()).toBe("claude-stand-in")
    await picture(page, "model-failure")
    await model.selectOption("The default")
    await account(page).getByText("The default is used from now on.").waitFor()
    await page.reload()
    await shows(page, "signed-in", "Signed in as octocat")
    await eventually(() => model.locator("option").count(), 3)
    expect(await model.inputValue()).toBe("")

    await button(page, "Sign out").click()
    await shows(page, "signed-out", "Not signed in")
    expect(stage.window.complaints.filter((one) => !one.includes("/models"))).toEqual([])
  })

  it("with the keyboard alone, keeps a place on the page, and nothing else there moves", async ({ onTestFinished }) => {
    const stage = await Stage.open(house, onTestFinished)
    const { page, provider } = stage
    await page.setViewportSize(SIZES.phone)
    await button(page, "Sign in").focus()
    await page.keyboard.press("Enter")
    await shows(page, "waiting")
    const tops = () =>
      page.evaluate(() =>
        [...document.querySelectorAll(".card")].map((card) => card.getBoundingClientRect().top + scrollY)
      )
    const focused = () => page.evaluate(() => document.activeElement?.textContent)
    expect(await focused()).toBe("Model account")
    const before = await tops()
    await page.keyboard.press("Tab")
    expect(await focused()).toBe("Copy")
    await page.keyboard.press("Tab")
    expect(await focused()).toMatch(/^Open 127/)
    await page.keyboard.press("Tab")
    expect(await focused()).toBe("Cancel")
    await page.waitForTimeout(2_200)
    expect(await focused()).toBe("Cancel")

    provider.enter(await code(page), "octocat")
    await shows(page, "signed-in")
    await account(page).locator("select").waitFor()
    expect(await focused()).toBe("Model account")
    expect(await tops()).toEqual(before)
    await keep(page, "login-signed-in-just-now-phone")
  })

  it("on an account without a subscription, is told its name and switches to another", async ({ onTestFinished }) => {
    const stage = await Stage.open(house, onTestFinished)
    const { page, provider } = stage
    await button(page, "Sign in").click()
    await shows(page, "waiting")
    await watch(page)
    await enter(page, "no-subscription")
    await shows(page, "no-access", "No access for no-subscription")
    expect(await lasting(page)).toEqual(["waiting", "no-access"])
    const signUp = account(page).getByRole("link", { name: "Sign up" })
    expect(await signUp.getAttribute("href")).toBe(`${provider.url}/github-copilot/signup`)
    expect(await signUp.getAttribute("rel")).toBe("noopener noreferrer")
    await picture(page, "no-access")

    await button(page, "Switch account").click()
    await shows(page, "waiting")
    expect(await account(page).innerText()).toContain("Cancel goes back to no-subscription.")
    await enter(page, "octocat")
    await shows(page, "signed-in", "Signed in as octocat")
    expect(provider.misusedRefresh).toBe(0)
  })

  it("on an account that gets its subscription later, tries again and is signed in", async ({ onTestFinished }) => {
    const stage = await Stage.open(house, onTestFinished)
    const { page, provider } = stage
    await button(page, "Sign in").click()
    await shows(page, "waiting")
    provider.enter(await code(page), "no-subscription")
    await shows(page, "no-access")
    await button(page, "Try again").click()
    await account(page).getByText("Asked again just now: still no access.").waitFor()
    await picture(page, "no-access-again")
    for (const one of provider.accounts.values()) one.access = true
    await button(page, "Try again").click()
    await shows(page, "signed-in", "Signed in as no-subscription")
    expect(await account(page).innerText()).not.toContain("Asked again")
  })

  it("too late, is told so, and tries again with a new code", async ({ onTestFinished }) => {
    const stage = await Stage.open(house, onTestFinished, { expiresIn: 4 })
    const { page, provider } = stage
    await button(page, "Sign in").click()
    await shows(page, "waiting")
    const first = await code(page)
    await watch(page)
    await shows(page, "timed-out", "Login timed out — try again")
    expect(await watched(page)).toEqual(["waiting", "timed-out"])
    await picture(page, "timed-out")
    await button(page, "Try again").click()
    await shows(page, "waiting")
    expect(await code(page)).not.toBe(first)
    provider.enter(await code(page), "octocat")
    await shows(page, "signed-in")
  })

  it("through a slow exchange, sees that it is checked, and never that it expired", async ({ onTestFinished }) => {
    const stage = await Stage.open(house, onTestFinished, { expiresIn: 4 })
    const { page, provider } = stage
    await button(page, "Sign in").click()
    await shows(page, "waiting")
    await watch(page)
    let polls = 0
    page.on("request", (request) => (polls += Number(new URL(request.url()).pathname === "/login/poll")))
    provider.script.exchange.push({ delayMs: 5_000 })
    provider.enter(await code(page), "octocat")
    await shows(page, "checking", "Checking your subscription…")
    await picture(page, "checking")
    await shows(page, "signed-in")
    expect(await watched(page)).toEqual(["waiting", "checking", "signed-in"])
    expect(polls).toBeGreaterThanOrEqual(1)
  })

  it("declines or cancels, is told so, and begins again", async ({ onTestFinished }) => {
    const stage = await Stage.open(house, onTestFinished)
    const { page, provider } = stage
    await button(page, "Sign in").click()
    await shows(page, "waiting")
    await button(page, "Cancel").click()
    await shows(page, "signed-out")
    expect(await account(page).innerText()).toContain("The login was cancelled.")
    await button(page, "Sign in").click()
    await shows(page, "waiting")
    provider.enter(await code(page), null)
    await shows(page, "failed", "The login failed")
    await picture(page, "declined")
    provider.script.code.push({ delayMs: 30_000 })
    await button(page, "Try again").click()
    await shows(page, "requesting")
    await picture(page, "requesting")
    await button(page, "Cancel").click()
    await shows(page, "signed-out")
  })

  it("in two windows, sees the same in both, and a newer flow takes the place of the older one", async ({
    onTestFinished
  }) => {
    const stage = await Stage.open(house, onTestFinished)
    const { page, provider } = stage
    const other = await page.context().newPage()
    await other.goto(page.url())
    await shows(other, "signed-out")
    await button(page, "Sign in").click()
    await Promise.all([shows(page, "waiting"), shows(other, "waiting")])
    expect(await code(other)).toBe(await code(page))
    await button(other, "Cancel").click()
    await Promise.all([shows(page, "signed-out"), shows(other, "signed-out")])
    await button(other, "Sign in").click()
    await shows(page, "waiting")
    await eventually(() => code(page), provider.codes.at(-1))
    await enter(page, "octocat")
    await Promise.all([shows(page, "signed-in"), shows(other, "signed-in", "Signed in as octocat")])
    await button(page, "Switch account").click()
    await shows(other, "waiting")
    await eventually(() => code(other), provider.codes.at(-1))
    await button(page, "Cancel").click()
    await Promise.all([shows(page, "signed-in"), shows(other, "signed-in")])
    await button(other, "Sign out").click()
    await Promise.all([shows(page, "signed-out"), shows(other, "signed-out")])
  })

  it("while the daemon is killed and comes back, does nothing more than enter the code", async ({ onTestFinished }) => {
    const stage = await Stage.open(house, onTestFinished)
    const { page, provider } = stage
    await button(page, "Sign in").click()
    await shows(page, "waiting")
    const given = await code(page)
    await watch(page)
    await stage.kill()
    await account(page).getByText("The daemon does not answer; trying again…").waitFor()
    expect(await code(page)).toBe(given)
    await picture(page, "lost")
    provider.enter(given, "octocat")
    await stage.start()
    await shows(page, "signed-in", "Signed in as octocat")
    await eventually(() => account(page).locator(".warning").count(), 0)
    expect(await lasting(page)).toEqual(["waiting", "signed-in"])
    expect(provider.count("code")).toBe(1)
  })

  it("while the daemon is killed before there is a code, is given one without asking again", async ({
    onTestFinished
  }) => {
    const stage = await Stage.open(house, onTestFinished)
    const { page, provider } = stage
    provider.script.code.push({ delayMs: 60_000 })
    await button(page, "Sign in").click()
    await shows(page, "requesting")
    await stage.kill()
    await account(page).getByText("trying again").waitFor()
    await stage.start()
    await shows(page, "waiting")
    provider.enter(await code(page), "octocat")
    await shows(page, "signed-in", "Signed in as octocat")
  })

  it("whose provider is in trouble, or takes the token no longer, is told which and what to do", async ({
    onTestFinished
  }) => {
    const stage = await Stage.open(house, onTestFinished)
    const { page, provider } = stage
    await button(page, "Sign in").click()
    await shows(page, "waiting")
    const trouble = Array.from({ length: 4 }, () => ({
      status: 502,
      body: "<h1>Bad gateway</h1>",
      headers: { "retry-after": "60" }
    }))
    provider.script.exchange.push(...trouble.slice(0, 1))
    provider.enter(await code(page), "octocat")
    await shows(page, "failing")
    expect(await account(page).innerText()).toContain("(502)")
    await picture(page, "failing")
    provider.script.exchange.push({ status: 401, body: {} }, { status: 401, body: {} })
    provider.script.refresh.push({ status: 200, body: { error: "bad_refresh_token" } })
    await button(page, "Try again").click()
    await shows(page, "refused", "Sign in again")
    await picture(page, "refused")
    await button(page, "Sign in again").click()
    await shows(page, "waiting")
    provider.enter(await code(page), "octocat")
    await shows(page, "signed-in", "Signed in as octocat")
  })
})

describe.runIf(hasBrowser).concurrent("the page of a machine where nobody signs in", () => {
  it("says that the token of the environment is used, and offers nothing", async ({ onTestFinished }) => {
    const { page } = await Stage.open(house, onTestFinished, {}, { GITHUB_TOKEN: "ghu_unknown" })
    await shows(page, "environment", "GITHUB_TOKEN is used")
    await account(page).getByText("change it there, and restart").waitFor()
    expect(await account(page).locator("[data-action]").count()).toBe(0)
    await picture(page, "environment")
  })
  it("says that the configured provider needs no login, and lists its models", async ({ onTestFinished }) => {
    const prepare = (home: string, provider: StandInProvider): void => {
      const config = { provider: { kind: "openai-compatible", base_url: provider.url } }
      mkdirSync(home, { mode: 0o700 })
      writeFileSync(
        join(home, "config.json"),
        JSON.stringify({ version: 2, plugins: [{ name: "@holdfast/agents", config }] }),
        { mode: 0o600 }
      )
      provider.script.models.push({ status: 503, body: {} }, { body: { data: [{ id: "local-model" }] } })
    }
    const { page } = await Stage.open(house, onTestFinished, {}, {}, prepare)
    await shows(page, "no-login", "Nobody needs to sign in")
    expect(await account(page).locator("[data-action]").count()).toBe(0)
    await account(page).getByText("The models cannot be listed:").waitFor()
    await picture(page, "models-unlisted")
    await button(page, "List models again").click()
    await account(page).locator("option", { hasText: "local-model" }).waitFor({ state: "attached" })
    await picture(page, "no-login")
  })
})
