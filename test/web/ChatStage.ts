/** What the tests of the chat's page stand on: a real daemon with agent files, a stand-in for the model, and windows in Chromium. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { StandInModel } from "../agents/StandInModel.ts"
import type { Window } from "./Browser.ts"
import { type House, picture, RunStage } from "./RunStage.ts"

type OnEnd = (clean: () => Promise<void>) => void

/** A TypeScript agent: types are taken off by Node. */
const weather = (words: string): string => `
interface Arguments { readonly city: string }

export default {
  name: "Weather",
  description: "Tells the weather of a city, now and for the next three days.",
  parameters: { type: "object", properties: { city: { type: "string", description: "Its name" } }, required: ["city"] },
  perform: async ({ city }: Arguments): Promise<string> => ${words}
}
`

/** An agent that never ends by itself. */
const SLOW = `
export default {
  name: "Slow",
  description: "Takes for ever.",
  parameters: { type: "object", properties: {} },
  perform: () => new Promise((resolve) => setTimeout(resolve, 3_600_000))
}
`

export class ChatStage {
  readonly model: StandInModel
  readonly daemon: RunStage

  private constructor(model: StandInModel, daemon: RunStage) {
    this.model = model
    this.daemon = daemon
  }

  /** A daemon of its own, for one test: what its model says is the test's alone. */
  static async open(
    house: House,
    onEnd: OnEnd,
    { env = {}, settings = {} }: { readonly env?: Readonly<Record<string, string>>; readonly settings?: object } = {}
  ): Promise<ChatStage> {
    const model = await StandInModel.start()
    const config = {
      provider: { kind: "openai-compatible", base_url: model.url },
      model: "stand-in-1",
      fallback_models: ["stand-in-2"],
      ...settings
    }
    const daemon = await RunStage.open(house, env, (home) => {
      mkdirSync(join(home, "agents"), { recursive: true, mode: 0o700 })
      const document = { version: 2, plugins: [{ name: "@holdfast/agents", config }] }
      writeFileSync(join(home, "config.json"), JSON.stringify(document), { mode: 0o600 })
    })
    onEnd(async () => {
      await daemon.kill()
      await model.close()
    })
    return new ChatStage(model, daemon)
  }

  write(file: string, content: string): void {
    writeFileSync(join(this.daemon.home, "agents", file), content)
  }

  /** One agent in Python, as the Brainstem family writes them, and one in TypeScript. */
  agents(): void {
    const remember = join(import.meta.dirname, "..", "fixtures", "agents", "remember_agent.py")
    this.write("remember_agent.py", readFileSync(remember, "utf8"))
    this.weather("`${city}: 7 °C, rain\\nTomorrow: 9 °C, dry`")
  }

  /** `words` is an expression of `city`. */
  weather(words: string): void {
    this.write("weather_agent.ts", weather(words))
  }

  slow(): void {
    this.write("slow_agent.mjs", SLOW)
  }

  visit(onEnd: OnEnd, path = "/chat", look: Parameters<RunStage["visit"]>[2] = {}): Promise<Window> {
    return this.daemon.visit(onEnd, path, look)
  }
}

export const question = (page: Page) => page.getByLabel("Question", { exact: true })
export const turn = (page: Page, index = -1) => page.locator(".turn").nth(index)

/** Writes a question and sends it with Enter. */
export const ask = async (page: Page, words: string): Promise<void> => {
  await question(page).fill(words)
  await question(page).press("Enter")
}

/** Waits until the last turn is over, one way or another. */
export const over = (page: Page, state: "done" | "failed" | "stopped"): Promise<void> =>
  page.locator(`.turn:last-child[data-state="${state}"]`).waitFor()

export const chatPicture = (page: Page, name: string): Promise<void> => picture(page, name, "chat")
