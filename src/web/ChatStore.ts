/**
 * Conversations, kept in this browser and nowhere else: each under a key of its own, so that two windows get in each
 * other's way in the same conversation only. What does not fit any more goes, the oldest first.
 */
import { type AgentCall, LEFT_WORDS, type Part, type Turn } from "./ChatTurn.ts"
import { titleOf } from "./ChatWords.ts"
import { fieldsOf, listOf, numberOf, oneOf, present, textOf } from "./Fields.ts"

export interface Conversation {
  readonly id: string
  /** When something was last said in it, milliseconds since 1970. */
  readonly at: number
  /** As the daemon named it in its first answer. */
  readonly session: string | null
  readonly turns: ReadonlyArray<Turn>
}

/** One of the list. */
export interface Listed {
  readonly id: string
  readonly at: number
  readonly title: string
  readonly questions: number
}

/** What is used of a browser's `Storage`; each of these may throw. */
export type Shelf = Pick<Storage, "length" | "key" | "getItem" | "setItem" | "removeItem">

/** How much is kept, all conversations together; characters of JSON. */
export const CONVERSATIONS_MAX = 50
export const CHARS_MAX = 1_048_576

const PREFIX = "holdfast.chat."
const VERSION = 1

export class ChatStore {
  readonly #shelf: () => Shelf

  /** `shelf` is asked for each time: a browser that keeps nothing for pages throws there. */
  constructor(shelf: () => Shelf) {
    this.#shelf = shelf
  }

  /** All that can be read, the newest first. */
  list(): ReadonlyArray<Listed> {
    return this.#all().map(({ at, id, turns }) => ({
      id,
      at,
      title: titleOf(turns[0]?.question ?? ""),
      questions: turns.length
    }))
  }

  load(id: string): Conversation | null {
    try {
      return readConversation(this.#shelf().getItem(PREFIX + id))
    } catch {
      return null
    }
  }

  /** Keeps a conversation; the words of what could not be done, null when all was. */
  save(conversation: Conversation): string | null {
    const { json, left } = fitting(conversation)
    try {
      const shelf = this.#shelf()
      const others = this.#sizes().filter(({ id }) => id !== conversation.id)
      const gone = new Set(surplus(others, json.length))
      for (const id of gone) shelf.removeItem(PREFIX + id)
      const rest = others.filter(({ id }) => !gone.has(id))
      for (;;) {
        try {
          shelf.setItem(PREFIX + conversation.id, json)
          return left === 0 ? null : `It is too long to be kept whole: without its first ${left} questions.`
        } catch (error) {
          // The browser has less room than was asked for: the oldest make way.
          const oldest = rest.pop()
          if (oldest === undefined) throw error
          shelf.removeItem(PREFIX + oldest.id)
        }
      }
    } catch {
      return "This browser keeps nothing for this page: the conversation is lost when the page is closed."
    }
  }

  /** The words of what could not be done, null when it was. */
  remove(ids: ReadonlyArray<string>): string | null {
    try {
      for (const id of ids) this.#shelf().removeItem(PREFIX + id)
      return null
    } catch {
      return "This browser does not let the page delete anything: clear the data of this site in its settings."
    }
  }

  /** All of them, also what cannot be read. */
  clear(): string | null {
    return this.remove(this.#ids())
  }

  #ids(): ReadonlyArray<string> {
    try {
      const shelf = this.#shelf()
      const keys = Array.from({ length: shelf.length }, (_, index) => shelf.key(index)).filter(present)
      return keys.filter((key) => key.startsWith(PREFIX)).map((key) => key.slice(PREFIX.length))
    } catch {
      // A browser that keeps nothing has nothing; that it keeps nothing is said when something is to be kept.
      return []
    }
  }

  #all(): ReadonlyArray<Conversation> {
    return this.#ids()
      .map((id) => this.load(id))
      .filter(present)
      .sort((one, other) => other.at - one.at)
  }

  /** The newest first; what cannot be read is older than anything. */
  #sizes(): ReadonlyArray<Size> {
    const shelf = this.#shelf()
    return this.#ids()
      .map((id) => {
        const json = shelf.getItem(PREFIX + id) ?? ""
        return { id, at: readConversation(json)?.at ?? 0, chars: json.length }
      })
      .sort((one, other) => other.at - one.at)
  }
}

export interface Size {
  readonly id: string
  readonly at: number
  readonly chars: number
}

/** Those of `others`, the newest first, that have no room beside one of `chars` characters. */
export const surplus = (others: ReadonlyArray<Size>, chars: number): ReadonlyArray<string> => {
  let count = 1
  let sum = chars
  const gone: Array<string> = []
  for (const other of others) {
    count += 1
    sum += other.chars
    if (count > CONVERSATIONS_MAX || sum > CHARS_MAX) gone.push(other.id)
  }
  return gone
}

/** The conversation as it is kept, without as many of its oldest turns as there is no room for. */
export const fitting = (conversation: Conversation): { readonly json: string; readonly left: number } => {
  for (let left = 0; ; left++) {
    const turns = conversation.turns.slice(left)
    const json = JSON.stringify({ version: VERSION, ...conversation, turns })
    if (json.length <= CHARS_MAX || turns.length === 0) return { json, left }
  }
}

/** A conversation as it was kept; null for anything else. */
export const readConversation = (json: string | null): Conversation | null => {
  const fields = json === null ? null : fieldsOf(parsed(json))
  const id = textOf(fields?.["id"])
  const at = numberOf(fields?.["at"])
  if (fields === null || fields["version"] !== VERSION || id === null || at === null) return null
  const turns = listOf(fields["turns"]).map(readTurn).filter(present)
  return turns.length === 0 ? null : { id, at, session: textOf(fields["session"]), turns }
}

const parsed = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}

const readTurn = (value: unknown): Turn | null => {
  const fields = fieldsOf(value)
  const question = textOf(fields?.["question"])
  const state = oneOf(["asking", "done", "failed", "stopped"] as const, fields?.["state"])
  if (fields === null || question === null || state === null) return null
  const failure = fieldsOf(fields["failure"])
  const turn: Turn = {
    question,
    state,
    parts: listOf(fields["parts"]).map(readPart).filter(present),
    model: textOf(fields["model"]),
    requested: textOf(fields["requested"]),
    note: textOf(fields["note"]),
    failure: failure === null ? null : { code: textOf(failure["code"]) ?? "", words: textOf(failure["words"]) ?? "" }
  }
  // Nobody waits for this answer any more: the page that did is gone.
  return state === "asking" ? { ...turn, state: "stopped", note: LEFT_WORDS } : turn
}

const readPart = (value: unknown): Part | null => {
  const fields = fieldsOf(value)
  const text = textOf(fields?.["text"])
  if (fields?.["kind"] === "text") return text === null ? null : { kind: "text", text }
  if (fields?.["kind"] !== "agents") return null
  return { kind: "agents", calls: listOf(fields["calls"]).map(readCall).filter(present) }
}

const readCall = (value: unknown): AgentCall | null => {
  const fields = fieldsOf(value)
  const agent = textOf(fields?.["agent"])
  return agent === null ? null : { agent, result: textOf(fields?.["result"]) ?? "" }
}
