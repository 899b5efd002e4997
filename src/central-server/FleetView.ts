/**
 * What an admin sees of a fleet: its configs, how their revisions do, and its gateways. Pure; each gateway and each
 * revision is looked at once.
 *
 * @ref LLP 0028#standings [implements]
 */
import { type ConfigView, type Convergence, type GatewayView, isoTime, type RevisionView } from "../domain/index.ts"
import type { Revision } from "./ConfigStore.ts"
import type { Gateway } from "./Gateways.ts"
import { type GatewayRevisions, viewGateway } from "./GatewayView.ts"
import { etagsOf, type Place, placeOf } from "./Standing.ts"

/** Revisions of a config that the view of a fleet has. */
const NEWEST = 20

/** What there is of one config. */
interface ConfigFacts extends GatewayRevisions {
  /** Oldest first. */
  readonly revisions: ReadonlyArray<Revision>
}

/** Every config by its name, given every revision there is (oldest first). */
export const factsOf = (history: ReadonlyArray<Revision>): ((config: string) => ConfigFacts) => {
  const anywhere = new Set(history.map(({ etag }) => etag))
  const byConfig = Map.groupBy(history, ({ config }) => config)
  const known = new Map<string, ConfigFacts>()
  return (config) => {
    const found = known.get(config)
    if (found !== undefined) return found
    const revisions = byConfig.get(config) ?? []
    // Of revisions with the same bytes, the newest counts.
    const newestOf = new Map(revisions.map((revision) => [revision.etag, revision]))
    const facts = {
      revisions,
      newest: revisions.at(-1)?.etag ?? null,
      // A machine may have joined again, under the name of another config: that is known here.
      has: (etag: string) => anywhere.has(etag),
      isForced: (etag: string) => newestOf.get(etag)?.forced === 1,
      numberOf: (etag: string) => newestOf.get(etag)?.seq ?? null
    }
    known.set(config, facts)
    return facts
  }
}

/** The views of gateways. */
export const viewGateways = (
  gateways: ReadonlyArray<Gateway>,
  history: ReadonlyArray<Revision>
): ReadonlyArray<GatewayView> => {
  const facts = factsOf(history)
  return gateways.map((gateway) => viewGateway(gateway, facts(gateway.config)))
}

/** The views of the revisions of one config (oldest first), given its gateways; the newest first. */
export const viewRevisions = (
  revisions: ReadonlyArray<Revision>,
  gateways: ReadonlyArray<Gateway>
): ReadonlyArray<RevisionView> => {
  const census = censusOf(gateways)
  // Gateways name the bytes, not the number: they are counted once, for the newest revision with these bytes.
  const counted = new Map(revisions.map(({ etag, seq }) => [etag, seq]))
  return revisions.toReversed().map(({ created_at, etag, forced, restores, saved_by, seq, size }) => ({
    seq,
    etag,
    bytes: size,
    saved_at: isoTime(created_at),
    saved_by,
    forced: forced === 1,
    restores,
    convergence: { ...NOBODY, ...(counted.get(etag) === seq ? census.get(etag) : undefined) }
  }))
}

/** The configs that have revisions or gateways, by name. */
export const viewConfigs = (
  gateways: ReadonlyArray<Gateway>,
  views: ReadonlyArray<GatewayView>,
  history: ReadonlyArray<Revision>
): ReadonlyArray<ConfigView> => {
  const facts = factsOf(history)
  const gatewaysOf = Map.groupBy(gateways, ({ config }) => config)
  const viewsOf = Map.groupBy(views, ({ config }) => config)
  const names = new Set([...history, ...gateways].map(({ config }) => config))
  return [...names].toSorted().map((name) => {
    const { revisions } = facts(name)
    const standings: Record<string, number> = {}
    for (const { standing } of viewsOf.get(name) ?? []) standings[standing] = (standings[standing] ?? 0) + 1
    return {
      name,
      revisions: revisions.length,
      newest: viewRevisions(revisions, gatewaysOf.get(name) ?? []).slice(0, NEWEST),
      gateways: viewsOf.get(name)?.length ?? 0,
      standings
    }
  })
}

const NOBODY: Convergence = {
  promoted: 0,
  probation: 0,
  unconfirmed: 0,
  restarting: 0,
  rolled_back: 0,
  refused: 0
}

/** How many gateways are where, of every etag that any of them has named. Gateways that were ended do not count. */
const censusOf = (gateways: ReadonlyArray<Gateway>): ReadonlyMap<string, Partial<Convergence>> => {
  const census = new Map<string, Partial<Record<NonNullable<Place>, number>>>()
  for (const gateway of gateways) {
    if (gateway.revoked_at !== null) continue
    for (const etag of etagsOf(gateway)) {
      const place = placeOf(gateway, etag)
      if (place === null) continue
      const counts = census.get(etag) ?? {}
      counts[place] = (counts[place] ?? 0) + 1
      census.set(etag, counts)
    }
  }
  return census
}
