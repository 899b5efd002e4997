/** Answers of models: whatever way a server cuts one into pieces, the same comes out. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { makeJoiner } from "../../src/agents/ModelAnswer.ts"
import { decodeChunk, type ModelChunk } from "../../src/agents/ModelWire.ts"
import { options } from "../Options.ts"

interface Call {
  readonly id: string
  readonly name: string
  readonly arguments: string
}

const calls = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1, maxLength: 6 }),
    name: fc.stringMatching(/^[a-z]{1,6}$/),
    arguments: fc.json()
  }),
  { maxLength: 5, selector: ({ id }) => id }
)

/** How a server tells the pieces of one call from those of another. */
const marks = fc.constantFrom("index", "id", "both", "neither" as const)

/** Cuts a text at arbitrary places. */
const piecesOf = (text: string, cuts: ReadonlyArray<number>): ReadonlyArray<string> => {
  const at = [0, ...cuts.map((cut) => cut % (text.length + 1)).toSorted((a, b) => a - b), text.length]
  return at.slice(1).map((end, i) => text.slice(at[i], end))
}

interface Piece {
  readonly call: number
  readonly fragment: Record<string, unknown>
}

const fragmentsOf = (call: Call, index: number, mark: string, cuts: ReadonlyArray<number>): ReadonlyArray<Piece> =>
  piecesOf(call.arguments, cuts).map((text, at) => ({
    call: index,
    fragment: {
      ...(mark === "index" || mark === "both" ? { index } : {}),
      ...(mark === "id" || mark === "both" || (mark === "index" && at === 0) ? { id: call.id } : {}),
      function: { ...(at === 0 ? { name: call.name } : {}), arguments: text }
    }
  }))

/** Mixes the pieces of all calls, each call's own in their order; calls begin in their order. */
const mixed = (of: ReadonlyArray<ReadonlyArray<Piece>>, picks: ReadonlyArray<number>): ReadonlyArray<Piece> => {
  const rest = of.map((pieces) => pieces.slice(1))
  const begun = of.flatMap((pieces) => pieces.slice(0, 1))
  const later: Array<Piece> = []
  for (let turn = 0; rest.some((pieces) => pieces.length > 0); turn++) {
    const open = rest.filter((pieces) => pieces.length > 0)
    const next = open[(picks[turn] ?? 0) % open.length]?.shift()
    if (next !== undefined) later.push(next)
  }
  return [...begun, ...later]
}

const chunkOf = (delta: unknown, finish: string | null = null): ModelChunk => {
  const chunk = decodeChunk(JSON.stringify({ choices: [{ delta, finish_reason: finish }] }))
  if (chunk._tag === "None") throw new Error("not a chunk")
  return chunk.value
}

const nats = fc.array(fc.nat(), { maxLength: 40 })

describe("an answer in pieces", () => {
  it("is the answer that was cut, wherever, and however its calls are told apart", () => {
    fc.assert(
      fc.property(calls, marks, fc.array(nats, { minLength: 5, maxLength: 5 }), nats, (said, mark, cuts, picks) => {
        const of = said.map((call, at) => fragmentsOf(call, at, mark, cuts[at] ?? []))
        // Without index and id, only the order tells them apart.
        const pieces = mark === "neither" ? of.flat() : mixed(of, picks)
        const joiner = makeJoiner("own_", true)
        for (const { fragment } of pieces) joiner.add(chunkOf({ tool_calls: [fragment] }))
        const found = joiner.answer().calls
        const expected = said.map((call, at) => (mark === "neither" ? { ...call, id: `own_${at}` } : call))
        expect(found).toEqual(expected)
      }),
      options()
    )
  })

  it("tells every text once, and all of it", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (texts) => {
        const joiner = makeJoiner("own_", true)
        const told = texts.map((content) => joiner.add(chunkOf({ content })))
        expect(told).toEqual(texts)
        expect(joiner.answer().text).toBe(texts.join(""))
      }),
      options()
    )
  })

  it("has calls with ids of their own, whatever fragments come", () => {
    const fragment = fc.record(
      {
        index: fc.option(fc.constantFrom(0, 1, 2, -1, 1e9)),
        id: fc.option(fc.constantFrom("", "a", "b", "own_0", "own_1")),
        function: fc.option(
          fc.record({ name: fc.option(fc.constantFrom("", "A", "B")), arguments: fc.jsonValue() }, { requiredKeys: [] })
        )
      },
      { requiredKeys: [] }
    )
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 12 }), (fragments) => {
        const joiner = makeJoiner("own_", false)
        for (const one of fragments) joiner.add(chunkOf({ tool_calls: [one] }))
        const ids = joiner.answer().calls.map(({ id }) => id)
        expect(new Set(ids).size).toBe(ids.length)
        expect(ids).not.toContain("")
      }),
      options()
    )
  })
})
