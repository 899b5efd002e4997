/** A machine that runs agent jobs: the built daemon as a real process, and its API as programs use it. */
import { createHash } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { RunView } from "../../src/domain/index.ts"
import { type Environment, eventually, Gateway } from "./Processes.ts"

export interface Answer {
  readonly status: number
  readonly body: string
  readonly json: Record<string, unknown>
}

/** What a client of the log has got: every byte once, or a gap. */
export class LogReader {
  readonly lines: Array<string> = []
  readonly gaps: Array<unknown> = []
  /** Where a new connection goes on. */
  at = 0
  end: Record<string, unknown> | null = null
  connections = 0

  /** Of all lines, each with its newline. */
  get sha256(): string {
    const hash = createHash("sha256")
    for (const line of this.lines) hash.update(`${line}\n`)
    return hash.digest("hex")
  }
}

export class RunMachine {
  readonly gateway: Gateway

  private constructor(gateway: Gateway) {
    this.gateway = gateway
  }

  /** `document` becomes the user's own layer. */
  static async start(
    env: Environment = {},
    document?: object,
    wrapper: ReadonlyArray<string> = []
  ): Promise<RunMachine> {
    const machine = new RunMachine(new Gateway(env, wrapper))
    if (document !== undefined) writeFileSync(join(machine.gateway.home, "config.json"), JSON.stringify(document))
    machine.gateway.start()
    await machine.up()
    return machine
  }

  /** The API of the process that runs now. */
  async up(): Promise<string> {
    const { daemon } = await this.gateway.until(
      "the API",
      ({ daemon: { api_url, pid, state } }) => api_url !== null && state === "running" && pid === this.gateway.pid
    )
    return daemon.api_url ?? ""
  }

  get token(): string {
    return readFileSync(join(this.gateway.home, "state", "api-token"), "utf8").trim()
  }

  async ask(method: string, path: string, options: RequestInit = {}): Promise<Answer> {
    const response = await fetch(`${await this.up()}${path}`, {
      method,
      ...options,
      headers: { authorization: `Bearer ${this.token}`, ...options.headers }
    })
    const body = await response.text()
    return { status: response.status, body, json: JSON.parse(body.startsWith("{") ? body : "{}") }
  }

  submit(request: object): Promise<Answer> {
    return this.ask("POST", "/runs", {
      body: JSON.stringify({ companyId: "c1", agentId: "a1", prompt: "", ...request }),
      headers: { "content-type": "application/json" }
    })
  }

  /** A run of `sh -c`; answers its id. */
  async sh(script: string, more: object = {}): Promise<string> {
    const { body, json, status } = await this.submit({
      command: { kind: "exec", argv: ["sh", "-c", script] },
      retain: true,
      ...more
    })
    if (status !== 201) throw new Error(`POST /runs: ${status} ${body}`)
    return String(json["run_id"])
  }

  async view(id: string): Promise<RunView> {
    return JSON.parse((await this.ask("GET", `/runs/${id}`)).body) as RunView
  }

  /** Waits for the verdict. */
  ended(id: string, ms = 20_000): Promise<RunView> {
    return eventually(
      `the verdict of ${id}`,
      async () => {
        const view = await this.view(id).catch(() => undefined)
        return view?.verdict == null ? undefined : view
      },
      ms
    )
  }

  async state(id: string, state: string): Promise<void> {
    await eventually(`${id} is ${state}`, async () => ((await this.view(id)).state === state ? true : undefined))
  }

  async log(id: string): Promise<string> {
    return (await this.ask("GET", `/runs/${id}/log`)).body
  }

  /** Follows a log to its end, over as many connections as it takes. */
  async follow(id: string, reader = new LogReader()): Promise<LogReader> {
    while (reader.end === null) {
      await this.connect(id, reader).catch(() => undefined)
      if (reader.end === null) await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return reader
  }

  private async connect(id: string, reader: LogReader): Promise<void> {
    const response = await fetch(`${await this.up()}/runs/${id}/log?from=${reader.at}`, {
      headers: { authorization: `Bearer ${this.token}`, accept: "text/event-stream" }
    })
    if (response.status !== 200 || response.body === null) throw new Error(String(response.status))
    reader.connections += 1
    let rest = ""
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const events = (rest + chunk).split("\n\n")
      rest = events.pop() ?? ""
      for (const event of events) take(event, reader)
    }
  }

  /** Ends the daemon without a word, and waits for the next one. */
  async kill(): Promise<void> {
    const before = this.gateway.pid
    this.gateway.signal("SIGKILL")
    await eventually("the next process", () => (this.gateway.pid === before ? undefined : true))
    await this.up()
  }
}

const take = (event: string, reader: LogReader): void => {
  const name = /^event: (.*)$/m.exec(event)?.[1]
  const data = /^data: (.*)$/m.exec(event)?.[1]
  if (name === undefined || data === undefined) return
  const value = JSON.parse(data) as Record<string, unknown>
  if (name === "end") reader.end = value
  else if (name === "gap") reader.gaps.push(value)
  else {
    reader.lines.push(...(value["lines"] as ReadonlyArray<{ readonly text: string }>).map(({ text }) => text))
    reader.at = Number(value["to"])
  }
}
