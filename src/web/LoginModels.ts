/** The model that agents and chat use, to be picked from what the account offers. */
import type { Answer } from "./Ask.ts"
import { h, setChildren, setText } from "./Dom.ts"
import { type Choices, fetchModels, setModel } from "./LoginWire.ts"

/** The configured one, or what the provider chooses. */
const OWN_CHOICE = "The default"

export interface ModelPicker {
  readonly root: HTMLElement
  /** Lists the models for this account, once; null: there is nobody to list them for. */
  readonly show: (account: string | null) => void
  /** Lists them anew: they may have changed elsewhere. */
  readonly refresh: () => void
}

export const modelPicker = (): ModelPicker => {
  const select = h("select", { id: "model", change: () => void pick(select.value) })
  const said = h("p", { class: "note", role: "status" })
  const again = h("button", { type: "button", click: () => void list() }, "List models again")
  const root = h("div", { class: "models" }, h("label", { for: "model" }, "Model"), select, said, again)
  root.hidden = true

  let account: string | null = null
  let known: Choices | null = null
  // Answers that came after something else was asked are of no interest.
  let turn = 0

  const draw = (words: string, failed: boolean): void => {
    setText(said, words)
    said.classList.toggle("failure", failed)
    said.hidden = words === ""
    again.hidden = !(failed && known === null)
    select.hidden = known === null
    root.classList.toggle("empty", known === null)
    if (known === null) return
    const { model, models } = known
    const isKnown = model === null || models.some(({ id }) => id === model)
    setChildren(
      select,
      h("option", { value: "" }, OWN_CHOICE),
      ...(isKnown ? [] : [h("option", { value: model }, `${model} (not offered now)`)]),
      ...models.map(({ id, name }) => h("option", { value: id }, name === id ? id : `${name} (${id})`))
    )
    select.value = model ?? ""
  }

  const list = async (): Promise<void> => {
    const mine = ++turn
    if (known === null) draw("Asking for the models…", false)
    const answer = await fetchModels()
    if (mine !== turn) return
    if (answer.type === "ok") known = answer.value
    draw(answer.type === "ok" ? "" : `The models cannot be listed: ${wordsOf(answer)}`, answer.type !== "ok")
  }

  const pick = async (id: string): Promise<void> => {
    if (known === null) return
    const model = id === "" ? null : id
    const mine = ++turn
    draw(`Setting ${model ?? "the default"}…`, false)
    select.value = id
    const answer = await setModel(model)
    if (mine !== turn) return
    if (answer.type === "ok") known = { ...known, model }
    draw(
      answer.type === "ok" ? `${model ?? OWN_CHOICE} is used from now on.` : `Nothing was changed: ${wordsOf(answer)}`,
      answer.type !== "ok"
    )
  }

  return {
    root,
    show: (next) => {
      root.hidden = next === null
      if (next === account) return
      account = next
      known = null
      turn += 1
      if (next !== null) void list()
    },
    refresh: () => {
      if (account !== null && known !== null) void list()
    }
  }
}

const wordsOf = (answer: Exclude<Answer<unknown>, { readonly type: "ok" }>): string =>
  answer.type === "failed" ? answer.words : "the daemon does not answer."
