/** What the doctor says of the machine: its Node, its Python, and whatever keeps the daemon running. */
import { Config, Effect, FileSystem, Option, Path } from "effect"
import { Home, packageRoot } from "../domain/index.ts"
import { lingerCommand, loadService, managerOf, whyLeftOut } from "./DaemonService.ts"
import { doubtful, fine, type Finding, skipped, wrong } from "./DoctorFinding.ts"
import { plain } from "./Output.ts"

/** The Node that runs this, which is the one that a service would get. */
export const checkNode = Effect.gen(function* () {
  const { execPath, versions } = globalThis.process
  const root = yield* packageRoot
  const own = execPath.startsWith(`${root}/`) ? ", which came with Holdfast" : ""
  return [fine("node", `Node.js ${versions.node}${own} (${execPath})`)]
})

const exists = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.orElseSucceed(fs.exists(file), () => false)
})

/** Whether this process lives in a container: its local runs end with it. */
const isContained = Effect.gen(function* () {
  const inCluster = yield* Config.option(Config.NonEmptyString("KUBERNETES_SERVICE_HOST"))
  return Option.isSome(inCluster) || (yield* exists("/.dockerenv")) || (yield* exists("/run/.containerenv"))
})

/** What of the program a unit starts is gone: paths of its lines that begin with one. */
const lost = Effect.fnUntraced(function* (unit: string) {
  const named = [...unit.matchAll(/^ExecStart="([^"]+)" "([^"]+)"|<string>(\/[^<]+(?:\/node|main\.js))<\/string>/gm)]
  const paths = named.flatMap(([, node, script, listed]) => [node, script, listed]).filter((path) => path !== undefined)
  return yield* Effect.filter(paths, (path) => Effect.map(exists(path), (there) => !there))
})

const checkScope = Effect.fnUntraced(function* (scope: "user" | "system") {
  const { ServiceManager } = yield* loadService
  const manager = yield* ServiceManager
  const home = yield* Home
  const unit = yield* manager.installed
  if (Option.isNone(unit)) return []
  const install = `holdfast daemon install${scope === "system" ? " --system" : ""}`
  if (unit.value.home !== home.root) {
    const gone = (yield* exists(unit.value.home)) ? "" : ", which is not there any more"
    const found = `${manager.name} (${manager.file}) is for the home ${plain(unit.value.home)}${gone}, and not for this one`
    return [doubtful("service", found, `If it is to run this home: ${install}`)]
  }
  const missing = yield* lost(unit.value.content)
  if (missing.length > 0) {
    return [
      wrong(
        "service",
        `${manager.name} starts what is gone: ${missing.join(", ")}`,
        `With the program that is: ${install}`
      )
    ]
  }
  const { pid, state } = yield* manager.status
  if (pid === null) {
    return [
      wrong(
        "service",
        `${manager.name} is installed and does not run: ${state}`,
        "holdfast daemon start",
        "holdfast daemon logs"
      )
    ]
  }
  const command = yield* lingerCommand(manager)
  return [
    fine("service", `${manager.name} runs it: ${state} (pid ${pid})`),
    ...(command === null
      ? []
      : [doubtful("service", "it runs while you are logged in", `To keep it running: ${command}`)])
  ]
})

/** The service of this home, the user's and the machine's. */
export const checkService = Effect.gen(function* () {
  const contained = yield* isContained
  const ofContainer = contained
    ? [
        doubtful(
          "runs",
          "this is a container: local runs end with it, and the next start reports them as lost",
          "Run agents as Jobs of a cluster, or give the container time until its runs have ended."
        )
      ]
    : []
  const found = yield* Effect.forEach(["user", "system"] as const, (scope) =>
    checkScope(scope).pipe(
      Effect.provide(managerOf(scope)),
      Effect.catchTag("NoServiceManager", ({ message }) => Effect.succeed([skipped("service", message)])),
      Effect.catch(({ message }) => Effect.succeed([wrong("service", message)]))
    )
  )
  const { carriedEnvironment } = yield* loadService
  const { leftOut } = yield* carriedEnvironment
  const all = found.flat()
  const said = all.filter(({ verdict }) => verdict !== "skipped")
  if (said.length > 0) return [...said, ...leftOut.map((one) => doubtful("service", whyLeftOut(one))), ...ofContainer]
  const [none] = all
  return [
    none ??
      doubtful(
        "service",
        "the daemon is no service of this machine: nothing starts it again",
        "holdfast daemon install"
      ),
    ...ofContainer
  ]
})

/** The Python of agents; it matters where there are such files. */
export const checkPython = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { agents } = yield* Home
  const files = yield* Effect.orElseSucceed(fs.readDirectory(agents), (): ReadonlyArray<string> => [])
  const count = files.filter((name) => path.extname(name) === ".py").length
  const python = yield* Config.withDefault(Config.NonEmptyString("HOLDFAST_PYTHON"), "python3")
  const { runProgram } = yield* Effect.promise(() => import("../process/index.ts"))
  const asked = runProgram(python, { args: ["-c", VERSION_OF_PYTHON], deadline: "10 seconds" })
  return yield* Effect.match(asked, {
    onFailure: ({ message }): ReadonlyArray<Finding> =>
      count === 0
        ? [skipped("python", `${python} cannot be used, and no agent here needs it`)]
        : [
            wrong(
              "python",
              `${count} agents of ${agents} need ${python}, which ${plain(message)}`,
              "Install Python 3.8 or newer, or name it in HOLDFAST_PYTHON."
            )
          ],
    onSuccess: (said) => {
      const version = plain(said)
      const [major = 0, minor = 0] = version.split(".").map(Number)
      return major === 3 && minor >= 8
        ? [fine("python", `${python} is Python ${version}, for ${count} agents`)]
        : [
            (count === 0 ? doubtful : wrong)(
              "python",
              `${python} is Python ${version}, and agents need 3.8 or newer`,
              "Install a newer one, or name it in HOLDFAST_PYTHON."
            )
          ]
    }
  })
})

const VERSION_OF_PYTHON = 'import sys; print(".".join(map(str, sys.version_info[:3])))'
