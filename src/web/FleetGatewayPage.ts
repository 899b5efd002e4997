/** One gateway: what it runs and ran, what was tried, what it sent; and its end. */
import type { Tenure } from "../domain/index.ts"
import { confirm } from "./Confirm.ts"
import { h, setChildren, setText } from "./Dom.ts"
import { factElements, section } from "./Facts.ts"
import { fetchGateway, replyWords, revokeGateway, undoneWords } from "./FleetAsk.ts"
import { configAddress, type FleetPage, type Shell } from "./FleetPage.ts"
import { fleetQuestion } from "./FleetQuestion.ts"
import { sentList } from "./FleetSentList.ts"
import type { FleetState } from "./FleetState.ts"
import { ago, line, nowRuns, numbersOf, runsWords, STAND_WORDS, whyWords } from "./FleetWords.ts"
import type { Gateway, GatewayHistory } from "./FleetWire.ts"
import { type Fact, reasonWords } from "./ThisMachine.ts"
import { dateWords, shortEtag, spanWords } from "./Words.ts"

type Numbers = ReadonlyMap<string, number>

export const gatewayPage = (id: string, { changed }: Shell): FleetPage => {
  let state: FleetState | null = null
  let now: number | null = null
  let history: GatewayHistory | null = null

  const word = h("p", { class: "word stand" })
  const why = h("p", { class: "why" })
  const facts = h("dl", { class: "facts" })
  const tried = h("dl", { class: "facts" })
  const tenures = h("ol", { class: "tenures" })
  const events = sentList("It has sent no events.")
  const runs = sentList("It has sent no runs.")
  const failure = h("p", { class: "failure", role: "alert", hidden: true })
  const title = h("h1", { tabindex: -1, class: "name mono" }, line(id, 300))
  const end = confirm({
    button: "Revoke this gateway",
    words:
      "Its identity ends for good: from its next poll on it gets no revision and its reports are not taken. The machine goes on with what it runs, says that its credential is dead, and joins again only with a token.",
    yes: "Yes, revoke it",
    no: "No, keep it",
    elsewhere: title,
    carryOut: async () => {
      const why = undoneWords(await revokeGateway(id), "The revocation")
      if (why !== null) return why
      changed()
      question.ask()
      return null
    }
  })
  const root = h(
    "div",
    { class: "gateway-page" },
    h("p", { class: "crumbs" }, h("a", { href: "#" }, "Fleet")),
    h("div", { class: "heading" }, title),
    failure,
    h(
      "div",
      { class: "gateway-bench" },
      h(
        "div",
        { class: "column" },
        section("What it runs", "gateway-now", h("div", { class: "verdict" }, word, why), facts),
        section("What was tried", "gateway-tried", tried),
        section("Revoke", "gateway-end", end.root)
      ),
      h(
        "div",
        { class: "column" },
        section("What it ran", "gateway-ran", tenures),
        section("Events", "gateway-events", events.root),
        section("Runs that ended", "gateway-runs", runs.root)
      )
    )
  )

  const gatewayNow = (): Gateway | null =>
    state?.fleet?.gateways.find((one) => one.id === id) ?? history?.gateway ?? null

  const numbers = (): Numbers => {
    const config = gatewayNow()?.config
    return numbersOf(state?.fleet?.configs.find(({ name }) => name === config))
  }
  const draw = (): void => {
    const gateway = gatewayNow()
    if (gateway === null || now === null) return
    word.dataset["stand"] = gateway.standing
    setText(word, STAND_WORDS[gateway.standing].word)
    setText(why, whyWords(gateway, now) || line(gateway.why))
    setChildren(facts, ...factElements(factsOf(gateway, now), ""))
    const config = facts.querySelector("dd .value[title='config']")
    if (config !== null && config.querySelector("a") === null) {
      config.replaceChildren(h("a", { href: configAddress(gateway.config) }, line(gateway.config, 80)))
    }
    setChildren(tried, ...factElements(triedOf(gateway, numbers(), now), "Nothing was reported yet."))
    end.show(!gateway.revoked)
    const at = now
    if (history === null) return
    setChildren(
      tenures,
      ...orNone(
        history.tenures.map((one) => tenureElement(one, numbers(), at)),
        "Nothing is known of what it ran."
      )
    )
    events.update(history.events, numbers(), at)
    runs.update(history.runs, numbers(), at)
  }
  const question = fleetQuestion(
    () => fetchGateway(id),
    (reply) => {
      failure.hidden = reply.type === "ok" || reply.type === "same"
      if (reply.type === "ok") history = reply.value
      else if (reply.type !== "same") setText(failure, replyWords(reply, "This gateway"))
      root.dataset["known"] = String(history !== null)
      draw()
    }
  )

  return {
    title: () => `${line(id, 60)} · Fleet`,
    root,
    update: (next, at) => {
      state = next
      now = at
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

const orNone = (all: ReadonlyArray<HTMLElement>, words: string): ReadonlyArray<HTMLElement> =>
  all.length === 0 ? [h("li", { class: "none" }, words)] : all

const factsOf = (gateway: Gateway, now: number): ReadonlyArray<Fact> => [
  { name: "Config", value: line(gateway.config, 80), full: "config" },
  {
    name: "Revision",
    value: nowRuns(gateway),
    ...(gateway.running_etag === null ? {} : { full: gateway.running_etag }),
    ...(gateway.running_forced ? { note: "was saved by force" } : {})
  },
  ...(gateway.running_since === null ? [] : [moment("Since", gateway.running_since, now)]),
  gateway.last_seen === null ? { name: "Last seen", value: "never" } : moment("Last seen", gateway.last_seen, now),
  ...(gateway.reported_at === null
    ? [{ name: "Last report", value: "never" }]
    : [moment("Last report", gateway.reported_at, now)]),
  moment("Joined", gateway.joined_at, now),
  ...(gateway.version === null ? [] : [{ name: "Version", value: line(gateway.version, 60) }]),
  ...(gateway.platform === null ? [] : [{ name: "Platform", value: line(gateway.platform, 60) }]),
  ...(gateway.agents === null ? [] : [{ name: "Agents", value: String(gateway.agents) }]),
  ...(gateway.runs === null ? [] : [{ name: "Runs", value: String(gateway.runs) }])
]

const triedOf = ({ last_attempt, last_rollback }: Gateway, numbers: Numbers, now: number): ReadonlyArray<Fact> => [
  ...(last_attempt == null
    ? []
    : [
        {
          name: "Last attempt",
          value: line(`${runsWords(last_attempt.etag, numbers)}: ${reasonWords(last_attempt.verdict)}`),
          note: line(
            [ago(last_attempt.at, now), ...(last_attempt.reason == null ? [] : [last_attempt.reason])].join(" · "),
            1_000
          ),
          tone: last_attempt.verdict === "applied" ? ("good" as const) : ("bad" as const)
        }
      ]),
  ...(last_rollback == null
    ? []
    : [
        {
          name: "Last rollback",
          value: line(`${runsWords(last_rollback.etag, numbers)}: ${reasonWords(last_rollback.reason)}`),
          note: line(
            [ago(last_rollback.at, now), ...(last_rollback.detail === undefined ? [] : [last_rollback.detail])].join(
              " · "
            ),
            1_000
          ),
          tone: "bad" as const
        }
      ])
]

const moment = (name: string, iso: string, now: number): Fact => ({
  name,
  value: dateWords(Date.parse(iso), now),
  note: ago(iso, now),
  full: iso
})

const tenureElement = ({ etag, since, until }: Tenure, numbers: Numbers, now: number): HTMLElement => {
  const end = until === null ? now : Date.parse(until)
  const span = spanWords((end - Date.parse(since)) / 1000)
  const when = `${dateWords(Date.parse(since), now)} – ${until === null ? "now" : dateWords(end, now)}`
  const seq = etag === null ? undefined : numbers.get(etag)
  return h(
    "li",
    until === null ? { class: "lasts" } : {},
    h("code", { title: etag ?? "" }, etag === null ? "its joining document" : shortEtag(etag)),
    seq === undefined ? null : ` r${seq}`,
    h("span", { class: "note" }, Number.isFinite(Date.parse(since)) ? `${when} · ${span}` : "at an unknown time")
  )
}
