/**
 * What an agent is told: its instructions, why it was woken, what to go on with, and the task of its template.
 *
 * @ref LLP 0021#prompt [implements]
 */
import type { AdapterExecutionContext } from "@paperclipai/adapter-utils"
import { Predicate } from "effect"
import type { AdapterConfig } from "./AdapterConfig.ts"
import { fieldsOf, oneOf } from "./Context.ts"

/** Where a configuration has no template. */
const TEMPLATE =
  "You are {{agent.name}} (agent {{agent.id}}). Go on with the work that is assigned to you in Paperclip, and leave its state there before you stop."

/** Comments of a wake that are repeated, the last ones. */
const COMMENTS = 20

const lookUp = (data: Readonly<Record<string, unknown>>, path: string): string => {
  const found = path.split(".").reduce<unknown>((value, key) => fieldsOf(value)[key], data)
  if (Predicate.isString(found)) return found
  return found === undefined || found === null ? "" : JSON.stringify(found)
}

/** `{{a.b}}` of the data; what is not there is empty. */
export const filled = (template: string, data: Readonly<Record<string, unknown>>): string =>
  template.replace(/\{\{\s*([\w.-]+)\s*\}\}/g, (_, path: string) => lookUp(data, path))

const joined = (sections: ReadonlyArray<string | undefined>): string =>
  sections.flatMap((section) => (section === undefined || section.trim() === "" ? [] : [section.trim()])).join("\n\n")

/** Why it was woken. The whole payload is in the environment; this is what it must not miss. */
const wakeOf = (value: unknown): string => {
  const wake = fieldsOf(value)
  const issue = fieldsOf(wake["issue"])
  const comments = Array.isArray(wake["comments"]) ? wake["comments"].slice(-COMMENTS).map(fieldsOf) : []
  const reason = oneOf(wake, "reason")
  const title = [oneOf(issue, "identifier"), oneOf(issue, "title")].filter((part) => part !== undefined).join(": ")
  const state = [oneOf(issue, "status"), oneOf(issue, "priority")].filter((part) => part !== undefined).join(", ")
  const body = joined([
    reason === undefined ? undefined : `You were woken: ${reason}.`,
    title === "" ? undefined : `Task ${title}${state === "" ? "" : ` (${state})`}`,
    oneOf(issue, "description"),
    ...comments.map((comment) => {
      const text = oneOf(comment, "body")
      return text === undefined ? undefined : `Comment (${oneOf(comment, "authorType") ?? "somebody"}):\n${text}`
    }),
    oneOf(wake, "connectorSkillInstructions")
  ])
  return body === "" ? "" : `# Why you were woken\n\n${body}`
}

export interface PromptParts {
  readonly execution: Pick<AdapterExecutionContext, "agent" | "context" | "runId">
  readonly config: Pick<AdapterConfig, "bootstrapPromptTemplate" | "promptTemplate">
  /** Text and place of the file with its instructions. */
  readonly instructions: { readonly path: string; readonly text: string } | undefined
  /** It goes on with what was said before: what it knows already is left out. */
  readonly resumes: boolean
}

/** The prompt, and how many characters each part of it has. */
export const promptOf = ({ config, execution: { agent, context, runId }, instructions, resumes }: PromptParts) => {
  const { companyId, id, name } = agent
  const data = {
    agentId: id,
    companyId,
    runId,
    company: { id: companyId },
    agent: { id, companyId, name },
    run: { id: runId },
    context
  }
  const wake = wakeOf(context["paperclipWake"])
  const parts = {
    instructionsChars:
      instructions === undefined
        ? ""
        : `${instructions.text}\n\nThese instructions are those of ${instructions.path}: files that they name are relative to it.`,
    bootstrapPromptChars: resumes ? "" : filled(config.bootstrapPromptTemplate ?? "", data),
    wakePromptChars: wake,
    taskContextChars: resumes && wake !== "" ? "" : (oneOf(context, "paperclipTaskMarkdown") ?? ""),
    sessionHandoffChars: oneOf(context, "paperclipSessionHandoffMarkdown") ?? "",
    heartbeatPromptChars: resumes && wake !== "" ? "" : filled(config.promptTemplate ?? TEMPLATE, data)
  }
  const text = joined(Object.values(parts))
  const metrics = Object.fromEntries(Object.entries(parts).map(([part, words]) => [part, words.length]))
  return { text, metrics: { promptChars: text.length, ...metrics } }
}
