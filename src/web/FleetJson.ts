/** JSON with its places: where it breaks, and where a pointer leads. Pure. */

export interface Place {
  /** Characters from the beginning. */
  readonly from: number
  readonly to: number
}

export interface JsonNode extends Place {
  readonly keys: ReadonlyMap<string, { readonly key: Place; readonly value: JsonNode }>
  readonly items: ReadonlyArray<JsonNode>
}

export type Parsed =
  | { readonly type: "tree"; readonly root: JsonNode }
  | { readonly type: "broken"; readonly at: Place; readonly message: string }

/** Central takes no document that nests deeper. */
const DEPTH_MAX = 64

class Broken {
  readonly at: Place
  readonly message: string
  constructor(message: string, from: number, to = from + 1) {
    this.at = { from, to }
    this.message = message
  }
}

const NO_KEYS: JsonNode["keys"] = new Map()

class Reader {
  #at = 0
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  document(): JsonNode {
    this.#skip()
    if (this.#at >= this.#text.length) throw new Broken("is empty: a JSON object is expected", 0, 0)
    const root = this.#value(0)
    this.#skip()
    if (this.#at < this.#text.length) throw new Broken("the document has ended before this", this.#at)
    return root
  }

  #skip(): void {
    SPACE.lastIndex = this.#at
    SPACE.test(this.#text)
    this.#at = SPACE.lastIndex
  }

  #value(depth: number): JsonNode {
    const from = this.#at
    const first = this.#text[from]
    if (first === "{" || first === "[") {
      if (depth >= DEPTH_MAX) throw new Broken(`is nested deeper than ${DEPTH_MAX} levels`, from)
      return first === "{" ? this.#object(depth) : this.#array(depth)
    }
    if (first === '"') {
      this.#string()
      return { from, to: this.#at, keys: NO_KEYS, items: [] }
    }
    SCALAR.lastIndex = from
    if (!SCALAR.test(this.#text)) {
      WORD.lastIndex = from
      WORD.test(this.#text)
      const to = Math.max(WORD.lastIndex, from + 1)
      throw new Broken(
        from >= this.#text.length ? "the document ends where a value should be" : "a value is expected here",
        Math.min(from, this.#text.length),
        to
      )
    }
    this.#at = SCALAR.lastIndex
    return { from, to: this.#at, keys: NO_KEYS, items: [] }
  }

  #object(depth: number): JsonNode {
    const from = this.#at
    const keys = new Map<string, { readonly key: Place; readonly value: JsonNode }>()
    this.#at += 1
    this.#skip()
    if (this.#text[this.#at] === "}") return this.#ended(from, keys, [])
    for (;;) {
      const key = this.#key(keys)
      this.#skip()
      if (this.#text[this.#at] !== ":") throw new Broken("a colon is expected after the key", this.#at)
      this.#at += 1
      this.#skip()
      keys.set(key.name, { key: key.place, value: this.#value(depth + 1) })
      if (this.#isLast("}", from)) return this.#ended(from, keys, [])
    }
  }

  #key(known: ReadonlyMap<string, unknown>): { readonly name: string; readonly place: Place } {
    const from = this.#at
    if (this.#text[from] !== '"') {
      const isComma = this.#text[from] === "}"
      throw new Broken(isComma ? "the comma before this is one too many" : "a key in double quotes is expected", from)
    }
    this.#string()
    const place = { from, to: this.#at }
    const name = JSON.parse(this.#text.slice(from, this.#at)) as string
    if (known.has(name)) throw new Broken("this key is there twice", from, this.#at)
    return { name, place }
  }

  #array(depth: number): JsonNode {
    const from = this.#at
    const items: Array<JsonNode> = []
    this.#at += 1
    this.#skip()
    if (this.#text[this.#at] === "]") return this.#ended(from, NO_KEYS, items)
    for (;;) {
      if (this.#text[this.#at] === "]") throw new Broken("the comma before this is one too many", this.#at)
      items.push(this.#value(depth + 1))
      if (this.#isLast("]", from)) return this.#ended(from, NO_KEYS, items)
    }
  }

  /** After a member: true before the closing bracket, false past a comma. */
  #isLast(close: string, open: number): boolean {
    this.#skip()
    const next = this.#text[this.#at]
    if (next === close) return true
    if (next === undefined) throw new Broken("this is never closed", open)
    if (next !== ",") throw new Broken(`a comma or ${close} is expected`, this.#at)
    this.#at += 1
    this.#skip()
    return false
  }

  #ended(from: number, keys: JsonNode["keys"], items: JsonNode["items"]): JsonNode {
    this.#at += 1
    return { from, to: this.#at, keys, items }
  }

  #string(): void {
    const from = this.#at
    for (this.#at += 1; ; this.#at += 1) {
      const code = this.#text.charCodeAt(this.#at)
      if (code === 0x22) break
      if (Number.isNaN(code) || code === 0x0a) throw new Broken("this text is never closed", from, this.#at)
      if (code < 0x20) throw new Broken("a control character must be written as an escape", this.#at)
      if (code !== 0x5c) continue
      ESCAPE.lastIndex = this.#at
      if (!ESCAPE.test(this.#text)) throw new Broken("this escape is none that JSON knows", this.#at, this.#at + 2)
      this.#at = ESCAPE.lastIndex - 1
    }
    this.#at += 1
  }
}

const SPACE = /[ \t\r\n]*/y
const SCALAR = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y
const WORD = /[\w.+-]*/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y

/** Reads a document, or says where it breaks first. */
export const parseJson = (text: string): Parsed => {
  try {
    return { type: "tree", root: new Reader(text).document() }
  } catch (error) {
    if (error instanceof Broken) return { type: "broken", at: error.at, message: error.message }
    throw error
  }
}

/** Where a JSON Pointer leads: to the key or the item; where there is none, to the innermost thing that is there. */
export const placeOfPointer = (root: JsonNode, pointer: string): Place => {
  let node = root
  let place: Place = { from: root.from, to: root.from + 1 }
  for (const segment of pointer.split("/").slice(1)) {
    const name = segment.replaceAll("~1", "/").replaceAll("~0", "~")
    const member = node.keys.get(name)
    const item = /^\d+$/.test(name) ? node.items[Number(name)] : undefined
    if (member !== undefined) {
      place = member.key
      node = member.value
    } else if (item !== undefined) {
      place = { from: item.from, to: Math.min(item.to, item.from + 1) }
      node = item
    } else return place
  }
  return place
}

/** Where each line begins. */
export const lineStarts = (text: string): ReadonlyArray<number> => {
  const starts = [0]
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1)
  return starts
}

/** Line and column of a place, both from 1. */
export const lineColumn = (
  starts: ReadonlyArray<number>,
  at: number
): { readonly line: number; readonly column: number } => {
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((starts[middle] ?? 0) <= at) low = middle
    else high = middle - 1
  }
  return { line: low + 1, column: at - (starts[low] ?? 0) + 1 }
}
