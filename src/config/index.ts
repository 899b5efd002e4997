/** The configuration of one machine: what runs, what is staged, what is remembered, and what is said about it. */
export { ApplyEngine } from "./ApplyEngine.ts"
export { ControlFiles, documentOf, type Joining, type Loss } from "./ControlFiles.ts"
export {
  DEGRADING_KINDS,
  engineDiagnostics,
  layerDiagnostics,
  revisionDiagnostics,
  stagingDiagnostics
} from "./Diagnostics.ts"
export { Inspection } from "./Inspection.ts"
export { ignoredKeys, validateFully } from "./Validation.ts"
export { Offers } from "./Offers.ts"
export { trustJoinedAuthorities } from "./Trust.ts"
export { type ConfigView, remoteConfigOf } from "./RemoteConfigView.ts"
export { type EffectiveConfig, RunningConfig } from "./RunningConfig.ts"
