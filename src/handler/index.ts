/** Agents and chat as one fetch handler, for hosts that are no daemon: `import { agentServer } from "holdfast/handler"`. */
export { agentServer, type AgentHandler, type AgentServerOptions } from "./AgentServer.ts"
