/** What the tests of signing in on the page stand on: a real daemon, a stand-in for the provider, and a window in Chromium. */
import { createServer, type AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { isDeepStrictEqual } from "node:util"
import type { Browser, Page } from "playwright-core"
import { expect } from "vitest"
import { StandInProvider, type StandInOptions } from "../login/StandInProvider.ts"
import type { Programs, Running } from "../support/Program.ts"
import { cutOff, faintTexts, keep, openWindow, SIZES, stumblingBlocks, type Window } from "./Browser.ts"

let homes = 0

export const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** What all stages share. */
export interface House {
  readonly browser: Browser
  readonly programs: Programs
}

/** A daemon of its own that nobody has signed in to, its provider, and a window on its page. */
export class Stage {
  readonly provider: StandInProvider
  readonly window: Window
  readonly #programs: Programs
  readonly #env: Readonly<Record<string, string>>
  #daemon: Running | undefined

  private constructor(
    programs: Programs,
    provider: StandInProvider,
    window: Window,
    env: Readonly<Record<string, string>>
  ) {
    this.#programs = programs
    this.provider = provider
    this.window = window
    this.#env = { ...provider.environment, ...env }
  }

  static async open(
    { browser, programs }: House,
    onEnd: (clean: () => Promise<void>) => void,
    options: StandInOptions = {},
    env: Readonly<Record<string, string>> = {},
    prepare: (home: string, provider: StandInProvider) => void = () => {}
  ): Promise<Stage> {
    homes += 1
    const home = programs.path(`home-${homes}`)
    const place = { HOLDFAST_HOME: home, HOLDFAST_PORT: String(await freePort()) }
    const provider = await StandInProvider.start({ interval: 1, ...options })
    const window = await openWindow(browser, { reducedMotion: "no-preference" })
    const stage = new Stage(programs, provider, window, { ...place, ...env })
    onEnd(async () => {
      await window.context.close()
      await stage.kill()
      await provider.close()
    })
    prepare(home, provider)
    await stage.start()
    // The API answers a moment before the daemon has written down where it does.
    let link = ""
    await eventually(async () => {
      const { code, stderr, stdout } = await programs.start(["open"], { env: place }).ended
      link = stdout.trim()
      return code === 0 ? 0 : stderr
    }, 0)
    await stage.page.goto(link)
    await shows(stage.page, ["signed-out", "environment", "no-login"])
    return stage
  }

  get page(): Page {
    return this.window.page
  }

  /** On the home and the port that it had before. */
  async start(): Promise<void> {
    const daemon = this.#programs.start(["daemon"], { env: this.#env })
    this.#daemon = daemon
    const version = `http://127.0.0.1:${this.#env["HOLDFAST_PORT"]}/version`
    const answers = () =>
      fetch(version).then(
        ({ ok }) => ok,
        () => daemon.stderr()
      )
    await eventually(answers, true)
  }

  /** As a power cut does. */
  async kill(): Promise<void> {
    this.#daemon?.kill("SIGKILL")
    await this.#daemon?.ended
  }
}

export const account = (page: Page) => page.locator(".account")
export const button = (page: Page, name: string) => account(page).getByRole("button", { name, exact: true })
export const code = (page: Page) => account(page).locator(".user-code").innerText()

/** Waits until the section shows one of these states; `words` are its headline. */
export const shows = async (page: Page, states: string | ReadonlyArray<string>, words?: string): Promise<void> => {
  const wanted = [states].flat().map((state) => `.status.known .account[data-state="${state}"]`)
  await page.locator(wanted.join(", ")).waitFor({ timeout: 20_000 })
  if (words !== undefined) expect(await account(page).locator(".word").innerText()).toBe(words)
}

/** Looks until it is as expected; at last, says how it is. */
export const eventually = async (look: () => Promise<unknown>, expected: unknown): Promise<void> => {
  const end = Date.now() + 20_000
  while (Date.now() < end && !isDeepStrictEqual(await look(), expected)) await sleep(20)
  expect(await look()).toEqual(expected)
}

/** Keeps pictures of a state, wide and narrow, and looks at what can be measured. */
export const picture = async (page: Page, name: string): Promise<void> => {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport)
    expect({ name, size, cut: await cutOff(page) }).toEqual({ name, size, cut: [] })
    expect({ name, size, faint: await faintTexts(page) }).toEqual({ name, size, faint: [] })
    await keep(page, `login-${name}-${size}`)
  }
  await page.emulateMedia({ colorScheme: "dark" })
  expect({ name, dark: await faintTexts(page) }).toEqual({ name, dark: [] })
  await keep(page, `login-${name}-phone-dark`)
  await page.emulateMedia({ colorScheme: "light" })
  expect({ name, blocks: await stumblingBlocks(page) }).toEqual({ name, blocks: [] })
  await page.setViewportSize(SIZES.desk)
}

/** What a person does: opens the provider's page by the link, in a tab of its own, and enters the code there. */
export const enter = async (page: Page, name: string): Promise<void> => {
  const typed = await code(page)
  const opened = page.context().waitForEvent("page")
  await account(page)
    .getByRole("link", { name: /^Open / })
    .click()
  const tab = await opened
  expect(await tab.evaluate(() => [globalThis.opener, document.referrer])).toEqual([null, ""])
  await tab.locator("[name=user_code]").fill(typed)
  await tab.locator("select").selectOption(name)
  await tab.getByRole("button").click()
  await tab.getByText("Your device is now connected.").waitFor()
  await tab.close()
}

/** From here on each state that the section shows is noted, however briefly. */
export const watch = (page: Page): Promise<void> =>
  page.evaluate(() => {
    const section = document.querySelector<HTMLElement>(".account")
    if (section === null) throw new Error("the page has no account")
    const states = [section.dataset["state"]]
    Object.assign(globalThis, { states })
    new MutationObserver(() => {
      if (states.at(-1) !== section.dataset["state"]) states.push(section.dataset["state"])
    }).observe(section, { attributeFilter: ["data-state"] })
  })
export const watched = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate(() => (globalThis as unknown as { readonly states: ReadonlyArray<string> }).states)

/** Without what a provider that answers at once may leave no time to see. */
export const lasting = async (page: Page): Promise<ReadonlyArray<string>> =>
  (await watched(page)).filter((state) => state !== "requesting" && state !== "checking")
