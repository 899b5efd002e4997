/** The gateways of the fleet: filtered, sorted, and of two thousand as many rows as anybody looks at. */
import { h, setText } from "./Dom.ts"
import { gatewayAddress } from "./FleetPage.ts"
import { ALL, type Column, COLUMNS, listed, type Listing, sorted } from "./FleetRows.ts"
import { ago, counted, line, nowRuns, STAND_WORDS, whyWords } from "./FleetWords.ts"
import { type Fleet, type Gateway, type Stand, STANDS } from "./FleetWire.ts"

/** How many rows are made before a person asks for more. */
const LISTED = 200

const NAMES: Readonly<Record<Column, string>> = {
  id: "Gateway",
  config: "Config",
  runs: "Runs",
  since: "Since",
  standing: "Standing",
  seen: "Last seen",
  version: "Version"
}

export interface GatewayList {
  readonly root: HTMLElement
  readonly update: (fleet: Fleet, now: number | null) => void
  readonly tick: (now: number | null) => void
  /** Lists those of a config that stand somewhere; the same again lists all. */
  readonly choose: (config: string, stand: Stand) => void
  readonly chosen: () => Pick<Listing, "config" | "stand">
}

/** `told` is called when somebody lists others. */
export const gatewayList = (told: () => void): GatewayList => {
  let fleet: Fleet | null = null
  let now: number | null = null
  let listing: Listing = ALL
  let most = LISTED
  const rows = new Map<string, Row>()

  const heads = COLUMNS.map((column) => ({
    column,
    head: h(
      "th",
      { scope: "col", role: "columnheader" },
      h("button", { type: "button", click: () => list(sorted(listing, column)) }, NAMES[column])
    )
  }))
  const body = h("tbody", { role: "rowgroup" })
  const table = h(
    "table",
    { role: "table", class: "gateway-table", "aria-labelledby": "gateways-title" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...heads.map(({ head }) => head))),
    body
  )
  const text = h("input", {
    type: "search",
    id: "gateway-text",
    placeholder: "id, etag, reason",
    spellcheck: "false",
    autocomplete: "off",
    input: () => list({ ...listing, text: text.value })
  })
  const config = h("select", {
    id: "gateway-config",
    change: () => list({ ...listing, config: config.selectedIndex === 0 ? null : config.value.slice(1) })
  })
  const stand = h("select", {
    id: "gateway-stand",
    change: () => list({ ...listing, stand: STANDS.find((one) => one === stand.value) ?? null })
  })
  const order = h("select", {
    id: "gateway-order",
    change: () => list({ ...listing, by: COLUMNS.find((one) => one === order.value) ?? "standing", isDown: false })
  })
  order.append(...COLUMNS.map((column) => h("option", { value: column }, NAMES[column].toLowerCase())))
  const clear = h("button", { type: "button", hidden: true, click: () => list({ ...ALL, by: listing.by }) }, "Show all")
  const more = h("button", { type: "button", class: "more", click: () => showMore() })
  const none = h("p", { class: "none", hidden: true }, "No gateway is like that.")
  const shown = h("p", { class: "note", role: "status" })
  const root = h(
    "section",
    { class: "card list-card gateways-card", "aria-labelledby": "gateways-title" },
    h(
      "div",
      { class: "list-head" },
      h("h2", { id: "gateways-title" }, "Gateways"),
      shown,
      h(
        "div",
        { class: "list-tools", role: "search" },
        labelled("Find", text),
        labelled("Config", config),
        labelled("Standing", stand),
        labelled("Order", order),
        clear
      )
    ),
    table,
    none,
    more
  )

  const list = (next: Listing): void => {
    listing = next
    most = LISTED
    draw()
    told()
  }
  const showMore = (): void => {
    most += LISTED
    draw()
  }
  const drawTools = ({ configs, gateways }: Fleet): void => {
    const names = [...new Set([...configs.map(({ name }) => name), ...gateways.map((one) => one.config)])].sort()
    // A config may have any name, so that of none is one that no config has.
    options(config, [["", "all"], ...names.map((name) => [`=${name}`, line(name, 60)] as const)])
    config.value = listing.config === null ? "" : `=${listing.config}`
    const there = STANDS.filter((one) => one === listing.stand || gateways.some(({ standing }) => standing === one))
    options(stand, [["", "all"], ...there.map((one) => [one, STAND_WORDS[one].word] as const)])
    stand.value = listing.stand ?? ""
    order.value = listing.by
    if (text.value !== listing.text) text.value = listing.text
    clear.hidden = listing.config === null && listing.stand === null && listing.text === ""
    for (const { column, head } of heads) {
      if (column === listing.by) head.setAttribute("aria-sort", listing.isDown ? "descending" : "ascending")
      else head.removeAttribute("aria-sort")
    }
  }
  const draw = (): void => {
    if (fleet === null) return
    const { gateways } = fleet
    drawTools(fleet)
    const all = listed(gateways, listing)
    const wanted = all.slice(0, most)
    const ids = new Set(wanted.map(({ id }) => id))
    for (const [id, { root: row }] of rows) {
      if (ids.has(id)) continue
      row.remove()
      rows.delete(id)
    }
    let place = body.firstElementChild
    for (const gateway of wanted) {
      const row = rows.get(gateway.id) ?? rowOf(gateway)
      rows.set(gateway.id, row)
      row.update(gateway, now)
      if (place === row.root) place = place.nextElementSibling
      else body.insertBefore(row.root, place)
    }
    const hidden = all.length - wanted.length
    more.hidden = hidden === 0
    setText(more, `Show ${counted(Math.min(hidden, LISTED))} of ${counted(hidden)} more`)
    none.hidden = all.length > 0
    table.hidden = all.length === 0
    setText(
      shown,
      all.length === gateways.length ? counted(all.length) : `${counted(all.length)} of ${counted(gateways.length)}`
    )
    body.dataset["drawn"] = String(wanted.length)
  }

  return {
    root,
    update: (next, at) => {
      fleet = next
      now = at
      draw()
    },
    tick: (at) => {
      now = at
      for (const row of rows.values()) row.tick(at)
    },
    choose: (name, one) => {
      const isSame = listing.config === name && listing.stand === one
      list({ ...listing, text: "", config: isSame ? null : name, stand: isSame ? null : one })
    },
    chosen: () => listing
  }
}

const labelled = (name: string, field: HTMLElement): HTMLElement =>
  h("div", { class: "tool" }, h("label", { for: field.id }, name), field)

/** Puts other options in only where they differ, so that an open list stays open. */
const options = (select: HTMLSelectElement, all: ReadonlyArray<readonly [value: string, words: string]>): void => {
  const isSame =
    select.options.length === all.length &&
    all.every(([value, words], index) => select.options[index]?.value === value && select.options[index].text === words)
  if (!isSame) select.replaceChildren(...all.map(([value, words]) => h("option", { value }, words)))
}

interface Row {
  readonly root: HTMLElement
  readonly update: (gateway: Gateway, now: number | null) => void
  readonly tick: (now: number | null) => void
}

/** One gateway; its parts are made once, and only what differs is written. */
const rowOf = ({ id }: Gateway): Row => {
  const config = h("td", { role: "cell", "data-name": "Config" })
  const runs = h("td", { role: "cell", class: "mono", "data-name": "Runs" })
  const since = h("td", { role: "cell", "data-name": "Since", class: "when" })
  const word = h("span", { class: "stand" })
  const why = h("span", { class: "why" })
  const seen = h("td", { role: "cell", "data-name": "Last seen", class: "when" })
  const version = h("td", { role: "cell", "data-name": "Version" })
  const root = h(
    "tr",
    { role: "row", "data-gateway": id },
    h(
      "th",
      { scope: "row", role: "rowheader" },
      h(
        "a",
        { href: gatewayAddress(id), class: "mono", title: id.length > 60 ? id.slice(0, 300) : false },
        line(id, 80)
      )
    ),
    config,
    runs,
    since,
    h("td", { role: "cell", "data-name": "Standing", class: "standing" }, word, " ", why),
    seen,
    version
  )
  let known: Gateway | null = null
  const tick = (now: number | null): void => {
    if (known === null) return
    setText(since, known.running_since === null ? "—" : ago(known.running_since, now))
    setText(seen, known.last_seen === null ? "never" : ago(known.last_seen, now))
    setText(why, now === null ? "" : whyWords(known, now))
  }
  return {
    root,
    tick,
    update: (gateway, now) => {
      known = gateway
      setText(config, line(gateway.config, 60))
      setText(runs, `${nowRuns(gateway)}${gateway.running_forced ? " · by force" : ""}`)
      if (gateway.running_etag !== null) runs.title = gateway.running_etag
      word.dataset["stand"] = gateway.standing
      setText(word, STAND_WORDS[gateway.standing].word)
      setText(version, gateway.version === null ? "—" : line(gateway.version, 40))
      tick(now)
    }
  }
}
