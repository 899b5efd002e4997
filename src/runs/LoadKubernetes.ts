/** The backend for Kubernetes, loaded when somebody wants it: its client is large. */
import { Effect } from "effect"

export const loadKubernetes = Effect.promise(() => import("./kubernetes/index.ts"))
