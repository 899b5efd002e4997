/** Runs as Jobs of a Kubernetes cluster. */
export { jobName } from "./JobNames.ts"
export { renderJob } from "./JobParts.ts"
export { jobOf, type JobFacts, type JobParts, jobProblem, needsSecret, secretOf } from "./JobSpec.ts"
export { KubernetesBackend, type KubernetesOptions } from "./KubernetesBackend.ts"
export { KubernetesClient } from "./KubernetesClient.ts"
export { KubernetesError } from "./KubernetesErrors.ts"
export { type KubernetesSettings, KubernetesSettingsInvalid, readKubernetesSettings } from "./KubernetesSettings.ts"
