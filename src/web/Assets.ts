/** What pages fetch once: pictures and coverage. And the status, each time anew. */
import type { Status } from "../domain/index.ts"
import type { Coverage } from "./Wire.ts"

const kept = new Map<string, Promise<string>>()

const textAt = (path: string): Promise<string> => {
  const known = kept.get(path)
  if (known !== undefined) return known
  const fetched = fetch(path).then((response) => {
    if (!response.ok) throw new Error(`${path} answered ${response.status}`)
    return response.text()
  })
  kept.set(path, fetched)
  // What could not be fetched is fetched again when it is next asked for.
  fetched.catch(() => kept.delete(path))
  return fetched
}

/** A machine's picture as an element of its own. */
export const pictureOf = async (machine: string): Promise<SVGSVGElement> => {
  const parsed = new DOMParser().parseFromString(
    await textAt(`/machines/${encodeURIComponent(machine)}.svg`),
    "image/svg+xml"
  )
  if (!(parsed.documentElement instanceof SVGSVGElement)) throw new Error(`${machine}.svg is no picture`)
  return document.importNode(parsed.documentElement, true)
}

/** What the proofs say of a machine; null when they say nothing. */
export const coverageOf = async (machine: string): Promise<Coverage | null> => {
  const all = JSON.parse(await textAt("/machines/coverage.json")) as Readonly<Record<string, Coverage>>
  return all[machine] ?? null
}

/** The whole status; null when the daemon does not answer with it. */
export const fetchStatus = async (): Promise<Status | null> => {
  try {
    const response = await fetch("/status", { headers: { accept: "application/json" } })
    return response.ok ? ((await response.json()) as Status) : null
  } catch {
    // The stream's own words tell that the daemon is away.
    return null
  }
}
