/** Paths of the host as the pods of runs see them: through the volume that both mount, or not at all. */
import { hostFolder } from "./AdapterConfig.ts"

export interface PodPlace {
  /** Where a path of this machine is in the pods; nothing if it is not on the volume. */
  readonly inPods: (path: string) => string | undefined
  /** The home of whoever runs in the pods: logins and sessions of OpenCode outlive them there. */
  readonly home: string
}

const below = (path: string, directory: string): string | undefined => {
  if (path === directory) return ""
  const start = directory === "/" ? "/" : `${directory}/`
  return path.startsWith(start) ? path.slice(directory.length) : undefined
}

/** `here` and `pods`: the root of the output from both sides. */
export const podPlace = (here: string, pods: string): PodPlace => {
  // The host's folder is on the same volume if both sides have it above the root.
  const pairs: ReadonlyArray<readonly [from: string, to: string]> =
    hostFolder(here) === here || hostFolder(pods) === pods
      ? [[here, pods]]
      : [
          [here, pods],
          [hostFolder(here), hostFolder(pods)]
        ]
  return {
    home: hostFolder(pods),
    inPods: (path) => {
      for (const [from, to] of pairs) {
        const rest = below(path, from)
        if (rest !== undefined) return `${to}${rest}`
      }
      return undefined
    }
  }
}
