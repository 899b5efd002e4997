/** The catalogue of machines, and what their services need to know of them. */
import { AgentHost } from "./AgentHost.ts"
import { ConfigApply } from "./ConfigApply.ts"
import { ConfigPull } from "./ConfigPull.ts"
import { Daemon } from "./Daemon.ts"
import { DeviceLogin } from "./DeviceLogin.ts"
import { Ingest } from "./Ingest.ts"
import { Join } from "./Join.ts"
import { Run } from "./Run.ts"
import { Tailer } from "./Tailer.ts"

export { AgentHost } from "./AgentHost.ts"
export * from "./AgentHostSetup.ts"
export { ConfigApply } from "./ConfigApply.ts"
export * from "./ConfigApplySetup.ts"
export * from "./ConfigBoot.ts"
export * from "./ConfigFacts.ts"
export * from "./ConfigPull.ts"
export * from "./ConfigStage.ts"
export * from "./Daemon.ts"
export { DeviceLogin } from "./DeviceLogin.ts"
export * from "./DeviceLoginSetup.ts"
export { Ingest } from "./Ingest.ts"
export * from "./IngestSetup.ts"
export * from "./Join.ts"
export { Run } from "./Run.ts"
export * from "./RunSetup.ts"
export * from "./System.ts"
export { Tailer } from "./Tailer.ts"
export * from "./TailerSetup.ts"
export * from "./Task.ts"
export * from "./Vocabulary.ts"

/** Every machine, with the title that pages show and the document that explains it. */
export const catalogue = [
  { id: "join", title: "Join", machine: Join, document: "0002-join.spec.md" },
  { id: "configPull", title: "Config pull", machine: ConfigPull, document: "0003-config-pull.spec.md" },
  { id: "configApply", title: "Config apply", machine: ConfigApply, document: "0004-config-apply.spec.md" },
  { id: "daemon", title: "Daemon", machine: Daemon, document: "0005-daemon.spec.md" },
  { id: "deviceLogin", title: "Device login", machine: DeviceLogin, document: "0015-login.spec.md" },
  { id: "tailer", title: "Tailer", machine: Tailer, document: "0017-tailer.spec.md" },
  { id: "run", title: "Run", machine: Run, document: "0018-run.spec.md" },
  { id: "agentHost", title: "Agent host", machine: AgentHost, document: "0024-agents.spec.md" },
  { id: "ingest", title: "Ingest", machine: Ingest, document: "0029-ingest.spec.md" }
] as const
