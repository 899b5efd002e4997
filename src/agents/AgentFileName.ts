/** What an agent file may be called. */
import { NAMES } from "./AgentFiles.ts"

/** Bytes of UTF-8 in a name: with what is put behind it, every file system takes it. */
const NAME_BYTES = 200

/** Whether discovery takes a file of this name for an agent. */
export const isAgentFile = (name: string): boolean => NAMES.test(name)

/** Why no agent file is called so; undefined when one may be. A name is kept as it was typed, or refused. */
export const agentNameProblem = (file: string): string | undefined => {
  if (/[/\\]/.test(file)) return "it has a / or \\ in it: name a file, not a path"
  if (!file.isWellFormed() || /[\p{C}\p{Zl}\p{Zp}\uFFFD]/u.test(file)) return "it holds characters that nobody sees"
  if (!isAgentFile(file)) return "it must end in _agent.py, _agent.js, _agent.mjs or _agent.ts"
  if (/^[.\s-]/u.test(file)) return "it begins with a dot, a dash or a space"
  return new TextEncoder().encode(file).length > NAME_BYTES ? `it is longer than ${NAME_BYTES} bytes` : undefined
}
