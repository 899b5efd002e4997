/** The first page of the fleet: each config and how far its newest revision has spread, and the gateways. */
import type { RevisionView } from "../domain/index.ts"
import { h, setText } from "./Dom.ts"
import { type Bar, bar, legend, piecesOf, piecesWords, spreadBar } from "./FleetBar.ts"
import { gatewayList } from "./FleetGatewayList.ts"
import { configAddress, type FleetPage, type Shell } from "./FleetPage.ts"
import { counted, headlineOf, line, savedWords, spreadWords } from "./FleetWords.ts"
import type { ConfigState, Fleet, Stand } from "./FleetWire.ts"
import { shortEtag } from "./Words.ts"

/** How many revisions a panel shows. */
const REVISIONS = 4

export const overviewPage = ({ go }: Shell): FleetPage => {
  const figures = h("p", { class: "note figures-line" })
  const panels = h("div", { class: "panels" })
  const list = gatewayList(() => drawPanels())
  const empty = h("div", { class: "firsts" })
  const name = h("input", {
    id: "new-config",
    required: true,
    maxlength: 200,
    autocomplete: "off",
    spellcheck: "false"
  })
  const another = h(
    "form",
    {
      class: "new-config",
      submit: (event) => {
        event.preventDefault()
        if (name.value.trim() !== "") go(configAddress(name.value.trim()))
      }
    },
    h("label", { for: "new-config" }, "New config"),
    name,
    h("button", { type: "submit" }, "Write it")
  )
  const root = h(
    "div",
    { class: "fleet-page", hidden: true },
    h("div", { class: "heading" }, h("h1", { tabindex: -1 }, "Fleet"), figures),
    empty,
    panels,
    another,
    list.root
  )
  const known = new Map<string, Panel>()
  let fleet: Fleet | null = null
  let now: number | null = null

  const drawPanels = (): void => {
    if (fleet === null) return
    const { configs } = fleet
    for (const [key, panel] of known) {
      if (configs.some((config) => config.name === key)) continue
      panel.root.remove()
      known.delete(key)
    }
    const { config: chosenConfig, stand } = list.chosen()
    for (const [index, config] of configs.entries()) {
      const panel =
        known.get(config.name) ??
        panelOf(config.name, (one) => {
          list.choose(config.name, one)
          list.root.scrollIntoView({ block: "nearest" })
        })
      known.set(config.name, panel)
      if (panels.children[index] !== panel.root) panels.insertBefore(panel.root, panels.children[index] ?? null)
      panel.update(config, now, chosenConfig === config.name ? stand : null)
    }
  }
  const draw = (): void => {
    if (fleet === null) return
    root.hidden = false
    const { configs, gateways } = fleet
    setText(
      figures,
      `${counted(gateways.length)} ${gateways.length === 1 ? "gateway" : "gateways"} · ${counted(configs.length)} ${configs.length === 1 ? "config" : "configs"}`
    )
    const steps = firstSteps(fleet)
    empty.hidden = steps.length === 0
    if (empty.dataset["steps"] !== String(steps.length)) {
      empty.dataset["steps"] = String(steps.length)
      empty.replaceChildren(...(steps.length === 0 ? [] : [stepsElement(steps)]))
    }
    list.root.hidden = gateways.length === 0
    drawPanels()
    list.update(fleet, now)
  }

  return {
    title: () => {
      const [config, ...others] = fleet?.configs ?? []
      return config === undefined || others.length > 0 ? "Fleet" : `${headlineOf(config)} · Fleet`
    },
    root,
    update: (state, at) => {
      fleet = state.fleet
      now = at
      draw()
    },
    tick: (at) => {
      now = at
      drawPanels()
      list.tick(at)
    },
    close: () => {}
  }
}

interface Panel {
  readonly root: HTMLElement
  readonly update: (config: ConfigState, now: number | null, chosen: Stand | null) => void
}

let panelsMade = 0

const panelOf = (name: string, choose: (stand: Stand) => void): Panel => {
  const id = `config-${++panelsMade}`
  const headline = h("p", { class: "headline" })
  const about = h("span", {})
  const etag = h("code", {})
  const large: Bar = bar("large")
  const words = legend(choose)
  const revisions = h("ol", { class: "revisions", reversed: true, "aria-label": "Newest revisions" })
  const rows = new Map<number, RevisionRow>()
  const all = h("a", { href: configAddress(name) })
  const root = h(
    "section",
    { class: "card config-panel", "aria-labelledby": id, "data-config": name },
    h("div", { class: "panel-head" }, h("h2", { id }, h("a", { href: configAddress(name) }, line(name, 80))), headline),
    h("p", { class: "note newest" }, etag, " ", about),
    large.root,
    words.root,
    revisions,
    h("p", { class: "note" }, all)
  )
  return {
    root,
    update: (config, now, chosen) => {
      const [newest] = config.newest
      setText(headline, headlineOf(config))
      setText(etag, newest === undefined ? "" : `r${newest.seq} ${shortEtag(newest.etag)}`)
      etag.title = newest?.etag ?? ""
      setText(about, newest === undefined ? "no revision yet" : savedWords(newest, now))
      const pieces = piecesOf(config)
      large.update(pieces, `Where its gateways stand: ${piecesWords(pieces)}`)
      large.root.hidden = pieces.length === 0
      words.update(pieces, chosen)
      const wanted = config.newest.slice(0, REVISIONS)
      for (const [seq, row] of rows) {
        if (wanted.some((one) => one.seq === seq)) continue
        row.root.remove()
        rows.delete(seq)
      }
      for (const [index, one] of wanted.entries()) {
        const row = rows.get(one.seq) ?? revisionRow(one)
        rows.set(one.seq, row)
        if (revisions.children[index] !== row.root) revisions.insertBefore(row.root, revisions.children[index] ?? null)
        row.update(one, config.gateways, now)
      }
      setText(
        all,
        `Edit, compare, roll back · ${counted(config.revisions)} ${config.revisions === 1 ? "revision" : "revisions"}`
      )
    }
  }
}

interface RevisionRow {
  readonly root: HTMLElement
  readonly update: (revision: RevisionView, gateways: number, now: number | null) => void
}

const revisionRow = ({ etag, seq }: RevisionView): RevisionRow => {
  const words = h("span", { class: "spread" })
  const saved = h("span", { class: "note saved" })
  const small = spreadBar()
  const root = h("li", {}, h("code", { title: etag }, `r${seq} ${shortEtag(etag)}`), small.root, words, saved)
  return {
    root,
    update: (revision, gateways, now) => {
      small.update(revision, gateways)
      setText(words, spreadWords(revision))
      setText(saved, savedWords(revision, now))
    }
  }
}

interface Step {
  readonly words: string
  readonly command: string
}

/** What an empty fleet needs next, one step after another. */
export const firstSteps = ({ central, configs, gateways }: Fleet): ReadonlyArray<Step> => {
  if (gateways.length > 0) return []
  const document: Step = {
    words: "A document that machines run, written below or put in a terminal.",
    command: "holdfast central config put default FILE --data DIR"
  }
  const token: Step = {
    words: "A policy token for it, made under Tokens or in a terminal. Its secret is shown once.",
    command: "holdfast central token create --config default --data DIR"
  }
  const join: Step = {
    words: "On each machine, with that secret.",
    command: `holdfast join ${central.external_url === "" ? "URL" : central.external_url} TOKEN`
  }
  return configs.length === 0 ? [document, token, join] : [token, join]
}

const stepsElement = (steps: ReadonlyArray<Step>): HTMLElement =>
  h(
    "section",
    { class: "card", "aria-labelledby": "firsts-title" },
    h("h2", { id: "firsts-title" }, steps.length === 3 ? "Nothing is here yet" : "No gateway has joined yet"),
    h(
      "ol",
      { class: "first-steps" },
      ...steps.map(({ command, words }) => h("li", {}, h("p", {}, words), h("pre", {}, command)))
    )
  )
