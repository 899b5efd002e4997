/** What agents say of themselves, judged: those that a model can be given, and the others with the reason. */
import { Schema } from "effect"
import { AgentName, type AgentTool, formatProblem, type QuarantinedAgent } from "../domain/index.ts"
import type { AgentFile } from "./AgentFiles.ts"
import type { DescribedAgent } from "./HostProtocol.ts"
import { checkToolSchema } from "./ToolSchema.ts"

/** No model reads more of what an agent is for. */
const MAX_DESCRIPTION = 16_384
/** The first problems of a schema say enough. */
const SHOWN_PROBLEMS = 3

/** An agent that can be called, and where. */
export interface CallableAgent {
  readonly tool: AgentTool
  readonly file: AgentFile
  /** Its class; null in JavaScript. */
  readonly agent: string | null
  /** It adds to the system prompt. */
  readonly speaks: boolean
}

export interface JudgedAgents {
  readonly callable: ReadonlyArray<CallableAgent>
  readonly quarantined: ReadonlyArray<QuarantinedAgent>
}

const isName = Schema.is(AgentName)
const isParameters = Schema.is(Schema.Record(Schema.String, Schema.Unknown))

/** The agents of files in their order. Of two with one name the first is kept. */
export const judged = (
  described: ReadonlyArray<{ readonly file: AgentFile; readonly agents: ReadonlyArray<DescribedAgent> }>
): JudgedAgents => {
  const callable = new Map<string, CallableAgent>()
  const quarantined: Array<QuarantinedAgent> = []
  for (const { agents, file } of described) {
    for (const said of agents) {
      const found = judgedAgent(file, said)
      const same = typeof found === "string" ? undefined : callable.get(found.tool.name)
      const reason =
        typeof found === "string" ? found : same === undefined ? null : `${same.file.name} has an agent of this name`
      if (reason !== null) quarantined.push({ file: file.name, class: said.class, reason })
      else if (typeof found !== "string") callable.set(found.tool.name, found)
    }
  }
  return { callable: [...callable.values()], quarantined }
}

/** The agent, or what is wrong with it. */
const judgedAgent = (file: AgentFile, said: DescribedAgent): CallableAgent | string => {
  if ("broken" in said) return said.broken
  const { context, description, name, parameters } = said
  if (!isName(name)) return "its name must be 1 to 64 letters, digits, _ or -"
  if (typeof description !== "string" || description.trim() === "")
    return "its description must be a text that says what it does"
  if (description.length > MAX_DESCRIPTION) return `its description is longer than ${MAX_DESCRIPTION} characters`
  const problems = checkToolSchema(parameters)
  if (problems.length > 0 || !isParameters(parameters)) {
    return `its parameters are no usable JSON Schema: ${problems.slice(0, SHOWN_PROBLEMS).map(formatProblem).join("; ")}`
  }
  return { tool: { name, description, parameters, file: file.name }, file, agent: said.class, speaks: context }
}
