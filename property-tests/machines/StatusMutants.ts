/** Small losses in what a status tells, and in what a machine remembers for it. */
import { assign } from "xstate"
import { type ConfigApplyContext, withoutMarker } from "../../machines/index.ts"
import type { Status } from "../../src/domain/index.ts"
import { loadMutant } from "../Mutants.ts"
import { changed, withState } from "./Edit.ts"
import { type Builder, REAL, unwarned } from "./StatusCheck.ts"
import { textOf } from "./StatusDocument.ts"
import { CHARTS, type Charts } from "./World.ts"

import type * as View from "../../src/daemon/StatusView.ts"
import type * as Remote from "../../src/config/RemoteConfigView.ts"
import type * as Text from "../../src/cli/StatusText.ts"

/** A wrong way to build or print a status. */
export interface TellingMutant {
  readonly name: string
  readonly load: () => Promise<Builder>
}

const remote = (name: string, search: string, replacement: string): TellingMutant => ({
  name,
  load: async () => {
    const { remoteConfigOf } = await loadMutant<typeof Remote>("src/config/RemoteConfigView.ts", search, replacement)
    return unwarned((facts) => ({ ...REAL.status(facts), remote_config: remoteConfigOf(facts.view) }))
  }
})
const view = (name: string, search: string, replacement: string): TellingMutant => ({
  name,
  load: async () => {
    const { statusOf } = await loadMutant<typeof View>("src/daemon/StatusView.ts", search, replacement)
    return { ...REAL, status: statusOf }
  }
})
const text = (name: string, search: string, replacement: string): TellingMutant => ({
  name,
  load: async () => {
    const { statusLines } = await loadMutant<typeof Text>("src/cli/StatusText.ts", search, replacement)
    return { ...REAL, text: (status) => textOf(status, statusLines) }
  }
})

/** The reason of a rollback is told three times: it has to be taken away as often. */
const unreasoned = (status: Status): Status => {
  const { remote_config } = status
  if (remote_config === null) return status
  const { bad_etag, last_rollback, quarantine = [] } = remote_config
  const reason = "rolled_back"
  return {
    ...status,
    remote_config: {
      ...remote_config,
      last_rollback: last_rollback == null ? null : { etag: last_rollback.etag, reason, at: last_rollback.at },
      bad_etag: bad_etag == null ? null : { ...bad_etag, reason },
      quarantine: quarantine.map((entry) => ({ ...entry, reason }))
    }
  }
}

const without = (kind: string) => `.filter(({ kind }) => kind !== "${kind}")`

export const TELLING_MUTANTS: ReadonlyArray<TellingMutant> = [
  remote("the last attempt is told without its reason", "last_attempt.reason === undefined", "true"),
  remote("the last attempt is told without its count", "attempt: last_attempt.attempt", "attempt: 1"),
  remote("the probation is not told", "marker === undefined || isPromotedAlready(view, marker)", "true"),
  remote("a promoted revision is on probation until its marker is gone", "isPromotedAlready(view, marker)", "false"),
  {
    name: "why a revision was rolled back is not told",
    load: () => Promise.resolve(unwarned((facts) => unreasoned(REAL.status(facts))))
  },
  remote("a rollback is not told", "last_rollback === undefined\n        ? null", "true\n        ? null"),
  remote("the active revision is promoted", "disk.slots[name]?.promoted === true &&", ""),
  remote("how often a revision was bad is not told", "  attempts,\n", ""),
  remote(
    "only the newest bad revision is told",
    "state.quarantine.map(quarantineView)",
    "state.quarantine.slice(-1).map(quarantineView)"
  ),
  remote("a machine that runs nothing never joined", " && remembersNothing(state)", ""),
  view(
    "a revision that runs unwatched is not told",
    "...engineDiagnostics(apply)",
    `...engineDiagnostics(apply)${without("rollback_no_target")}`
  ),
  view("lost state is not told", "...engineDiagnostics(apply)", `...engineDiagnostics(apply)${without("state_lost")}`),
  view(
    "a failing disk is not told",
    "...engineDiagnostics(apply)",
    `...engineDiagnostics(apply)${without("storage_failing")}`
  ),
  view("what is being applied is not told", '    ...stagingDiagnostics(apply, states["configApply"] ?? ""),\n', ""),
  view(
    "a failing poll is not told",
    "...processDiagnostics(facts)",
    `...processDiagnostics(facts)${without("poll_failing")}`
  ),
  view("safe start is not told", "safe_start: config.boot.safeStart", "safe_start: false"),
  text("the text does not say what is on probation", "${etagText(probation.etag)}: ", ""),
  text("the text tells the newest bad revision only", "...quarantine.map(", "...quarantine.slice(-1).map("),
  text("the text does not say how often", '(attempts > 1 ? ` (${attempts} times)` : "")', '""')
]

/** A wrong memory. */
export interface MemoryMutant {
  readonly name: string
  readonly charts: Charts
}

const apply = (path: string, change: Parameters<typeof withState>[2]): Charts =>
  changed(CHARTS, "configApply", (machine) => withState(machine, path, change))

export const MEMORY_MUTANTS: ReadonlyArray<MemoryMutant> = [
  {
    name: "a commit that was cut before its flip stays the last attempt",
    charts: apply("boot.reconciling", (state) => ({
      ...state,
      entry: [
        assign(({ context }: { readonly context: ConfigApplyContext }) => {
          const { active } = context.disk
          const isForeign = context.state.marker?.slot !== active
          return isForeign ? { state: withoutMarker(context.state, null) } : {}
        }),
        ...[state["entry"]].flat()
      ]
    }))
  },
  {
    name: "a promotion counts only when its marker is gone",
    charts: apply("probation.promoting.marking", (state) => ({
      ...state,
      invoke: { ...state["invoke"], onDone: { target: "finishing" } }
    }))
  }
]
