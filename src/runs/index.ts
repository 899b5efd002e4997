/** Runs: agent jobs with output and verdicts that can be trusted. */
export {
  checkedPodCommand,
  podCommand,
  podCommandEndSeconds,
  PodCommandInvalid,
  type PodCommandSpec,
  podCommandTools,
  podCommandUnusable
} from "./PodCommand.ts"
export { prepareRunFiles } from "./RunFiles.ts"
export {
  buildPodLogPath,
  checkRunIds,
  filesBesideLog,
  parsePodLogPath,
  type RunFilePaths,
  type RunPathIds,
  RunPathInvalid
} from "./RunPaths.ts"
export { type Backend, BackendFailed, type Found, type OutputPlace, type RunIds, type Work } from "./Backend.ts"
export { Backends } from "./Backends.ts"
export { loadKubernetes } from "./LoadKubernetes.ts"
export { LocalBackend } from "./LocalBackend.ts"
export { workFor } from "./RunBegin.ts"
export { RunListener } from "./RunListener.ts"
export { runRoutes } from "./RunRoutes.ts"
export { RunStore } from "./RunStore.ts"
export { RunRefused } from "./RunRefused.ts"
export { Runs } from "./Runs.ts"
export type { Tail, TailBatch, TailBytes, TailKnown, TailLine, TailSink, TailSpec } from "./Tail.ts"
export { TailFileError, TailFiles } from "./TailFiles.ts"
export { TailMeter } from "./TailMeter.ts"
export { Tails } from "./Tails.ts"
