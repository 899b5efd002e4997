/** The lives that are explored: every sequence of operations of the design is in one of them. */
import { MAIN_URL, OTHER_URL } from "./Central.ts"
import type { Goal } from "./Life.ts"

const joined: ReadonlyArray<Goal> = [
  { aim: "join", url: MAIN_URL },
  { aim: "promote", revision: "G1" }
]

export const LIVES = {
  joins: [{ aim: "join", url: MAIN_URL }],
  "joins, and promotes two revisions": [...joined, { aim: "promote", revision: "G2" }],
  "joins, and rolls the second revision back when its window is spent": [
    ...joined,
    { aim: "rollBack", revision: "B1" }
  ],
  "joins, and rolls the second revision back for its crashes": [...joined, { aim: "rollBack", revision: "X1" }],
  "joins, rolls its first revision back, and promotes the next": [
    { aim: "join", url: MAIN_URL },
    { aim: "rollBack", revision: "X1" },
    { aim: "promote", revision: "G1" }
  ],
  "tries a revision again, and rolls it back again": [
    ...joined,
    { aim: "rollBack", revision: "X1" },
    { aim: "rollBack", revision: "X1", times: 2 }
  ],
  "refreshes its identity, and joins another fleet": [
    ...joined,
    { aim: "refresh" },
    { aim: "join", url: OTHER_URL },
    { aim: "promote", revision: "G2" }
  ],
  "leaves, and joins another fleet": [
    ...joined,
    { aim: "leave" },
    { aim: "join", url: OTHER_URL },
    { aim: "promote", revision: "G2" }
  ]
} as const satisfies Readonly<Record<string, ReadonlyArray<Goal>>>
