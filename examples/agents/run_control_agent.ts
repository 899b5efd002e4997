/** Looks after the runs of this machine: lists them, shows their output, starts and ends them. */
import { readFileSync } from "node:fs"

interface Arguments {
  readonly action: "list" | "show" | "output" | "start" | "cancel"
  readonly id?: string
  readonly prompt?: string
}

interface Run {
  readonly run_id: string
  readonly agent_id: string
  readonly state: string
  readonly verdict: string | null
  readonly message: string | null
  readonly created_at: string
  readonly output: { readonly bytes: number }
}

const LISTED = 20
const OUTPUT_BYTES = 8192
const TIMEOUT_MS = 20_000

const ask = async (method: "GET" | "POST", path: string, body?: string): Promise<string> => {
  // An agent runs in `state/agent-data`; beside it is what the command line uses.
  const token = readFileSync("../api-token", "utf8").trim()
  const url: string = JSON.parse(readFileSync("../run/status.json", "utf8")).daemon.api_url
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
  const request = new Request(url + path, body === undefined ? { method, headers } : { method, headers, body })
  const answer = await fetch(request, { signal: AbortSignal.timeout(TIMEOUT_MS) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(JSON.parse(text).detail)
  return text
}

const brief = ({ agent_id, created_at, message, run_id, state, verdict }: Run) => ({
  run_id,
  agent_id,
  state,
  verdict,
  message,
  created_at
})

const list = async (): Promise<string> => {
  const { runs }: { readonly runs: ReadonlyArray<Run> } = JSON.parse(await ask("GET", "/runs"))
  return runs.length === 0 ? "There are no runs." : JSON.stringify(runs.slice(0, LISTED).map(brief))
}

const start = async (prompt: string | undefined): Promise<string> => {
  if (prompt === undefined) return "Nothing was started: say in `prompt` what the run is to do."
  const asked = { companyId: "local", agentId: "chat", prompt, command: { kind: "opencode" } }
  return JSON.stringify(brief(JSON.parse(await ask("POST", "/runs", JSON.stringify(asked)))))
}

export default {
  name: "RunControl",
  description:
    "Runs are agent jobs of this machine. List them, show one, read the end of its output, start one with a prompt, or " +
    "cancel one. Cancel and start only when the user asks for it.",
  parameters: {
    type: "object",
    properties: {
      action: { type: "string", enum: ["list", "show", "output", "start", "cancel"] },
      id: { type: "string", description: "Which run; not needed to list and to start." },
      prompt: { type: "string", minLength: 1, description: "What the new run is to do." }
    },
    required: ["action"],
    additionalProperties: false
  },
  perform: async ({ action, id, prompt }: Arguments): Promise<string> => {
    if (action === "list") return list()
    if (action === "start") return start(prompt)
    if (id === undefined) return "Say in `id` which run is meant; `list` shows them."
    const run = `/runs/${encodeURIComponent(id)}`
    if (action === "show") return ask("GET", run)
    if (action === "cancel") return JSON.stringify(brief(JSON.parse(await ask("POST", `${run}/cancel`, "{}"))))
    const { output }: Run = JSON.parse(await ask("GET", run))
    return (
      (await ask("GET", `${run}/log?from=${Math.max(0, output.bytes - OUTPUT_BYTES)}`)) || "It has said nothing yet."
    )
  }
}
