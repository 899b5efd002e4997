import { it } from "@effect/vitest"
import { Effect } from "effect"
import { Job } from "kubernetes-models/batch/v1/Job"
import { Secret } from "kubernetes-models/v1/Secret"
import { describe, expect } from "vitest"
import type { RunRequest } from "../../../src/domain/index.ts"
import { type JobFacts, jobName, readKubernetesSettings, renderJob } from "../../../src/runs/kubernetes/index.ts"
import { ANNOTATIONS, labelValue, LABELS } from "../../../src/runs/kubernetes/JobNames.ts"
import { literally } from "../../../src/runs/kubernetes/JobSpec.ts"
import { MOUNT, workOf } from "./Fixture.ts"
import { expand } from "./StandInKubelet.ts"

const claim = { claim: "shared", mountPath: MOUNT }

const rendered = Effect.fnUntraced(function* (
  request: Partial<RunRequest> = {},
  settings: Readonly<Record<string, unknown>> = {},
  facts: JobFacts = {},
  limitSeconds = 0
) {
  const read = yield* readKubernetesSettings({ image: "agents/run:1", pvc: claim, ...settings })
  const { job, secret } = yield* renderJob({
    work: workOf("run-1", "true", request, limitSeconds),
    settings: read,
    claim,
    facts
  })
  new Job(job as never).validate()
  if (secret !== null) new Secret(secret as never).validate()
  const pod = job.spec?.template.spec
  return { job, secret, pod, agent: pod?.containers[0], init: pod?.initContainers?.[0] }
})

describe("the name of a Job", () => {
  it.effect("is the same for the same run, another one for another, and 63 characters at most", () =>
    Effect.gen(function* () {
      const nameOf = (agentId: string, runId: string) => jobName("opencode", { companyId: "c", agentId, runId })
      expect(yield* nameOf("Writer", "0f8e-1")).toBe("agent-opencode-writer-0f8e-1-877abc")
      const long = yield* nameOf("A".repeat(200), `${"b".repeat(15)}-${"c".repeat(184)}`)
      expect(long).toBe(`agent-opencode-${"a".repeat(16)}-${"b".repeat(15)}-${long.slice(-6)}`)
      expect(long).not.toBe(yield* nameOf("A".repeat(200), `${"b".repeat(15)}-${"d".repeat(184)}`))
      expect(yield* nameOf("---", "-")).toMatch(/^agent-opencode-x-x-[0-9a-f]{6}$/)
      expect(
        (yield* jobName("k".repeat(16), { companyId: "c", agentId: "a".repeat(200), runId: "b".repeat(200) })).length
      ).toBe(63)
    })
  )
})

describe("labels and annotations", () => {
  it.effect("say whose the Job is, on the Job and on its pod", () =>
    Effect.gen(function* () {
      const facts = { adapterType: "opencode_k8s", agentName: "Write-r, the 1st", taskId: "T/1" }
      const { job } = yield* rendered({ session: "ses_1" }, { labels: { team: "blue" }, instance: "east" }, facts)
      expect(job.metadata?.labels).toEqual({
        team: "blue",
        "app.kubernetes.io/managed-by": "holdfast",
        "app.kubernetes.io/component": "agent-job",
        "app.kubernetes.io/instance": "east",
        "holdfast/agent-id": "writer",
        "holdfast/run-id": "run-1",
        "holdfast/company-id": "acme",
        "holdfast/adapter-type": "opencode_k8s",
        "holdfast/task-id": "T-1",
        "holdfast/session-id": "ses_1"
      })
      expect(job.metadata?.annotations).toEqual({
        [ANNOTATIONS.companyId]: "acme",
        [ANNOTATIONS.agentId]: "writer",
        [ANNOTATIONS.runId]: "run-1",
        [ANNOTATIONS.command]: "exec",
        [ANNOTATIONS.retain]: "false",
        [ANNOTATIONS.logPath]: `${MOUNT}/run-logs/acme/writer/run-1.pod.ndjson`,
        [ANNOTATIONS.adapterType]: "opencode_k8s",
        [ANNOTATIONS.agentName]: "Write-r, the 1st"
      })
      expect(job.spec?.template.metadata).toEqual({
        labels: job.metadata?.labels,
        annotations: job.metadata?.annotations
      })
    })
  )

  it.effect("are not a user's to replace, and a user's values are made valid", () =>
    Effect.gen(function* () {
      const { job } = yield* rendered({}, { labels: { [LABELS.runId]: "mine", note: "_über alles!_" } })
      expect(job.metadata?.labels).toMatchObject({ [LABELS.runId]: "run-1", note: "ber-alles" })
      const wrong = yield* Effect.flip(rendered({}, { labels: { "a b": "x" } }))
      expect(wrong).toMatchObject({ retryable: false, message: 'no label or annotation can be named "a b"' })
    })
  )

  it.effect("have values of 63 characters at most that begin and end with a letter or digit", () =>
    Effect.sync(() => {
      const cases = [
        ["a".repeat(70), "a".repeat(63)],
        [`${"a".repeat(62)}-b`, "a".repeat(62)],
        ["--x--", "x"],
        ["...", ""],
        ["", ""]
      ] as const
      for (const [text, value] of cases) expect(labelValue(text)).toBe(value)
    })
  )
})

describe("the pod of a Job", () => {
  it.effect("runs once, without privileges, with bounds", () =>
    Effect.gen(function* () {
      const { agent, init, job, pod } = yield* rendered({}, {}, {}, 90.5)
      expect(job.spec).toMatchObject({ backoffLimit: 0, activeDeadlineSeconds: 91, ttlSecondsAfterFinished: 300 })
      expect(pod).toMatchObject({
        restartPolicy: "Never",
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        // Grace, end and hashing.
        terminationGracePeriodSeconds: 46
      })
      for (const container of [agent, init]) {
        expect(container).toMatchObject({
          image: "agents/run:1",
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ["ALL"] },
            runAsNonRoot: true,
            runAsUser: 1000,
            seccompProfile: { type: "RuntimeDefault" }
          },
          resources: { requests: { cpu: "1", memory: "2Gi" }, limits: { cpu: "4", memory: "8Gi" } }
        })
      }
      const kept = yield* rendered({ retain: true })
      expect(kept.job.spec?.ttlSecondsAfterFinished).toBeUndefined()
      expect(kept.job.spec?.activeDeadlineSeconds).toBeUndefined()
    })
  )

  it.effect("takes settings in each of their forms", () =>
    Effect.gen(function* () {
      const forms = [
        {
          resources: { requests: { cpu: 2 }, limits: { memory: "1Gi", "nvidia.com/gpu": 1 } },
          nodeSelector: { disk: "ssd" },
          tolerations: [{ key: "gpu", operator: "Exists", effect: "NoSchedule" }]
        },
        {
          resources: { "requests.cpu": "2", "limits.memory": "1Gi", "limits.nvidia.com/gpu": "1" },
          nodeSelector: '{"disk":"ssd"}',
          tolerations: '[{"key":"gpu","operator":"Exists","effect":"NoSchedule"}]'
        },
        {
          resources: "requests:\n  cpu: 2\nlimits.memory: 1Gi\nlimits.nvidia.com/gpu: 1\n",
          nodeSelector: "disk: ssd\n",
          tolerations: "- key: gpu\n  operator: Exists\n  effect: NoSchedule\n"
        }
      ]
      for (const form of forms) {
        const { agent, pod } = yield* rendered({}, form)
        expect(agent?.resources).toEqual({
          requests: { cpu: "2", memory: "2Gi" },
          limits: { cpu: "4", memory: "1Gi", "nvidia.com/gpu": "1" }
        })
        expect(pod?.nodeSelector).toEqual({ disk: "ssd" })
        expect(pod?.tolerations).toEqual([{ key: "gpu", operator: "Exists", effect: "NoSchedule" }])
      }
    })
  )

  it.effect("has the settings' secrets, account, names and volume", () =>
    Effect.gen(function* () {
      const { agent, pod } = yield* rendered(
        {},
        {
          imagePullSecrets: ["registry"],
          serviceAccount: "agent",
          dns: {
            policy: "None",
            nameservers: ["10.0.0.1"],
            searches: ["a.b"],
            options: [{ name: "ndots", value: "2" }]
          }
        }
      )
      expect(pod).toMatchObject({
        imagePullSecrets: [{ name: "registry" }],
        serviceAccountName: "agent",
        automountServiceAccountToken: true,
        dnsPolicy: "None",
        dnsConfig: { nameservers: ["10.0.0.1"], searches: ["a.b"], options: [{ name: "ndots", value: "2" }] }
      })
      expect(agent?.volumeMounts).toContainEqual({ name: "output", mountPath: MOUNT })
    })
  )

  it.effect("gets its prompt through a variable of 100 KiB, through a Secret beyond, and else not at all", () =>
    Effect.gen(function* () {
      const at = yield* rendered({ prompt: "é".repeat(51_200) })
      expect([at.secret, at.init?.env?.[0]?.name]).toEqual([null, "HOLDFAST_PROMPT"])
      const beyond = yield* rendered({ prompt: `${"é".repeat(51_200)}x` })
      expect(beyond.secret?.metadata?.name).toBe(`${beyond.job.metadata?.name}-prompt`)
      expect(beyond.init?.env).toEqual([])
      expect(JSON.stringify(beyond.job)).not.toContain("éé")
      const nothing = yield* rendered({ prompt: "" })
      expect(nothing.init?.env).toEqual([{ name: "HOLDFAST_PROMPT", value: "" }])
      const problems = [
        { prompt: "a\0b" },
        { prompt: "x".repeat(5_242_880) },
        { env: { A: "\0" } },
        { env: { "A=": "" } }
      ]
      for (const [index, words] of ["NUL", "5242880 bytes", "NUL", "can be named"].entries()) {
        const refused = yield* Effect.flip(rendered(problems[index]))
        expect(refused).toMatchObject({ retryable: false, message: expect.stringContaining(words) })
      }
    })
  )

  it.effect("keeps every dollar of its command, whatever Kubernetes makes of dollars", () =>
    Effect.sync(() => {
      for (const text of ["$$", "$(HOME)", "$$(HOME)", "a$", "$", "$(", '"$hf_d" $((1 + $x)) $$ ${y}', "$$$"]) {
        expect(expand(literally(text), { HOME: "/h" })).toBe(text)
      }
      expect(expand("$$ $(HOME) $(NONE) $$(HOME) $x", { HOME: "/h" })).toBe("$ /h $(NONE) $(HOME) $x")
    })
  )
})

describe("settings", () => {
  it.effect("that cannot be used are refused in words", () =>
    Effect.gen(function* () {
      const wrong = [
        [{}, "image"],
        [{ image: "i" }, "kubernetes.pvc or kubernetes.root is needed"],
        [{ image: "i", pvc: { claim: "C", mountPath: "/x" } }, "claim"],
        [{ image: "i", pvc: { claim: "c", mountPath: "x/" } }, "an absolute path"],
        [{ image: "i", pvc: claim, resources: { requests: { cpu: "lots" } } }, "quantity"],
        [{ image: "i", pvc: claim, resources: { "request.cpu": "1" } }, "request.cpu"],
        [{ image: "i", pvc: claim, tolerations: "- key: [" }, "neither JSON nor YAML"],
        [{ image: "i", pvc: claim, nodeSelector: "text" }, "nodeSelector cannot be used"],
        [{ image: "i", pvc: claim, namspace: "x" }, "namspace"]
      ] as const
      for (const [input, words] of wrong) {
        const error = yield* Effect.flip(readKubernetesSettings(input))
        expect(error.message, JSON.stringify(input)).toContain(words)
      }
    })
  )
})
