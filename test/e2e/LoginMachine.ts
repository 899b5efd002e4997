/** A machine that signs in: the built daemon as a real process, a stand-in provider, and the API as programs use it. */
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { LoginCode, LoginResult, LoginStatus } from "../../src/domain/index.ts"
import { type StandInOptions, StandInProvider } from "../login/StandInProvider.ts"
import { type Environment, eventually, Gateway } from "./Processes.ts"

/** Elapsed time runs so many times as fast: polls are half a second apart. */
export const SCALE = 10

/** An answer of the API; `body` is the text, `json` what it says. */
export interface Answer {
  readonly status: number
  readonly body: string
  readonly json: Record<string, unknown>
}

export class LoginMachine {
  readonly provider: StandInProvider
  readonly gateway: Gateway
  /** Everything that the API answered. */
  readonly said: Array<string> = []

  private constructor(provider: StandInProvider, gateway: Gateway) {
    this.provider = provider
    this.gateway = gateway
  }

  /** `document` becomes the user's own layer, made for the stand-in's address. */
  static async start(
    options: StandInOptions = {},
    env: Environment = {},
    document?: (url: string) => object
  ): Promise<LoginMachine> {
    const provider = await StandInProvider.start({ timeScale: SCALE, ...options })
    const machine = new LoginMachine(
      provider,
      new Gateway({ HOLDFAST_TEST_TIME_SCALE: String(SCALE), ...provider.environment, ...env })
    )
    if (document !== undefined) {
      writeFileSync(join(machine.gateway.home, "config.json"), JSON.stringify(document(provider.url)))
    }
    machine.gateway.start()
    await machine.up()
    return machine
  }

  /** The API of the process that runs now. */
  async up(): Promise<string> {
    const { daemon } = await this.gateway.until(
      "the API",
      ({ daemon: { api_url, pid } }) => api_url !== null && pid === this.gateway.pid
    )
    return daemon.api_url ?? ""
  }

  async ask(method: string, path: string, options: RequestInit = {}): Promise<Answer> {
    const token = readFileSync(join(this.gateway.home, "state", "api-token"), "utf8").trim()
    const response = await fetch(`${await this.up()}${path}`, {
      method,
      ...options,
      headers: { authorization: `Bearer ${token}`, ...options.headers }
    })
    const body = await response.text()
    this.said.push(`${method} ${path} ${response.status} ${body}`)
    return { status: response.status, body, json: JSON.parse(body.startsWith("{") ? body : "{}") }
  }

  async login(path: "/login" | "/login/switch" = "/login"): Promise<LoginCode> {
    const { body, status } = await this.ask("POST", path)
    if (status !== 200) throw new Error(`${path}: ${status} ${body}`)
    return JSON.parse(body) as LoginCode
  }

  async poll(): Promise<LoginResult> {
    return JSON.parse((await this.ask("POST", "/login/poll")).body) as LoginResult
  }

  async status(): Promise<LoginStatus> {
    return JSON.parse((await this.ask("GET", "/login/status")).body) as LoginStatus
  }

  /** Polls as a client does until the flow has ended; answers everything that it was told. */
  async outcome(ms = 20_000): Promise<{ readonly end: LoginResult; readonly before: ReadonlySet<string> }> {
    const before = new Set<string>()
    const end = await eventually(
      "the end of the login",
      async () => {
        const result = await this.poll()
        if (result.status !== "pending") return result
        before.add(result.status)
        return undefined
      },
      ms
    )
    return { end, before }
  }

  /** Ends the daemon without a word, and waits for the next one. */
  async kill(): Promise<void> {
    const before = this.gateway.pid
    this.gateway.signal("SIGKILL")
    await eventually("the next process", () => (this.gateway.pid === before ? undefined : true))
    await this.up()
  }

  /** The login's file as it is on the disk. */
  file(): { readonly text: string; readonly mode: number } {
    const path = join(this.gateway.home, "state", "login.json")
    return { text: readFileSync(path, "utf8"), mode: statSync(path).mode & 0o777 }
  }

  async remove(): Promise<void> {
    await this.gateway.remove()
    await this.provider.close()
  }
}
