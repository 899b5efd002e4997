/** The form that starts a run. */
import type { RunView } from "../domain/index.ts"
import { h, setText } from "./Dom.ts"
import { requestOf, type Typed } from "./RunRequest.ts"
import { startRun } from "./RunWire.ts"

export interface RunStart {
  readonly root: HTMLElement
  /** Unfolds it, where nothing else is to be seen. */
  readonly unfold: () => void
}

/** As the daemon makes them up. */
const ID_BYTES = 12

export const runStart = (started: (run: Pick<RunView, "run_id">) => void): RunStart => {
  const agent = h("input", { id: "run-agent", value: "local", autocomplete: "off", spellcheck: "false" })
  const kinds = (["opencode", "exec"] as const).map((kind) =>
    h("input", { type: "radio", name: "run-kind", value: kind, checked: kind === "opencode", change: () => draw() })
  )
  const prompt = h("textarea", { id: "run-prompt", rows: 4 })
  const model = h("input", { id: "run-model", autocomplete: "off", spellcheck: "false", placeholder: "provider/model" })
  const argv = h("textarea", {
    id: "run-argv",
    rows: 4,
    class: "code",
    spellcheck: "false",
    placeholder: "sh\n-c\nmake test"
  })
  const limit = h("input", { id: "run-limit", type: "number", min: 1, step: "any", inputmode: "numeric" })
  const retain = h("input", { id: "run-retain", type: "checkbox", checked: true })
  const said = h("p", { class: "failure", role: "alert", hidden: true })
  const button = h("button", { type: "submit", class: "main" }, "Start")
  const openCode = h(
    "div",
    { class: "part" },
    field("Prompt", prompt),
    field("Model, if not OpenCode's own choice", model)
  )
  const exec = h("div", { class: "part" }, field("Command, one argument a line", argv))
  const [first, second] = kinds
  const form = h(
    "form",
    { class: "start-form", novalidate: true, submit: (event) => void submit(event) },
    field("Agent, which has one run at a time", agent),
    h(
      "fieldset",
      {},
      h("legend", {}, "What runs"),
      h("label", {}, first ?? "", " OpenCode"),
      h("label", {}, second ?? "", " Another program")
    ),
    openCode,
    exec,
    field("Ends after so many seconds, if at all", limit),
    h("label", { class: "check" }, retain, " Keep the output once there is a verdict"),
    h("div", { class: "tools-row" }, button),
    said
  )
  const root = h("details", { class: "card start-card" }, h("summary", {}, h("h2", {}, "Start a run")), form)

  /** Of a request that was not answered: the same one again starts nothing twice. */
  let unanswered: { readonly body: string; readonly id: string } | null = null
  let isBusy = false

  const draw = (): void => {
    const isOpenCode = first?.checked === true
    openCode.hidden = !isOpenCode
    exec.hidden = isOpenCode
  }
  const typed = (): Typed => ({
    kind: first?.checked === true ? "opencode" : "exec",
    agent: agent.value,
    prompt: prompt.value,
    model: model.value,
    argv: argv.value,
    limit: limit.value,
    retain: retain.checked
  })
  const say = (words: string): void => {
    setText(said, words)
    said.hidden = words === ""
  }
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (isBusy) return
    if (limit.validity.badInput) return say("The limit is a number of seconds.")
    isBusy = true
    button.setAttribute("aria-disabled", "true")
    say("")
    const body = JSON.stringify(typed())
    const isAgain = unanswered?.body === body
    const id = isAgain && unanswered !== null ? unanswered.id : newId()
    const answer = await startRun(requestOf(typed(), id))
    isBusy = false
    button.removeAttribute("aria-disabled")
    unanswered = answer.type === "away" ? { body, id } : null
    if (answer.type === "ok" || (answer.type === "failed" && isAgain && answer.code === "run_exists")) {
      return started({ run_id: id })
    }
    say(answer.type === "failed" ? refusalWords(answer.words) : UNANSWERED)
  }
  draw()
  return { root, unfold: () => void (root.open = true) }
}

const UNANSWERED =
  "The daemon did not answer. If it took the run, the run is in the list; starting it again here does not start it twice."

/** The daemon's own words; where they name a field of the request, that comes first. */
const refusalWords = (words: string): string => {
  const [what = "", where] = words.split("\n")
  const path = [...(where ?? "").matchAll(/"(\w+)"/g)].map(([, name]) => name).join(".")
  return path === "" ? `Not started: ${words}` : `Not started: ${path}: ${what}`
}

const newId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(ID_BYTES)), (byte) => byte.toString(16).padStart(2, "0")).join("")

const field = (words: string, control: HTMLElement): HTMLElement =>
  h("div", { class: "field" }, h("label", { for: control.id }, words), control)
