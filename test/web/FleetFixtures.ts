/** Fleets as central would tell them, made up for the page. */
import type { ConfigView, FleetView, GatewayView, RevisionView, Standing } from "../../src/domain/index.ts"

/** The clock of the made-up central. */
export const NOW = Date.parse("2026-11-22T14:00:00.000Z")

export const iso = (secondsAgo: number): string => new Date(NOW - secondsAgo * 1_000).toISOString()

/** An etag as central makes them: a quoted hash. */
export const etagOf = (seed: string): string => {
  let hash = 2_166_136_261
  for (const character of seed) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16_777_619)
  const part = (hash >>> 0).toString(16).padStart(8, "0")
  return `"${part}${part.split("").toReversed().join("")}${part}${part}"`
}

/** The number that `etagOf` made an etag from. */
const numberOf = (config: string, etag: string | null): number | null =>
  Array.from({ length: 50 }, (_, index) => index + 1).find((seq) => etagOf(`${config} ${seq}`) === etag) ?? null

export const gateway = (id: string, more: Partial<GatewayView> = {}): GatewayView => ({
  id,
  config: "default",
  joined_at: iso(86_400 * 12),
  last_seen: iso(14),
  running_etag: etagOf("default 7"),
  running_since: iso(3_600),
  running_revision: numberOf(
    more.config ?? "default",
    more.running_etag === undefined ? etagOf("default 7") : more.running_etag
  ),
  running_forced: false,
  newest_etag: etagOf("default 7"),
  standing: "converged",
  on_probation: false,
  last_rollback: null,
  last_attempt: null,
  reported_at: iso(40),
  version: "0.9.0",
  platform: "linux-x64",
  agents: 4,
  runs: 0,
  revoked: false,
  why: "runs the newest revision",
  ...more
})

export const revision = (config: string, seq: number, more: Partial<RevisionView> = {}): RevisionView => ({
  seq,
  etag: etagOf(`${config} ${seq}`),
  bytes: 1_204,
  saved_at: iso((8 - seq) * 7_200),
  saved_by: seq % 2 === 0 ? "command" : "page",
  forced: false,
  restores: null,
  convergence: { promoted: 0, probation: 0, unconfirmed: 0, restarting: 0, rolled_back: 0, refused: 0 },
  ...more
})

/** What follows from gateways alone. */
export const configOf = (
  name: string,
  gateways: ReadonlyArray<GatewayView>,
  revisions: ReadonlyArray<RevisionView>
): ConfigView => {
  const own = gateways.filter(({ config }) => config === name)
  const standings: Record<string, number> = {}
  for (const { standing } of own) standings[standing] = (standings[standing] ?? 0) + 1
  const newest = revisions.slice(0, 20).map((one) => {
    const running = own.filter(({ running_etag }) => running_etag === one.etag)
    const isNewest = one.seq === revisions[0]?.seq
    const standingAt = (stand: Standing): number =>
      isNewest ? own.filter(({ standing }) => standing === stand).length : 0
    const probation = standingAt("probation")
    const unconfirmed = standingAt("unconfirmed")
    return {
      ...one,
      convergence: {
        promoted: running.length - probation - unconfirmed,
        probation,
        unconfirmed,
        restarting: standingAt("restarting"),
        rolled_back: standingAt("rolled_back"),
        refused: standingAt("refused")
      }
    }
  })
  return { name, revisions: revisions.length, newest, gateways: own.length, standings }
}

export const fleetOf = (
  configs: Readonly<Record<string, ReadonlyArray<RevisionView>>>,
  gateways: ReadonlyArray<GatewayView>,
  central: Partial<FleetView["central"]> = {}
): FleetView => ({
  now: iso(0),
  central: {
    version: "0.9.0",
    started_at: iso(86_400),
    external_url: "https://central.example.com",
    certificate_expires_at: iso(-86_400 * 61),
    warnings: [],
    ...central
  },
  configs: Object.entries(configs).map(([name, revisions]) => configOf(name, gateways, revisions)),
  gateways
})

export const NAMES = [
  "aare",
  "birs",
  "calancasca",
  "doubs",
  "emme",
  "furka",
  "gryon",
  "hongrin",
  "inn",
  "julia",
  "kander",
  "linth",
  "maggia",
  "navizence",
  "orbe",
  "plessur",
  "reuss",
  "saane",
  "thur",
  "venoge"
]

const before = etagOf("default 6")

/** Twenty gateways; `converged` of them run the newest revision promoted, and once some do, one has rolled back. */
export const spreading = (converged: number): ReadonlyArray<GatewayView> =>
  NAMES.map((name, index) => {
    const id = `gw_${name}`
    const seen = { last_seen: iso(2 + index * 2) }
    if (index === 4 && converged > 0) {
      return gateway(id, {
        ...seen,
        standing: "rolled_back",
        running_etag: before,
        running_since: iso(12),
        why: `rolled back from ${etagOf("default 7")} (probation_expired)`,
        last_rollback: {
          etag: etagOf("default 7"),
          reason: "probation_expired",
          at: iso(14),
          detail: "central could not be reached from the new revision"
        },
        last_attempt: { etag: etagOf("default 7"), verdict: "applied", at: iso(140) }
      })
    }
    if (index < converged + (converged > 4 ? 1 : 0)) return gateway(id, { ...seen, running_since: iso(40 + index) })
    const place = index - converged
    const stand: Standing =
      place <= 4 ? "probation" : place <= 5 ? "unconfirmed" : place <= 6 ? "restarting" : "waiting"
    const isOn = stand === "probation" || stand === "unconfirmed"
    return gateway(id, {
      ...seen,
      standing: stand,
      running_etag: isOn ? etagOf("default 7") : before,
      running_since: isOn ? iso(18) : iso(7_200),
      on_probation: stand === "probation" ? true : null,
      why: {
        probation: "runs the newest revision, on probation",
        unconfirmed: "runs the newest revision, and has not yet reported whether it is promoted",
        restarting: "has applied the newest revision and restarts into it",
        waiting: "has not yet fetched the newest revision"
      }[stand]
    })
  })

/** The revisions of `default`, the newest first. */
export const REVISIONS = Array.from({ length: 7 }, (_, index) =>
  revision("default", 7 - index, index === 0 ? { saved_at: iso(150) } : index === 3 ? { forced: true } : {})
)

/** Two thousand gateways of two configs, most of them well. */
export const many = (count: number, converged = Math.floor(count * 0.9)): ReadonlyArray<GatewayView> =>
  Array.from({ length: count }, (_, index) => {
    const id = `gw_${index.toString(36).padStart(4, "0")}${etagOf(String(index)).slice(1, 13)}`
    if (index === 17) {
      return gateway(id, {
        standing: "rolled_back",
        running_etag: before,
        last_rollback: { etag: etagOf("default 7"), reason: "crash_loop", at: iso(30) },
        why: "rolled back"
      })
    }
    return index < converged
      ? gateway(id, { last_seen: iso(index % 300) })
      : gateway(id, { standing: "waiting", running_etag: before, why: "has not yet fetched the newest revision" })
  })

/** Texts that want to be something else. */
export const HOSTILE = {
  html: `<img src=x onerror="document.title='owned'"><script>document.title="owned"</script>`,
  rtl: "gw_\u202Eevil\u2066\u200F gnp.exe",
  arabic: "بوابة-المصنع-٣",
  long: `gw_${"x".repeat(3_000)}`,
  control: "gw_\u0000\u001B[31mred\u0007"
} as const

export const hostileGateways = (): ReadonlyArray<GatewayView> => [
  gateway(HOSTILE.html, { config: HOSTILE.html, standing: "waiting", why: HOSTILE.html, version: HOSTILE.html }),
  gateway(HOSTILE.rtl, { standing: "waiting", why: `\u202E${HOSTILE.html}` }),
  gateway(HOSTILE.arabic, { standing: "unconfirmed", why: HOSTILE.arabic }),
  gateway(HOSTILE.long, {
    standing: "refused",
    why: HOSTILE.long,
    last_attempt: {
      etag: etagOf("default 7"),
      verdict: "x".repeat(500),
      reason: HOSTILE.html.repeat(90),
      at: "no time"
    }
  }),
  gateway(HOSTILE.control, { last_seen: "never mind", running_since: "", version: "9".repeat(400) })
]

export const DOCUMENT = (interval: number, url = "https://central.example.com"): string =>
  `${JSON.stringify(
    {
      version: 2,
      plugins: [{ name: "@holdfast/agents", config: { folders: ["/srv/agents"] } }, { name: "@holdfast/runs" }],
      sinks: {
        central: {
          plugin: "@holdfast/central",
          config: { url, identity: {}, poll_interval_seconds: interval }
        }
      }
    },
    null,
    2
  )}\n`
