/** The revisions of the model world. The first letter of an etag says how the revision behaves. */

/** How a revision behaves once it is offered or run. */
export const BEHAVIOURS = {
  G: "good: it runs, and central confirms it",
  B: "its central sink names a host that never answers",
  X: "its plugin ends the process",
  W: "it moves to another central, and its plugin ends the process",
  P: "its plugin takes the operating system down",
  I: "its shape is wrong",
  V: "full validation refuses it",
  H: "an artifact of it does not match its pin",
  T: "a plugin of it cannot be fetched for now"
} as const
export type Behaviour = keyof typeof BEHAVIOURS

/** Every revision that a model central can serve; an offer's handle is the place in this list. */
export const REVISIONS = ["G1", "G2", "G3", "B1", "X1", "W1", "P1", "I1", "V1", "H1", "T1", "G9", ""] as const

/** The revision that liveness is measured by: served last, and never part of a history. */
export const NEXT_GOOD = "G9"

export const behaviourOf = (etag: string): Behaviour => (etag === "" ? "G" : (etag[0] as Behaviour))
export const handleOf = (etag: string): number => (REVISIONS as ReadonlyArray<string>).indexOf(etag)
export const etagOf = (handle: number): string => REVISIONS[handle] ?? ""
export const digestOf = (etag: string | null): string => `sha256:${etag ?? "seed"}`

export const MAIN_URL = "https://main"
export const OTHER_URL = "https://other"
export const DEAD_URL = "https://dead"

/** The central that a revision's document names. */
export const urlOf = (etag: string): string => {
  const behaviour = behaviourOf(etag)
  return behaviour === "B" ? DEAD_URL : behaviour === "W" ? OTHER_URL : MAIN_URL
}
