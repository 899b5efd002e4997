/** What the pods of runs inherit from the host's own pod, if it is one: image, pull secrets, DNS and the volume. */
import { Config, Effect, Option } from "effect"
import type { loadKubernetes } from "../runs/index.ts"

export type Kubernetes = Effect.Success<typeof loadKubernetes>
type Client = Kubernetes["KubernetesClient"]["Service"]

/** So long an API that is away is waited for, ms: where nothing can be made without the answer, and where it can. */
const PATIENCE_MS = { needed: 660_000, useful: 10_000 } as const

/** Settings as `readKubernetesSettings` takes them, for what a configuration leaves out. */
export type Inherited = Readonly<Record<string, unknown>>

const said = (fields: Readonly<Record<string, unknown>>): Inherited =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

/** Nothing where there is no such pod, or where it may not be read. `isNeeded`: there is no image or no volume else. */
export const inherited = Effect.fn("inherited")(function* (
  library: Kubernetes,
  client: Client,
  { isNeeded, root }: { readonly isNeeded: boolean; readonly root: string }
) {
  const name = yield* Effect.option(Config.NonEmptyString("HOSTNAME"))
  if (Option.isNone(name)) return {}
  const own = yield* library
    .patiently(client.readPod(name.value), PATIENCE_MS[isNeeded ? "needed" : "useful"])
    .pipe(
      Effect.catch(({ message }) => Effect.as(Effect.logWarning(`nothing is inherited: ${message}`), Option.none()))
    )
  if (Option.isNone(own)) return {}
  const { containers, dnsConfig, dnsPolicy, imagePullSecrets = [] } = own.value.spec
  const names = imagePullSecrets.flatMap((secret) => (secret.name === undefined ? [] : [secret.name]))
  const dns = said({ policy: dnsPolicy, ...dnsConfig })
  return said({
    image: containers[0]?.image,
    imagePullSecrets: names.length === 0 ? undefined : names,
    dns: Object.keys(dns).length === 0 ? undefined : dns,
    pvc: library.claimOf(own.value, root)
  })
})
