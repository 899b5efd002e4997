/** The lives in which faults are tried. */
import { MAIN_URL, OTHER_URL, type Revision } from "../crash/Central.ts"
import type { Goal } from "../crash/Life.ts"

const join = (url: string): Goal => ({ aim: "join", url })
const promote = (revision: Revision): Goal => ({ aim: "promote", revision })
const rollBack = (revision: Revision): Goal => ({ aim: "rollBack", revision })

export const LIVES = {
  "two revisions promoted": [join(MAIN_URL), promote("G1"), promote("G2"), promote("G9")],
  "the first one rolled back": [join(MAIN_URL), rollBack("B1"), promote("G9")],
  "a bad one rolled back": [join(MAIN_URL), promote("G1"), rollBack("B1"), promote("G9")],
  "a crash loop": [join(MAIN_URL), promote("G1"), rollBack("X1"), promote("G9")],
  "refresh, leave, join elsewhere": [
    join(MAIN_URL),
    promote("G1"),
    { aim: "refresh" },
    { aim: "leave" },
    join(OTHER_URL),
    promote("G2"),
    promote("G9")
  ],
  "join elsewhere without leaving": [join(MAIN_URL), promote("G1"), join(OTHER_URL), promote("G2"), promote("G9")]
} as const satisfies Readonly<Record<string, ReadonlyArray<Goal>>>
export type LifeName = keyof typeof LIVES
