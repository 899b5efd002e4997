/** The model account on the first page: who is signed in, and signing in by device code. */
import type { Answer } from "./Ask.ts"
import { h, now, setText } from "./Dom.ts"
import { type Action, type Command, isLive, type LoginEvent, nothingHeard, step } from "./Login.ts"
import { modelPicker } from "./LoginModels.ts"
import { type View, viewOf } from "./LoginView.ts"
import { fetchLogin, perform, poll } from "./LoginWire.ts"
import type { Seen } from "./Seen.ts"

export interface LoginSection {
  readonly root: HTMLElement
  /** The first answer is there; or it takes so long that the rest of the page is not to wait for it. */
  readonly ready: Promise<void>
  readonly update: (seen: Seen) => void
  readonly tick: () => void
  readonly close: () => void
}

/** The machine whose transitions tell of the login. */
const MACHINE = "deviceLogin"
/** Transitions come in bursts. */
const BURST_MS = 60
const COPIED_MS = 2_000
const READY_MS = 500

const ACTIONS: ReadonlyArray<Action> = ["login", "switch", "retry", "cancel", "logout"]

export const loginSection = (): LoginSection => {
  const picker = modelPicker()
  const parts = makeParts((action) => tell({ type: "act", action }), picker.root)
  const { promise: ready, resolve: isReady } = Promise.withResolvers<void>()
  const gone = new AbortController()

  let login = nothingHeard
  let told = -1
  let burst: ReturnType<typeof setTimeout> | undefined

  const draw = (): void => {
    const view = viewOf(login, now())
    parts.draw(view, login.heard !== null && isLive(login.heard))
    picker.show(view.models)
  }
  const tell = (event: LoginEvent): void => {
    if (gone.signal.aborted) return
    const [next, commands] = step(login, event, now())
    login = next
    draw()
    for (const command of commands) void carryOut(command)
  }
  const carryOut = async (command: Command): Promise<void> => {
    switch (command.type) {
      case "read": {
        const answer = await fetchLogin()
        tell(
          answer.type === "ok"
            ? { type: "heard", status: answer.value }
            : { type: "unheard", of: "read", why: whyOf(answer) }
        )
        return isReady()
      }
      case "poll": {
        const answer = await poll()
        return tell(answer.type === "ok" ? { type: "polled" } : { type: "unheard", of: "poll", why: whyOf(answer) })
      }
      case "act": {
        const { action } = command
        const answer = await perform(action)
        if (answer.type === "away") return tell({ type: "unanswered", action })
        return tell({ type: "acted", action, failure: answer.type === "ok" ? answer.value : answer.words })
      }
    }
  }

  // What another window did meanwhile is seen as soon as this one is looked at.
  document.addEventListener(
    "visibilitychange",
    () => {
      if (document.visibilityState !== "visible") return
      tell({ type: "changed" })
      picker.refresh()
    },
    { signal: gone.signal }
  )
  tell({ type: "changed" })
  setTimeout(isReady, READY_MS)

  return {
    root: parts.root,
    ready,
    update: (seen) => {
      if (seen.connection === "lost" || seen.connection === "refused") {
        if (login.away !== seen.connection) tell({ type: "cut", why: seen.connection })
        told = -1
        return
      }
      const last = seen.rows.findLast((row) => row.kind === "transition" && row.entry.machine === MACHINE)?.key ?? 0
      if (seen.connection !== "live" || last === told) return
      told = last
      clearTimeout(burst)
      burst = setTimeout(() => tell({ type: "changed" }), BURST_MS)
    },
    tick: () => tell({ type: "tick" }),
    close: () => {
      clearTimeout(burst)
      gone.abort()
    }
  }
}

const whyOf = (answer: Answer<unknown>) => (answer.type === "away" ? answer.why : "odd")

/** The elements, each made once: what stays keeps its focus and its selection. */
const makeParts = (act: (action: Action) => void, models: HTMLElement) => {
  const title = h("h2", { id: "account-title", tabindex: -1 }, "Model account")
  const word = h("p", { class: "word" })
  const text = h("p", { class: "text" })
  const code = h("code", { class: "user-code" })
  const failure = h("p", { class: "failure" })
  const warnings = h("div", { class: "warnings", role: "status", "aria-live": "polite" })
  const copy = h("button", { type: "button", class: "copy", click: () => void copyCode() }, "Copy")
  const link = h("a", { class: "main", target: "_blank", rel: "noopener noreferrer" })
  const place = h("p", { class: "place" })
  const left = h("p", { class: "note left" })
  const signUp = h("a", { target: "_blank", rel: "noopener noreferrer" }, "Sign up")
  const buttons = new Map(
    ACTIONS.map((action) => [action, h("button", { type: "button", "data-action": action, click: () => act(action) })])
  )
  const codeTools = h("div", { class: "tools-row" }, copy, link)
  const offers = h("div", { class: "tools-row" })
  const body = h(
    "div",
    { class: "login" },
    h("div", { class: "said", role: "status", "aria-live": "polite" }, word, text, failure, code),
    place,
    codeTools,
    left,
    models,
    offers,
    // Below all else, so that a daemon that goes away moves nothing that a person is about to copy or click.
    warnings
  )
  const root = h("section", { class: "card account", "aria-labelledby": "account-title" }, title, body)

  /** Where the rest of the page lies below, a login that goes on by itself moves nothing there. */
  const isNarrow = matchMedia("(max-width: 62rem)")
  let held = 0
  const hold = (isMoving: boolean): void => {
    body.style.minHeight = ""
    if (isNarrow.matches && isMoving) held = Math.max(held, body.getBoundingClientRect().height)
    body.style.minHeight = held === 0 || !isNarrow.matches ? "" : `${held}px`
  }
  body.addEventListener("click", ({ target }) => {
    if (target instanceof Element && target.closest("[data-action]") !== null) held = 0
  })

  let copied: ReturnType<typeof setTimeout> | undefined
  const copyCode = async (): Promise<void> => {
    let words = "Copied"
    try {
      await navigator.clipboard.writeText(code.textContent)
    } catch {
      // A browser that keeps its clipboard to itself: the code is selected instead.
      getSelection()?.selectAllChildren(code)
      words = "Press Ctrl+C"
    }
    setText(copy, words)
    clearTimeout(copied)
    copied = setTimeout(() => setText(copy, "Copy"), COPIED_MS)
  }

  const drawOffers = (view: View): void => {
    const shown = view.offers.flatMap((offer) => buttons.get(offer.action) ?? [])
    for (const { action, isMain, isOff, label } of view.offers) {
      const button = buttons.get(action)
      if (button === undefined) continue
      setText(button, label)
      button.classList.toggle("main", isMain)
      // Not `disabled`: that would take the focus away.
      button.setAttribute("aria-disabled", String(isOff === true))
    }
    const wanted = [...shown.slice(0, 1), ...(view.signUp === null ? [] : [signUp]), ...shown.slice(1)]
    if (view.signUp !== null) signUp.href = view.signUp
    if (wanted.length === offers.children.length && wanted.every((one, index) => offers.children[index] === one)) return
    for (const child of Array.from(offers.children).filter((one) => !wanted.some((other) => other === one)))
      child.remove()
    for (const [index, one] of wanted.entries()) {
      if (offers.children[index] !== one) offers.insertBefore(one, offers.children[index] ?? null)
    }
  }

  const draw = (view: View, isMoving: boolean): void => {
    const focused = root.contains(document.activeElement) ? document.activeElement : null
    root.dataset["state"] = view.kind
    setText(word, view.word)
    word.dataset["tone"] = view.tone
    setText(text, view.text)
    setText(failure, view.failure ?? "")
    while (warnings.children.length > view.warnings.length) warnings.lastElementChild?.remove()
    for (const [index, words] of view.warnings.entries()) {
      setText(warnings.children[index] ?? warnings.appendChild(h("p", { class: "warning" })), words)
    }
    setText(code, view.code?.text ?? "")
    const href = view.code?.place.href ?? null
    if (href === null) link.removeAttribute("href")
    else link.href = href
    setText(link, `Open ${view.code?.place.text ?? ""}`)
    setText(place, view.code?.place.text ?? "")
    setText(left, view.code?.left == null ? "" : `${view.code.left} left to enter it`)
    for (const one of [text, failure, code, left]) one.hidden = one.textContent === ""
    codeTools.hidden = view.code === null
    link.hidden = href === null
    place.hidden = view.code === null || href !== null
    drawOffers(view)
    hold(isMoving)
    if (focused !== null && !focused.checkVisibility()) title.focus({ preventScroll: true })
  }
  return { root, draw }
}
