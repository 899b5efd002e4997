/** `holdfast up` for real: from an empty folder to a promoted revision, and to its end. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { Programs } from "../support/Program.ts"

let programs: Programs
beforeEach(() => {
  programs = new Programs()
})
afterEach(() => programs.close())

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe("up", () => {
  it("joins, applies, restarts, proves itself; tells it in order; and ends both with Ctrl-C", async () => {
    const up = programs.start(["up"])
    await up.until(/promoted: .* after the start/)
    await up.until(/Ctrl-C ends all of it/)
    const told = [
      "central listens",
      "gateway started",
      "joined the fleet",
      "applied revision",
      "restarting",
      "promoted"
    ]
    const places = told.map((words) => up.stdout().indexOf(words))
    expect(places).toEqual(places.toSorted((a, b) => a - b))
    expect(places[0]).toBeGreaterThan(0)
    const pids = [...up.stdout().matchAll(/gateway started \(pid (\d+)\)/g)].map(([, pid]) => Number(pid))
    expect(pids).toHaveLength(2)
    expect(isAlive(pids[1] ?? 0)).toBe(true)

    const second = await programs.run("up")
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining("already runs for this home") })

    up.kill("SIGINT")
    // A wrapper and the terminal both deliver it.
    up.kill("SIGINT")
    expect(await up.ended).toMatchObject({ code: 0 })
    expect(up.stderr()).toBe("")
    expect(pids.some(isAlive)).toBe(false)
    expect(JSON.parse(readFileSync(programs.path("home/gateway/state/run/status.json"), "utf8"))).toMatchObject({
      daemon: { state: "stopped" }
    })
  })

  it("prints commands that do what it says of them", async () => {
    const up = programs.start(["up", "--home", programs.path("demo")])
    await up.until(/Ctrl-C ends all of it/)
    const puts = [...up.stdout().matchAll(/central config put (\S+) (\S+) --data (\S+)( --force)?$/gm)]
    expect(puts).toHaveLength(4)
    const run = (put: (typeof puts)[number] | undefined) => {
      const [, name = "", file = "", data = "", force] = put ?? []
      return programs.run(
        "central",
        "config",
        "put",
        name,
        file,
        "--data",
        data,
        ...(force === undefined ? [] : ["--force"])
      )
    }
    expect((await run(puts[1])).code).toBe(1)
    expect((await run(puts[2])).code).toBe(0)
    await up.until(/did not apply revision \w+: config_invalid/)

    const fleet = programs.path("demo/documents/fleet.json")
    writeFileSync(
      fleet,
      readFileSync(fleet, "utf8").replace('"poll_interval_seconds": 5', '"poll_interval_seconds": 6')
    )
    expect((await run(puts[0])).code).toBe(0)
    await up.until(/promoted: .* on probation/)
    up.kill("SIGTERM")
    expect((await up.ended).code).toBe(0)

    const again = programs.start(["up", "--home", programs.path("demo")])
    await again.until(/promoted/)
    expect(again.stdout()).not.toContain("restarting")
    expect(readFileSync(fleet, "utf8")).toContain('"poll_interval_seconds": 6')
    again.kill("SIGTERM")
    expect((await again.ended).code).toBe(0)
  })

  it("prints a command whose link opens the page of its gateway", async () => {
    const up = programs.start(["up"])
    await up.until(/Ctrl-C ends all of it/)
    const [, home = ""] = /HOLDFAST_HOME=(\S+) \S.* open$/m.exec(up.stdout()) ?? []
    expect(home).toBe(programs.path("home/gateway"))
    const opened = await programs.start(["open"], { env: { HOLDFAST_HOME: home } }).ended
    expect(opened).toMatchObject({ code: 0, stderr: expect.stringContaining("within 60 seconds") })
    const link = await fetch(opened.stdout.trim())
    expect([link.status, (await fetch(opened.stdout.trim())).status]).toEqual([200, 410])
    const cookie = link.headers.get("set-cookie")?.split(";")[0] ?? ""
    const page = await fetch(new URL("/machines", link.url), { headers: { cookie, accept: "text/html" } })
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"])
    const served = await page.text()
    expect(served).toContain("/web/app.js")
    for (const path of ["/web/app.js", "/web/app.css", "/machines/configApply.svg", "/machines/coverage.json"]) {
      const file = await fetch(new URL(path, link.url), { headers: { cookie } })
      expect([path, file.status, file.headers.get("content-encoding")]).toEqual([path, 200, "gzip"])
    }
    up.kill("SIGTERM")
    expect((await up.ended).code).toBe(0)
  })

  it("leaves a folder alone that is not its own", async () => {
    writeFileSync(programs.path("thesis.txt"), "")
    const { code, stderr } = await programs.run("up", "--home", ".", "--fresh")
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("thesis.txt") })
    expect(readdirSync(programs.home)).toEqual(["thesis.txt"])
    expect(existsSync(programs.path(".holdfast-demo"))).toBe(false)
  })
})
