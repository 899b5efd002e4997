/** Wrong versions of Ingest, and the properties that tell them from it. */
import { assign } from "xstate"
import { mutantOf, withDelay, withGuards, withState, type Written } from "./Edit.ts"
import type { Mutant } from "./Mutant.ts"

const ingest = mutantOf("ingest")

/** A state with one of the answers to its task changed; `index` from the first. */
const answering =
  (index: number, answer: (before: any) => unknown) =>
  (state: Written): Written => ({
    ...state,
    invoke: {
      ...state["invoke"],
      onDone: (state["invoke"].onDone as ReadonlyArray<unknown>).map((one, at) => (at === index ? answer(one) : one))
    }
  })

const failing =
  (onError: (before: any) => unknown) =>
  (state: Written): Written => ({
    ...state,
    invoke: { ...state["invoke"], onError: onError(state["invoke"].onError) }
  })

const SPOOL: ReadonlyArray<Mutant> = [
  ingest("what comes during a write is forgotten", ["ingestStores", "ingestDelivers"], (machine) =>
    withState(machine, "spool.resting", (state) => ({ ...state, always: [state["always"][0]] }))
  ),
  ingest("a row that comes at rest is not written", ["ingestStores"], (machine) =>
    withState(machine, "", (state) => ({ ...state, on: { ...state["on"], RECORDED: { actions: [] } } }))
  ),
  ingest("a disk that fails is tried again at once", ["ingestStores"], (machine) =>
    withDelay(machine, "storeLadder", () => 0)
  ),
  ingest("a disk that failed is never tried again", ["ingestStores", "ingestDelivers"], (machine) =>
    withState(machine, "spool.blocked", (state) => ({ ...state, after: {} }))
  ),
  ingest("every row tries a disk that has just failed", ["ingestStores"], (machine) =>
    withState(machine, "spool.blocked", (state) => ({ ...state, on: { RECORDED: "storing" } }))
  ),
  ingest("after a write that failed the rows count as written", ["ingestStores"], (machine) =>
    withState(
      machine,
      "spool.storing",
      failing(() => "resting")
    )
  ),
  ingest("what an earlier process has left is not looked for", ["ingestDelivers"], (machine) =>
    withState(machine, "spool.storing", (state) => ({
      ...state,
      invoke: { ...state["invoke"], onDone: "resting" }
    }))
  ),
  ingest("rows are kept though there is nobody to tell", ["ingestAlone"], (machine) =>
    withState(machine, "spool.off", (state) => ({ ...state, on: {} }))
  ),
  ingest("rows from before it was known that there is nobody to tell are kept", ["ingestAlone"], (machine) =>
    withState(machine, "spool.off", (state) => ({ ...state, entry: [] }))
  ),
  ingest("a machine without a central writes all the same", ["ingestAlone"], (machine) =>
    withGuards(machine, { hasCentral: () => true })
  ),
  ingest("a machine with a central forgets its rows", ["ingestKeeps"], (machine) =>
    withGuards(machine, { hasCentral: () => false })
  )
]

const UPLINK: ReadonlyArray<Mutant> = [
  ingest("each row is sent as it comes", ["ingestGathers"], (machine) => withDelay(machine, "gather", () => 0)),
  ingest("each write sends a batch beside it", ["ingestOneAtATime"], (machine) =>
    withState(machine, "spool.storing", (state) => ({
      ...state,
      invoke: [state["invoke"], { src: "send", onDone: {}, onError: {} }]
    }))
  ),
  ingest("a batch is sent as soon as the one before was taken", ["ingestGathers"], (machine) =>
    withState(
      machine,
      "uplink.sending",
      answering(0, (taken) => ({ ...taken, target: "sending", reenter: true }))
    )
  ),
  ingest("what is left after a batch waits for the next row", ["ingestDelivers"], (machine) =>
    withState(
      machine,
      "uplink.sending",
      answering(0, (taken) => ({ ...taken, actions: [] }))
    )
  ),
  ingest("a batch that was taken does not end the ladder", ["ingestBacksOff"], (machine) =>
    withState(
      machine,
      "uplink.sending",
      answering(0, (taken) => ({
        ...taken,
        actions: assign({ unsent: ({ context, event }: any) => context.unsent || event.output.more })
      }))
    )
  ),
  ingest("what was not taken is sent again at once", ["ingestBacksOff"], (machine) =>
    withDelay(machine, "backOff", () => 5_000)
  ),
  ingest("what was not taken is never sent again", ["ingestDelivers", "ingestBacksOff"], (machine) =>
    withState(machine, "uplink.backingOff", (state) => ({ ...state, after: {} }))
  ),
  ingest("how long central asked to wait is not heard", ["ingestBacksOff"], (machine) =>
    withGuards(machine, { throttled: () => false })
  ),
  ingest("a refused batch counts as taken", ["ingestBacksOff"], (machine) =>
    withGuards(machine, { taken: ({ event }: any) => ["accepted", "refused"].includes(event.output.kind) })
  ),
  ingest("a bug of ours ends the sending", ["ingestDelivers"], (machine) =>
    withState(
      machine,
      "uplink.sending",
      failing(() => "unsupported")
    )
  ),
  ingest("a central without the route is asked again and again", ["ingestSupported"], (machine) =>
    withGuards(machine, { unsupported: () => false })
  ),
  ingest("without an identity it goes on trying", ["ingestNeedsIdentity"], (machine) =>
    withGuards(machine, { noIdentity: () => false })
  ),
  ingest("an identity that is there again is not noticed", ["ingestDelivers"], (machine) =>
    withState(machine, "uplink.paused", (state) => ({ ...state, always: [] }))
  ),
  ingest("an identity that came during a request is not noticed", ["ingestDelivers"], (machine) =>
    withState(machine, "uplink.paused", (state) => ({ ...state, always: [], on: { IDENTITY_READY: "gathering" } }))
  ),
  ingest("an identity of long ago is taken for a new one", ["ingestNeedsIdentity"], (machine) =>
    withState(machine, "uplink.sending", (state) => ({ ...state, entry: assign({ unsent: false }) }))
  ),
  ingest("each row that is written sends a batch", ["ingestGathers"], (machine) =>
    withState(machine, "uplink.gathering", (state) => ({ ...state, always: { guard: "isWaiting", target: "sending" } }))
  ),
  ingest("each row that is written gives up the request before it", ["ingestKeeps"], (machine) =>
    withState(machine, "uplink.sending", (state) => ({ ...state, on: { RECORDED: "backingOff" } }))
  )
]

const ENDING: ReadonlyArray<Mutant> = [
  ingest("it ends without its last rows", ["ingestEnds"], (machine) =>
    withState(machine, "spool.blocked", (state) => ({ ...state, always: { guard: "isEnding", target: "sealed" } }))
  ),
  ingest("a disk that hangs keeps it from ending", ["ingestEnds"], (machine) =>
    withState(machine, "spool.sealing", (state) => ({ ...state, after: {} }))
  ),
  ingest("a write that hangs keeps it from ending", ["ingestEnds"], (machine) =>
    withState(machine, "spool.storing", (state) => ({ ...state, on: {} }))
  ),
  ingest("it does not end at rest", ["ingestEnds"], (machine) =>
    withState(machine, "spool.resting", (state) => ({ ...state, always: [state["always"][1]] }))
  ),
  ingest("it sends while it ends", ["ingestEnds"], (machine) =>
    withState(machine, "uplink", (state) => ({ ...state, on: { END: { actions: assign({ ending: true }) } } }))
  )
]

export const INGEST_MUTANTS: ReadonlyArray<Mutant> = [...SPOOL, ...UPLINK, ...ENDING]
