/** The page of the chat in real Chromium, on real daemons with real agents; the model is a stand-in. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { processesNaming } from "../agents/AgentStage.ts"
import { call, event, refuse, say, type ModelStep } from "../agents/StandInModel.ts"
import { StandInProvider } from "../login/StandInProvider.ts"
import { Programs } from "../support/Program.ts"
import { hasBrowser, keep, launch, SIZES } from "./Browser.ts"
import { ask, ChatStage, chatPicture, over, question, turn } from "./ChatStage.ts"
import { eventually } from "./LoginStage.ts"
import { type House, RunStage } from "./RunStage.ts"

let house: House

beforeAll(async () => {
  if (hasBrowser) house = { programs: new Programs(), browser: await launch() }
})
afterAll(async () => {
  if (!hasBrowser) return
  await house.browser.close()
  await house.programs.close()
})

const words = (...texts: ReadonlyArray<string>): ReadonlyArray<unknown> => texts.map((content) => event({ content }))
/** Says something, and then nothing for ever. */
const begins = (text: string): ModelStep => ({ events: words(text), after: "hang" })

const ADVICE = `Take a coat to Oslo: it rains today, and is dry from tomorrow.

Each morning:

\`\`\`sh
holdfast run start --prompt 'What is the weather in Oslo?' --follow
\`\`\`

I have noted that you like to go by train.`

describe.runIf(hasBrowser).concurrent("a person who chats on the page", { timeout: 60_000 }, () => {
  it("sees the answer as it comes, what agents in Python and TypeScript gave, and finds all of it again", async ({
    onTestFinished
  }) => {
    const stage = await ChatStage.open(house, onTestFinished)
    stage.agents()
    const { complaints, page } = await stage.visit(onTestFinished, "/")
    await page.getByRole("link", { name: "Chat", exact: true }).click()
    await page.locator(".agent-list .agent-name", { hasText: "Weather" }).waitFor()
    expect(await page.locator(".agent-list .agent-name").allTextContents()).toEqual(["Remember", "Weather"])
    await chatPicture(page, "empty")

    stage.model.script.push(
      call(
        { name: "Weather", arguments: '{"city":"Oslo"}' },
        { name: "Remember", arguments: '{"fact":"likes trains"}' }
      ),
      { events: words("Take a coat "), after: "hang" }
    )
    await ask(page, "What shall I wear in Oslo?\nI like trains.")
    await turn(page).locator(".prose", { hasText: "Take a coat" }).waitFor()
    expect(await turn(page).getAttribute("data-state")).toBe("asking")
    expect(await page.locator(".chat-log").getAttribute("aria-busy")).toBe("true")
    await page.getByRole("button", { name: "Stop" }).click()
    await over(page, "stopped")

    stage.model.script.push(
      call(
        { name: "Weather", arguments: '{"city":"Oslo"}' },
        { name: "Remember", arguments: '{"fact":"likes trains"}' }
      ),
      say(ADVICE, { model: "stand-in-1-2026-10-01" })
    )
    await page.getByRole("button", { name: "Ask again" }).click()
    await over(page, "done")
    expect(await page.locator(".turn").count()).toBe(1)
    expect(await page.locator(".chat-log").getAttribute("aria-busy")).toBe("false")
    expect(await turn(page).locator(".question-text").innerText()).toBe("What shall I wear in Oslo?\nI like trains.")
    expect(await turn(page).locator(".prose p").allInnerTexts()).toEqual([
      "Take a coat to Oslo: it rains today, and is dry from tomorrow.",
      "Each morning:",
      "I have noted that you like to go by train."
    ])
    expect(await turn(page).locator(".prose pre").innerText()).toBe(
      "holdfast run start --prompt 'What is the weather in Oslo?' --follow"
    )
    const calls = turn(page).locator("details")
    expect(await calls.locator("summary").allInnerTexts()).toEqual([
      "Weather Oslo: 7 °C, rain",
      "Remember Kept for everybody: likes trains"
    ])
    expect(await calls.first().locator("pre").isVisible()).toBe(false)
    await calls.first().locator("summary").click()
    expect(await calls.first().locator("pre").innerText()).toBe("Oslo: 7 °C, rain\nTomorrow: 9 °C, dry")
    expect(await turn(page).locator(".model-note").innerText()).toBe("stand-in-1-2026-10-01")

    stage.model.script.push(say("Bergen is wetter.", { model: "other-model" }))
    const request = page.waitForRequest((one) => one.url().endsWith("/chat/stream"))
    await ask(page, "And in Bergen?")
    await over(page, "done")
    // The session that the daemon named in its first answer.
    expect((await request).postDataJSON()).toMatchObject({ session_id: expect.stringMatching(/^[\w-]{16,}$/) })
    expect(await turn(page).locator(".model-note").innerText()).toBe("asked stand-in-1, answered by other-model")
    expect(stage.model.last.body.messages.slice(1).map(({ content, role }) => [role, content])).toEqual([
      ["user", "What shall I wear in Oslo?\nI like trains."],
      ["user", "[Result of Weather] Oslo: 7 °C, rain\nTomorrow: 9 °C, dry"],
      ["user", "[Result of Remember] Kept for everybody: likes trains"],
      ["assistant", ADVICE],
      ["user", "And in Bergen?"]
    ])
    await chatPicture(page, "answered")
    await page.setViewportSize({ width: 1280, height: 930 })
    await page.evaluate(() => scrollTo(0, 0))
    await keep(page, "chat-page", false)

    await page.reload()
    await turn(page, 1).waitFor()
    expect(await page.locator(".turn .question-text").allInnerTexts()).toEqual([
      "What shall I wear in Oslo?\nI like trains.",
      "And in Bergen?"
    ])
    expect(await turn(page, 0).locator("details").count()).toBe(2)
    await page.getByRole("link", { name: "New conversation" }).click()
    await page.locator(".chat-empty").waitFor()
    expect(await page.locator(".conversations a").allTextContents()).toEqual([
      "What shall I wear in Oslo? I like trains."
    ])
    await page.locator(".conversations a").click()
    await turn(page, 1).waitFor()
    expect(complaints).toEqual([])
  })

  it("stops an answer: the request to the model and the agent that runs end, and what came stays", async ({
    onTestFinished
  }) => {
    const stage = await ChatStage.open(house, onTestFinished)
    stage.slow()
    const { complaints, page } = await stage.visit(onTestFinished)
    stage.model.script.push(begins("It goes like th"))
    await ask(page, "How does it go?")
    await turn(page).locator(".prose", { hasText: "It goes like th" }).waitFor()
    await page.getByRole("button", { name: "Stop" }).press("Enter")
    await over(page, "stopped")
    await eventually(() => Promise.resolve(stage.model.last.left), true)
    expect(await turn(page).locator(".prose").innerText()).toBe("It goes like th")
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("question")
    await chatPicture(page, "stopped")

    const file = "slow_agent.mjs"
    const running = () => processesNaming(`${stage.daemon.home}/agents/${file}`).length
    stage.model.script.push(call({ name: "Slow", arguments: "" }))
    await ask(page, "Call the slow one.")
    await eventually(() => Promise.resolve(stage.model.received.length), 2)
    await eventually(() => Promise.resolve(running() > 0), true)
    await page.waitForTimeout(300)
    await page.getByRole("button", { name: "Stop" }).click()
    await over(page, "stopped")
    await eventually(() => Promise.resolve(running()), 0)

    stage.model.script.push(begins("Half of"))
    await ask(page, "Once more")
    await turn(page).locator(".prose", { hasText: "Half of" }).waitFor()
    await page.getByRole("link", { name: "Machines", exact: true }).click()
    await eventually(() => Promise.resolve(stage.model.last.left), true)
    await page.goBack()
    await turn(page).locator(".note", { hasText: "was left before the answer was over" }).waitFor()
    expect(await turn(page).locator(".prose").innerText()).toBe("Half of")

    stage.model.script.push(begins("Hardly any"))
    await page.getByRole("button", { name: "Ask again" }).click()
    await turn(page).locator(".prose", { hasText: "Hardly any" }).waitFor()
    await page.reload()
    await turn(page).locator(".note", { hasText: "was left before the answer was over" }).waitFor()
    expect(await turn(page).locator(".prose").innerText()).toBe("Hardly any")
    expect(await turn(page).locator(".question-text").innerText()).toBe("Once more")
    expect(complaints).toEqual([])
  })

  it("is told why there is no answer and what to do, and asks again without writing anything anew", async ({
    onTestFinished
  }) => {
    const stage = await ChatStage.open(house, onTestFinished)
    const { page } = await stage.visit(onTestFinished)
    const failure = turn(page).locator(".chat-failure")
    const fails = async (expected: string, ...steps: ReadonlyArray<ModelStep>): Promise<string> => {
      stage.model.script.push(...steps)
      const again = page.getByRole("button", { name: "Ask again" })
      if (await again.isVisible()) await again.click()
      else await ask(page, "Is it going to work?")
      await page.locator(".turn:last-child .chat-failure .word", { hasText: expected }).waitFor()
      return failure.innerText()
    }
    const busy = refuse(429, { message: "slow down" }, { "retry-after": "7" })
    expect(await fails("Too many requests", busy, busy)).toMatch(/429.*slow down.*Try again in 7 s/s)
    await chatPicture(page, "rate-limited")
    const unknown = refuse(404, { message: "no such model", code: "model_not_found" })
    expect(await fails("There is no such model", unknown, unknown)).not.toContain("GET /models")
    await page.getByRole("button", { name: "Pick another model" }).click()
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("model")
    await page.locator("#model").selectOption("stand-in-2")
    await page.getByText("stand-in-2 is used from now on.").waitFor()
    await fails("The answer broke off", { events: words("It will w"), after: "cut" })
    expect(await turn(page).locator(".prose").innerText()).toBe("It will w")
    await chatPicture(page, "cut")
    await fails("The model may not be asked", refuse(402, { message: "out of credit" }))

    stage.model.script.push(begins("It will"))
    await page.getByRole("button", { name: "Ask again" }).click()
    await turn(page).locator(".prose", { hasText: "It will" }).waitFor()
    await stage.daemon.kill()
    await page.locator(".chat-failure .word", { hasText: "The connection broke" }).waitFor()
    expect(await turn(page).locator(".prose").innerText()).toBe("It will")
    await page.getByRole("button", { name: "Ask again" }).click()
    await page.locator(".chat-failure .word", { hasText: "The daemon does not answer" }).waitFor()
    await chatPicture(page, "lost")
    await stage.daemon.start()
    await page.locator("#connection", { hasText: /^live$/ }).waitFor()
    stage.model.script.push(say("It works."))
    await page.getByRole("button", { name: "Ask again" }).click()
    await over(page, "done")
    expect(await page.locator(".turn .question-text").allInnerTexts()).toEqual(["Is it going to work?"])
    expect(stage.model.last.body.model).toBe("stand-in-2")
    expect(await turn(page).locator(".prose").innerText()).toBe("It works.")
  })

  it("is led to the account when nobody is signed in, and to a subscription when there is none", async ({
    onTestFinished
  }) => {
    const provider = await StandInProvider.start({ interval: 1 })
    const stage = await RunStage.open(house, provider.environment)
    onTestFinished(async () => {
      await stage.kill()
      await provider.close()
    })
    const { page } = await stage.visit(onTestFinished, "/chat")
    await page.locator(".chat-account .word", { hasText: "Not signed in" }).waitFor()
    await ask(page, "Hello?")
    await page.locator(".chat-failure .word", { hasText: "Sign in first" }).waitFor()
    await chatPicture(page, "not-signed-in")
    await stage.ask("POST", "/login", {})
    await eventually(() => Promise.resolve(provider.codes.length), 1)
    provider.enter(provider.codes[0] ?? "", "no-subscription")
    await page.locator(".chat-account .word", { hasText: "No access for no-subscription" }).waitFor()
    await page.getByRole("button", { name: "Ask again" }).click()
    await page.locator(".chat-failure .word", { hasText: "No access for no-subscription" }).waitFor()
    expect(await turn(page).getByRole("link", { name: "Sign up" }).getAttribute("href")).toBe(
      `${provider.url}/github-copilot/signup`
    )
    await chatPicture(page, "no-access")
    await turn(page).getByRole("link", { name: "Model account" }).click()
    await page.locator('.account[data-state="no-access"]').waitFor()
  })

  it("keeps conversations in the browser, deletes one or all after a question, and is told when nothing can be kept", async ({
    onTestFinished
  }) => {
    const stage = await ChatStage.open(house, onTestFinished)
    const { complaints, page } = await stage.visit(onTestFinished)
    const titles = page.locator(".conversations a")
    for (const name of ["First of three", "Second of three", "Third of three"]) {
      if (name !== "First of three") await page.getByRole("link", { name: "New conversation" }).click()
      await page.locator(".chat-empty").waitFor()
      await ask(page, name)
      await over(page, "done")
    }
    expect(await titles.allTextContents()).toEqual(["Third of three", "Second of three", "First of three"])
    const ofSecond = page.getByRole("button", { name: "Delete “Second of three”" })
    await ofSecond.click()
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("No, keep")
    await chatPicture(page, "delete")
    await page.keyboard.press("Escape")
    expect(await titles.count()).toBe(3)
    await ofSecond.click()
    await page.getByRole("button", { name: "Yes, delete" }).click()
    expect(await titles.allTextContents()).toEqual(["Third of three", "First of three"])
    expect(await turn(page).locator(".question-text").innerText()).toBe("Third of three")
    await page.getByRole("button", { name: "Delete all" }).click()
    await page.getByRole("button", { name: "Yes, delete" }).click()
    await page.locator(".chat-empty").waitFor()
    expect(await titles.count()).toBe(0)
    expect(await page.evaluate(() => localStorage.length)).toBe(0)

    await page.evaluate(() => {
      Storage.prototype.setItem = () => {
        throw new DOMException("full", "QuotaExceededError")
      }
    })
    await ask(page, "Is this kept?")
    await over(page, "done")
    await page.locator(".conversations-card .failure", { hasText: "This browser keeps nothing" }).waitFor()
    expect(await turn(page).locator(".prose").innerText()).toBe("You said: Is this kept?")
    expect(complaints).toEqual([])
  })

  it("is shown text as text, whatever a model or an agent writes", async ({ onTestFinished }) => {
    const stage = await ChatStage.open(house, onTestFinished)
    const hostile = `<img src=x onerror="document.title='had'"><script>document.title='had'</script>`
    stage.weather(`city + ${JSON.stringify(hostile)}`)
    const { complaints, page } = await stage.visit(onTestFinished)
    stage.model.script.push(
      call({ name: "Weather", arguments: '{"city":"<b>Oslo</b>"}' }),
      say(`${hostile}\n\n\`\`\`html\n${hostile}\n\`\`\`\n[a link](javascript:alert(1))`)
    )
    await ask(page, hostile)
    await over(page, "done")
    expect(await turn(page).locator("img, script, b, a").count()).toBe(0)
    expect(await turn(page).locator(".prose pre").innerText()).toBe(hostile)
    expect(await turn(page).locator(".prose p").first().innerText()).toBe(hostile)
    expect(await turn(page).locator("details pre").textContent()).toBe(`<b>Oslo</b>${hostile}`)
    expect(await page.title()).not.toBe("had")
    expect(complaints).toEqual([])
  })

  it("reads a long answer without being moved, and what stands there already is left alone", async ({
    onTestFinished
  }) => {
    const stage = await ChatStage.open(house, onTestFinished)
    const { page } = await stage.visit(onTestFinished)
    const lines = Array.from({ length: 4_000 }, (_, index) => `Line ${index}${index % 4 === 3 ? "\n\n" : " \n"}`)
    stage.model.script.push({ events: [...words(...lines), event({}, "stop")], everyMs: 1 })
    await page.evaluate(() => {
      const long: Array<number> = []
      Object.assign(globalThis, { long })
      new PerformanceObserver((list) => long.push(...list.getEntries().map(({ duration }) => duration))).observe({
        entryTypes: ["longtask"]
      })
    })
    await ask(page, "Tell me much.")
    const log = page.locator(".chat-log")
    const isAtEnd = () =>
      log.evaluate(({ clientHeight, scrollHeight, scrollTop }) => scrollHeight - clientHeight - scrollTop < 2)
    await page.locator(".prose p", { hasText: "Line 199" }).waitFor()
    expect(await isAtEnd()).toBe(true)
    await page.evaluate(() => Object.assign(globalThis, { first: document.querySelector(".prose p") }))
    await log.hover()
    await page.mouse.wheel(0, -400)
    await page.getByRole("button", { name: "To the end" }).waitFor()
    const top = await log.evaluate(({ scrollTop }) => scrollTop)
    const height = await log.evaluate(({ scrollHeight }) => scrollHeight)
    await eventually(async () => (await log.evaluate(({ scrollHeight }) => scrollHeight)) > height, true)
    expect(await log.evaluate(({ scrollTop }) => scrollTop)).toBe(top)
    await page.getByRole("button", { name: "To the end" }).click()
    await over(page, "done")
    expect(await isAtEnd()).toBe(true)
    expect(
      await page.evaluate(
        () => (globalThis as unknown as { first: Element }).first === document.querySelector(".prose p")
      )
    ).toBe(true)
    expect(await page.locator(".prose p").count()).toBe(1_000)
    const long = await page.evaluate(() => (globalThis as unknown as { long: ReadonlyArray<number> }).long)
    console.log(`a long answer: ${long.length} long tasks, the longest ${Math.max(0, ...long)} ms`)
  })

  it("sees an agent that was edited, and one that cannot be used with the reason, without a reload", async ({
    onTestFinished
  }) => {
    const stage = await ChatStage.open(house, onTestFinished)
    const { complaints, page } = await stage.visit(onTestFinished)
    await page.locator(".agents-card", { hasText: "None yet." }).waitFor()
    stage.agents()
    stage.model.script.push(call({ name: "Weather", arguments: '{"city":"Oslo"}' }), say("Rain."))
    await ask(page, "The weather in Oslo?")
    await over(page, "done")
    await page.locator(".agent-list .agent-name", { hasText: "Weather" }).waitFor()
    stage.weather("`${city}: sun`")
    stage.write("broken_agent.py", "import nothing_of_that_name\n")
    stage.model.script.push(call({ name: "Weather", arguments: '{"city":"Oslo"}' }), say("Sun."))
    await ask(page, "And now?")
    await over(page, "done")
    expect(await turn(page).locator("summary").innerText()).toBe("Weather Oslo: sun")
    const broken = page.locator(".agent-list .quarantined")
    await broken.locator("code", { hasText: "broken_agent.py" }).waitFor()
    expect(await broken.locator(".reason").innerText()).toContain("nothing_of_that_name")
    await chatPicture(page, "quarantined")
    expect(complaints).toEqual([])
  })

  it("installs what a file needs after a click, and says what came of it", async ({ onTestFinished }) => {
    // Nothing is installed without the lock that is named: what is shown is that it was asked for, and what came of it.
    const stage = await ChatStage.open(house, onTestFinished, {
      settings: { auto_install: "ask" },
      env: { HOLDFAST_CORE_LOCK_PATH: "/nonexistent/core-lock.json" }
    })
    stage.write("table_agent.py", "import tabulate\n")
    const { complaints, page } = await stage.visit(onTestFinished, "/chat")
    const broken = page.locator(".agent-list .quarantined")
    await broken.locator(".reason", { hasText: "It needs tabulate." }).waitFor()
    await chatPicture(page, "installable")
    await broken.getByRole("button", { name: "Install tabulate" }).click()
    await broken.locator(".reason", { hasText: "Nothing is installed without a core lock" }).waitFor()
    // It can be tried again.
    expect(await broken.getByRole("button", { name: "Install tabulate" }).isEnabled()).toBe(true)
    expect(complaints).toEqual([])
  })

  it("on a phone, by keyboard alone: Enter sends, Shift+Enter begins a line, and the place is kept", async ({
    onTestFinished
  }) => {
    const stage = await ChatStage.open(house, onTestFinished)
    const { complaints, page } = await stage.visit(onTestFinished, "/chat", { size: "phone" })
    expect(await page.evaluate(() => innerWidth)).toBe(SIZES.phone.width)
    await question(page).focus()
    await page.keyboard.type("One line")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("and another")
    await page.keyboard.press("Enter")
    await over(page, "done")
    expect(await turn(page).locator(".question-text").innerText()).toBe("One line\nand another")
    expect(await question(page).inputValue()).toBe("")
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("question")
    await page.keyboard.press("Enter")
    expect(await page.locator(".turn").count()).toBe(1)
    expect(complaints).toEqual([])
  })
})
