/**
 * What the real readers make of a file: two disks that they answer the same about have the same future, so that a life is
 * lived once for each answer, while the reader is asked about every byte.
 */
import { Context, Effect, Exit, Redacted } from "effect"
import { readLocalLayer } from "../../src/config/LocalLayer.ts"
import { ControlFiles } from "../../src/config/index.ts"
import type { Home } from "../../src/domain/index.ts"
import { type DurableFiles, IdentityStore, Slots } from "../../src/storage/index.ts"
import { type Disk, treeOf } from "../crash/Disk.ts"
import { mount } from "../crash/DiskFileSystem.ts"
import { baseOf, CONTROL, type Engine, HOME, referencesOf, type Surroundings } from "../crash/Services.ts"

type Reader = Effect.Effect<unknown, unknown, ControlFiles | DurableFiles | Home | IdentityStore | Slots>

const identities: Reader = Effect.flatMap(IdentityStore, (store) =>
  Effect.map(store.read, ({ file, source }) => ({
    source,
    confirmed: file.last_confirmed_url,
    known: Object.entries(file.identities).map(([url, entry]) => [url, { ...entry, jwt: Redacted.value(entry.jwt) }])
  }))
)

const seed: Reader = ControlFiles.use((control) =>
  Effect.all([control.readSeed, control.losses(true)]).pipe(
    Effect.map(([bytes, losses]) => [bytes._tag === "Some" ? Buffer.from(bytes.value).toString() : null, losses])
  )
)

const trust: Reader = ControlFiles.use((control) => Effect.all([control.readTrust, control.losses(true)]))

const joining: Reader = ControlFiles.use((control) => Effect.all([control.readJoin, control.losses(true)]))

const slot = (name: "a" | "b"): Reader =>
  Slots.use((slots) =>
    Effect.map(slots.readSlot(CONTROL, name), ({ document, problem, ...rest }) => ({
      ...rest,
      // A document that is not what its record says is run by nobody: what it says does not count.
      document: rest.intact && document !== undefined ? Buffer.from(document).toString("latin1") : null,
      problem: problem !== undefined
    }))
  )

// Settings of plugins are the user's own, and change nothing of what is asked here.
const local: Reader = Effect.map(readLocalLayer, ({ document, problem }) => ({
  isUsable: problem === null,
  plugins: document?.plugins?.map(({ name }) => name),
  sinks: document?.sinks
}))

const READERS: ReadonlyArray<readonly [prefix: string, reader: Reader]> = [
  [`${HOME}/state/identity`, identities],
  [`${HOME}/state/trust`, trust],
  [`${HOME}/config.json`, local],
  [`${CONTROL}/join`, joining],
  [`${CONTROL}/seed`, seed],
  [`${CONTROL}/leave.json`, ControlFiles.use((control) => control.leaveFound)],
  [`${CONTROL}/state.json`, ControlFiles.use((control) => control.readState)],
  [`${CONTROL}/active`, Slots.use((slots) => slots.readActive(CONTROL))],
  [`${CONTROL}/a`, slot("a")],
  [`${CONTROL}/b`, slot("b")]
]

/** The readers of a machine with this engine. */
export class Readings {
  private readonly around: Surroundings
  private readonly services: ReturnType<typeof baseOf>

  constructor(engine: Engine) {
    this.around = {
      mounted: mount({ inodes: new Map(), next: 2, seq: 1 }),
      central: { serving: null, issued: 0, refuses: false },
      bootId: "",
      now: { uptime: 0, wall: 0 }
    }
    this.services = Context.merge(referencesOf(this.around), baseOf(engine, this.around))
  }

  /** What the reader of this file answers on this disk. */
  of(disk: Disk, path: string): string {
    const found = READERS.find(([prefix]) => path.startsWith(prefix))
    if (found === undefined) throw new Error(`nobody reads ${path}`)
    this.around.mounted.disk = disk
    const exit = Effect.runSyncExitWith(this.services)(found[1])
    return Exit.isSuccess(exit) ? JSON.stringify(exit.value) : `failed: ${String(exit.cause)}`
  }

  /** What all of them answer, and what is there: all that the next process can know. */
  all(disk: Disk): string {
    const there = Object.entries(treeOf(disk)).map(
      ([path, text]) => `${path} ${text === "/" ? "/" : text.slice(0, 1) === "→" ? text : ""}`
    )
    return [...there, ...READERS.map(([prefix]) => this.of(disk, prefix))].join("\n")
  }
}
