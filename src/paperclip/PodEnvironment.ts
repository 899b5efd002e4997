/**
 * The environment of a run: what the host's agents rely on, what the configuration says, and nothing of the host's own
 * process.
 *
 * @ref LLP 0021#environment [implements]
 */
import type { AdapterExecutionContext } from "@paperclipai/adapter-utils"
import { Config, Effect, Option, Predicate } from "effect"
import { fieldsOf, oneOf, textsOf } from "./Context.ts"
import type { PodPlace } from "./PodPlace.ts"

/** Files of the host that only this run was to use: in a pod its own scratch. */
const SCRATCH = ["PAPERCLIP_SCRATCH_DIR", "PAPERCLIP_RUN_SCRATCH_DIR"] as const

/** Where the host's API is, if it said so: its own loopback means nothing elsewhere. */
export const hostApi = Effect.gen(function* () {
  for (const name of ["PAPERCLIP_API_URL", "PAPERCLIP_RUNTIME_API_URL"]) {
    const url = yield* Effect.option(Config.NonEmptyString(name))
    if (Option.isSome(url)) return url.value
  }
  return undefined
})

const said = (fields: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (value === undefined || value === "" ? [] : [[name, value]]))
  )

const jsonOf = (value: unknown): string | undefined =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0)
    ? undefined
    : JSON.stringify(value)

export interface EnvironmentParts {
  readonly execution: Pick<AdapterExecutionContext, "agent" | "authToken" | "context" | "runId" | "runtimeTools">
  readonly place: PodPlace
  readonly cwd: string
  readonly apiUrl: string | undefined
  /** Of the configuration. */
  readonly own: Readonly<Record<string, string>>
  readonly skipPermissions: boolean
  /** Local disk of the pod. */
  readonly scratch: string
}

const workspaceOf = (context: Readonly<Record<string, unknown>>, { inPods }: PodPlace, cwd: string) => {
  const workspace = fieldsOf(context["paperclipWorkspace"])
  const path = (name: string) => {
    const here = oneOf(workspace, name)
    return here === undefined ? undefined : inPods(here)
  }
  return {
    PAPERCLIP_WORKSPACE_CWD: cwd,
    PAPERCLIP_WORKSPACE_SOURCE: oneOf(workspace, "source"),
    PAPERCLIP_WORKSPACE_STRATEGY: oneOf(workspace, "strategy"),
    PAPERCLIP_WORKSPACE_ID: oneOf(workspace, "workspaceId"),
    PAPERCLIP_WORKSPACE_REPO_URL: oneOf(workspace, "repoUrl"),
    PAPERCLIP_WORKSPACE_REPO_REF: oneOf(workspace, "repoRef"),
    PAPERCLIP_WORKSPACE_BRANCH: oneOf(workspace, "branchName"),
    PAPERCLIP_WORKSPACE_WORKTREE_PATH: path("worktreePath"),
    AGENT_HOME: path("agentHome"),
    PAPERCLIP_WORKSPACES_JSON: jsonOf(context["paperclipWorkspaces"])
  }
}

const toolsOf = (tools: AdapterExecutionContext["runtimeTools"]) =>
  tools === undefined
    ? {}
    : {
        PAPERCLIP_RUNTIME_TOOLS_MCP_URL: tools.mcpEndpoint,
        PAPERCLIP_RUNTIME_TOOLS_TOKEN: tools.bearerToken,
        PAPERCLIP_RUNTIME_TOOLS_EXPIRES_AT: tools.expiresAt,
        PAPERCLIP_RUNTIME_TOOLS_CONNECTIONS_SEARCH_URL: tools.rest.connectionsSearch,
        PAPERCLIP_RUNTIME_TOOLS_CONNECTION_REQUEST_URL: tools.rest.connectionRequest,
        PAPERCLIP_RUNTIME_TOOLS_AVAILABLE: tools.tools.join(","),
        PAPERCLIP_RUNTIME_TOOLS_GUIDANCE: tools.guidance
      }

/** All of it. The temporary directories of the host are replaced by the backend, wherever they come from. */
export const podEnvironment = ({
  apiUrl,
  cwd,
  execution: { agent, authToken, context, runId, runtimeTools },
  own,
  place,
  scratch,
  skipPermissions
}: EnvironmentParts): Record<string, string> => {
  const wake = context["paperclipWake"]
  // Nobody is there to answer when it asks.
  const permission = skipPermissions ? JSON.stringify({ external_directory: "allow" }) : undefined
  return {
    ...said({
      HOME: place.home,
      OPENCODE_PERMISSION: permission,
      PAPERCLIP_AGENT_ID: agent.id,
      PAPERCLIP_COMPANY_ID: agent.companyId,
      PAPERCLIP_RUN_ID: runId,
      PAPERCLIP_API_URL: apiUrl,
      PAPERCLIP_TASK_ID: oneOf(context, "taskId", "issueId"),
      PAPERCLIP_ISSUE_WORK_MODE: oneOf(fieldsOf(fieldsOf(wake)["issue"]), "workMode"),
      PAPERCLIP_WAKE_REASON: oneOf(context, "wakeReason"),
      PAPERCLIP_WAKE_COMMENT_ID: oneOf(context, "wakeCommentId", "commentId"),
      PAPERCLIP_WAKE_PAYLOAD_JSON: Predicate.isObject(wake) ? jsonOf(wake) : undefined,
      PAPERCLIP_APPROVAL_ID: oneOf(context, "approvalId"),
      PAPERCLIP_APPROVAL_STATUS: oneOf(context, "approvalStatus"),
      PAPERCLIP_LINKED_ISSUE_IDS: textsOf(context["issueIds"]).join(","),
      ...workspaceOf(context, place, cwd),
      ...toolsOf(runtimeTools)
    }),
    ...own,
    ...Object.fromEntries(SCRATCH.filter((name) => name in own).map((name) => [name, scratch])),
    // Its own file in the work tree would be committed sooner or later.
    OPENCODE_DISABLE_PROJECT_CONFIG: "true",
    // The host's word for this run alone: no configuration may say another.
    ...(authToken === undefined || authToken === "" ? {} : { PAPERCLIP_API_KEY: authToken })
  }
}
