/** What the host's pages ask for, and what it tells its agents about this adapter. */
import type { AdapterConfigSchema, AdapterModel, ConfigFieldSchema } from "@paperclipai/adapter-utils"
import { DEFAULT_ROOT } from "./AdapterConfig.ts"

/** Suggestions: OpenCode takes whatever its providers have. */
export const models: Array<AdapterModel> = [
  "anthropic/claude-sonnet-4-6",
  "openai/gpt-5.3-codex",
  "opencode/big-pickle"
].map((id) => ({ id, label: id }))

const inGroup = (group: string, fields: ReadonlyArray<ConfigFieldSchema>): ReadonlyArray<ConfigFieldSchema> =>
  fields.map((field) => ({ ...field, group }))

const openCode = inGroup("OpenCode", [
  { key: "variant", label: "Variant", type: "text", hint: "Passed as --variant: how hard the model thinks." },
  {
    key: "dangerouslySkipPermissions",
    label: "Allow folders outside of the work tree",
    type: "toggle",
    default: true,
    hint: "Nobody is there to answer when OpenCode asks."
  },
  { key: "cwd", label: "Working directory", type: "text", hint: "In the pod, where the host gives no work tree." }
])

const cluster = inGroup("Kubernetes", [
  { key: "namespace", label: "Namespace", type: "text", hint: "Default: that of the host's own pod or kubeconfig." },
  { key: "kubeconfig", label: "Kubeconfig", type: "text", hint: "A file. Default: the host's own service account." },
  { key: "kubeContext", label: "Context", type: "text", hint: "Of the kubeconfig." },
  { key: "image", label: "Image", type: "text", hint: "Has sh, dd, sha256sum and opencode. Default: the host's own." },
  {
    key: "imagePullPolicy",
    label: "Image pull policy",
    type: "select",
    options: ["IfNotPresent", "Always", "Never"].map((value) => ({ label: value, value }))
  },
  { key: "imagePullSecrets", label: "Image pull secrets", type: "text", hint: "Names, between commas." },
  { key: "serviceAccountName", label: "Service account", type: "text", hint: "Of the pods. Default: none." },
  { key: "resources.requests.cpu", label: "CPU request", type: "text", hint: "Default: 1" },
  { key: "resources.requests.memory", label: "Memory request", type: "text", hint: "Default: 2Gi" },
  { key: "resources.limits.cpu", label: "CPU limit", type: "text", hint: "Default: 4" },
  { key: "resources.limits.memory", label: "Memory limit", type: "text", hint: "Default: 8Gi" },
  { key: "nodeSelector", label: "Node selector", type: "textarea", hint: "JSON, YAML, or lines of key=value." },
  { key: "tolerations", label: "Tolerations", type: "textarea", hint: "A list, as JSON or YAML." },
  { key: "labels", label: "Labels", type: "textarea", hint: "JSON, YAML, or lines of key=value." },
  { key: "annotations", label: "Annotations", type: "textarea", hint: "JSON, YAML, or lines of key=value." },
  {
    key: "ttlSecondsAfterFinished",
    label: "Seconds that an ended Job stays",
    type: "number",
    default: 300,
    hint: "Only if nobody removes it."
  },
  { key: "retainJobs", label: "Keep Jobs and output", type: "toggle", default: false, hint: "To look into them." }
])

const volume = inGroup("Volume", [
  { key: "pvc.claim", label: "Volume claim", type: "text", hint: "Default: the one that the host's own pod mounts." },
  { key: "pvc.mountPath", label: "Mounted at", type: "text", hint: "In the pods of runs. Default: the host's folder." },
  { key: "pvc.subPath", label: "Path in the volume", type: "text" },
  {
    key: "root",
    label: "Root",
    type: "text",
    default: DEFAULT_ROOT,
    hint: "Run logs lie below it, as the host sees it."
  },
  { key: "podRoot", label: "Root in pods", type: "text", hint: "The same directory. Default: the same path." },
  { key: "stateDir", label: "Records", type: "text", hint: "Of the adapter itself. Default: holdfast below the root." }
])

/** Fields beside those that the host has for every adapter: model, prompt, environment, arguments, time limit, grace. */
export const configSchema: AdapterConfigSchema = { fields: [...openCode, ...cluster, ...volume] }

export const agentConfigurationDoc = `# opencode_k8s agent configuration

Runs OpenCode as a Kubernetes Job. Output comes through a volume that host and pods share, not through the cluster's log
API, so that it does not get cut. A restart of the host neither ends nor repeats a run.

Use it when agents are to run in pods of their own. Do not use it without a volume that host and pods can both mount.

Core fields:
- model (string): \`provider/model\`; left out: OpenCode's default
- variant (string), extraArgs (string[]): passed to \`opencode run\`
- command (string): default \`opencode\`
- promptTemplate, bootstrapPromptTemplate (string): \`{{agent.name}}\`, \`{{run.id}}\`, \`{{context.taskId}}\` …
- instructionsFilePath (string): read on the host and put before the prompt
- cwd (string): working directory in the pod, if the host's work tree is not on the volume
- env (object, or lines of KEY=value): TMPDIR, TMP and TEMP become the pod's own scratch; HOME is the host's folder on the
  volume, so that logins and sessions of OpenCode outlive the pods
- dangerouslySkipPermissions (boolean, default true): folders outside of the work tree are allowed without a question
- timeoutSec (number, 0: none), graceSec (number, default 20: between TERM and KILL)

Kubernetes fields (default in brackets; "own": as the host's own pod has it):
- namespace [own], kubeconfig [own service account], kubeContext
- image [own], imagePullPolicy, imagePullSecrets [own], serviceAccountName, dns [own]
- resources ({ requests: { cpu, memory }, limits }, or resources.requests.cpu …) [1 CPU and 2Gi, at most 4 CPU and 8Gi]
- nodeSelector, tolerations, labels, annotations (objects, JSON or YAML text)
- pvc ({ claim, mountPath, subPath }, or the claim's name) [own], root [${DEFAULT_ROOT}], podRoot [root]
- stateDir [holdfast below the root]
- ttlSecondsAfterFinished [300], retainJobs [false: Job and output go once the host has them]

The host needs the rights of examples/kubernetes/rbac.yaml of Holdfast. Skills of the host are not copied into pods.
`
