/** What the daemon must be allowed to do in the namespace of its runs. */
import { Effect } from "effect"
import type { KubernetesClient } from "./KubernetesClient.ts"

const NEEDED = [
  ["batch", "jobs", ["create", "delete", "get", "list", "watch"]],
  ["", "pods", ["get", "list", "watch"]],
  ["", "secrets", ["create", "delete", "get", "patch"]],
  ["", "persistentvolumeclaims", ["get"]]
] as const

/** The rights that are missing, such as `create jobs`; asked one by one, for the API says no more than no. */
export const missingRights = Effect.fn("kubernetes.rights")(function* ({ may }: KubernetesClient["Service"]) {
  const wanted = NEEDED.flatMap(([group, resource, verbs]) => verbs.map((verb) => ({ group, resource, verb })))
  const answers = yield* Effect.forEach(wanted, (right) => Effect.map(may(right), (allowed) => ({ right, allowed })), {
    concurrency: 4
  })
  return answers.filter(({ allowed }) => !allowed).map(({ right }) => `${right.verb} ${right.resource}`)
})
