/**
 * A stand-in for GitHub with Copilot, on loopback: device codes (RFC 8628), tokens, refresh tokens that work once and
 * for one account, the exchange, and the list of models. A script may put any other answer before the honest one.
 *
 * As a program: `node test/login/StandInProvider.ts [PORT]` prints how to use it.
 */
import { randomBytes } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

export interface StandInAccount {
  readonly name: string
  /** Has a Copilot subscription; a test may change it. */
  access: boolean
  /** Its tokens come with a refresh token. */
  readonly refreshable: boolean
}

/** An answer that a script puts before the honest one. */
export interface Scripted {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** An object is sent as JSON, a string as a web page; the honest answer when it is left out. */
  readonly body?: unknown
  /** The answer is held back so long, ms. */
  readonly delayMs?: number
  /** The connection is cut instead. */
  readonly cut?: boolean
}

export type Endpoint = "code" | "token" | "refresh" | "exchange" | "user" | "models"

/** A request as it came. */
export interface Received {
  readonly endpoint: Endpoint
  /** Milliseconds of the monotonic clock. */
  readonly at: number
  readonly form: Readonly<Record<string, string>>
  readonly authorization: string
}

interface Device {
  readonly userCode: string
  approvedBy: StandInAccount | null
  denied: boolean
  spent: boolean
  interval: number
  readonly expiresAt: number
  lastPoll: number | null
}

interface Token {
  readonly account: StandInAccount
  refresh: string | null
  revoked: boolean
}

/** How the stand-in behaves where a script says nothing. */
export interface StandInOptions {
  /** Seconds; any value goes into the answer as it is. */
  readonly interval?: unknown
  readonly expiresIn?: unknown
  /** In every secret, so that a test can look for it. */
  readonly marker?: string
  readonly port?: number
  /** Elapsed time of the daemon runs so many times as fast: what this stand-in measures is divided by it. */
  readonly timeScale?: number
  /** Life of a session, seconds. */
  readonly sessionSeconds?: number
}

export class StandInProvider {
  readonly accounts = new Map<string, StandInAccount>()
  readonly received: Array<Received> = []
  /** Answers to be given before the honest ones, by endpoint, in order. */
  readonly script: Record<Endpoint, Array<Scripted>> = {
    code: [],
    token: [],
    refresh: [],
    exchange: [],
    user: [],
    models: []
  }
  /** Polls that came sooner than the interval after the answer before. */
  tooSoon = 0
  /** Refresh tokens that were sent for an account that they do not belong to, or twice. */
  misusedRefresh = 0
  private readonly devices = new Map<string, Device>()
  private readonly tokens = new Map<string, Token>()
  private readonly sessions = new Map<string, { readonly token: Token; readonly expiresAt: number }>()
  private readonly spentRefresh = new Set<string>()
  private readonly server: Server
  private readonly options: StandInOptions
  private readonly lastOf = new Map<string, number>()

  private constructor(server: Server, options: StandInOptions) {
    this.server = server
    this.options = options
  }

  static async start(options: StandInOptions = {}): Promise<StandInProvider> {
    const server = createServer()
    const standIn = new StandInProvider(server, options)
    server.on("request", (request, response) => {
      standIn.serve(request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(500).end(String(error))
      })
    })
    await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve))
    standIn.account("octocat")
    standIn.account("no-subscription", { access: false })
    return standIn
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** What a daemon needs in its environment to use this stand-in. */
  get environment(): Readonly<Record<string, string>> {
    return { HOLDFAST_GITHUB_URL: this.url, HOLDFAST_GITHUB_API_URL: this.url }
  }

  account(name: string, { access = true, refreshable = true } = {}): StandInAccount {
    const account = { name, access, refreshable }
    this.accounts.set(name, account)
    return account
  }

  /** What a person does at the verification page; `name` null declines. */
  enter(userCode: string, name: string | null): void {
    const device = [...this.devices.values()].find((one) => one.userCode === userCode)
    if (device === undefined) throw new Error(`the stand-in gave no code ${userCode}`)
    if (name === null) device.denied = true
    else device.approvedBy = this.accounts.get(name) ?? this.account(name)
  }

  /** The user codes that were given, oldest first. */
  get codes(): ReadonlyArray<string> {
    return [...this.devices.values()].map(({ userCode }) => userCode)
  }

  /** Ends every access token, as a provider does that wants them refreshed. */
  revokeTokens(): void {
    for (const token of this.tokens.values()) token.revoked = true
  }

  count(endpoint: Endpoint): number {
    return this.received.filter((one) => one.endpoint === endpoint).length
  }

  async close(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise<void>((resolve) => void this.server.close(() => resolve()))
  }

  private secret(kind: string): string {
    return `${kind}_${this.options.marker ?? ""}${randomBytes(12).toString("hex")}`
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await textOf(request)
    const form = Object.fromEntries(new URLSearchParams(body))
    const { pathname } = new URL(request.url ?? "/", this.url)
    if (pathname === "/login/device") return this.page(request.method ?? "GET", form, response)
    const endpoint = endpointOf(pathname, form)
    if (endpoint === null) return send(response, 404, { message: "Not Found" })
    const authorization = request.headers.authorization ?? ""
    this.received.push({ endpoint, at: performance.now(), form, authorization })
    const scripted = this.script[endpoint].shift()
    if (scripted?.delayMs !== undefined) await sleep(scripted.delayMs)
    // Held back on the way here, not on the way back: who has gone meanwhile has asked for nothing.
    if (request.socket.destroyed) return
    if (scripted?.cut === true) return void request.socket.destroy()
    const honest = scripted?.body === undefined ? this.answer(endpoint, form, authorization) : null
    if (endpoint === "token") this.lastOf.set(form["device_code"] ?? "", performance.now())
    send(response, scripted?.status ?? honest?.status ?? 200, scripted?.body ?? honest?.body, scripted?.headers ?? {})
  }

  private answer(
    endpoint: Endpoint,
    form: Readonly<Record<string, string>>,
    authorization: string
  ): { readonly status: number; readonly body: unknown } {
    switch (endpoint) {
      case "code":
        return this.giveCode()
      case "token":
        return { status: 200, body: this.giveToken(form["device_code"] ?? "") }
      case "refresh":
        return { status: 200, body: this.renew(form["refresh_token"] ?? "") }
      case "exchange":
        return this.giveSession(authorization)
      case "user": {
        const token = this.tokenOf(authorization)
        return token === undefined
          ? { status: 401, body: { message: "Bad credentials" } }
          : { status: 200, body: { login: token.account.name } }
      }
      case "models":
        return this.listModels(authorization)
    }
  }

  private giveCode() {
    const deviceCode = this.secret("device")
    const letters = randomBytes(8).toString("hex").toUpperCase()
    const userCode = `${letters.slice(0, 4)}-${letters.slice(4, 8)}`
    const { expiresIn = 900, interval = 5 } = this.options
    const life = Number(expiresIn)
    this.devices.set(deviceCode, {
      userCode,
      approvedBy: null,
      denied: false,
      spent: false,
      interval: Number(interval) > 0 && Number(interval) < 1e6 ? Number(interval) : 0,
      expiresAt: performance.now() + ((Number.isFinite(life) ? life : 900) * 1_000) / (this.options.timeScale ?? 1),
      lastPoll: null
    })
    return {
      status: 200,
      body: {
        device_code: deviceCode,
        user_code: userCode,
        verification_uri: `${this.url}/login/device`,
        expires_in: expiresIn,
        ...(interval === undefined || interval === null ? {} : { interval })
      }
    }
  }

  private giveToken(deviceCode: string): unknown {
    const device = this.devices.get(deviceCode)
    if (device === undefined || device.spent) return { error: "incorrect_device_code" }
    const last = this.lastOf.get(deviceCode)
    if (last !== undefined && performance.now() - last < (device.interval * 1_000) / (this.options.timeScale ?? 1)) {
      this.tooSoon++
      device.interval += 5
      return { error: "slow_down", interval: device.interval }
    }
    if (performance.now() > device.expiresAt) return { error: "expired_token" }
    if (device.denied) return { error: "access_denied" }
    if (device.approvedBy === null) return { error: "authorization_pending" }
    device.spent = true
    return this.newToken(device.approvedBy)
  }

  private newToken(account: StandInAccount) {
    const access = this.secret("ghu")
    const refresh = account.refreshable ? `${this.secret("ghr")}_${account.name}` : null
    this.tokens.set(access, { account, refresh, revoked: false })
    return {
      access_token: access,
      token_type: "bearer",
      scope: "read:user",
      ...(refresh === null ? {} : { refresh_token: refresh, expires_in: 28_800, refresh_token_expires_in: 15_897_600 })
    }
  }

  private renew(refresh: string): unknown {
    const token = [...this.tokens.values()].find((one) => one.refresh === refresh)
    if (token === undefined || this.spentRefresh.has(refresh)) {
      this.misusedRefresh++
      return { error: "bad_refresh_token", error_description: "The refresh token passed is incorrect or expired." }
    }
    this.spentRefresh.add(refresh)
    return this.newToken(token.account)
  }

  private tokenOf(authorization: string): Token | undefined {
    const [scheme = "", value = ""] = authorization.split(" ")
    const token = this.tokens.get(value)
    if (token === undefined || token.revoked) return undefined
    return scheme.toLowerCase() === (value.startsWith("ghu_") ? "token" : "bearer") ? token : undefined
  }

  private giveSession(authorization: string) {
    const token = this.tokenOf(authorization)
    if (token === undefined) return { status: 401, body: { message: "Bad credentials" } }
    if (!token.account.access) return { status: 403, body: noSubscription(token.account.name) }
    const session = this.secret("tid")
    const seconds = this.options.sessionSeconds ?? 1_800
    this.sessions.set(session, { token, expiresAt: Date.now() + seconds * 1_000 })
    return {
      status: 200,
      body: {
        token: session,
        expires_at: Math.floor(Date.now() / 1_000) + seconds,
        refresh_in: 1_500,
        endpoints: { api: this.url },
        sku: "stand_in"
      }
    }
  }

  private listModels(authorization: string) {
    const session = this.sessions.get(authorization.replace(/^Bearer /, ""))
    if (session === undefined || session.expiresAt < Date.now()) return { status: 401, body: { error: "unauthorized" } }
    return {
      status: 200,
      body: { data: [{ id: "gpt-stand-in", name: "GPT (stand-in)" }, { id: "claude-stand-in" }] }
    }
  }

  /** The page on which a person enters the code: works in a real browser. */
  private page(method: string, form: Readonly<Record<string, string>>, response: ServerResponse): void {
    const said =
      method === "POST"
        ? this.entered(form["user_code"] ?? "", form["account"] ?? "")
        : "Enter the code that your device shows."
    const options = [...this.accounts.keys()].map((name) => `<option>${name}</option>`).join("")
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(
      `<!doctype html><title>Device activation (stand-in)</title><h1>Device activation (stand-in)</h1><p id="said">${said}</p>
<form method="post"><input name="user_code" required> <select name="account">${options}</select> <button>Continue</button></form>`
    )
  }

  private entered(code: string, name: string): string {
    try {
      this.enter(code.trim().toUpperCase(), name)
      return "Your device is now connected."
    } catch {
      return "That code is not known here."
    }
  }
}

/** As GitHub words it. */
const noSubscription = (name: string) => ({
  can_signup_for_limited: true,
  error_details: {
    url: "https://docs.github.com/copilot",
    message: `No access to GitHub Copilot found. You are currently logged in as ${name}.`,
    title: "Signup for GitHub Copilot",
    notification_id: "no_copilot_access"
  },
  message: "Resource not accessible by integration"
})

const endpointOf = (path: string, form: Readonly<Record<string, string>>): Endpoint | null => {
  switch (path) {
    case "/login/device/code":
      return "code"
    case "/login/oauth/access_token":
      return form["grant_type"] === "refresh_token" ? "refresh" : "token"
    case "/copilot_internal/v2/token":
      return "exchange"
    case "/user":
      return "user"
    case "/models":
      return "models"
    default:
      return null
  }
}

const textOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

const send = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {}
): void => {
  const isPage = typeof body === "string"
  response
    .writeHead(status, { "content-type": isPage ? "text/html" : "application/json", ...headers })
    .end(isPage ? body : JSON.stringify(body))
}

if (process.argv[1] === import.meta.filename) {
  const standIn = await StandInProvider.start({ port: Number(process.argv[2] ?? 0) })
  console.log(`A stand-in provider listens at ${standIn.url}. Start a daemon with`)
  for (const [name, value] of Object.entries(standIn.environment)) console.log(`  ${name}=${value}`)
  console.log(`Codes are entered at ${standIn.url}/login/device.`)
}
