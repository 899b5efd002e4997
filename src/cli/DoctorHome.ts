/** What the doctor says of the home: whether it can be used, who may read its secrets, how much room there is. */
import { Effect, FileSystem, Option, Path, Result } from "effect"
import { Home } from "../domain/index.ts"
import { doubtful, fine, type Finding, skipped, wrong } from "./DoctorFinding.ts"
import { plain, reasonOf } from "./Output.ts"

/** Less than this on the disk of the home is little: a revision, its plugins and a day of logs. */
const LITTLE_ROOM_KIB = 512 * 1024
/** Less than this is nothing. */
const NO_ROOM_KIB = 16 * 1024

/** The home itself. A file is made and removed in it: rights are not always what they look like. */
export const checkHome = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const { root, state } = yield* Home
  const there = yield* Effect.option(fs.stat(root))
  if (Option.isNone(there)) return [yield* missing(root)]
  if (there.value.type !== "Directory") return [wrong("home", `${root} is no folder`, ELSEWHERE)]
  const probe = fs.makeTempFileScoped({ directory: root, prefix: ".doctor-" }).pipe(
    Effect.flatMap((file) => fs.writeFile(file, new Uint8Array(4_096))),
    Effect.scoped
  )
  const written = yield* Effect.result(probe)
  if (Result.isFailure(written)) {
    return [
      wrong(
        "home",
        `${root} cannot be written: ${reasonOf(written.failure)}`,
        "Run this as the user of the daemon, free some space, or set HOLDFAST_HOME to another folder."
      )
    ]
  }
  const inState = yield* Effect.result(fs.access(state, { writable: true }))
  if (Result.isFailure(inState) && inState.failure.reason._tag !== "NotFound") {
    return [
      wrong(
        "home",
        `${state} cannot be written: ${reasonOf(inState.failure)}`,
        `Make it writable for the user of the daemon: chown -R USER ${state}`
      )
    ]
  }
  return [yield* roomOf(root)]
})

const ELSEWHERE = "Set HOLDFAST_HOME to a folder."

/** A home that is not there: whether the first start can make it. */
const missing = Effect.fnUntraced(function* (root: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  let at = root
  let found = yield* Effect.option(fs.stat(at))
  while (Option.isNone(found) && path.dirname(at) !== at) {
    const link = yield* Effect.option(fs.readLink(at))
    if (Option.isSome(link)) {
      const said = `${at} is a link to ${plain(link.value)}, which cannot be reached`
      return wrong("home", said, "Make that folder, remove the link, or set HOLDFAST_HOME to another folder.")
    }
    at = path.dirname(at)
    found = yield* Effect.option(fs.stat(at))
  }
  if (Option.isSome(found) && found.value.type !== "Directory") {
    return wrong("home", `${root} cannot be made: ${at} is no folder`, ELSEWHERE)
  }
  const writable = yield* Effect.result(fs.access(at, { writable: true }))
  return Result.isSuccess(writable)
    ? fine("home", `${root} is not there yet: the first start makes it`)
    : wrong(
        "home",
        `${root} is not there, and cannot be made in ${at}: ${reasonOf(writable.failure)}`,
        "Make it for the user of the daemon (mkdir -p, chown USER), or set HOLDFAST_HOME to another folder."
      )
})

const roomOf = Effect.fnUntraced(function* (root: string) {
  const { runProgram } = yield* Effect.promise(() => import("../process/index.ts"))
  const said = yield* Effect.option(runProgram("df", { args: ["-Pk", root], deadline: "10 seconds" }))
  const free = Option.map(said, (text) => Number(text.trim().split("\n").at(-1)?.split(/\s+/)[3]))
  return Option.isNone(free) || !Number.isFinite(free.value)
    ? fine("home", `${root} can be written`)
    : roomFinding(root, free.value)
})

/** What so much room on the disk of a home that can be written means. */
export const roomFinding = (root: string, kib: number): Finding => {
  const found = `${root} can be written, and its disk has ${sizeOf(kib)} left`
  if (kib >= LITTLE_ROOM_KIB) return fine("home", found)
  return (kib < NO_ROOM_KIB ? wrong : doubtful)("home", found, "Free some space on that disk.")
}

const sizeOf = (kib: number): string =>
  kib >= 1_048_576 ? `${(kib / 1_048_576).toFixed(1)} GiB` : `${Math.floor(kib / 1_024)} MiB`

/** Files with a secret in them, below `state` and its control folder. */
const SECRETS = ["api-token", "identity.json", "identity.bak.json", "login.json"]
const CONTROL_SECRETS = [
  "join.json",
  "join.bak.json",
  "seed.json",
  "seed.bak.json",
  "a/document.json",
  "b/document.json"
]

/** In a document that people write, whatever else may be wrong in it. */
const SECRET_IN_JSON = /"(?:[^"]*_)?(?:api_?key|token|secret|password)"\s*:\s*"[^"]/i

/** Whose the files are, and who else may read what is secret. */
export const checkPermissions = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { control, localConfig, root, state } = yield* Home
  const home = yield* Effect.option(fs.stat(root))
  if (Option.isSome(home) && home.value.type !== "Directory") return [skipped("permissions", `${root} is no folder`)]
  // People's own file, in a home that they may have made: who cannot enter cannot read.
  const isOpen = Option.isSome(home) && (home.value.mode & 0o011) !== 0
  const written = isOpen ? yield* Effect.orElseSucceed(fs.readFileString(localConfig), () => "") : ""
  const own = globalThis.process.getuid?.()
  const candidates = [
    root,
    state,
    ...(SECRET_IN_JSON.test(written) ? [localConfig] : []),
    ...SECRETS.map((name) => path.join(state, name)),
    ...CONTROL_SECRETS.map((name) => path.join(control, name))
  ]
  const seen = yield* Effect.forEach(candidates, (file) =>
    Effect.map(
      Effect.option(fs.stat(file)),
      Option.map(({ mode, type, uid }) => ({ file, mode, type, uid }))
    )
  )
  const there = seen.flatMap((one) => Option.toArray(one))
  const foreign = there.filter(({ uid }) => own !== undefined && own !== 0 && Option.getOrUndefined(uid) !== own)
  const owners = new Set(there.map(({ uid }) => Option.getOrUndefined(uid)))
  const findings: ReadonlyArray<Finding> = [
    ...foreign
      .slice(0, 1)
      .map(({ file }) =>
        wrong(
          "permissions",
          `${file} belongs to another user`,
          `Give the home to one user: sudo chown -R "$(id -un)" ${root}`
        )
      ),
    ...(own === 0 && owners.size > 1
      ? [
          wrong(
            "permissions",
            `files of ${root} belong to different users`,
            `Give them to the user of the daemon: chown -R USER ${root}`
          )
        ]
      : []),
    ...there
      .filter(({ mode, type }) => type === "Directory" && (mode & 0o022) !== 0)
      .map(({ file }) =>
        wrong("permissions", `others can put files into ${file}`, `Keep it to its user: chmod go-w ${file}`)
      ),
    ...there
      .filter(({ mode, type }) => type === "File" && (mode & 0o077) !== 0)
      .map(({ file }) =>
        wrong("permissions", `others can read the secrets in ${file}`, `Keep them to their user: chmod 600 ${file}`)
      )
  ]
  return findings.length > 0
    ? findings
    : [fine("permissions", there.length === 0 ? "there is nothing to keep yet" : "secrets are for their user alone")]
})
