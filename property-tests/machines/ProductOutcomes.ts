/** How the tasks of the product's machines may end, and which of these ends is the honest one. */
import type { PollAnswerKind } from "../../machines/index.ts"
import { isWrite } from "./DiskModel.ts"
import { centralOf, Interned, type Cause, type Parts } from "./ProductParts.ts"
import {
  applyContext,
  EARLY,
  LATE,
  mayBeSpared,
  mayChange,
  namesIn,
  NEVER,
  UNKNOWN,
  type Engine,
  type Task
} from "./ProductState.ts"
import { MAIN_URL } from "./Revisions.ts"

/** What a move is, as bits. */
export const HONEST = 1
/** Plugin code ends the process, or takes the operating system down. */
export const PLUGIN_KILLS = 2
export const PLUGIN_REBOOTS = 4
/** Nobody waited: no timer of some length, no administrator, no outside event lies in it. */
export const AT_ONCE = 8
/** A poll is answered with a good revision that this machine has not heard of. */
export const PUBLISHES = 16
/** A poll is answered by what central served already. */
export const ANSWERS = 32

/** The process ends without a word, and is started again. */
export const EXITS = 64
/** Central goes back to a revision that it served before. */
export const GOES_BACK = 128

/** One end of a task: what happens to engine and machine, in this order; `bits` say what kind of move it is. */
export interface End {
  readonly engine: number | null
  readonly own: number
  readonly bits: number
}

const NONE: ReadonlyArray<End> = []

/** All ends of tasks, by state of the engine where they depend on it. */
export class Outcomes {
  private readonly parts: Parts
  private readonly engines: Array<ReadonlyArray<End>> = []
  private readonly views = new Interned<Engine>()
  private readonly viewOf: Array<number> = []
  private readonly others: Array<Array<Array<ReadonlyArray<End>>>> = [[], [], [], []]
  constructor(parts: Parts) {
    this.parts = parts
  }

  /** The ends of the engine's tasks. */
  ofEngine(id: number): ReadonlyArray<End> {
    const engine = this.parts.engine(id)
    return (this.engines[id] ??= engine.tasks.flatMap((task) => this.ofOwn(task, engine)))
  }

  /** The ends of the tasks of another machine, which depend on the engine only so far as its view goes. */
  ofOther(part: number, id: number, engine: number): ReadonlyArray<End> {
    const { tasks } = this.parts.part(part, id)
    if (tasks.length === 0) return NONE
    const view = (this.viewOf[engine] ??= this.view(this.parts.engine(engine)))
    const known = ((this.others[part] as Array<Array<ReadonlyArray<End>>>)[id] ??= [])
    return (known[view] ??= tasks.flatMap((task) => this.ofTask(task, this.views.at(view))))
  }

  private view(engine: Engine): number {
    const { disk, served } = engine
    const { running, state } = applyContext(engine)
    const bad = state.quarantine.map(({ etag }) => etag)
    const names = [served, running.etag, mayChange(engine), namesIn(engine), bad]
    const seen = [centralOf(engine), disk.identities, disk.seed, names]
    return this.views.of(JSON.stringify(seen), () => engine)
  }

  private ofOwn(task: Task, engine: Engine): ReadonlyArray<End> {
    const own = (cause: Cause, bits: number): End => ({ engine: null, own: this.parts.cause(cause), bits })
    const { id, src } = task
    const fails = own({ _tag: "Failed", id, tag: "StorageError" }, AT_ONCE)
    if (src === "inspect") {
      return [
        own({ _tag: "Inspected", id, readOnly: false }, HONEST | AT_ONCE),
        own({ _tag: "Inspected", id, readOnly: true }, AT_ONCE),
        fails
      ]
    }
    if (src === "readTime") {
      const { marker } = applyContext(engine).state
      const spent = marker === undefined ? 0 : applyContext(engine).part.ms
      const times = [...new Set([0, spent])]
      return [
        ...times.map((uptime) => own({ _tag: "Done", id, output: { uptime, wall: EARLY } }, HONEST | AT_ONCE)),
        fails
      ]
    }
    if (isWrite(src)) {
      const write = (effect: boolean, failure: string | null, bits: number): End =>
        own({ _tag: "Write", id, effect, failure }, bits)
      return [
        write(true, null, HONEST | AT_ONCE),
        write(true, "StorageError", AT_ONCE),
        // A flip that fails without saying that it did not happen, and did not, has run into its deadline.
        write(false, "StorageError", src === "flip" ? 0 : AT_ONCE),
        // The revision that is written turns out to name a host that never answers, or to have been bad before.
        ...(src === "writeSlot"
          ? [
              own({ _tag: "Write", id, effect: true, failure: null, turns: "mute" }, AT_ONCE),
              own({ _tag: "Write", id, effect: true, failure: null, turns: "retried" }, AT_ONCE | GOES_BACK)
            ]
          : []),
        ...(mayBeSpared(engine)
          ? [
              own({ _tag: "Write", id, effect: true, failure: null, turns: "spare" }, HONEST | AT_ONCE),
              own({ _tag: "Write", id, effect: true, failure: "StorageError", turns: "spare" }, AT_ONCE)
            ]
          : []),
        ...(src === "flip" ? [write(false, "NotFlipped", AT_ONCE)] : [])
      ]
    }
    const refusal = { verdict: "config_invalid", transient: false, digest: "", detail: "" }
    return [
      own({ _tag: "Done", id, output: { verdict: "accepted", digest: "", window_ms: 2 } }, HONEST | AT_ONCE),
      own({ _tag: "Done", id, output: refusal }, AT_ONCE),
      ...(src === "installPins"
        ? [
            own(
              { _tag: "Done", id, output: { ...refusal, verdict: "plugin_install_failed", transient: true } },
              AT_ONCE
            )
          ]
        : []),
      fails
    ]
  }

  private ofTask({ id, src }: Task, engine: Engine): ReadonlyArray<End> {
    const to = (cause: Cause | null): number | null => (cause === null ? null : this.parts.cause(cause))
    const end = (own: Cause, bits: number, before: Cause | null = null): End => ({
      engine: to(before),
      own: this.parts.cause(own),
      bits
    })
    const done = (output: unknown, bits: number, before: Cause | null = null): End =>
      end({ _tag: "Done", id, output }, bits, before)
    const failed = (tag: string, bits = AT_ONCE, before: Cause | null = null): End =>
      end({ _tag: "Failed", id, tag }, bits, before)
    const isHere = centralOf(engine) === "main"
    const { disk } = engine
    const acquired = (expiryUnknown: boolean) => ({ refreshInMs: 86_400_000, expiryUnknown, jitter: 0 })
    switch (src) {
      case "loadIdentity": {
        const kind = isHere && disk.identities.includes(MAIN_URL) ? "ready" : "none"
        const output = { kind, refreshInMs: 86_400_000, token: disk.seed && isHere, jitter: 0 }
        return [done(output, HONEST | AT_ONCE), failed("StorageError")]
      }
      case "bootstrap":
      case "refresh": {
        if (!isHere || (src === "bootstrap" && !disk.seed)) return [failed("NetworkError", HONEST | AT_ONCE)]
        const before = src === "bootstrap" ? ({ _tag: "Enrolled" } as const) : null
        return [
          done(acquired(false), HONEST | AT_ONCE, before),
          done(acquired(true), AT_ONCE, before),
          failed("NetworkError"),
          failed("CredentialRefused"),
          ...(before === null ? [] : [failed("NetworkError", AT_ONCE, before)])
        ]
      }
      case "poll":
        return this.polls(id, engine, isHere)
      case "loadPlugins":
        return [done({ problems: [] }, HONEST | AT_ONCE)]
      default:
        return [done(null, HONEST | AT_ONCE)]
    }
  }

  private polls(id: string, engine: Engine, isHere: boolean): ReadonlyArray<End> {
    const { served } = engine
    const end = (kind: PollAnswerKind, bits: number, more: object = {}, before: Cause | null = null): End => {
      const answer = { kind, etag: "", offer: 0, retryAfterSeconds: 0, message: kind, wall: EARLY, jitter: 0, ...more }
      const own = this.parts.cause({ _tag: "Done", id, output: answer })
      return { engine: before === null ? null : this.parts.cause(before), own, bits }
    }
    const lost = (bits: number): ReadonlyArray<End> => [
      end("network_error", bits),
      { engine: null, own: this.parts.cause({ _tag: "Failed", id, tag: "Defect" }), bits: AT_ONCE }
    ]
    if (!isHere) return lost(HONEST | AT_ONCE)
    const { running, state } = applyContext(engine)
    const answered = (etag: string, bits: number): ReadonlyArray<End> => {
      const before: Cause | null = etag === served ? null : { _tag: "Served", etag }
      if (etag === running.etag) return [end("unchanged", bits, {}, before)]
      const isBad = state.quarantine.some((entry) => entry.etag === etag)
      return [
        end("good", bits, { wall: LATE }, before),
        end("good", isBad ? bits : (bits & AT_ONCE) | GOES_BACK, { wall: NEVER }, before)
      ]
    }
    const others = mayChange(engine) ? namesIn(engine).filter((name) => name !== served) : []
    const isNew = served === UNKNOWN
    return [
      ...(isNew ? [] : answered(served, HONEST | AT_ONCE | ANSWERS)),
      ...(isNew || mayChange(engine) ? answered("G", HONEST | PUBLISHES | (isNew ? AT_ONCE : 0)) : []),
      ...others.flatMap((name) => answered(name, GOES_BACK)),
      end("unauthorized", AT_ONCE),
      end("not_found", AT_ONCE),
      end("throttled", AT_ONCE, { retryAfterSeconds: 600 }),
      ...lost(AT_ONCE)
    ]
  }
}
