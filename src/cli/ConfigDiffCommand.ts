/** `holdfast config diff`. */
import { Effect, Option, Result } from "effect"
import { Argument, Command } from "effect/cli"
import { activeSlot, otherSlot } from "../../machines/ConfigFacts.ts"
import { diffDocuments, withoutToken } from "../domain/index.ts"
import { jsonFlag } from "./CentralData.ts"
import { printDiff } from "./DiffText.ts"
import { Refused } from "./Failures.ts"
import { loadInspection } from "./LocalServices.ts"
import { readInput } from "./Output.ts"

/** How a document differs from the one that this machine has from its central. */
export const diffCommand = Command.make(
  "diff",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("A document; - is standard input; else what is in the slot that is not active"),
      Argument.optional
    ),
    json: jsonFlag
  },
  Effect.fnUntraced(function* ({ file, json }) {
    const stored = yield* readStored
    const offered = Option.isSome(file)
      ? { label: file.value, bytes: yield* readInput(file.value, "The document") }
      : stored.other
    if (stored.active === undefined) {
      return yield* new Refused({ message: "This machine has no document of a central: holdfast join URL." })
    }
    if (offered === undefined) {
      return yield* new Refused({
        message:
          "There is nothing in the other slot to compare with: name a file, as in holdfast config diff fleet.json."
      })
    }
    const [before, after] = [shown(stored.active.bytes), shown(offered.bytes)]
    yield* printDiff(stored.active, offered, diffDocuments(before, after), { json })
  })
).pipe(
  Command.withDescription(
    "Show how a document differs from the active one of this machine's central. Without a file: how the other slot does."
  ),
  Command.withExamples([
    { command: "holdfast config diff fleet.json" },
    { command: "holdfast config diff", description: "Against the revision before, or the one that was rolled back" }
  ])
)

/** Policy tokens are not for terminals. A document that cannot be read as one is shown as it is. */
const shown = (bytes: Uint8Array): Uint8Array => Result.getOrElse(withoutToken(bytes), () => bytes)

const readStored = Effect.gen(function* () {
  const layer = yield* loadInspection
  const { Inspection } = yield* Effect.promise(() => import("../config/index.ts"))
  return yield* Effect.gen(function* () {
    const inspection = yield* Inspection
    const { seed, slots } = yield* inspection.documents
    const active = activeSlot(yield* inspection.inspect({ repair: false }))
    const of = (label: string, bytes: Uint8Array | null) => (bytes === null ? undefined : { label, bytes })
    return active === null
      ? { active: of("the seed", seed), other: undefined }
      : {
          active: of(`slot ${active} (active)`, slots[active]),
          other: of(`slot ${otherSlot(active)}`, slots[otherSlot(active)])
        }
  }).pipe(Effect.provide(layer))
})
