/** The lives that are explored: every sequence of operations of the design is in one of them. */
import { MAIN_URL, NEXT_WITH_PLUGIN, OTHER_URL } from "./Central.ts"
import { type Bounds, explore, type Explored } from "./Explorer.ts"
import type { Goal, Moment } from "./Life.ts"
import type { Engine } from "./Services.ts"

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

/**
 * A life in which plugins are installed: what came before is cut nowhere, and neither is the good revision at its end,
 * nor what comes before the first operation on `since`, if that is said: another life is cut there.
 */
export interface PluginLife {
  readonly before: ReadonlyArray<Goal>
  readonly goals: ReadonlyArray<Goal>
  readonly since?: string
  /** The only operation before which the first cut comes. */
  readonly only?: string
}

const enrolled: ReadonlyArray<Goal> = [{ aim: "join", url: MAIN_URL }]
const pinned: ReadonlyArray<Goal> = [...enrolled, { aim: "promote", revision: "P1" }]

export const PLUGIN_LIVES = {
  "promotes a first revision that pins a plugin": {
    before: enrolled,
    goals: [{ aim: "promote", revision: "P1" }]
  },
  "rolls back from another version of a plugin": {
    before: pinned,
    goals: [{ aim: "rollBack", revision: "X2" }],
    since: "/active"
  },
  "collects a plugin that was dropped, and needs it again": {
    before: [...pinned, { aim: "promote", revision: "P2" }],
    goals: [{ aim: "promote", revision: "N1" }],
    since: "/active"
  },
  "refuses a revision that installed another version": {
    before: pinned,
    goals: [{ aim: "refuse", revision: "R2" }, { aim: "restart" }],
    since: "/plugin-lock.json"
  },
  "keeps what an operator installed beside its revisions": {
    before: [...enrolled, { aim: "install", version: "2.0.0" }, { aim: "promote", revision: "U2" }],
    goals: [{ aim: "install", version: "2.0.0" }, { aim: "install", version: "1.0.0" }, { aim: "restart" }]
  }
} as const satisfies Readonly<Record<string, PluginLife>>
export type PluginLifeName = keyof typeof PLUGIN_LIVES

/** Explores a life of this engine, which installs plugins; the next good revision needs one again. */
export const explorePlugins = (engine: Engine, life: PluginLife, bounds: Bounds): Explored => {
  const { before, goals, only, since = "" } = life
  let begun = false
  const isCut = ({ label, witness }: Moment): boolean => {
    begun ||= label.endsWith(since)
    return begun && witness.goal < goals.length && (only === undefined || label === only)
  }
  return explore(engine, goals, bounds, { before, next: NEXT_WITH_PLUGIN, isCut })
}
