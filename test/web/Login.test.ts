import { describe, expect, it } from "vitest"
import type { LoginStatus } from "../../src/domain/index.ts"
import {
  type Command,
  isTimedOut,
  type Login,
  type LoginEvent,
  nothingHeard,
  POLL_ATTEMPTS,
  secondsLeft,
  step
} from "../../src/web/Login.ts"
import { loginStatus, waiting } from "./Entries.ts"

/** A page, with what it asks for; every read is answered by `says`, when the test lets it. */
class Window {
  login: Login = nothingHeard
  sent: Array<Command> = []
  at = 0

  does(event: LoginEvent, at = this.at): ReadonlyArray<Command> {
    this.at = at
    const [login, commands] = step(this.login, event, at)
    this.login = login
    this.sent.push(...commands)
    return commands
  }

  hears(status: LoginStatus, at = this.at): ReadonlyArray<Command> {
    if (this.login.reading === "no") this.does({ type: "changed" }, at)
    return this.does({ type: "heard", status }, at)
  }

  /** Seconds pass; every poll and every read in them is answered so. */
  passes(seconds: number, status: LoginStatus): number {
    const polls = this.count("poll")
    for (let second = 0; second < seconds; second += 1) {
      const commands = [...this.does({ type: "tick" }, this.at + 1_000)]
      for (let command = commands.shift(); command !== undefined; command = commands.shift()) {
        commands.push(...this.does(command.type === "poll" ? { type: "polled" } : { type: "heard", status }))
      }
    }
    return this.count("poll") - polls
  }

  count(type: Command["type"]): number {
    return this.sent.filter((command) => command.type === type).length
  }
}

const octocat = { state: "ready", username: "octocat" } as const

describe("the loop of the page", () => {
  it("polls every 5 seconds while a flow is live, and then no more", () => {
    const page = new Window()
    page.hears(loginStatus())
    expect(page.passes(60, loginStatus())).toBe(0)
    page.hears(waiting())
    expect(page.passes(60, waiting())).toBe(12)
    page.hears(loginStatus({ id: "f1", phase: "ok" }, octocat))
    expect(page.passes(60, loginStatus({ id: "f1", phase: "ok" }, octocat))).toBe(0)
  })

  it("gives up after 180 polls, a quarter of an hour, until a person tries again", () => {
    const page = new Window()
    page.hears(waiting())
    expect(page.passes(899, waiting())).toBe(179)
    expect(isTimedOut(page.login)).toBe(false)
    expect(page.passes(1, waiting())).toBe(1)
    expect(isTimedOut(page.login)).toBe(true)
    expect(page.passes(3_600, waiting())).toBe(0)
    expect(page.count("poll")).toBe(POLL_ATTEMPTS)

    expect(page.does({ type: "act", action: "login" })).toEqual([{ type: "act", action: "login" }])
    page.does({ type: "acted", action: "login", failure: null })
    page.hears(waiting())
    expect(isTimedOut(page.login)).toBe(false)
    expect(page.passes(60, waiting())).toBe(12)
  })

  it("of an older flow stops when there is a newer one, which is taken over from its first poll on", () => {
    const page = new Window()
    page.hears(waiting("f1"))
    page.passes(800, waiting("f1"))
    page.hears(waiting("f2"))
    expect(page.login.loop).toMatchObject({ flow: "f2", attempts: 0 })
    page.passes(10, waiting("f2"))
    expect(page.login.loop).toMatchObject({ flow: "f2", attempts: 2 })
  })

  it("makes no burst of polls after the window slept", () => {
    const page = new Window()
    page.hears(waiting())
    page.at += 3_600_000
    expect(page.passes(10, waiting())).toBeLessThanOrEqual(4)
  })

  it("sends no second poll while one is without an answer", () => {
    const page = new Window()
    page.hears(waiting())
    for (let second = 0; second < 30; second += 1) page.does({ type: "tick" }, page.at + 1_000)
    expect(page.count("poll")).toBe(1)
  })
})

describe("what was heard", () => {
  it("is read one at a time, and once more when something happened meanwhile", () => {
    const page = new Window()
    expect(page.does({ type: "changed" })).toEqual([{ type: "read" }])
    expect(page.does({ type: "changed" })).toEqual([])
    expect(page.does({ type: "changed" })).toEqual([])
    expect(page.does({ type: "heard", status: waiting() })).toEqual([{ type: "read" }])
    expect(page.does({ type: "heard", status: waiting() })).toEqual([])
  })

  it("stays as it was while an end is being written, and is looked at again", () => {
    const page = new Window()
    page.hears(loginStatus({ id: "f1", phase: "exchanging", expires_in: 800 }, { state: "asking" }))
    page.hears(loginStatus({ id: "f1", phase: "ok" }, { state: "asking", username: "octocat" }))
    expect(page.login.heard?.phase).toBe("exchanging")
    expect(page.does({ type: "tick" }, page.at + 1_000)).toEqual([{ type: "read" }])
    page.hears(loginStatus({ id: "f1", phase: "ok" }, octocat))
    expect(page.login.heard?.account.state).toBe("ready")
  })

  it("counts the code down by elapsed time, and whole seconds of the daemon do not make it jump", () => {
    const page = new Window()
    page.hears(waiting("f1", { expires_in: 900 }), 10_000)
    expect(secondsLeft(page.login, 10_000)).toBe(900)
    expect(secondsLeft(page.login, 12_400)).toBe(898)
    page.hears(waiting("f1", { expires_in: 898 }), 12_400)
    expect(page.login.deadline).toBe(910_000)
    // A daemon whose clock was set forward says how much less there is.
    page.hears(waiting("f1", { expires_in: 100 }), 13_000)
    expect(secondsLeft(page.login, 13_000)).toBe(100)
    expect(secondsLeft(page.login, 500_000)).toBe(0)
    page.hears(waiting("f2", { expires_in: 900 }), 14_000)
    expect(secondsLeft(page.login, 14_000)).toBe(900)
  })
})

describe("a daemon that goes away", () => {
  it("is asked again every 5 seconds, and the flow is taken up without a person", () => {
    const page = new Window()
    page.hears(waiting())
    page.does({ type: "cut", why: "lost" }, 1_000)
    expect(page.login).toMatchObject({ away: "lost", heard: { user_code: "ABCD-1234" } })
    for (let at = 2_000; at < 61_000; at += 1_000) {
      for (const _ of page.does({ type: "tick" }, at)) page.does({ type: "unheard", of: "read", why: "lost" })
    }
    expect([page.count("read"), page.count("poll")]).toEqual([1 + 11, 0])
    page.does({ type: "changed" })
    page.hears(waiting())
    expect(page.login.away).toBeNull()
    // The first of them at once.
    expect(page.passes(20, waiting())).toBe(5)
  })

  it("is asked for the flow again that it did not answer, until there is one", () => {
    const page = new Window()
    page.hears(loginStatus())
    page.does({ type: "act", action: "login" })
    page.does({ type: "unanswered", action: "login" })
    expect(page.login).toMatchObject({ away: "lost", action: null, failure: null })
    expect(page.hears(loginStatus())).toEqual([{ type: "act", action: "login" }])
    page.does({ type: "unanswered", action: "login" })
    expect(page.hears(waiting())).toEqual([])
    expect(page.login.unanswered).toBeNull()
  })

  it("is asked for another account's code only when the flow is still the one before", () => {
    const page = new Window()
    page.hears(waiting("f1"))
    page.does({ type: "act", action: "switch" })
    page.does({ type: "unanswered", action: "switch" })
    expect(page.hears(waiting("f1"))).toEqual([{ type: "act", action: "switch" }])
    page.does({ type: "unanswered", action: "switch" })
    expect(page.hears(waiting("f2"))).toEqual([])
  })

  it("is not asked by itself to end anything", () => {
    const page = new Window()
    page.hears(loginStatus({}, octocat))
    page.does({ type: "act", action: "logout" })
    page.does({ type: "unanswered", action: "logout" })
    expect(page.login.failure?.words).toContain("went away")
    expect(page.hears(loginStatus({}, octocat))).toEqual([])
  })
})

describe("an action", () => {
  it("is done once, however often it is clicked", () => {
    const page = new Window()
    page.hears(loginStatus())
    for (let click = 0; click < 5; click += 1) page.does({ type: "act", action: "login" })
    expect(page.count("act")).toBe(1)
  })

  it("that starts a flow can be cancelled before it is answered, and its own end is no news then", () => {
    const page = new Window()
    page.hears(loginStatus())
    page.does({ type: "act", action: "login" })
    expect(page.does({ type: "act", action: "cancel" })).toEqual([{ type: "act", action: "cancel" }])
    page.does({ type: "acted", action: "login", failure: "The login was cancelled before the provider gave a code." })
    expect(page.login).toMatchObject({ action: "cancel", failure: null })
    page.does({ type: "acted", action: "cancel", failure: null })
    expect(page.login.action).toBeNull()
  })

  it("is not possible while nobody answers", () => {
    const page = new Window()
    page.hears(loginStatus())
    page.does({ type: "cut", why: "lost" })
    expect(page.does({ type: "act", action: "login" })).toEqual([])
  })

  it("that failed is told until something else becomes of the login", () => {
    const page = new Window()
    page.hears(loginStatus({}, { state: "no_access", username: "octocat" }))
    page.does({ type: "act", action: "retry" })
    page.does({ type: "acted", action: "retry", failure: "still no access" })
    for (let times = 0; times < 3; times += 1) {
      page.hears(loginStatus({}, { state: "no_access", username: "octocat" }))
      expect(page.login.failure?.words).toBe("still no access")
    }
    page.hears(loginStatus({}, octocat))
    expect(page.login.failure).toBeNull()
  })
})
