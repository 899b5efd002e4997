/** What a person typed, as the body of a request. Pure: whether it makes sense, the daemon says. */
import type { RunRequest } from "../domain/index.ts"

/** The fields of the form. */
export interface Typed {
  readonly kind: "opencode" | "exec"
  readonly agent: string
  readonly prompt: string
  /** For OpenCode; empty: its own choice. */
  readonly model: string
  /** One argument a line. */
  readonly argv: string
  /** Seconds; empty: none. */
  readonly limit: string
  readonly retain: boolean
}

/** The same words that the terminal uses where nothing else is said. */
const COMPANY = "local"

export const requestOf = (typed: Typed, runId: string): RunRequest => {
  const { agent, kind, limit, model, prompt, retain } = typed
  const [first, ...rest] = argvOf(typed)
  return {
    companyId: COMPANY,
    agentId: agent.trim(),
    runId,
    prompt: kind === "opencode" ? prompt : "",
    command: kind === "opencode" ? { kind } : { kind, argv: [first ?? "", ...rest] },
    ...(kind === "opencode" && model.trim() !== "" ? { model: model.trim() } : {}),
    ...(limit.trim() === "" ? {} : { limits: { seconds: Number(limit) } }),
    retain
  }
}

/** Lines as they are, but for empty ones at the end: an argument may be blank, or begin with one. */
const argvOf = ({ argv }: Typed): ReadonlyArray<string> => argv.replace(/\r/g, "").replace(/\n+$/, "").split("\n")
