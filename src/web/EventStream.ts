/** Server-sent events over fetch: unlike EventSource, it tells why a stream was refused and notices a silent one. */

/** One message of a stream. */
export interface Message {
  readonly event: string
  readonly data: string
}

/** Cuts a stream into messages, however its bytes arrive. Pure but for what it holds back. */
export class MessageCutter {
  #rest = ""

  /** The messages that are whole now. */
  push(text: string): ReadonlyArray<Message> {
    const blocks = (this.#rest + text).split(/\r?\n\r?\n/)
    this.#rest = blocks.pop() ?? ""
    return blocks.map(readBlock).filter(({ data }) => data !== "")
  }
}

const readBlock = (block: string): Message => {
  const lines = block.split(/\r?\n/)
  const valuesOf = (field: string): ReadonlyArray<string> =>
    lines.filter((line) => line.startsWith(`${field}:`)).map((line) => line.slice(field.length + 1).replace(/^ /, ""))
  return { event: valuesOf("event").at(-1) ?? "message", data: valuesOf("data").join("\n") }
}

/** What becomes of a stream. */
export interface Listener {
  readonly message: (message: Message) => void
  /** It ended, or was never there; it is opened again by itself. */
  readonly lost: () => void
  /** The daemon does not know this browser; looked at again now and then. */
  readonly refused: () => void
}

/** The daemon sends a comment every 15 s; after this long without a byte the stream counts as lost. */
const SILENCE_MS = 40_000
/** Waits before the stream is opened again: at once after a loss, and calmer the longer nobody answers. */
const WAITS_MS = [250, 500, 1_000, 2_000, 3_000] as const
const REFUSED_WAIT_MS = 10_000

/** Listens until the page goes. */
export const listen = async (url: string, listener: Listener): Promise<never> => {
  for (let failures = 0; ;) {
    const outcome = await once(url, listener)
    if (outcome === "refused") listener.refused()
    else listener.lost()
    failures = outcome === "ended" ? 0 : failures + 1
    const wait = outcome === "refused" ? REFUSED_WAIT_MS : WAITS_MS[Math.min(failures, WAITS_MS.length - 1)]
    await new Promise((resolve) => setTimeout(resolve, wait))
  }
}

/** One stream from its opening to its end. */
const once = async (url: string, listener: Listener): Promise<"ended" | "absent" | "refused"> => {
  const stop = new AbortController()
  let alarm = setTimeout(() => stop.abort(), SILENCE_MS)
  try {
    const response = await fetch(url, { headers: { accept: "text/event-stream" }, signal: stop.signal })
    if (response.status === 401 || response.status === 403) return "refused"
    if (!response.ok || response.body === null) return "absent"
    const cutter = new MessageCutter()
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return "ended"
      clearTimeout(alarm)
      alarm = setTimeout(() => stop.abort(), SILENCE_MS)
      for (const message of cutter.push(value)) listener.message(message)
    }
  } catch {
    // Nobody listens there just now, or the connection broke: both are what a restart looks like from here.
    return "absent"
  } finally {
    clearTimeout(alarm)
    stop.abort()
  }
}
