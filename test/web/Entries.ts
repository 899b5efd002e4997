/** Entries and statuses for the tests of the pages. */
import type { LoginStatus, Status } from "../../src/domain/index.ts"
import type { Entry, Hello } from "../../src/web/Wire.ts"

/** 2026-11-21 12:00:00 UTC. */
export const NOON = Date.parse("2026-11-21T12:00:00.000Z")

export const entry = (more: Partial<Entry> = {}): Entry => ({
  machine: "join",
  instance: null,
  at: NOON,
  uptime: 1_000,
  event: "BEGIN",
  cause: "machine daemon",
  from: "idle",
  to: "loading",
  changed: true,
  visible: {},
  transitions: null,
  ...more
})

export const hello = (more: Partial<Hello> = {}): Hello => ({
  version: "0.1.0",
  pid: 100,
  startedAt: "2026-11-21T11:59:59.000Z",
  machines: [
    {
      id: "join",
      title: "Join",
      document: "0002-join.spec.md",
      states: [{ instance: null, state: "idle", visible: {} }]
    }
  ],
  entries: [],
  ...more
})

type Remote = NonNullable<Status["remote_config"]>

/** A healthy machine that runs revision `"aaaa"`, promoted at noon. */
export const status = (remote: Partial<Remote> | null = {}, more: Partial<Status> = {}): Status => ({
  overall: "healthy",
  diagnostics: [],
  daemon: {
    state: "running",
    pid: 100,
    started_at: "2026-11-21T12:00:00.000Z",
    api_url: "http://127.0.0.1:7071",
    version: "0.1.0",
    last_start: "explained",
    safe_start: false,
    time_scale: 1
  },
  identity: { gateway_id: "gw_1", expires_at: "2026-11-22T12:00:00.000Z", state: "enrolled.fresh" },
  remote_config:
    remote === null
      ? null
      : {
          running_etag: '"aaaa"',
          last_known_good: { etag: '"aaaa"', slot: "a", promoted_at: "2026-11-21T12:00:00.000Z" },
          probation: null,
          last_rollback: null,
          bad_etag: null,
          quarantine: [],
          last_attempt: null,
          ...remote
        },
  config_layers: {
    central: { source: "slot", slot: "a", etag: '"aaaa"', url: "http://127.0.0.1:7070" },
    local: { path: "/home/config.json", used: false, dropped: [] }
  },
  plugins: [],
  machines: {},
  ...more
})

/** What is said of a login; nobody is signed in unless `more` says so. */
export const loginStatus = (
  more: Partial<Omit<LoginStatus, "account">> = {},
  account: Partial<LoginStatus["account"]> = {}
): LoginStatus => ({
  id: null,
  phase: null,
  user_code: null,
  verification_uri: null,
  interval: null,
  deadline: null,
  expires_in: null,
  code: null,
  error: null,
  signup_url: "https://github.com/github-copilot/signup",
  storage_problem: null,
  ...more,
  account: { source: "login", provider: "github", state: "signed_out", username: null, problem: null, ...account }
})

/** A flow whose code is shown. */
export const waiting = (id = "f1", more: Partial<Omit<LoginStatus, "account">> = {}): LoginStatus =>
  loginStatus({
    id,
    phase: "waiting",
    user_code: "ABCD-1234",
    verification_uri: "https://github.com/login/device",
    interval: 5,
    deadline: "2026-11-21T12:15:00.000Z",
    expires_in: 900,
    ...more
  })

const current = (state: string, visible: Readonly<Record<string, unknown>> = {}) => [{ instance: null, state, visible }]

/** A machine that applied a revision, as a daemon tells it to a page that has just come. */
export const story = (): Hello =>
  hello({
    machines: [
      { id: "join", title: "Join", document: "0002-join.spec.md", states: current("enrolled.fresh", { failures: 0 }) },
      {
        id: "configPull",
        title: "Config pull",
        document: "0003-config-pull.spec.md",
        states: current("pull.waiting,reports.idle", { failures: 0 })
      },
      {
        id: "configApply",
        title: "Config apply",
        document: "0004-config-apply.spec.md",
        states: current("probation.using")
      },
      { id: "daemon", title: "Daemon", document: "0005-daemon.spec.md", states: current("running.normal") }
    ],
    entries: [
      entry({ event: "xstate.init", cause: "start", from: "", to: "idle", uptime: 1, transitions: [] }),
      entry({ event: "BEGIN", uptime: 20, transitions: ["idle · BEGIN #1"] }),
      entry({
        event: "xstate.done.actor.0.join.loading",
        cause: "task loadIdentity",
        from: "loading",
        to: "enrolled.fresh",
        uptime: 30,
        at: NOON + 1_000,
        transitions: ["loading · loadIdentity done #1"]
      }),
      entry({
        event: "REFRESH_NEEDED",
        cause: "machine configPull",
        from: "enrolled.fresh",
        to: "enrolled.fresh",
        uptime: 40,
        at: NOON + 2_000,
        changed: false,
        transitions: []
      }),
      entry({
        machine: "configApply",
        event: "xstate.done.actor.0.configApply.boot.inspecting",
        cause: "task inspect",
        from: "boot.inspecting",
        to: "probation.using",
        uptime: 25,
        transitions: ["boot.inspecting · inspect done", "boot.judging · always #9"]
      }),
      entry({
        machine: "configPull",
        event: "xstate.done.actor.0.configPull.pull.polling",
        cause: "task poll",
        from: "pull.polling,reports.idle",
        to: "pull.waiting,reports.idle",
        uptime: 50,
        at: NOON + 3_000,
        transitions: ["pull.polling · poll done #1"]
      })
    ]
  })
