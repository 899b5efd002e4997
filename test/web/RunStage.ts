/** What the tests of the pages of runs stand on: a real daemon with real runs of this machine, and windows in Chromium. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Browser, Page } from "playwright-core"
import { expect } from "vitest"
import type { RunView } from "../../src/domain/index.ts"
import type { Programs, Running } from "../support/Program.ts"
import { cutOff, faintTexts, keep, openWindow, SIZES, stumblingBlocks, type Window } from "./Browser.ts"
import { eventually, freePort } from "./LoginStage.ts"

let homes = 0

export interface House {
  readonly browser: Browser
  readonly programs: Programs
}

type OnEnd = (clean: () => Promise<void>) => void

export class RunStage {
  readonly home: string
  readonly #house: House
  readonly #env: Readonly<Record<string, string>>
  #daemon: Running | undefined

  private constructor(house: House, home: string, env: Readonly<Record<string, string>>) {
    this.#house = house
    this.home = home
    this.#env = env
  }

  /** `prepare` may put records where the daemon finds them. */
  static async open(
    house: House,
    env: Readonly<Record<string, string>> = {},
    prepare: (home: string) => void = () => {}
  ): Promise<RunStage> {
    homes += 1
    const home = house.programs.path(`runs-${homes}`)
    const port = String(await freePort())
    const stage = new RunStage(house, home, { HOLDFAST_HOME: home, HOLDFAST_PORT: port, ...env })
    prepare(home)
    await stage.start()
    return stage
  }

  get url(): string {
    return `http://127.0.0.1:${this.#env["HOLDFAST_PORT"]}`
  }

  /** On the home and the port that it had before; until it takes runs. */
  async start(): Promise<void> {
    const daemon = this.#house.programs.start(["daemon"], { env: this.#env })
    this.#daemon = daemon
    await eventually(async () => {
      const answer = await this.ask("POST", "/runs", {}).catch(() => ({ status: 0, body: daemon.stderr() }))
      return answer.status === 422 ? 422 : answer
    }, 422)
  }

  /** As a power cut does: the work of runs goes on. */
  async kill(): Promise<void> {
    this.#daemon?.kill("SIGKILL")
    await this.#daemon?.ended
  }

  async ask(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: string }> {
    const token = join(this.home, "state", "api-token")
    if (!existsSync(token)) return { status: 0, body: "no token yet" }
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${readFileSync(token, "utf8").trim()}`,
        ...(body === undefined ? {} : { "content-type": "application/json" })
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    return { status: response.status, body: await response.text() }
  }

  /** A run of `sh -c`; answers its id. */
  async sh(agentId: string, script: string, more: object = {}): Promise<string> {
    const command = { kind: "exec", argv: ["sh", "-c", script] }
    const request = { companyId: "local", agentId, prompt: "", command, retain: true, ...more }
    const { body, status } = await this.ask("POST", "/runs", request)
    if (status !== 201) throw new Error(`POST /runs: ${status} ${body}`)
    return String((JSON.parse(body) as RunView).run_id)
  }

  async view(id: string): Promise<RunView> {
    return JSON.parse((await this.ask("GET", `/runs/${id}`)).body) as RunView
  }

  async ended(id: string): Promise<RunView> {
    await eventually(async () => (await this.view(id)).verdict !== null, true)
    return this.view(id)
  }

  /** The file that a run of the local backend writes. */
  logFile(agentId: string, id: string): string {
    return join(this.home, "state", "runs", "run-logs", "local", agentId, `${id}.pod.ndjson`)
  }

  /** A window of its own that is signed in, at a page. */
  async visit(onEnd: OnEnd, path: string, look: Parameters<typeof openWindow>[1] = {}): Promise<Window> {
    const window = await openWindow(this.#house.browser, look)
    window.page.setDefaultTimeout(15_000)
    onEnd(() => window.context.close())
    const { url } = JSON.parse((await this.ask("POST", "/open", {})).body) as { readonly url: string }
    await window.page.goto(url)
    await window.page.locator("h1", { hasText: "This machine" }).waitFor()
    await window.page.goto(`${this.url}${path}`)
    return window
  }
}

/** The lines that a page shows, in order. */
export const lines = (page: Page): Promise<ReadonlyArray<string>> =>
  page.locator(".log-row.line").evaluateAll((all) => all.map(({ textContent }) => textContent ?? ""))

/** Waits until the outcome of a run's page is this. */
export const outcome = (page: Page, word: string): Promise<void> =>
  page.locator(".outcome .word", { hasText: new RegExp(`^${word}$`, "i") }).waitFor({ timeout: 20_000 })

/** A run that ended some time ago, as the daemon keeps it. */
export const record = (home: string, view: Partial<RunView> & Pick<RunView, "run_id">): void => {
  const folder = join(home, "state", "runs", "records")
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const whole: RunView = {
    company_id: "local",
    agent_id: "reviewer",
    backend: "local",
    state: "ended",
    verdict: "succeeded",
    message: null,
    exit_code: null,
    signal: null,
    created_at: "2026-11-21T12:00:00.000Z",
    started_at: "2026-11-21T12:00:01.000Z",
    ended_at: "2026-11-21T12:04:00.000Z",
    session: null,
    summary: null,
    usage: null,
    stale: false,
    ...view,
    output: { bytes: 0, lines: 0, end: "complete", gaps: [], ...view.output }
  }
  const request = {
    companyId: whole.company_id,
    agentId: whole.agent_id,
    runId: whole.run_id,
    prompt: "",
    command: { kind: "opencode" },
    retain: true
  }
  const facts = { begun: true, started: true, cancelled: false, checkpoint: null, cleaned: true }
  writeFileSync(join(folder, `${whole.run_id}.json`), JSON.stringify({ version: 1, request, ...facts, view: whole }), {
    mode: 0o600
  })
}

/** Keeps pictures of a page, wide and narrow, light and dark, and looks at what can be measured. */
export const picture = async (page: Page, name: string, of = "runs"): Promise<void> => {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport)
    expect({ name, size, cut: await cutOff(page) }).toEqual({ name, size, cut: [] })
    expect({ name, size, faint: await faintTexts(page) }).toEqual({ name, size, faint: [] })
    await keep(page, `${of}-${name}-${size}`)
  }
  await page.emulateMedia({ colorScheme: "dark" })
  expect({ name, dark: await faintTexts(page) }).toEqual({ name, dark: [] })
  await keep(page, `${of}-${name}-phone-dark`)
  await page.setViewportSize(SIZES.desk)
  await keep(page, `${of}-${name}-desk-dark`)
  await page.emulateMedia({ colorScheme: "light" })
  expect({ name, blocks: await stumblingBlocks(page) }).toEqual({ name, blocks: [] })
}
