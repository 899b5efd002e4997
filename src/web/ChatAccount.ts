/** Which model is asked, and what stands in the way of asking any: the model account in a line. */
import { h, now, setText } from "./Dom.ts"
import { nothingHeard } from "./Login.ts"
import { modelPicker } from "./LoginModels.ts"
import { viewOf } from "./LoginView.ts"
import { fetchLogin } from "./LoginWire.ts"
import type { Seen } from "./Seen.ts"

export interface ChatAccount {
  readonly picker: HTMLElement
  readonly notice: HTMLElement
  /** The account is looked at again. */
  readonly refresh: () => void
  readonly update: (seen: Seen) => void
  readonly pickModel: () => void
  readonly signUp: () => string | null
  readonly close: () => void
}

/** The machine whose transitions tell of the login. */
const MACHINE = "deviceLogin"

/** `changed` is called when something else is known of the account. */
export const chatAccount = (changed: () => void): ChatAccount => {
  const picker = modelPicker()
  const word = h("p", { class: "word" })
  const text = h("p", {})
  const link = h("a", { class: "main", href: "/" }, "Model account")
  const signUpLink = h("a", { target: "_blank", rel: "noopener noreferrer" }, "Sign up")
  const notice = h(
    "div",
    { class: "warning chat-account", role: "status", hidden: true },
    word,
    text,
    h("div", { class: "tools-row" }, link, signUpLink)
  )
  const gone = new AbortController()
  let signUp: string | null = null
  let told = -1
  let turn = 0

  const refresh = async (): Promise<void> => {
    const mine = ++turn
    const answer = await fetchLogin()
    // That nobody answers is said at the top of the page.
    if (answer.type !== "ok" || mine !== turn || gone.signal.aborted) return
    const view = viewOf({ ...nothingHeard, heard: answer.value }, now())
    picker.show(view.models)
    notice.hidden = view.models !== null
    setText(word, view.word)
    setText(text, view.kind === "waiting" ? "A login is under way: its code is shown with the account." : view.text)
    ;({ signUp } = view)
    signUpLink.hidden = signUp === null
    if (signUp !== null) signUpLink.href = signUp
    changed()
  }
  document.addEventListener(
    "visibilitychange",
    () => {
      if (document.visibilityState !== "visible") return
      void refresh()
      picker.refresh()
    },
    { signal: gone.signal }
  )

  return {
    picker: picker.root,
    notice,
    refresh: () => void refresh(),
    update: (seen) => {
      if (seen.connection !== "live") {
        told = -1
        return
      }
      const last = seen.rows.findLast((row) => row.kind === "transition" && row.entry.machine === MACHINE)?.key ?? 0
      if (last === told) return
      told = last
      void refresh()
    },
    pickModel: () => picker.root.querySelector("select")?.focus(),
    signUp: () => signUp,
    close: () => gone.abort()
  }
}
