/** What health says of the account and of the agents, without asking the provider and without running anything. */
import type { AccountStatus, AgentRoster } from "../domain/index.ts"

/** The account in `GET /health`. `isNeeded`: agents or chat are to run here; `model`: the one that is to answer. */
export const accountHealth = (account: AccountStatus, isNeeded: boolean, model: string | null) => ({
  /** Agents or chat are to run here, and no provider works. */
  isMissing: isNeeded && !(account.provider === "openai-compatible" || account.state === "ready"),
  shown: {
    model,
    copilot: account.provider === "openai-compatible" ? null : (COPILOT[account.state] ?? "pending"),
    copilot_username: account.username
  }
})

const COPILOT: Readonly<Partial<Record<AccountStatus["state"], string>>> = { ready: "\u2713", no_access: "no_access" }

/** The agents in `GET /health`: the names of those that can be called, and what cannot. */
export const rosterHealth = ({ quarantined, tools }: AgentRoster) => ({
  agents: tools.map(({ name }) => name),
  quarantined
})
