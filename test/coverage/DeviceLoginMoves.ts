/** What happens to DeviceLogin: people press every button, the provider gives every answer, the file says everything. */
import type { HeldToken, LoadedLogin, LoginFlow } from "../../machines/index.ts"
import { failure, movesOf } from "./Alone.ts"

const token = (handle: number, refreshable: boolean, access: HeldToken["access"] = "unknown"): HeldToken => ({
  handle,
  refreshable,
  name: null,
  access
})
const flow = (phase: LoginFlow["phase"]): LoginFlow => ({
  id: "f0",
  phase,
  intervalMs: 5_000,
  lifeMs: 12_000,
  code: null,
  message: null
})
const loaded = (part: Partial<LoadedLogin>): LoadedLogin => ({
  source: "login",
  account: null,
  candidate: null,
  flow: null,
  session: false,
  problem: null,
  ...part
})
const passing = (retryAfterMs: number) => ({
  kind: "passing",
  retryAfterMs,
  code: "provider_unavailable",
  message: "503"
})
const refused = { kind: "refused", code: "access_denied", message: "declined" }
const broken = [failure("Defect")]

export const DeviceLoginMoves = movesOf(
  {
    events: [
      { type: "START", id: "f1", force: false },
      { type: "START", id: "f2", force: true },
      { type: "CANCEL" },
      { type: "LOGOUT" },
      { type: "RETRY" },
      { type: "USE" }
    ],
    results: {
      load: [
        ["nobody signed in", loaded({})],
        ["a token that was not tried", loaded({ account: token(1, true) })],
        ["a token with its session", loaded({ account: token(1, false), session: true })],
        ["an account without access", loaded({ account: token(1, true, "no_access") })],
        ["a token that was refused", loaded({ account: token(1, true, "refused") })],
        ["a code that was shown", loaded({ flow: flow("waiting") })],
        ["a token that a flow brought", loaded({ flow: flow("exchanging"), candidate: token(2, true) })],
        ["a flow without a code", loaded({ flow: flow("requesting") })],
        ["a token of the environment", loaded({ source: "environment", account: token(1, false) })],
        ["no need of a token", loaded({ source: "none" })]
      ],
      save: [["written", undefined]],
      requestCode: [
        ["a code", { kind: "code", intervalMs: 5_000, lifeMs: 12_000 }],
        ["refused", refused],
        ["503", passing(0)],
        ["429 for a minute", passing(60_000)]
      ],
      pollToken: [
        ["pending", { kind: "pending" }],
        ["slow down", { kind: "slow_down", intervalMs: 0 }],
        ["a token", { kind: "token", token: token(2, true) }],
        ["a token that cannot be renewed", { kind: "token", token: token(3, false) }],
        ["expired", { kind: "expired" }],
        ["refused", refused],
        ["503", passing(0)]
      ],
      exchange: [
        ["a session", { kind: "session", name: "a" }],
        ["no access", { kind: "no_access", name: "a", message: "no subscription" }],
        ["401", { kind: "unauthorized", message: "401" }],
        ["503", passing(0)],
        ["429 for a minute", passing(60_000)]
      ],
      refresh: [
        ["renewed", { kind: "refreshed", refreshable: true }],
        ["refused", { kind: "refused", message: "spent" }],
        ["503", passing(0)],
        ["429 for a minute", passing(60_000)]
      ]
    },
    failures: {
      load: broken,
      save: [failure("StorageError")],
      requestCode: broken,
      pollToken: broken,
      exchange: broken,
      refresh: broken
    }
  },
  5_000
)
