/** What happens to Join: identities are found, refused, refreshed; tokens come and go. */
import { CREDENTIAL_REFUSED } from "../../machines/index.ts"
import { failure, movesOf } from "./Alone.ts"

const loaded = (kind: "ready" | "none", token: boolean) => ({ kind, refreshInMs: 3_600_000, token, jitter: 0 })
const acquired = (expiryUnknown: boolean) => ({ refreshInMs: 7_200_000, expiryUnknown, jitter: 0 })

const results = [
  ["an identity with its expiry", acquired(false)],
  ["an identity of unknown expiry", acquired(true)]
] as const
const failures = [failure("NetworkError"), failure(CREDENTIAL_REFUSED)]

export const JoinMoves = movesOf(
  {
    events: [
      { type: "BEGIN", central: true },
      { type: "BEGIN", central: false },
      { type: "REFRESH_NEEDED" },
      { type: "END" },
      { type: "LEAVE" }
    ],
    results: {
      loadIdentity: [
        ["an identity, and a token", loaded("ready", true)],
        ["an identity alone", loaded("ready", false)],
        ["a token alone", loaded("none", true)],
        ["neither", loaded("none", false)]
      ],
      bootstrap: results,
      refresh: results
    },
    failures: { loadIdentity: [failure("StorageError")], bootstrap: failures, refresh: failures }
  },
  5_000
)
