/**
 * The volume that the daemon and the pods of its runs share: which claim it is, and the same directory seen from both.
 *
 * @ref LLP 0020#the-volume [implements]
 */
import type { RunIds } from "../Backend.ts"
import { parsePodLogPath } from "../RunPaths.ts"
import type { OwnPod } from "./KubernetesObjects.ts"
import type { KubernetesSettings, SharedClaim } from "./KubernetesSettings.ts"

const isWithin = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`)

/** The claim on which a directory of a pod lies: of the volumes that are mounted above it the nearest one. */
export const claimOf = ({ spec }: OwnPod, directory: string): SharedClaim | undefined => {
  const nearest = spec.containers
    .flatMap(({ volumeMounts }) => volumeMounts ?? [])
    .filter(({ mountPath }) => isWithin(directory, mountPath))
    .toSorted((a, b) => b.mountPath.length - a.mountPath.length)[0]
  const claim = spec.volumes?.find(({ name }) => name === nearest?.name)?.persistentVolumeClaim?.claimName
  if (nearest === undefined || claim === undefined) return undefined
  return {
    claim,
    mountPath: nearest.mountPath,
    ...(nearest.subPath === undefined || nearest.subPath === "" ? {} : { subPath: nearest.subPath })
  }
}

/** The directory below which all output lies, as the daemon sees it and as the pods do. */
export interface Roots {
  readonly here: string
  readonly inPods: string
}

export const rootsOf = (settings: Pick<KubernetesSettings, "root" | "podRoot" | "pvc">): Roots => {
  const mount = settings.pvc?.mountPath
  const here = settings.root ?? mount ?? "/"
  const inPods = settings.podRoot ?? (mount === undefined || isWithin(here, mount) ? here : mount)
  return { here, inPods }
}

/**
 * Where the daemon finds a log that a Job says it writes; nothing for one that is not that run's, or not on the volume:
 * whoever can edit a Job must not say which files are read and removed here.
 */
export const logHere = (
  log: string,
  run: RunIds,
  { here, inPods }: Roots,
  mount: string | undefined
): string | undefined => {
  const parsed = parsePodLogPath(log)
  if (parsed === undefined) return undefined
  if (parsed.companyId !== run.companyId || parsed.agentId !== run.agentId || parsed.runId !== run.runId)
    return undefined
  if (isWithin(log, inPods)) return `${here}${log.slice(inPods.length)}`
  // Written by a daemon with another root on the same volume, mounted at the same place.
  return here === inPods && mount !== undefined && isWithin(log, mount) ? log : undefined
}
