/** A machine with agents: the built daemon as a real process, a stand-in model, and the API as programs use it. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { StandInModel } from "../agents/StandInModel.ts"
import { type Environment, Gateway } from "./Processes.ts"

const ROOT = join(import.meta.dirname, "..", "..")

/** Where agent files that others write as well lie. */
export const FIXTURES = join(ROOT, "test", "fixtures", "agents")
export const EXAMPLES = join(ROOT, "examples", "agents")

/** An answer of the API; `json` is what it says where it is an object. */
export interface Answer {
  readonly status: number
  readonly body: string
  readonly json: Record<string, unknown>
  readonly ms: number
}

/** The events of a stream, in their order. */
export const eventsOf = (body: string): ReadonlyArray<readonly [string, Record<string, unknown>]> =>
  body
    .split("\n\n")
    .filter((block) => block.startsWith("event: "))
    .map((block) => {
      const [event = "", data = ""] = block.split("\n")
      return [event.slice("event: ".length), JSON.parse(data.slice("data: ".length))] as const
    })

export class AgentMachine {
  readonly model: StandInModel
  readonly gateway: Gateway
  #url = ""

  private constructor(model: StandInModel, gateway: Gateway) {
    this.model = model
    this.gateway = gateway
  }

  /** A daemon whose agents are these files, given as text or copied from a folder. */
  static async start(
    files: Readonly<Record<string, string | { readonly from: string }>> = {},
    { env = {}, settings = {} }: { readonly env?: Environment; readonly settings?: object } = {}
  ): Promise<AgentMachine> {
    const model = await StandInModel.start()
    const machine = new AgentMachine(model, new Gateway(env))
    const config = { model: "stand-in-1", provider: { kind: "openai-compatible", base_url: model.url }, ...settings }
    const document = { version: 2, plugins: [{ name: "@holdfast/agents", config }] }
    writeFileSync(join(machine.gateway.home, "config.json"), JSON.stringify(document))
    mkdirSync(join(machine.gateway.home, "agents"))
    for (const [file, content] of Object.entries(files)) machine.write(file, content)
    machine.gateway.start()
    await machine.up()
    return machine
  }

  /** Waits for the API of the process that runs now. */
  async up(): Promise<void> {
    const { daemon } = await this.gateway.until(
      "the API",
      ({ daemon: { api_url, pid } }) => api_url !== null && pid === this.gateway.pid
    )
    this.#url = daemon.api_url ?? ""
  }

  write(file: string, content: string | { readonly from: string }): void {
    const path = join(this.gateway.home, "agents", file)
    if (typeof content === "string") writeFileSync(path, content)
    else cpSync(join(content.from, file), path)
  }

  unlink(file: string): void {
    rmSync(join(this.gateway.home, "agents", file))
  }

  get url(): string {
    return this.#url
  }

  get token(): string {
    return readFileSync(join(this.gateway.home, "state", "api-token"), "utf8").trim()
  }

  async ask(method: string, path: string, body?: unknown, options: RequestInit = {}): Promise<Answer> {
    const began = performance.now()
    const response = await fetch(`${this.#url}${path}`, {
      method,
      body: body === undefined ? null : JSON.stringify(body),
      ...options,
      headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json", ...options.headers }
    })
    const text = await response.text()
    const ms = performance.now() - began
    return { status: response.status, body: text, json: JSON.parse(text.startsWith("{") ? text : "{}"), ms }
  }

  chat(user_input: string, more: object = {}): Promise<Answer> {
    return this.ask("POST", "/chat", { user_input, ...more })
  }

  /** What the model was told of the calls that it made last. */
  get results(): ReadonlyArray<unknown> {
    const messages = this.model.received.at(-1)?.body.messages ?? []
    const since = messages.findLastIndex(({ role }) => role === "assistant")
    return messages.slice(since + 1).flatMap(({ content, role }) => (role === "tool" ? [content] : []))
  }

  async remove(): Promise<void> {
    await this.gateway.remove()
    await this.model.close()
  }
}
