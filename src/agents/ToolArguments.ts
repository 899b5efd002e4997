/** Whether the arguments of a call are what its agent declares. */
import { type AgentTool, checkSchema, formatProblem, type SchemaWords } from "../domain/index.ts"

/** So many problems are told; the first ones say enough. */
const MAX_PROBLEMS = 8

const WORDS: SchemaWords = {
  unknownKey: "is not a parameter of this agent",
  schema: "the agent's parameters schema",
  remedy: "its author must correct it"
}

/** What is wrong with them, in words from which a model can do better; null: nothing. */
export const argumentProblems = ({ parameters }: AgentTool, args: Readonly<Record<string, unknown>>): string | null => {
  const problems = checkSchema(parameters, args, [], WORDS)
  if (problems.length === 0) return null
  const told = problems.slice(0, MAX_PROBLEMS).map(formatProblem).join("; ")
  return problems.length > MAX_PROBLEMS ? `${told}; and more` : told
}
