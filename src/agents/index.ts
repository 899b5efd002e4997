/** Agents, and the chat in which a model calls them. */
export { agentNameProblem, isAgentFile } from "./AgentFileName.ts"
export { agentFileRoutes } from "./AgentFileRoutes.ts"
export {
  type AgentFile,
  agentsFolderOf,
  findAgentFiles,
  hasAgentFiles,
  MAX_BYTES as MAX_AGENT_BYTES
} from "./AgentFiles.ts"
export type { AgentLimits } from "./AgentHosts.ts"
export { AgentPackages, ImportsUnknown, type NeededImport } from "./AgentPackages.ts"
export { agentSettings } from "./AgentSettings.ts"
export type { AgentOrigin, AgentRecord } from "./AgentRecord.ts"
export { agentsLayer, daemonAgentsLayer } from "./AgentsLayer.ts"
export { type AgentCondition, AgentFileRefused, AgentStore, type StoredAgent } from "./AgentStore.ts"
export { agentTemplate, TEMPLATE_LANGUAGES, type TemplateLanguage } from "./AgentTemplates.ts"
export { Chat, type ChatListener, type ChatOutcome, type ChatReply, type ToldCall } from "./Chat.ts"
export { chatLayer } from "./ChatTurn.ts"
export { agentHandler, type HandlerOptions } from "./ChatHandler.ts"
export { accountHealth } from "./ChatHealth.ts"
export { chatModels, type ChatModels } from "./ChatModels.ts"
export { type ChatRouteOptions, chatRoutes, type HostHealth, isOpenToAll } from "./ChatRoutes.ts"
export { type ModelBounds, ModelClient, ModelFailed } from "./ModelClient.ts"
