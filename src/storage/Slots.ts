/** The A/B slots of one directory, and the link that says which of them runs. */
import { Context, DateTime, Effect, FileSystem, Layer, Option, Path, Schema } from "effect"
import { type SlotName, SLOTS } from "../../machines/Vocabulary.ts"
import type { PluginTrees } from "../domain/index.ts"
import { directoryMode, DurableFiles } from "./DurableFiles.ts"
import { sha256Hex } from "./Sha256.ts"
import { type ActiveLink, FlipError, type SlotContents, type SlotRecord, SlotRecordJson } from "./SlotFiles.ts"
import { sealed, unsealed } from "./Seal.ts"
import { isDamage, isMissing, type StorageError, storageStep } from "./StorageError.ts"

/** The directory of the slots, below the state directory. */
export const configControlDirectory = "config-control"

/**
 * The operation sequences on slots. `directory` is the one that holds `a`, `b` and `active`.
 *
 * They decide nothing: that a slot may be overwritten or flipped to is the apply engine's to know. No call can be
 * interrupted half-way.
 */
export class Slots extends Context.Service<
  Slots,
  {
    /**
     * Replaces a slot by a document and its record, unpromoted. The old slot is moved aside until the new one is
     * durable. Never to be called on the active slot or on the one to roll back to.
     */
    readonly writeSlot: (
      directory: string,
      slot: SlotName,
      content: {
        readonly document: Uint8Array
        readonly record: {
          readonly etag: string | null
          readonly digest: string
          readonly plugins?: PluginTrees
        }
      }
    ) => Effect.Effect<void, StorageError>
    /** Makes `active` point to `slot`. */
    readonly flip: (directory: string, slot: SlotName) => Effect.Effect<void, FlipError>
    /** Removes `active`, durably: no slot runs. */
    readonly unlinkActive: (directory: string) => Effect.Effect<void, StorageError>
    /** Where `active` points. */
    readonly readActive: (directory: string) => Effect.Effect<ActiveLink, StorageError>
    /**
     * What a slot holds. Damage (a wrong digest, an undecodable record, a bad sector: twice) is an answer, not a failure;
     * failures are those that another try may not have (too many open files, permissions).
     */
    readonly readSlot: (directory: string, slot: SlotName) => Effect.Effect<SlotContents, StorageError>
    /** Marks a slot as confirmed on probation at `iso`; the commit point of a promotion. Repeatable. */
    readonly writePromoted: (directory: string, slot: SlotName, iso: string) => Effect.Effect<void, StorageError>
    /** Makes durable what a killed process may have renamed and never synced: the state directory, slots and link. */
    readonly syncAll: (stateDirectory: string) => Effect.Effect<void, StorageError>
    /** Removes what interrupted sequences left behind (`*.tmp`, `*.new`, `*.old`), here and in the slots. */
    readonly sweep: (directory: string) => Effect.Effect<void, StorageError>
  }
>()("holdfast/storage/Slots") {
  static readonly layer = Layer.effect(
    Slots,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const files = yield* DurableFiles

      const renameStep = (from: string, to: string) => fs.rename(from, to).pipe(storageStep("rename", from))

      const fill = Effect.fnUntraced(function* (fresh: string, document: Uint8Array, record: string) {
        yield* fs.makeDirectory(fresh, { mode: directoryMode }).pipe(storageStep("makeDirectory", fresh))
        yield* files.create(path.join(fresh, "document.json"), document)
        yield* files.create(path.join(fresh, "record.json"), record)
        yield* files.syncDirectory(fresh)
      })

      const writeSlot: Slots["Service"]["writeSlot"] = Effect.fn("Slots.writeSlot")(function* (
        directory,
        slot,
        { document, record }
      ) {
        const target = path.join(directory, slot)
        const fresh = `${target}.new`
        const aside = `${target}.old`
        yield* files.remove(fresh)
        // Left by a try that failed: the slot must not come back by its old name once its files go.
        if (yield* files.exists(aside)) yield* files.syncDirectory(directory)
        yield* files.remove(aside)
        const { digest, etag, plugins } = record
        const text = yield* sealed(
          JSON.stringify({ etag, digest, ...(plugins === undefined ? {} : { plugins }) }),
          SEAL
        )
        yield* fill(fresh, document, text).pipe(
          // On a full disk the half-written slot would keep others from writing; the failure itself is reported.
          Effect.tapError(() => Effect.ignore(files.remove(fresh)))
        )
        yield* renameStep(target, aside).pipe(Effect.catchIf(isMissing, () => Effect.void))
        yield* renameStep(fresh, target)
        yield* files.syncDirectory(directory)
        yield* files.remove(aside)
      }, Effect.uninterruptible)

      const readActive = Effect.fn("Slots.readActive")(function* (
        directory: string
      ): Effect.fn.Return<ActiveLink, StorageError> {
        const link = path.join(directory, "active")
        const type = yield* typeOf(link)
        if (type === undefined) return "absent"
        if (type !== "SymbolicLink") return { dangling: "" }
        const target = yield* fs.readLink(link).pipe(storageStep("readLink", link))
        const slot = SLOTS.find((name) => name === target)
        return slot === undefined ? { dangling: target } : { slot }
      })

      const typeOf = (target: string) =>
        fs.lstat(target).pipe(
          storageStep("stat", target),
          Effect.map((info) => info.type),
          Effect.catchIf(isMissing, () => Effect.undefined)
        )

      const pointActiveTo = Effect.fnUntraced(function* (directory: string, slot: SlotName) {
        const link = path.join(directory, "active")
        const fresh = `${link}.new`
        yield* files.remove(fresh)
        yield* fs.symlink(slot, fresh).pipe(storageStep("symlink", fresh))
        yield* renameStep(fresh, link).pipe(
          // A copy that followed links (a restored backup) leaves a directory there, which no rename replaces.
          Effect.catchIf(
            (error) => error.code === "EISDIR",
            () => Effect.andThen(files.remove(link), renameStep(fresh, link))
          )
        )
      })

      const pointsTo = (directory: string, slot: SlotName) =>
        readActive(directory).pipe(
          Effect.map((active) => active !== "absent" && "slot" in active && active.slot === slot),
          Effect.orElseSucceed(() => true)
        )

      const flip = Effect.fn("Slots.flip")(function* (directory: string, slot: SlotName) {
        yield* pointActiveTo(directory, slot).pipe(
          Effect.catch((error) =>
            // A rename that reports an I/O error may have happened: only the link itself knows.
            Effect.flatMap(
              error.operation === "rename" ? pointsTo(directory, slot) : Effect.succeed(false),
              (renamed) => Effect.fail(flipError(slot, renamed, error))
            )
          )
        )
        yield* files.syncDirectory(directory).pipe(Effect.mapError((error) => flipError(slot, true, error)))
      }, Effect.uninterruptible)

      const unlinkActive = Effect.fn("Slots.unlinkActive")(function* (directory: string) {
        yield* files.remove(path.join(directory, "active"))
        yield* files.syncDirectory(directory)
      }, Effect.uninterruptible)

      // A file of a slot: its bytes, or why they can never be read, or neither when there is none.
      const readPart = (target: string) =>
        files.read(target).pipe(
          Effect.map((bytes): SlotPart => (Option.isSome(bytes) ? { bytes: bytes.value } : {})),
          Effect.catchIf(isDamage, (problem) => Effect.succeed<SlotPart>({ problem }))
        )

      const readOnce = Effect.fnUntraced(function* (
        directory: string,
        slot: SlotName
      ): Effect.fn.Return<SlotContents, StorageError> {
        const root = path.join(directory, slot)
        const type = yield* typeOf(root)
        if (type !== "Directory") return { present: type !== undefined, intact: false, promoted: false }
        const document = yield* readPart(path.join(root, "document.json"))
        const recordPart = yield* readPart(path.join(root, "record.json"))
        const mark = path.join(root, "promoted")
        const promoted = yield* readPart(mark)
        const record = recordPart.bytes === undefined ? undefined : yield* decodeRecord(recordPart.bytes)
        const digest = document.bytes === undefined ? undefined : yield* sha256Hex(document.bytes)
        const promotedAt = promoted.bytes === undefined ? undefined : isoTime(promoted.bytes)
        const problem = document.problem ?? recordPart.problem
        return {
          present: true,
          intact: digest !== undefined && record !== undefined && record.digest === digest,
          // By its name: what cannot be read need not be there.
          promoted: promoted.bytes !== undefined || (promoted.problem !== undefined && (yield* files.exists(mark))),
          ...(document.bytes === undefined ? {} : { document: document.bytes }),
          ...(record === undefined ? {} : { record }),
          ...(promotedAt === undefined ? {} : { promotedAt }),
          ...(problem === undefined ? {} : { problem })
        }
      })

      // A slot is given up for good when it is damaged: the disk may do better the second time.
      const readSlot = Effect.fn("Slots.readSlot")((directory: string, slot: SlotName) =>
        Effect.flatMap(readOnce(directory, slot), (found) =>
          found.present && !found.intact ? readOnce(directory, slot) : Effect.succeed(found)
        )
      )

      const writePromoted = Effect.fn("Slots.writePromoted")((directory: string, slot: SlotName, iso: string) =>
        files.write(path.join(directory, slot), "promoted", iso)
      )

      const syncAll = Effect.fn("Slots.syncAll")(function* (stateDirectory: string) {
        const directory = path.join(stateDirectory, configControlDirectory)
        const all = [stateDirectory, directory, ...SLOTS.map((slot) => path.join(directory, slot))]
        yield* Effect.forEach(
          all,
          (each) => files.syncDirectory(each).pipe(Effect.catchIf(isMissing, () => Effect.void)),
          { discard: true }
        )
      }, Effect.uninterruptible)

      const sweep = Effect.fn("Slots.sweep")(function* (directory: string) {
        yield* files.sweep(directory, isLeftover)
        for (const slot of SLOTS) {
          const root = path.join(directory, slot)
          if ((yield* typeOf(root)) === "Directory") yield* files.sweep(root, isLeftover)
        }
      }, Effect.uninterruptible)

      return Slots.of({ writeSlot, flip, unlinkActive, readActive, readSlot, writePromoted, syncAll, sweep })
    })
  )
}

/** The first key of record.json; its `digest` is the document's. */
const SEAL = "seal"

interface SlotPart {
  readonly bytes?: Uint8Array
  readonly problem?: StorageError
}

const isLeftover = (name: string): boolean => /\.(tmp|new|old)$/.test(name)

const decodeRecord = (bytes: Uint8Array): Effect.Effect<SlotRecord | undefined> =>
  Effect.try(() => new TextDecoder("utf-8", { fatal: true }).decode(bytes)).pipe(
    Effect.flatMap((text) => unsealed(text, SEAL)),
    Effect.flatMap(Effect.fromOption),
    Effect.flatMap((text) => Schema.decodeEffect(SlotRecordJson)(text)),
    Effect.orElseSucceed(() => undefined)
  )

const isoTime = (bytes: Uint8Array): string | undefined =>
  DateTime.make(new TextDecoder().decode(bytes)).pipe(Option.map(DateTime.formatIso), Option.getOrUndefined)

const flipError = (slot: SlotName, renamed: boolean, error: StorageError): FlipError =>
  new FlipError({
    renamed,
    slot,
    operation: error.operation,
    path: error.path,
    code: error.code,
    message: renamed
      ? `slot ${slot} is active, but a power cut may undo that: ${error.message}`
      : `slot ${slot} was not made active: ${error.message}`
  })
