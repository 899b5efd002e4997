/** Server-sent events over fetch: unlike EventSource, it tells why a stream was refused and notices a silent one. */

import { now } from "./Dom.ts"

/** One message of a stream. */
export interface Message {
  readonly event: string
  readonly data: string
}

/** The empty line between two messages, and how many characters of it may be at the end of what has come. */
const BOUNDARY = /\r?\n\r?\n/
const SEAM = 3

/** Cuts a stream into messages, however its bytes arrive. Pure but for what it holds back. */
export class MessageCutter {
  #held: Array<string> = []
  #seam = ""

  /** The messages that are whole now. Looks at nothing twice, for one message may be of many megabytes. */
  push(text: string): ReadonlyArray<Message> {
    const seam = this.#seam + text
    this.#held.push(text)
    this.#seam = seam.slice(-SEAM)
    if (!BOUNDARY.test(seam)) return []
    const blocks = this.#held.join("").split(BOUNDARY)
    const rest = blocks.pop() ?? ""
    this.#held = [rest]
    this.#seam = rest.slice(-SEAM)
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

/** After so much work at a stretch, in milliseconds, everything else of the page has its turn. */
const STRETCH_MS = 12

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Listens until it is stopped, or the page goes. `url` is asked for anew for each stream. */
export const listen = async (url: () => string, listener: Listener, stop?: AbortSignal): Promise<void> => {
  const isStopped = (): boolean => stop?.aborted === true
  for (let failures = 0; !isStopped();) {
    const outcome = await once(url(), listener, stop)
    if (isStopped()) return
    if (outcome === "refused") listener.refused()
    else listener.lost()
    failures = outcome === "ended" ? 0 : failures + 1
    await pause(outcome === "refused" ? REFUSED_WAIT_MS : (WAITS_MS[Math.min(failures, WAITS_MS.length - 1)] ?? 0))
  }
}

/** One stream from its opening to its end. */
const once = async (
  url: string,
  listener: Listener,
  stop: AbortSignal | undefined
): Promise<"ended" | "absent" | "refused"> => {
  let outcome: "ended" | "absent" | "refused" = "ended"
  try {
    await messagesOf(
      url,
      { headers: { accept: "text/event-stream" } },
      {
        message: listener.message,
        refused: ({ status }) => {
          outcome = status === 401 || status === 403 ? "refused" : "absent"
        }
      },
      stop
    )
    return outcome
  } catch {
    // Nobody listens there just now, or the connection broke: both are what a restart looks like from here.
    return "absent"
  }
}

/** Who hears a single stream. */
export interface Hearer {
  readonly message: (message: Message) => void
  /** There is no stream, but this answer. */
  readonly refused: (response: Response) => Promise<void> | void
}

/** Opens one stream and reads it to its end. Throws where the connection breaks, says nothing for too long, or is stopped. */
export const messagesOf = async (
  url: string,
  init: RequestInit,
  hearer: Hearer,
  stop: AbortSignal | undefined
): Promise<void> => {
  const silence = new AbortController()
  const signal = stop === undefined ? silence.signal : AbortSignal.any([silence.signal, stop])
  let alarm = setTimeout(() => silence.abort(), SILENCE_MS)
  try {
    const response = await fetch(url, { ...init, signal })
    if (!response.ok || response.body === null) return await hearer.refused(response)
    const cutter = new MessageCutter()
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let stretch = 0
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(alarm)
      alarm = setTimeout(() => silence.abort(), SILENCE_MS)
      const begun = now()
      for (const message of cutter.push(value)) if (!signal.aborted) hearer.message(message)
      stretch += now() - begun
      if (stretch < STRETCH_MS) continue
      await pause(0)
      stretch = 0
    }
  } finally {
    clearTimeout(alarm)
    silence.abort()
  }
}
