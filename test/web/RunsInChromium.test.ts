/** The pages of runs in real Chromium, on a real daemon with real runs; what is placed as a record says so. */
import { readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Programs } from "../support/Program.ts"
import { hasBrowser, keep, launch } from "./Browser.ts"
import { eventually } from "./LoginStage.ts"
import { type House, lines, outcome, picture, record, RunStage } from "./RunStage.ts"

const fixtures = join(import.meta.dirname, "..", "fixtures", "opencode")

let house: House
/** One daemon for all that do not end it. */
let stage: RunStage

beforeAll(async () => {
  if (!hasBrowser) return
  house = { programs: new Programs(), browser: await launch() }
  stage = await RunStage.open(house, {}, placed)
})
afterAll(async () => {
  if (!hasBrowser) return
  await house.browser.close()
  await house.programs.close()
})

/** Ends that a machine in order does not come to: as records of the daemon, not for real. */
const placed = (home: string): void => {
  record(home, {
    run_id: "placed-lost",
    verdict: "lost",
    message: "its process is not there any more and has left no record: it was killed, or the machine was restarted",
    output: { bytes: 81_234, lines: 1_204, end: "incomplete", gaps: [{ from: 81_234, to: null, reason: "unreadable" }] }
  })
  record(home, {
    run_id: "placed-unknown",
    verdict: "unknown",
    message: "the backend could not be asked for a quarter of an hour: connect ECONNREFUSED 10.0.0.1:6443",
    backend: "kubernetes",
    created_at: "2026-11-21T12:00:02.000Z",
    output: { bytes: 0, lines: 0, end: "missing", gaps: [] }
  })
  record(home, {
    run_id: "placed-usage",
    agent_id: "writer",
    created_at: "2026-11-21T12:00:03.000Z",
    exit_code: 0,
    session: "ses_e02d35ab4ffestB6nedHyQvQcg",
    summary: "The README is tidy now.\n\nThree links were dead; they point to the new pages.",
    usage: { input: 15_320, output: 2_048, cached: 9_001, cost_usd: 0.0432 },
    output: { bytes: 20_480, lines: 64, end: "complete", gaps: [] }
  })
}

/** A run of its own agent, so that none waits for another. */
let agents = 0
const agent = (name: string): string => `${name}-${++agents}`

/** Part of a run's script: waits until the test says that it may go on, and not for ever if the test is gone. */
const untilTold = (what: string): string =>
  `n=0; until [ -e '${house.programs.path(what)}' ] || [ $n -gt 900 ]; do n=$((n+1)); sleep 0.05; done`
const tell = (what: string): void => writeFileSync(house.programs.path(what), "")

describe.runIf(hasBrowser).concurrent("the pages of runs", { timeout: 40_000 }, () => {
  it("list every run, the newest first, with how it ended, and follow what happens", async ({ onTestFinished }) => {
    const { complaints, page } = await stage.visit(onTestFinished, "/runs")
    await page.locator('[data-run="placed-lost"]').waitFor()
    const id = await stage.sh(agent("lister"), `echo one; echo two; ${untilTold("lister")}; exit 3`)
    const row = page.locator(`[data-run="${id}"]`)
    await row.locator(".outcome-word", { hasText: "live" }).waitFor()
    await row.locator(".figures-line", { hasText: "2 lines, 8 bytes" }).waitFor()
    tell("lister")
    await row.locator(".outcome-word", { hasText: "failed" }).waitFor()
    expect(await row.innerText()).toMatch(/The agent ended with exit code 3\./)
    expect(await row.locator(".figures-line").innerText()).toBe("2 lines, 8 bytes · exit code 3")
    const ids = await page.locator("[data-run]").evaluateAll((all) => all.map((one) => one.getAttribute("data-run")))
    expect(ids.slice(-3)).toEqual(["placed-usage", "placed-unknown", "placed-lost"])
    expect(await page.locator('[data-run="placed-lost"] .outcome-word').getAttribute("data-tone")).toBe("bad")
    expect(await page.locator('[data-run="placed-unknown"]').innerText()).toContain("That is a failure.")
    await page.getByRole("button", { name: /^failed/ }).click()
    await page.locator('[data-run="placed-usage"]').waitFor({ state: "detached" })
    expect(complaints).toEqual([])
    await picture(page, "list")
  })

  it("show the output as it is written, follow its end unless somebody scrolled up, and survive a reload", async ({
    onTestFinished
  }) => {
    const name = agent("talker")
    const enough = house.programs.path("talker")
    const script = `i=0; while [ ! -e '${enough}' ] && [ $i -lt 900 ]; do i=$((i+1)); echo "line $i"; sleep 0.05; done`
    const id = await stage.sh(name, script)
    const { complaints, page } = await stage.visit(onTestFinished, `/runs#${id}`)
    await outcome(page, "live")
    await page.locator(".log-row", { hasText: /^line 30$/ }).waitFor()
    const isAtEnd = () =>
      page
        .locator(".log")
        .evaluate(({ clientHeight, scrollHeight, scrollTop }) => scrollHeight - clientHeight - scrollTop < 2)
    await eventually(async () => (await lines(page)).length > 45, true)
    expect(await isAtEnd()).toBe(true)
    await page.locator(".log").hover()
    await page.mouse.wheel(0, -300)
    await page.locator(".log-tools button[aria-pressed=false]", { hasText: "Follow" }).waitFor()
    const top = await page.locator(".log").evaluate(({ scrollTop }) => scrollTop)
    const before = (await lines(page)).length
    await eventually(async () => (await lines(page)).length > before + 5, true)
    expect(await page.locator(".log").evaluate(({ scrollTop }) => scrollTop)).toBe(top)
    await page.getByRole("button", { name: "Follow" }).click()
    expect(await isAtEnd()).toBe(true)
    await page.locator(".log").focus()
    await page.keyboard.press("Home")
    await page.locator(".log-tools button[aria-pressed=false]", { hasText: "Follow" }).waitFor()
    await page.keyboard.press("End")
    await page.locator(".log-tools button[aria-pressed=true]", { hasText: "Follow" }).waitFor()

    tell("talker")
    await outcome(page, "succeeded")
    await page.locator(".log-row.end").waitFor()
    const written = Array.from({ length: (await stage.view(id)).output.lines }, (_, index) => `line ${index + 1}`)
    expect(await lines(page)).toEqual(written)
    await page.reload()
    await outcome(page, "succeeded")
    await page.locator(".log-row.end").waitFor()
    expect(await lines(page)).toEqual(written)
    expect(await isAtEnd()).toBe(true)
    await eventually(() => page.title(), `succeeded, run of ${name} · Holdfast`)
    expect(complaints).toEqual([])
    await picture(page, "run-succeeded")
  })

  it("go on where the output stopped when the daemon was killed, each line once", async ({ onTestFinished }) => {
    const own = await RunStage.open(house)
    onTestFinished(() => own.kill())
    const { page } = await own.visit(onTestFinished, "/runs")
    await page.locator(".empty-runs", { hasText: "holdfast run start" }).waitFor()
    await picture(page, "empty")
    const id = await own.sh("survivor", 'i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo "line $i"; sleep 0.1; done')
    await page.goto(`${own.url}/runs#${id}`)
    await page.locator(".log-row", { hasText: /^line 8$/ }).waitFor()
    await outcome(page, "live")
    await own.kill()
    await page.locator(".log-said", { hasText: "The connection is lost." }).waitFor()
    await page.locator(".outcome .word", { hasText: "last known: live" }).waitFor()
    await picture(page, "run-lost-connection")
    await own.start()
    await page.locator(".log-row.end", { hasText: "complete" }).waitFor({ timeout: 20_000 })
    expect(await lines(page)).toEqual(Array.from({ length: 60 }, (_, index) => `line ${index + 1}`))
    await outcome(page, "succeeded")
    expect(await page.locator(".log-said").innerText()).toBe("")
  })

  it("stay small whatever a run writes, and say what they left out", async ({ onTestFinished }) => {
    const id = await stage.sh(agent("flood"), "seq 100000; sleep 2; seq 100001 100003")
    const { page } = await stage.visit(onTestFinished, `/runs#${id}`)
    await page.locator(".log-row", { hasText: /^100003$/ }).waitFor({ timeout: 20_000 })
    await page.locator(".log-row.end").waitFor()
    const shown = await lines(page)
    expect(shown.length).toBeLessThanOrEqual(2_000)
    expect(shown.at(-1)).toBe("100003")
    expect(shown).toEqual(Array.from({ length: shown.length }, (_, index) => String(100_004 - shown.length + index)))
    expect(await page.locator(".left-out").innerText()).toBe(
      `Left out here: ${(100_003 - shown.length).toLocaleString("en-GB")} lines. “Whole output” has everything.`
    )
    expect(await page.locator("*").count()).toBeLessThan(3_000)

    const larger = await stage.sh(agent("flood"), "seq 400000")
    await stage.ended(larger)
    await page.goto(`${stage.url}/runs#${larger}`)
    await page.locator(".log-row.end").waitFor()
    expect((await lines(page)).at(-1)).toBe("400000")
    await page.getByRole("button", { name: "Follow" }).waitFor()
    expect(await page.locator(".left-out").textContent()).toMatch(
      /^Left out here: the first 1\.7 MB and 1\d\d,\d{3} lines after/
    )
    const download = page.waitForEvent("download")
    await page.getByRole("link", { name: "Whole output" }).click()
    expect(readFileSync(await (await download).path(), "utf8").length).toBe(2_688_895)
    await page.locator(".log").evaluate((box) => box.scrollTo(0, 0))
    await keep(page, "runs-left-out-desk", false)
  })

  it("take nothing that a run writes for anything but text", async ({ onTestFinished }) => {
    const attack = `<img src=x onerror="globalThis.hacked=1"><script>globalThis.hacked=1</script>`
    const event = (fields: object) => JSON.stringify({ timestamp: 1_795_248_925_211, sessionID: "ses_1", ...fields })
    const prompt = [
      attack,
      event({ type: "text", part: { text: attack } }),
      event({ type: "tool_use", part: { tool: attack, state: { status: "error", title: attack, error: attack } } }),
      event({ type: "error", error: { data: { message: attack } } }),
      event({ type: attack, part: {} }),
      '{"type":"text","sessionID":"x","part":null}',
      "\u001b[31mred\u001b[0m \u0001\u0007 \u202Etfel ot thgir\u202C \u009b",
      "x".repeat(60_000),
      ""
    ].join("\n")
    const id = await stage.sh(
      agent("attacker"),
      `cat; printf '\\377\\376\\000\\n'; ${untilTold("attacker")}; head -c 3000000 /dev/zero | tr '\\0' y`,
      { prompt }
    )
    const { complaints, page } = await stage.visit(onTestFinished, `/runs#${id}`)
    await page.locator(".log-row", { hasText: "56,000 more characters" }).waitFor()
    tell("attacker")
    await page.locator(".log-row.end").waitFor()
    expect((await lines(page))[0]).toBe(attack)
    expect(await page.locator(".event .body").first().textContent()).toBe(attack)
    expect(await page.locator(".log :is(img, script)").count()).toBe(0)
    expect(await page.evaluate(() => "hacked" in globalThis)).toBe(false)
    const shown = (await lines(page)).join("\n")
    expect(shown).toContain("red \u2401\u2407 [U+202E]tfel ot thgir[U+202C] [U+009B]")
    expect(shown).toContain("… 56,000 more characters")
    expect(shown).toContain("\uFFFD\uFFFD\u2400")
    expect(shown).toContain("… 2,996,000 more characters")
    await picture(page, "hostile")
    await page.getByRole("button", { name: "Raw lines" }).click()
    expect((await lines(page)).join("\n")).toContain("\u241B[31mred")
    expect(await page.locator(".log :is(img, script, .event)").count()).toBe(0)
    expect(complaints).toEqual([])
  })

  it("read what OpenCode says, and show its lines as they are to who wants them", async ({ onTestFinished }) => {
    const files = ["tool", "toolerror", "apierror"].map((name) => join(fixtures, `${name}.stdout.jsonl`))
    const id = await stage.sh(agent("opencode"), `cat ${files.join(" ")}; echo 'and a plain line'`)
    const { page } = await stage.visit(onTestFinished, `/runs#${id}`)
    await page.locator(".log-row.end").waitFor()
    const titles = await page.locator(".event-title").allTextContents()
    expect(titles.slice(0, 3)).toEqual([
      "begins",
      "echo tool-output",
      "ends: tool-calls · 60 tokens in, 10 out, 40 cached · $0.000084"
    ])
    const count = await page.locator(".event").count()
    expect(await page.locator('[data-what="bash"] .body').innerText()).toBe("tool-output")
    expect(await page.locator('[data-what="text"] .body').first().innerText()).toBe("Hello wörld 漢字 😀")
    expect(await page.locator('[data-what="read"]').innerText()).toMatch(/failed; the run goes on.*\n.*File not found/s)
    expect(await page.locator('[data-what="error"]').innerText()).toContain("bad thing happened")
    expect(await lines(page)).toEqual(["and a plain line"])
    await picture(page, "opencode")
    await page.getByRole("button", { name: "Raw lines" }).click()
    const raw = files.map((file) => readFileSync(file, "utf8")).join("")
    expect((await lines(page)).join("\n")).toBe(`${raw}and a plain line`)
    await page.getByRole("button", { name: "Readable" }).click()
    expect(await page.locator(".event").count()).toBe(count)
  })

  it("cancel a run after a question that is no dialog, with the keyboard alone", async ({ onTestFinished }) => {
    const id = await stage.sh(agent("sleeper"), "echo asleep; sleep 60", { limits: { grace_seconds: 1 } })
    const { page } = await stage.visit(onTestFinished, `/runs#${id}`)
    await outcome(page, "live")
    const button = page.getByRole("button", { name: "Cancel this run" })
    const focused = () => page.evaluate(() => document.activeElement?.textContent)
    await button.focus()
    await page.keyboard.press("Enter")
    expect(await focused()).toBe("No, let it run")
    await picture(page, "cancel-question")
    await page.keyboard.press("Enter")
    expect(await focused()).toBe("Cancel this run")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")
    expect(await focused()).toBe("Cancel this run")
    expect((await stage.view(id)).verdict).toBeNull()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Shift+Tab")
    expect(await focused()).toBe("Yes, end it")
    await page.keyboard.press("Enter")
    await outcome(page, "cancelled")
    expect(await focused()).toMatch(/^Run of sleeper/)
    expect(await button.isVisible()).toBe(false)
    expect((await stage.view(id)).verdict).toBe("cancelled")
  })

  it("start a run by a form, and show why the daemon refuses one", async ({ onTestFinished }) => {
    const { page } = await stage.visit(onTestFinished, "/runs")
    await page.getByText("Start a run").click()
    await page.getByLabel("Agent").fill("../etc")
    await page.getByLabel("Another program").check()
    await page.getByLabel("Command").fill("sh\n-c\nprintf '%s\\n' \"started here\"")
    await page.getByRole("button", { name: "Start" }).click()
    await page.locator(".start-form .failure", { hasText: "Invalid agentId for log path" }).waitFor()
    await picture(page, "start-refused")
    const name = agent("formed")
    await page.getByLabel("Agent").fill(name)
    await page.getByLabel("Ends after").fill("-1")
    await page.getByRole("button", { name: "Start" }).click()
    await page.locator(".start-form .failure", { hasText: "limits.seconds: Expected a value greater than 0" }).waitFor()
    await page.getByLabel("Ends after").fill("30")
    await page.getByRole("button", { name: "Start" }).click()
    await page.locator("h1", { hasText: `Run of ${name}` }).waitFor()
    await page.locator(".log-row.end").waitFor()
    expect(await lines(page)).toEqual(["started here"])
    expect(page.url()).toMatch(/\/runs#[0-9a-f]{24}$/)
    await page.goBack()
    await page.locator(".run-list a", { hasText: name }).waitFor()
  })

  it("show what is missing where it is missing", async ({ onTestFinished }) => {
    const name = agent("replaced")
    const id = await stage.sh(name, `echo first; echo second; ${untilTold("replaced")}; echo third`)
    const { page } = await stage.visit(onTestFinished, `/runs#${id}`)
    await page.locator(".log-row", { hasText: /^second$/ }).waitFor()
    const other = house.programs.path("other")
    writeFileSync(other, "what somebody else wrote\n")
    renameSync(other, stage.logFile(name, id))
    await page.locator(".log-row.gap").waitFor()
    await eventually(async () => (await stage.view(id)).output.gaps.length, 1)
    tell("replaced")
    await page.locator(".log-row.end").waitFor()
    const rows = await page.locator(".log-row").allTextContents()
    expect(rows.slice(0, 4)).toEqual([
      "first",
      "second",
      "What was written from byte 13 on may be missing: the file was replaced by another.",
      "what somebody else wrote"
    ])
    expect(rows.at(-1)).toMatch(/^End of the output, corrupt: it is not what its record describes\./)
    await page.locator(".known .value", { hasText: "from byte 13 on may be missing" }).waitFor()
    await picture(page, "gap")
  })

  it("call the lost lost and the unknown unknown, and say when nothing is kept", async ({ onTestFinished }) => {
    const { page } = await stage.visit(onTestFinished, "/runs#placed-lost")
    await outcome(page, "lost")
    expect(await page.locator(".outcome .why").innerText()).toContain("That is a failure.")
    await page.locator(".log-said", { hasText: "The output was removed with its run" }).waitFor()
    await picture(page, "run-lost")
    await page.goto(`${stage.url}/runs#placed-unknown`)
    await outcome(page, "unknown")
    await picture(page, "run-unknown")
    await page.goto(`${stage.url}/runs#placed-usage`)
    await page.locator(".known", { hasText: "15,320 tokens in, 2,048 out" }).waitFor()
    await page.locator(".said-last", { hasText: "The README is tidy now." }).waitFor()
    await page.goto(`${stage.url}/runs#never-there`)
    await page.locator("h1", { hasText: "There is no such run" }).waitFor()
  })

  it("say that a run is stale, which alone is a warning, and wait for one that has not begun", async ({
    onTestFinished
  }) => {
    const own = await RunStage.open(house, { HOLDFAST_TEST_TIME_SCALE: "100" })
    onTestFinished(() => own.kill())
    const id = await own.sh("silent", "sleep 60")
    const { page } = await own.visit(onTestFinished, "/runs")
    await page.locator(`[data-run="${id}"] .outcome-word`, { hasText: "live, stale" }).waitFor()
    await page.locator(`[data-run="${id}"] a`).click()
    await outcome(page, "live, stale")
    expect(await page.locator(".outcome .why").innerText()).toContain("Nothing was heard of it for five minutes")
    expect(await page.locator(".outcome .word").getAttribute("data-tone")).toBe("wait")
    await picture(page, "run-stale")

    // A tail waits 30 s for its file, here less than one; a run may wait for its turn as long as it takes.
    const second = await own.sh("silent", "echo at last")
    await page.goto(`${own.url}/runs#${second}`)
    await outcome(page, "queued")
    await page.waitForTimeout(1_500)
    await own.ask("POST", `/runs/${id}/cancel`, {})
    await page.locator(".log-row.end", { hasText: "complete" }).waitFor()
    expect(await lines(page)).toEqual(["at last"])
  })

  it("show how many runs are in each state of the statechart, and any one of them", async ({ onTestFinished }) => {
    const own = await RunStage.open(house)
    onTestFinished(() => own.kill())
    const ids = [await own.sh("pair", "sleep 8"), await own.sh("pair", "true"), await own.sh("single", "sleep 8")]
    const [first = "", second = ""] = ids
    const { page } = await own.visit(onTestFinished, "/machines#run")
    await page.locator(".moment", { hasText: "3 instances: 2 live, 1 queued" }).waitFor()
    const badge = (state: string) => page.locator(`.stage [data-state="${state}"] > .count`)
    await eventually(() => badge("queued").textContent(), "1")
    await eventually(() => badge("live.work.observed.watched").textContent(), "2")
    await picture(page, "instances")
    await page.getByLabel("Instance").selectOption(second)
    await page.locator(".moment", { hasText: /^queued$/ }).waitFor()
    expect(await page.locator(".count").count()).toBe(0)
    expect(page.url()).toMatch(new RegExp(`/machines#run/${second}$`))
    await page.getByRole("link", { name: "Its output" }).click()
    await outcome(page, "queued")
    await page.getByRole("link", { name: "Its statechart, live" }).click()
    await page.locator(".moment", { hasText: /^queued$/ }).waitFor()
    await page.reload()
    await page.locator(".moment", { hasText: /^queued$/ }).waitFor()
    await picture(page, "instance")
    await own.ask("POST", `/runs/${first}/cancel`, {})
    await page.locator(".moment", { hasText: /^closed$/ }).waitFor()
    expect(await page.locator("#instance option").allTextContents()).toContain(`${second} · closed`)
    await own.ask("POST", `/runs/${ids[2]}/cancel`, {})
  })
})
