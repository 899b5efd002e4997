/** Policy tokens: what machines join with. */
import type { TokenView } from "../domain/index.ts"
import { confirm } from "./Confirm.ts"
import { h, setText } from "./Dom.ts"
import { createToken, fetchTokens, replyWords, revokeToken, undoneWords } from "./FleetAsk.ts"
import type { FleetPage, Shell } from "./FleetPage.ts"
import { fleetQuestion } from "./FleetQuestion.ts"
import type { FleetState } from "./FleetState.ts"
import { ago, counted, line } from "./FleetWords.ts"
import type { Secret } from "./FleetWire.ts"
import { agoWords } from "./Words.ts"

const LIVES: ReadonlyArray<readonly [words: string, seconds: number | null]> = [
  ["one hour", 3_600],
  ["one day", 86_400],
  ["one week", 604_800],
  ["30 days", 2_592_000],
  ["one year", 31_536_000],
  ["ever", null]
]

export const tokensPage = ({ changed }: Shell): FleetPage => {
  let state: FleetState | null = null
  let now: number | null = null
  let tokens: ReadonlyArray<TokenView> | null = null
  let isBusy = false
  const rows = new Map<string, TokenRow>()

  const names = h("datalist", { id: "token-configs" })
  const config = h("input", {
    id: "token-config",
    list: "token-configs",
    required: true,
    autocomplete: "off",
    spellcheck: "false"
  })
  const life = h(
    "select",
    { id: "token-life" },
    ...LIVES.map(([words], index) => h("option", { value: index, selected: words === "one week" }, words))
  )
  const make = h("button", { type: "submit", class: "main" }, "Make a token")
  const failure = h("p", { class: "failure", role: "alert", hidden: true })
  const secret = h("div", { class: "secret", role: "status" })
  const unlisted = h("p", { class: "failure", role: "alert", hidden: true })
  const list = h("ul", { class: "token-list" })
  const form = h(
    "form",
    {
      class: "token-form",
      submit: (event) => {
        event.preventDefault()
        void create()
      }
    },
    h("div", { class: "field" }, h("label", { for: "token-config" }, "Config that its gateways get"), config, names),
    h("div", { class: "field" }, h("label", { for: "token-life" }, "Machines can join for"), life),
    make
  )
  const root = h(
    "div",
    { class: "tokens-page" },
    h("div", { class: "heading" }, h("h1", { tabindex: -1 }, "Tokens")),
    h(
      "section",
      { class: "card", "aria-labelledby": "token-new" },
      h("h2", { id: "token-new" }, "New token"),
      form,
      failure,
      secret
    ),
    h("section", { class: "card list-card", "aria-label": "Tokens, the newest first" }, unlisted, list)
  )

  const say = (element: HTMLElement, words: string): void => {
    setText(element, words)
    element.hidden = words === ""
  }
  const create = async (): Promise<void> => {
    if (isBusy) return
    isBusy = true
    make.setAttribute("aria-disabled", "true")
    say(failure, "")
    const name = config.value.trim()
    const reply = await createToken(name, LIVES[Number(life.value)]?.[1] ?? null)
    isBusy = false
    make.removeAttribute("aria-disabled")
    if (reply.type === "ok") {
      secret.replaceChildren(...secretElements(reply.value, name, state?.fleet?.central.external_url ?? ""))
      secret.querySelector<HTMLElement>("button")?.focus()
    } else if (reply.type !== "same") {
      // A token whose secret nobody saw is of no use, and does no harm.
      say(
        failure,
        `${replyWords(reply, "The token")}${reply.type === "away" ? " If one appears below, nobody has its secret: revoke it." : ""}`
      )
    }
    changed()
    question.ask()
  }
  const question = fleetQuestion(fetchTokens, (reply) => {
    if (reply.type === "same") return
    say(unlisted, reply.type === "ok" ? "" : `The tokens cannot be listed. ${replyWords(reply, "The tokens")}`)
    if (reply.type !== "ok") return
    tokens = reply.value.toSorted((a, b) => (a.created_at < b.created_at ? 1 : -1))
    draw()
  })
  const draw = (): void => {
    if (tokens === null) return
    root.dataset["known"] = String(tokens.length)
    const all = tokens
    for (const [id, row] of rows) {
      if (all.some((token) => token.id === id)) continue
      row.root.remove()
      rows.delete(id)
    }
    if (all.length === 0) list.replaceChildren(h("li", { class: "none" }, "No tokens yet: no machine can join."))
    else list.querySelector(":scope > .none")?.remove()
    for (const [index, token] of all.entries()) {
      const row = rows.get(token.id) ?? tokenRow(token, question.ask)
      rows.set(token.id, row)
      if (list.children[index] !== row.root) list.insertBefore(row.root, list.children[index] ?? null)
      row.update(token, now)
    }
  }

  return {
    title: () => "Tokens · Fleet",
    root,
    update: (next, at) => {
      state = next
      now = at
      const configs = next.fleet?.configs.map(({ name }) => name) ?? []
      if (names.children.length !== configs.length)
        names.replaceChildren(...configs.map((name) => h("option", { value: name })))
      if (config.value === "" && configs.length === 1 && tokens === null) config.value = configs[0] ?? ""
      question.update(next)
      draw()
    },
    tick: (at) => {
      now = at
      draw()
    },
    close: question.close
  }
}

const secretElements = ({ id, token }: Secret, config: string, url: string): ReadonlyArray<HTMLElement> => {
  const command = `holdfast join ${url === "" ? "URL" : url} ${token}`
  return [
    h(
      "p",
      { class: "warning" },
      `This is the secret of ${line(id, 60)}, for "${line(config, 60)}". It is shown this once: copy it now.`
    ),
    copied("Secret", token),
    copied("On each machine", command),
    h(
      "p",
      { class: "note" },
      "A command line is seen by everybody on a machine: where others work, put the secret into a file of mode 0600 and say --token-file FILE instead."
    )
  ]
}

const copied = (name: string, text: string): HTMLElement => {
  const said = h("span", { class: "note", role: "status" })
  const shown = h("code", { tabindex: 0 }, text)
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text)
      setText(said, "Copied.")
    } catch {
      // Without https a browser has no clipboard: what is selected can be copied by a key.
      getSelection()?.selectAllChildren(shown)
      setText(said, "Selected: copy it by Ctrl+C.")
    }
  }
  return h(
    "div",
    { class: "copied" },
    h("p", { class: "note" }, name),
    shown,
    h(
      "p",
      { class: "tools-row" },
      h(
        "button",
        { type: "button", click: () => void copy() },
        `Copy ${name === "Secret" ? "the secret" : "the command"}`
      ),
      said
    )
  )
}

interface TokenRow {
  readonly root: HTMLElement
  readonly update: (token: TokenView, now: number | null) => void
}

const tokenRow = ({ config, id }: TokenView, done: () => void): TokenRow => {
  const state = h("span", { class: "token-state" })
  const words = h("p", { class: "note" })
  const about = h(
    "p",
    { tabindex: -1 },
    h("code", {}, line(id, 60)),
    " for ",
    h("strong", {}, line(config, 80)),
    " ",
    state
  )
  const end = confirm({
    button: "Revoke",
    label: `Revoke ${line(id, 60)}`,
    words: "No machine can join with it from then on. Gateways that joined with it stay, and go on as they are.",
    yes: "Yes, revoke it",
    no: "No, keep it",
    elsewhere: about,
    carryOut: async () => {
      const why = undoneWords(await revokeToken(id), "The revocation")
      if (why === null) done()
      return why
    }
  })
  const root = h("li", { "data-token": id }, h("div", {}, about, words), end.root)
  return {
    root,
    update: (token, now) => {
      const how = tokenState(token, now)
      state.dataset["tone"] = how === "good" ? "good" : "plain"
      setText(state, how === "good" ? "good" : how)
      root.classList.toggle("over", how !== "good")
      end.show(token.revoked_at === null)
      setText(
        words,
        [
          `made ${ago(token.created_at, now)}`,
          token.revoked_at === null ? expiryWords(token, now) : `revoked ${ago(token.revoked_at, now)}`,
          `${counted(token.gateways)} ${token.gateways === 1 ? "gateway has" : "gateways have"} joined with it`
        ].join(" · ")
      )
    }
  }
}

export const tokenState = (
  { expires_at, revoked_at }: Pick<TokenView, "expires_at" | "revoked_at">,
  now: number | null
): "good" | "revoked" | "expired" =>
  revoked_at !== null
    ? "revoked"
    : expires_at !== null && now !== null && Date.parse(expires_at) <= now
      ? "expired"
      : "good"

const expiryWords = ({ expires_at }: TokenView, now: number | null): string => {
  if (expires_at === null) return "does not expire"
  const at = Date.parse(expires_at)
  if (now === null || !Number.isFinite(at)) return "expires at an unknown time"
  return at <= now ? `expired ${ago(expires_at, now)}` : `expires ${agoWords(at, now)}`
}
