/** The folder of `holdfast up`: a central, a gateway, their ports, and documents to try. */
import { Effect, FileSystem, Option, Path, Schema } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { listen } from "../http/index.ts"

/** `up` cannot work in that folder. `message` says why and what to do. */
export class UpRefused extends Schema.TaggedError<UpRefused>()("UpRefused", { message: Schema.String }) {}

/** The folder and what is in it, all absolute. */
export interface UpHome {
  readonly root: string
  readonly central: string
  /** `HOLDFAST_HOME` of the gateway. */
  readonly gateway: string
  /** Documents that the printed commands use. */
  readonly documents: string
  readonly ports: Ports
}

/** Picked once, because documents and identities name them. */
const Ports = Schema.Struct({
  version: Schema.Literal(1),
  central: Schema.Int,
  gateway: Schema.Int
})
type Ports = typeof Ports.Type
const PortsJson = Schema.fromJsonString(Ports)

const PORTS_FILE = "ports.json"

/** Opens the folder, which it makes or (with `fresh`) empties first; a folder that is not ours is left alone. */
export const openHome = Effect.fnUntraced(function* (
  root: string,
  { fresh, port }: { readonly fresh: boolean; readonly port: number | undefined }
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(root, PORTS_FILE)
  const known = yield* fs.readFileString(file).pipe(
    Effect.map(Schema.decodeUnknownOption(PortsJson)),
    Effect.orElseSucceed(() => Option.none<Ports>())
  )
  const inside = yield* fs.readDirectory(root).pipe(Effect.orElseSucceed((): Array<string> => []))
  if (Option.isNone(known) && inside.length > 0) {
    return yield* new UpRefused({
      message: `${root} holds other things (${inside.slice(0, 3).join(", ")}) and no ${PORTS_FILE} of an earlier run. Choose another folder: --home DIR`
    })
  }
  if (fresh) yield* fs.remove(root, { recursive: true, force: true }).pipe(Effect.mapError(unusable(root)))
  const kept = fresh ? Option.none<Ports>() : known
  yield* fs.makeDirectory(root, { recursive: true, mode: 0o700 }).pipe(Effect.mapError(unusable(root)))
  const [central, gateway] = Option.isSome(kept) ? [kept.value.central, kept.value.gateway] : yield* freePorts
  const ports: Ports = { version: 1, central, gateway: port ?? gateway }
  yield* fs.writeFileString(file, `${JSON.stringify(ports)}\n`, { mode: 0o600 }).pipe(Effect.mapError(unusable(root)))
  const home: UpHome = {
    root,
    central: path.join(root, "central"),
    gateway: path.join(root, "gateway"),
    documents: path.join(root, "documents"),
    ports
  }
  return home
})

/** Two different ports that nobody has now. */
const freePorts = Effect.scoped(
  Effect.all([listen({ host: "127.0.0.1", port: 0 }), listen({ host: "127.0.0.1", port: 0 })])
).pipe(Effect.map(([first, second]) => [first.port, second.port] as const))

const unusable = (root: string) => (error: PlatformError) =>
  new UpRefused({ message: `${root} cannot be used: ${error.message}. Choose another folder: --home DIR` })
