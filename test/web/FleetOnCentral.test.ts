/** The page in real Chromium on a real central; its gateways are simulated: they speak the protocol from this process. */
import { rmSync, writeFileSync } from "node:fs"
import { createServer, request } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { holdfast, scratch, startCentral } from "../e2e/Processes.ts"
import { hasBrowser, launch, keep, openWindow } from "./Browser.ts"
import { templateOf } from "../../src/web/FleetConfigPage.ts"
import { linkOf } from "./FleetRealStage.ts"
import { eventually } from "./LoginStage.ts"

/** The template with another interval; a port may have the digits of the one that it comes with. */
const polledEvery = (seconds: number, url: string): string =>
  templateOf(url).replace('_seconds": 60', `_seconds": ${seconds}`)

it.runIf(hasBrowser)(
  "a fleet is begun, joined, steered and rolled back on the page alone",
  { timeout: 60_000 },
  async ({ onTestFinished }) => {
    const data = scratch()
    onTestFinished(() => rmSync(data, { recursive: true, force: true }))
    const central = await startCentral(data)
    onTestFinished(async () => void (await central.stop()))
    const { url } = central
    const run = async (...args: ReadonlyArray<string>): Promise<string> =>
      (await holdfast(["central", ...args, "--data", data])).stdout

    const browser = await launch()
    onTestFinished(() => browser.close())
    const { complaints, page } = await openWindow(browser)
    await page.goto(await linkOf(central))
    await page.getByRole("heading", { name: "Nothing is here yet" }).waitFor()
    await page.getByLabel("New config").fill("default")
    await page.getByRole("button", { name: "Write it" }).click()
    await page.locator("#editor-state", { hasText: "Central would take this." }).waitFor()
    await page.getByRole("button", { name: "Review and save" }).click()
    await page.getByRole("button", { name: "Save as revision 1" }).click()
    await page.locator(".success", { hasText: "Saved as revision 1." }).waitFor()

    await page.getByRole("link", { name: "Tokens" }).click()
    await page.getByLabel("Config that its gateways get").fill("default")
    await page.getByRole("button", { name: "Make a token" }).click()
    const token = await page.locator(".copied code").first().innerText()
    const gateways = await Promise.all(Array.from({ length: 5 }, () => joinFleet(url, token)))
    await page.getByRole("link", { name: "Fleet", exact: true }).click()
    await page.locator("[data-gateway]").nth(4).waitFor()
    for (const gateway of gateways) await gateway.poll(true)
    await page.locator(".headline", { hasText: "all 5 converged" }).waitFor()

    await page.getByRole("link", { name: "default", exact: true }).click()
    const area = page.locator(".code-area")
    await page.locator("#editor-state", { hasText: "This is the newest revision." }).waitFor()
    await area.fill(templateOf(url).replace('"version": 2', '"version": 2,\n  "plugins": [{ "name": "x/y" }]'))
    await page.locator("#editor-state", { hasText: "Central has 1 objection." }).waitFor()
    await page.locator(".problems", { hasText: "/plugins/0" }).waitFor()
    await area.fill(polledEvery(90, url))
    await page.locator("#editor-state", { hasText: "Central would take this." }).waitFor()
    await page.getByRole("button", { name: "Review and save" }).click()
    writeFileSync(join(data, "other.json"), polledEvery(30, url))
    await run("config", "put", "default", join(data, "other.json"))
    await page.locator(".meanwhile", { hasText: "Revision 2 was saved" }).waitFor()
    await page.getByRole("button", { name: "Compare with mine, and save after it" }).click()
    await page.getByRole("button", { name: "Save as revision 3" }).click()
    await page.locator(".success", { hasText: "Saved as revision 3." }).waitFor()

    const [first, second, third] = gateways
    await first?.poll(true)
    await second?.poll(false)
    await third?.rollBack("central could not be reached from the new revision")
    await page.getByRole("link", { name: "Fleet" }).first().click()
    await page.locator(".headline", { hasText: "1 of 5 converged" }).waitFor()
    await page
      .locator(".standing", { hasText: /rolled back \d+ s ago: no confirmed poll/ })
      .or(page.locator(".standing", { hasText: "rolled back just now: no confirmed poll" }))
      .waitFor()
    await keep(page, "fleet-central", false)
    await page.getByRole("link", { name: third?.id ?? "" }).click()
    await page.locator('.gateway-page[data-known="true"]').waitFor()
    await page.getByRole("button", { name: "Revoke this gateway" }).click()
    await page.getByRole("button", { name: "Yes, revoke it" }).click()
    await page.locator(".verdict .stand", { hasText: "revoked" }).waitFor()
    await keep(page, "fleet-central-gateway")

    await page.goto(`${url}/#config/default`)
    await page.getByRole("button", { name: "Roll back to revision 1", exact: true }).click()
    await page.getByRole("button", { name: /^Roll back to revision 1: save its bytes/ }).click()
    await page.locator(".success", { hasText: "Revision 4 has the bytes of revision 1." }).waitFor()
    await eventually(() => area.inputValue(), templateOf(url))
    expect(await run("config", "history", "default")).toContain("4")
    expect(complaints.filter((one) => !one.startsWith("Failed to load resource"))).toEqual([])
  }
)

const awaited = (page: Page, words: string) => page.locator("#editor-state", { hasText: words }).waitFor()

it.runIf(hasBrowser)(
  "what central refuses when it is saved, or brought back, is shown at its lines and forced in a second step",
  { timeout: 60_000 },
  async ({ onTestFinished }) => {
    const data = scratch()
    onTestFinished(() => rmSync(data, { recursive: true, force: true }))
    let central = await startCentral(data, { externalUrl: "http://127.0.0.1:9" })
    onTestFinished(async () => void (await central.stop()))
    const port = Number(new URL(central.url).port)
    await central.put(templateOf("http://127.0.0.1:9"))
    const browser = await launch()
    onTestFinished(() => browser.close())
    const { complaints, page } = await openWindow(browser)
    await page.goto(await linkOf(central))
    await page.locator("#connection", { hasText: "live" }).waitFor()
    await page.goto(`${central.url}/#config/main`)
    await awaited(page, "This is the newest revision.")
    const mine = polledEvery(90, "http://127.0.0.1:9")
    await page.locator(".code-area").fill(mine)
    await awaited(page, "Central would take this.")
    await page.getByRole("button", { name: "Review and save" }).click()

    // Central comes to be known by another name after it has said that it would take this.
    await central.stop()
    central = await startCentral(data, { port, externalUrl: "http://127.0.0.1:10" })
    await page.locator("#connection", { hasText: "live" }).waitFor()
    await page.locator("#central", { hasText: "http://127.0.0.1:10" }).waitFor()
    await page.getByRole("button", { name: "Save as revision 2" }).click()
    await page.locator(".failure", { hasText: "Central did not take it: read what speaks against it." }).waitFor()
    expect(await page.locator(".problems").innerText()).toMatch(
      /^7:9\s+\/sinks\/central\/config\/url points at http:\/\/127\.0\.0\.1:9, but this server is http:\/\/127\.0\.0\.1:10/
    )
    expect(await page.getByRole("button", { name: "Save as revision 2" }).isVisible()).toBe(false)
    expect(await page.getByRole("button", { name: "Save by force" }).isVisible()).toBe(false)
    await page.getByRole("button", { name: "Save against the objections" }).click()
    await page.locator(".consequences", { hasText: "does not reach this server any more" }).waitFor()
    await page.getByRole("button", { name: "Save by force" }).click()
    await page.locator(".failure", { hasText: "Saved as revision 2." }).waitFor()
    await page.locator('[data-seq="2"]', { hasText: "saved by force" }).waitFor()

    await page.getByRole("button", { name: "Roll back to revision 1", exact: true }).click()
    await page.getByRole("button", { name: /^Roll back to revision 1: save its bytes/ }).click()
    const stage = page.locator(".revision-stage")
    await stage.locator(".failure", { hasText: "Not rolled back." }).waitFor()
    await stage.locator(".consequences", { hasText: "/sinks/central/config/url points at" }).waitFor()
    await keep(page, "fleet-central-refused")
    expect(await page.locator("[data-seq]").count()).toBe(2)
    await stage.getByRole("button", { name: "Roll back by force" }).click()
    await page.locator(".success", { hasText: "Revision 3 has the bytes of revision 1." }).waitFor()
    await page.locator('[data-seq="3"]', { hasText: "saved by force" }).waitFor()
    await eventually(() => page.locator(".code-area").inputValue(), templateOf("http://127.0.0.1:9"))
    expect(complaints.filter((one) => !one.startsWith("Failed to load resource"))).toEqual([])
  }
)

it.runIf(hasBrowser)(
  "below a path that a proxy strips the page is what it is at the root",
  { timeout: 60_000 },
  async ({ onTestFinished }) => {
    const data = scratch()
    onTestFinished(() => rmSync(data, { recursive: true, force: true }))
    let target = ""
    const asked: Array<string> = []
    const proxy = createServer((incoming, outgoing) => {
      const { headers, method, url: path = "" } = incoming
      asked.push(path)
      if (!path.startsWith("/fleet/x/")) return void outgoing.writeHead(404).end()
      const to = new URL(`${target}${path.slice("/fleet/x".length)}`)
      const onward = request(to, { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      })
      onward.on("error", () => incoming.socket.destroy())
      incoming.pipe(onward)
    })
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => void proxy.close().closeAllConnections())
    const externalUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/fleet/x`
    const central = await startCentral(data, { externalUrl })
    onTestFinished(async () => void (await central.stop()))
    target = central.url
    const browser = await launch()
    onTestFinished(() => browser.close())
    const { complaints, page } = await openWindow(browser)
    const { stdout } = await holdfast(["central", "open", "--data", data])
    await page.goto(/http\S+/.exec(stdout)?.[0] ?? "")
    await page.locator("#connection", { hasText: "live" }).waitFor()
    await page.getByLabel("New config").fill("default")
    await page.getByRole("button", { name: "Write it" }).click()
    await awaited(page, "Central would take this.")
    await page.getByRole("button", { name: "Review and save" }).click()
    await page.getByRole("button", { name: "Save as revision 1" }).click()
    await page.locator(".success", { hasText: "Saved as revision 1." }).waitFor()
    expect(new URL(page.url()).pathname).toBe("/fleet/x/")
    expect(asked.filter((path) => !path.startsWith("/fleet/x/"))).toEqual([])
    expect(complaints.filter((one) => !one.startsWith("Failed to load resource"))).toEqual([])
  }
)

/** A simulated gateway: it joins, polls, and reports what a test wants to be true. */
const joinFleet = async (url: string, token: string) => {
  const post = (path: string, body: unknown, jwt = ""): Promise<Response> =>
    fetch(`${url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(jwt === "" ? {} : { authorization: `Bearer ${jwt}` }) },
      body: JSON.stringify(body)
    })
  const { jwt } = (await (await post("/v1/identity/bootstrap", { bootstrap_token: token })).json()) as { jwt: string }
  const authorization = `Bearer ${jwt}`
  const id = String(JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()).sub)
  let running: string | null = null
  const newest = async (): Promise<string> => {
    const conditions: Record<string, string> = running === null ? {} : { "if-none-match": running }
    const response = await fetch(`${url}/v1/config`, { headers: { authorization, ...conditions } })
    await response.arrayBuffer()
    return response.headers.get("etag") ?? ""
  }
  const report = (more: Readonly<Record<string, unknown>>): Promise<Response> =>
    post("/v1/gateway/status", { version: "0.9.0", remote_config: { running_etag: running, ...more } }, jwt)
  return {
    id,
    /** Runs the newest from now on, promoted or on probation. */
    poll: async (promoted: boolean): Promise<void> => {
      running = await newest()
      await newest()
      const probation = { etag: running, applied_at: null, remaining_seconds: 90, attempts_left: 2 }
      await report({ probation: promoted ? null : probation })
    },
    /** Fetches the newest, and says that it gave it up. */
    rollBack: async (detail: string): Promise<void> => {
      const etag = await newest()
      const at = new Date().toISOString()
      await report({
        last_rollback: { etag, reason: "probation_expired", at, detail },
        last_attempt: { etag, verdict: "applied", at }
      })
    }
  }
}
