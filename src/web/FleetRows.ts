/** Which gateways a list shows, in which order. Pure. */
import { attention } from "./FleetWords.ts"
import type { Gateway, Stand } from "./FleetWire.ts"

export const COLUMNS = ["id", "config", "runs", "since", "standing", "seen", "version"] as const
export type Column = (typeof COLUMNS)[number]

export interface Listing {
  /** Null: all of them. */
  readonly config: string | null
  readonly stand: Stand | null
  readonly text: string
  readonly by: Column
  readonly isDown: boolean
}

export const ALL: Listing = { config: null, stand: null, text: "", by: "standing", isDown: false }

/** The same column again turns the order round. */
export const sorted = (listing: Listing, by: Column): Listing =>
  listing.by === by ? { ...listing, isDown: !listing.isDown } : { ...listing, by, isDown: false }

/** The gateways of a listing; what is unknown comes last either way, and equal ones go by their id. */
export const listed = (gateways: ReadonlyArray<Gateway>, listing: Listing): ReadonlyArray<Gateway> => {
  const wanted = listing.text.trim().toLowerCase()
  const matching = gateways.filter(
    (gateway) =>
      (listing.config === null || gateway.config === listing.config) &&
      (listing.stand === null || gateway.standing === listing.stand) &&
      (wanted === "" || isAbout(gateway, wanted))
  )
  const key = KEYS[listing.by]
  const turn = listing.isDown ? -1 : 1
  return matching
    .map((gateway) => ({ gateway, key: key(gateway) }))
    .sort((a, b) => {
      if (a.key !== b.key) {
        if (a.key === null) return 1
        if (b.key === null) return -1
        return a.key < b.key ? -turn : turn
      }
      return a.gateway.id < b.gateway.id ? -1 : 1
    })
    .map(({ gateway }) => gateway)
}

const isAbout = ({ config, id, platform, running_etag, version, why }: Gateway, wanted: string): boolean =>
  [id, config, running_etag, version, platform, why].some((text) => text?.toLowerCase().includes(wanted) === true)

const timeOf = (iso: string | null): number | null => {
  const at = Date.parse(iso ?? "")
  return Number.isFinite(at) ? -at : null
}

const KEYS: Readonly<Record<Column, (gateway: Gateway) => string | number | null>> = {
  id: ({ id }) => id,
  config: ({ config }) => config,
  runs: ({ running_etag }) => running_etag,
  // The newest first.
  since: ({ running_since }) => timeOf(running_since),
  standing: ({ standing }) => attention(standing),
  seen: ({ last_seen }) => timeOf(last_seen),
  version: ({ version }) => version
}
