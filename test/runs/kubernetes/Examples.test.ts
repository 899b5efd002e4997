import { Effect } from "effect"
import { Yaml } from "effect/encoding"
import { Deployment } from "kubernetes-models/apps/v1/Deployment"
import { Role } from "kubernetes-models/rbac.authorization.k8s.io/v1/Role"
import { RoleBinding } from "kubernetes-models/rbac.authorization.k8s.io/v1/RoleBinding"
import { Namespace } from "kubernetes-models/v1/Namespace"
import { PersistentVolumeClaim } from "kubernetes-models/v1/PersistentVolumeClaim"
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { readKubernetesSettings } from "../../../src/runs/kubernetes/index.ts"
import { claimOf } from "../../../src/runs/kubernetes/SharedVolume.ts"
import { onStage, runToEnd, workOf } from "./Fixture.ts"

const examples = join(import.meta.dirname, "../../../examples/kubernetes")
const text = (name: string) => readFileSync(join(examples, name), "utf8")
const documents = (name: string): ReadonlyArray<any> =>
  text(name)
    .split(/^---$/m)
    .map((part) => Yaml.parse(part))

const models: Record<string, new (data: any) => { validate: () => void }> = {
  Deployment,
  Namespace,
  PersistentVolumeClaim,
  Role,
  RoleBinding,
  ServiceAccount
}

describe("the example of a deployment", () => {
  it("has objects of the forms that Kubernetes knows, and names each of its files", () => {
    const { configMapGenerator, resources } = documents("kustomization.yaml")[0]
    expect(configMapGenerator[0].files).toEqual(["config.json"])
    for (const name of resources) {
      for (const object of documents(name)) {
        const Model = models[object.kind]
        expect(Model, object.kind).toBeDefined()
        new Model!(object).validate()
      }
    }
  })

  it("has settings that a daemon takes, and a pod in which it finds the volume", () =>
    Effect.gen(function* () {
      const { kubernetes } = JSON.parse(text("config.json")).plugins[0].config
      const settings = yield* readKubernetesSettings(kubernetes)
      const [{ spec }] = documents("deployment.yaml")
      expect(claimOf(spec.template, settings.root ?? "")).toEqual({ claim: "holdfast-output", mountPath: "/data" })
    }).pipe(Effect.runPromise))

  it("grants what the backend asks for, and nothing else", () =>
    onStage(
      ({ backend, root, standIn }) =>
        Effect.gen(function* () {
          standIn.objects.create("pods", "agents", {
            metadata: { name: "holdfast-0" },
            spec: {
              containers: [{ volumeMounts: [{ name: "data", mountPath: root }] }],
              volumes: [{ name: "data", persistentVolumeClaim: { claimName: "shared" } }]
            }
          })
          const waits = workOf("waits", "true")
          const large = workOf("large", "true", { prompt: "p".repeat(200_000) })
          yield* runToEnd(backend, large)
          yield* backend.start(large)
          yield* backend.clean(large, { retain: true })
          yield* backend.clean(large, { retain: false })
          const [claim] = standIn.objects.list("persistentvolumeclaims", "agents", "")
          standIn.objects.change("persistentvolumeclaims", claim, ({ status }) => void (status.phase = "Pending"))
          yield* runToEnd(backend, waits)
          yield* backend.stop(waits)
          const verbs = new Map<string, Set<string>>()
          for (const { kind, method, name, watch } of standIn.requests) {
            const read = watch ? "watch" : name === undefined ? "list" : "get"
            const verb = { POST: "create", DELETE: "delete", PATCH: "patch" }[method] ?? read
            verbs.set(kind, (verbs.get(kind) ?? new Set()).add(verb))
          }
          const asked = [...verbs].map(([kind, all]) => `${kind}: ${[...all].toSorted().join(" ")}`)
          const granted = documents("rbac.yaml")[1].rules.map(
            ({ resources, verbs: all }: any) => `${resources.join(" ")}: ${all.join(" ")}`
          )
          expect(asked.toSorted()).toEqual(granted.toSorted())
        }),
      { settings: { pvc: undefined, scheduleSeconds: 0.5 } }
    ))
})
