/** What the host keeps of a session between runs, in the words of its own adapters and of those before them. */
import type { AdapterSessionCodec } from "@paperclipai/adapter-utils"
import { fieldsOf, oneOf } from "./Context.ts"

export interface Session {
  readonly sessionId: string
  /** Sessions belong to the folder that they began in. */
  readonly cwd?: string
  readonly workspaceId?: string
  readonly repoUrl?: string
  readonly repoRef?: string
}

/** A session of whatever was kept; nothing without its id. */
export const sessionOf = (raw: unknown): Session | null => {
  const fields = fieldsOf(raw)
  const sessionId = oneOf(fields, "sessionId", "session_id", "sessionID")
  if (sessionId === undefined) return null
  const cwd = oneOf(fields, "cwd", "workdir", "folder")
  const workspaceId = oneOf(fields, "workspaceId", "workspace_id")
  const repoUrl = oneOf(fields, "repoUrl", "repo_url")
  const repoRef = oneOf(fields, "repoRef", "repo_ref")
  return {
    sessionId,
    ...(cwd === undefined ? {} : { cwd }),
    ...(workspaceId === undefined ? {} : { workspaceId }),
    ...(repoUrl === undefined ? {} : { repoUrl }),
    ...(repoRef === undefined ? {} : { repoRef })
  }
}

const read = (raw: unknown): Record<string, unknown> | null => {
  const session = sessionOf(raw)
  return session === null ? null : { ...session }
}

export const sessionCodec: AdapterSessionCodec = {
  deserialize: read,
  serialize: read,
  getDisplayId: (params) => sessionOf(params)?.sessionId ?? null
}
