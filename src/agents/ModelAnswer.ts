/** One answer of a model, joined from the pieces in which it came. */
import type { Fragment, ModelChunk, ToolCall } from "./ModelWire.ts"

/** What a model answered. */
export interface ModelAnswer {
  readonly text: string
  /** In the order in which the model began them. */
  readonly calls: ReadonlyArray<ToolCall>
  /** The model that answered, as the server names it; null when it does not. */
  readonly model: string | null
  /** Why the model stopped: `stop`, `tool_calls`, `length`, …; null when nobody said, and the answer may be short. */
  readonly finish: string | null
  /** It came piece by piece. */
  readonly streamed: boolean
}

/** Pieces come in, an answer comes out. */
export interface Joiner {
  /** Takes one piece; gives the text that is new in it. */
  readonly add: (chunk: ModelChunk) => string
  readonly answer: () => ModelAnswer
}

interface OpenCall {
  id: string
  name: string
  arguments: string
}

/**
 * Joins text, and calls by their index, else by their id, else as going on with the last one. Some servers answer one
 * message as several choices, the text in one and the calls in another: all count. `idPrefix` begins the ids of calls that
 * came without one, or with that of another call.
 */
export const makeJoiner = (idPrefix: string, streamed: boolean): Joiner => {
  const calls: Array<OpenCall> = []
  const byIndex = new Map<number, OpenCall>()
  let text = ""
  let model: string | null = null
  let finish: string | null = null

  const begin = (id: string): OpenCall => {
    const call = { id, name: "", arguments: "" }
    calls.push(call)
    return call
  }

  const find = (index: number | null, id: string, name: string): OpenCall => {
    const known = index === null ? calls.findLast((call) => id !== "" && call.id === id) : byIndex.get(index)
    if (known !== undefined) {
      // Some servers number every call 0: another id and a name of its own begin another call.
      const isOther = id !== "" && known.id !== "" && id !== known.id && name !== "" && known.name !== ""
      return isOther ? begin(id) : known
    }
    const last = calls.at(-1)
    return index === null && id === "" && name === "" && last !== undefined ? last : begin(id)
  }

  /** One of a message that came whole. */
  const takeWhole = ({ function: called, id }: Fragment): void => {
    const call = begin(id ?? "")
    call.name = called?.name ?? ""
    call.arguments = argumentText(called?.arguments)
  }

  const take = (fragment: Fragment): void => {
    const index = fragment.index ?? null
    const id = fragment.id ?? ""
    const name = fragment.function?.name ?? ""
    const call = find(index, id, name)
    if (index !== null) byIndex.set(index, call)
    if (call.id === "") call.id = id
    // Sent whole, in pieces, or whole with every piece.
    if (name !== call.name) call.name += name
    call.arguments += argumentText(fragment.function?.arguments)
  }

  return {
    add: (chunk) => {
      let added = ""
      model ??= chunk.model === "" ? null : (chunk.model ?? null)
      for (const choice of chunk.choices ?? []) {
        const part = choice.delta ?? choice.message
        added += contentText(part?.content)
        for (const fragment of part?.tool_calls ?? []) (streamed ? take : takeWhole)(fragment)
        // Some servers send "" with every piece until the last one.
        finish = choice.finish_reason || finish
      }
      text += added
      return added
    },
    answer: () => ({ text, calls: withOwnIds(calls, idPrefix), model, finish, streamed })
  }
}

const withOwnIds = (calls: ReadonlyArray<OpenCall>, prefix: string): ReadonlyArray<ToolCall> => {
  const given = new Set(calls.map(({ id }) => id))
  const taken = new Set<string>([""])
  let made = 0
  return calls.map((call) => {
    let { id } = call
    while (taken.has(id) || (id !== call.id && given.has(id))) id = `${prefix}${made++}`
    taken.add(id)
    return { ...call, id }
  })
}

const argumentText = (value: unknown): string =>
  typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value)

const contentText = (content: unknown): string => {
  if (typeof content === "string") return content
  if (!Array.isArray(content)) return ""
  return content
    .map((part: unknown) => (typeof part === "object" && part !== null ? Reflect.get(part, "text") : undefined))
    .filter((part) => typeof part === "string")
    .join("")
}
