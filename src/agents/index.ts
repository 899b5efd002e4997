/** Agents, and the chat in which a model calls them. */
export type { AgentLimits } from "./AgentHosts.ts"
export { agentsLayer } from "./AgentsLayer.ts"
export { Chat, type ChatListener, type ChatOutcome, type ChatReply } from "./Chat.ts"
export { agentHandler, type AgentHandler, type HandlerOptions } from "./ChatHandler.ts"
export { accountHealth } from "./ChatHealth.ts"
export { chatModels, type ChatModels } from "./ChatModels.ts"
export { type ChatRouteOptions, chatRoutes, type HostHealth } from "./ChatRoutes.ts"
export { type ModelBounds, ModelClient, ModelFailed } from "./ModelClient.ts"
