/** The Paperclip adapter: runs of OpenCode as Jobs, for a host that loads it by its path. */
export { buildPodLogPath, createServerAdapter } from "./Adapter.ts"
export { DEFAULT_ROOT } from "./AdapterConfig.ts"
export { ADAPTER_TYPE as type } from "./Clusters.ts"
export { agentConfigurationDoc, models } from "./ConfigSchema.ts"
