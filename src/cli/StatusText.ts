/** The status of a machine for people. Pure. */
import type { RemoteConfig, Status } from "../domain/index.ts"
import { plain } from "./Output.ts"

/** Paints a word by how good it is; the identity where colours are not wanted. */
export interface Paint {
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
  readonly dim: (text: string) => string
}

/** No colours. */
export const noPaint: Paint = { good: (text) => text, bad: (text) => text, dim: (text) => text }

/** Colours of a terminal. */
export const ansiPaint: Paint = {
  good: (text) => `\u001b[32m${text}\u001b[0m`,
  bad: (text) => `\u001b[33m${text}\u001b[0m`,
  dim: (text) => `\u001b[2m${text}\u001b[0m`
}

/** Every line of `holdfast status`. */
export const statusLines = (status: Status, paint: Paint = noPaint): ReadonlyArray<string> => {
  const overall = status.overall === "healthy" ? paint.good("healthy") : paint.bad("degraded")
  return [
    `Holdfast ${plain(status.daemon.version)}: ${overall}`,
    "",
    ...fields([
      ["daemon", daemonText(status.daemon)],
      ["identity", identityText(status.identity)],
      ...remoteFields(status),
      ...layerFields(status),
      ...status.plugins.map(
        ({ name, state, version }) => ["plugin", `${plain(name)} ${plain(version)}: ${plain(state)}`] as const
      ),
      ...(status.core_lock === undefined ? [] : [["core lock", coreLockText(status.core_lock)] as const])
    ]),
    ...status.diagnostics.flatMap(({ message, repair, severity }) => [
      "",
      `${severity === "info" ? severity : paint.bad(severity)}: ${plain(message)}`,
      ...repair.map((step) => paint.dim(`  → ${plain(step)}`))
    ])
  ]
}

type Field = readonly [name: string, value: string]

const fields = (all: ReadonlyArray<Field>): ReadonlyArray<string> => all.map(([name, value]) => name.padEnd(13) + value)

const daemonText = ({
  api_url,
  last_start,
  pid,
  safe_start,
  started_at,
  state,
  time_scale
}: Status["daemon"]): string =>
  state === "stopped"
    ? "stopped"
    : [
        `${state}${pid === null ? "" : ` (pid ${pid})`}`,
        ...(started_at === null ? [] : [`since ${plain(started_at)}`]),
        ...(last_start === null ? [] : [`start: ${plain(last_start)}`]),
        api_url === null ? "API not open" : plain(api_url),
        ...(safe_start ? ["safe start"] : []),
        ...(time_scale === 1 ? [] : [`simulated time ×${time_scale}`])
      ].join(", ")

const identityText = ({ expires_at, gateway_id, problem, state }: Status["identity"]): string =>
  [
    gateway_id === null ? state : `gateway ${plain(gateway_id)}, ${state}`,
    ...(gateway_id === null || expires_at === null ? [] : [`until ${plain(expires_at)}`]),
    ...(problem === undefined ? [] : [plain(problem)])
  ].join(", ")

const coreLockText = ({ distributions = 0, path, state }: NonNullable<Status["core_lock"]>): string =>
  state === "ready"
    ? `${distributions} package${distributions === 1 ? "" : "s"} protected, ${plain(path)}`
    : `${state}: ${plain(path)}`

const remoteFields = ({ config_layers, daemon, diagnostics, remote_config }: Status): ReadonlyArray<Field> => {
  if (remote_config === null) {
    const isUnread = diagnostics.some(({ kind }) => kind === "storage_impaired")
    return [
      ["config", isUnread ? "not known" : "not joined to a fleet (holdfast join URL); the local layer alone counts"]
    ]
  }
  const { last_attempt, last_known_good, last_rollback, probation, quarantine = [] } = remote_config
  const from =
    config_layers.central?.slot == null ? config_layers.central?.source : `slot ${config_layers.central.slot}`
  return [
    [daemon.state === "stopped" ? "would run" : "runs", runningText(remote_config, from)],
    ...(probation == null
      ? []
      : [
          [
            "on probation",
            `${etagText(probation.etag)}: ${probation.remaining_seconds} s and ${probation.attempts_left} unexplained starts left` +
              (probation.applied_at === null ? "" : `, applied ${plain(probation.applied_at)}`)
          ] as const
        ]),
    ...(last_known_good == null
      ? []
      : [
          [
            "known good",
            `${etagText(last_known_good.etag)} in slot ${last_known_good.slot}` +
              (last_known_good.promoted_at === null ? "" : `, promoted ${plain(last_known_good.promoted_at)}`)
          ] as const
        ]),
    ...(last_attempt == null
      ? []
      : [
          [
            "last apply",
            `${etagText(last_attempt.etag)}: ${plain(last_attempt.verdict)} at ${plain(last_attempt.at)}` +
              ((last_attempt.attempt ?? 1) > 1 ? ` (attempt ${last_attempt.attempt})` : "")
          ] as const
        ]),
    ...(last_rollback == null
      ? []
      : [
          [
            "rolled back",
            `${last_rollback.etag === null ? "no known revision" : etagText(last_rollback.etag)}: ${plain(last_rollback.reason)} at ${plain(last_rollback.at)}`
          ] as const
        ]),
    ...quarantine.map(
      ({ attempts = 1, etag, reason, retry_at }) =>
        [
          "bad revision",
          `${etagText(etag)}: ${plain(reason)}` +
            (attempts > 1 ? ` (${attempts} times)` : "") +
            (retry_at == null ? "" : `, tried again after ${plain(retry_at)}`)
        ] as const
    )
  ]
}

const etagText = (etag: string | null): string => (etag === null ? "the joining document" : `revision ${plain(etag)}`)

const runningText = ({ running_etag }: RemoteConfig, from: string | undefined): string => {
  if (running_etag !== null) return `revision ${plain(running_etag)}${from === undefined ? "" : ` from ${from}`}`
  return from === undefined || from === "none" ? "no revision yet" : `no revision yet (${from})`
}

const layerFields = ({ config_layers: { central, local } }: Status): ReadonlyArray<Field> => [
  ...(central?.url == null ? [] : [["central", plain(central.url)] as const]),
  ...(local.used ? [["local layer", plain(local.path)] as const] : [])
]
