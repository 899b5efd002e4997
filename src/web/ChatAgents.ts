/** The agents that a model may call, and the files that hold none: as the folder is now. */
import { fetchAgents, installPackages, type Roster } from "./ChatWire.ts"
import { h, setChildren, setText } from "./Dom.ts"
import { section } from "./Facts.ts"

export interface AgentsPanel {
  readonly root: HTMLElement
  /** The folder is looked at again; soon, where a look is under way. */
  readonly refresh: () => void
}

export const agentsPanel = (): AgentsPanel => {
  const list = h("ul", { class: "agent-list" })
  const said = h("p", { class: "note", role: "status" }, "Looking for agents…")
  const again = h("button", { type: "button", click: () => void refresh() }, "Look again")
  const root = section("Agents", "agents-card", list, said, h("div", { class: "tools-row" }, again))
  let roster: Roster = { agents: [], quarantined: [] }
  let looking: "no" | "once" | "again" = "no"

  const refresh = async (): Promise<void> => {
    if (looking !== "no") {
      looking = "again"
      return
    }
    looking = "once"
    const answer = await fetchAgents()
    if (answer.type === "ok") {
      roster = answer.value
      setChildren(list, ...rowsOf(roster, install))
      setText(said, roster.agents.length + roster.quarantined.length === 0 ? NONE : "")
    } else {
      const why = answer.type === "failed" ? answer.words : "the daemon does not answer."
      setText(said, `The agents cannot be listed: ${why}`)
    }
    said.hidden = said.textContent === ""
    const isWanted = String(looking) === "again"
    looking = "no"
    if (isWanted) await refresh()
  }
  /** A click is the agreement; what comes of it is told by the looks that follow. */
  const install = async (file: string, button: HTMLButtonElement): Promise<void> => {
    button.disabled = true
    const answer = await installPackages(file)
    if (answer.type === "failed") setText(said, answer.words)
    if (answer.type === "away") setText(said, "The daemon does not answer: nothing was asked of it.")
    said.hidden = said.textContent === ""
    for (let look = 0; look < LOOKS; look++) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      await refresh()
      // While it is being installed nothing is offered.
      if (!roster.quarantined.some((one) => one.file === file && one.installable === undefined)) return
    }
  }
  return { root, refresh: () => void refresh() }
}

/** An install is watched for three minutes; whoever wants to know after that looks again. */
const LOOKS = 90
const LOOK_MS = 2_000

const NONE =
  "None yet. Put a file whose name ends in _agent.py, _agent.js, _agent.mjs or _agent.ts into the folder agents of Holdfast's home: it is there with the next look."

type Install = (file: string, button: HTMLButtonElement) => Promise<void>

const installButton = (file: string, packages: ReadonlyArray<string>, install: Install): HTMLElement => {
  const button = h(
    "button",
    { type: "button", click: () => void install(file, button) },
    `Install ${packages.join(", ")}`
  )
  return h("div", { class: "tools-row" }, button)
}

const rowsOf = ({ agents, quarantined }: Roster, install: Install): ReadonlyArray<HTMLElement> => [
  ...agents.map(({ description, file, name }) =>
    h(
      "li",
      {},
      h("p", {}, h("span", { class: "agent-name" }, name), " ", h("code", { class: "kind" }, file)),
      h("p", { class: "note about" }, description)
    )
  ),
  ...quarantined.map((one) =>
    h(
      "li",
      { class: "quarantined" },
      h(
        "p",
        {},
        h("span", { class: "severity", "data-tone": "bad" }, "cannot be used"),
        " ",
        h("code", { class: "kind" }, one.class === null ? one.file : `${one.file}, class ${one.class}`)
      ),
      h("p", { class: "note reason" }, one.reason),
      ...(one.installable === undefined ? [] : [installButton(one.file, one.installable, install)])
    )
  )
]
