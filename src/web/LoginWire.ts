/** The login's and the models' part of the API, as the page uses it. */
import type { LoginStatus } from "../domain/index.ts"
import { type Answer, ask, read, READ_MS } from "./Ask.ts"
import { fieldsOf, numberOf, oneOf, textOf } from "./Fields.ts"
import type { Action } from "./Login.ts"

/** A model to choose. */
export interface Choice {
  readonly id: string
  readonly name: string
}

export interface Choices {
  readonly models: ReadonlyArray<Choice>
  /** The one that was picked. */
  readonly model: string | null
}

/** An action may wait for the provider. */
const ACT_MS = 180_000

const PATHS: Readonly<Record<Action, string>> = {
  login: "/login",
  switch: "/login/switch",
  retry: "/login/retry",
  cancel: "/login/cancel",
  logout: "/logout"
}

/** `GET /login/status`. */
export const fetchLogin = async (): Promise<Answer<LoginStatus>> =>
  read(await ask("GET", "/login/status", READ_MS), readStatus)

/** `POST /login/poll`; what it says is read with the status. */
export const poll = (): Promise<Answer<unknown>> => ask("POST", "/login/poll", READ_MS)

/** Does what a person asked for; null when it succeeded. */
export const perform = async (action: Action): Promise<Answer<string | null>> =>
  read(await ask("POST", PATHS[action], ACT_MS), (value) => [failureIn(value)])

/** `GET /models`. */
export const fetchModels = async (): Promise<Answer<Choices>> => read(await ask("GET", "/models", ACT_MS), readChoices)

/** `POST /models/set`; null forgets the one that was picked. */
export const setModel = (model: string | null): Promise<Answer<unknown>> =>
  ask("POST", "/models/set", ACT_MS, { model })

/** An action that was carried out may still have come to nothing: `retry` says so; why, the account says. */
const failureIn = (value: unknown): string | null => {
  const { code, status } = fieldsOf(value) ?? {}
  if (status !== "error" || code === "unauthorized") return null
  return code === "no_access" ? "Asked again just now: still no access." : "Asked again just now, in vain."
}

const PHASES = ["requesting", "waiting", "exchanging", "ok", "error", "expired", "cancelled"] as const
const STATES = ["signed_out", "unproven", "ready", "no_access", "refused", "failing", "asking"] as const

/** A status as the only member of a list, or null for what is none. */
export const readStatus = (value: unknown): readonly [LoginStatus] | null => {
  const fields = fieldsOf(value)
  const account = fieldsOf(fields?.["account"])
  const state = oneOf(STATES, account?.["state"])
  const source = oneOf(["environment", "login", "none"] as const, account?.["source"])
  if (fields === null || account === null || state === null || source === null) return null
  return [
    {
      id: textOf(fields["id"]),
      phase: oneOf(PHASES, fields["phase"]),
      user_code: textOf(fields["user_code"]),
      verification_uri: textOf(fields["verification_uri"]),
      interval: numberOf(fields["interval"]),
      deadline: textOf(fields["deadline"]),
      expires_in: numberOf(fields["expires_in"]),
      code: textOf(fields["code"]),
      error: textOf(fields["error"]),
      account: {
        source,
        provider: oneOf(["github", "openai-compatible"] as const, account["provider"]) ?? "github",
        state,
        username: textOf(account["username"]),
        problem: textOf(account["problem"])
      },
      signup_url: textOf(fields["signup_url"]),
      storage_problem: textOf(fields["storage_problem"])
    }
  ]
}

/** The models as the only member of a list, or null for what is none. */
export const readChoices = (value: unknown): readonly [Choices] | null => {
  const fields = fieldsOf(value)
  if (fields === null || !Array.isArray(fields["models"])) return null
  const models = fields["models"].flatMap((one): ReadonlyArray<Choice> => {
    const model = fieldsOf(one)
    const id = textOf(model?.["id"])
    return id === null ? [] : [{ id, name: textOf(model?.["name"]) ?? id }]
  })
  return [{ models, model: textOf(fields["model"]) }]
}
