/** The output of one run, live: followed to its end, over cuts of the connection, and never larger than a page can bear. */
import type { RunView } from "../domain/index.ts"
import { h, now, setText } from "./Dom.ts"
import { listen } from "./EventStream.ts"
import { type LeftOut, ROWS_MAX, RunOutput } from "./RunOutput.ts"
import { type Manner, rowElement } from "./RunRows.ts"
import { logPath, readLogEvent, sizeOfLog } from "./RunWire.ts"
import { countWords, sizeWords } from "./RunWords.ts"

/** Of a longer output only so many bytes at its end are read. */
const WINDOW_BYTES = 1_000_000
/** New rows are put in this often at most, ms. */
const DRAW_MS = 80
/** A daemon that does not answer is asked for the size again, ms. */
const AGAIN_MS = 1_000
/** Who goes to the end is not taken away from there by a movement that was still under way, ms. */
const HELD_MS = 400
/** So close to the end counts as the end, px. */
const NEAR = 40

export class RunLog {
  readonly root: HTMLElement
  readonly #id: string
  readonly #box: HTMLElement
  readonly #tools: HTMLElement
  readonly #rows = h("div", { class: "log-rows" })
  readonly #left = h("p", { class: "left-out", hidden: true })
  readonly #said = h("p", { class: "note log-said", role: "status" }, "")
  readonly #newer = h("span", { class: "note newer" })
  readonly #follow: HTMLButtonElement
  readonly #manners: ReadonlyMap<Manner, HTMLButtonElement>
  readonly #resized: ResizeObserver
  readonly #gone = new AbortController()
  /** Keys in order, and what is shown of each. */
  readonly #shown = new Map<number, { readonly row: unknown; readonly element: HTMLElement }>()
  #output: RunOutput | null = null
  #manner: Manner = "readable"
  #isFollowing = true
  #isOver = false
  #top = 0
  #heldUntil = 0
  #stream: AbortController | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #run: RunView | null = null

  constructor(id: string) {
    this.#id = id
    this.#follow = h("button", { type: "button", "aria-pressed": "true", click: () => this.#goToEnd() }, "Follow")
    this.#follow.title = "Stay at the end of the output"
    this.#manners = new Map(
      (["readable", "raw"] as const).map((manner) => [
        manner,
        h(
          "button",
          { type: "button", "aria-pressed": String(manner === this.#manner), click: () => this.#show(manner) },
          manner === "raw" ? "Raw lines" : "Readable"
        )
      ])
    )
    // A log that reads itself out would never stop: who wants to hear it goes there.
    this.#box = h(
      "div",
      { class: "log", tabindex: 0, role: "log", "aria-live": "off", "aria-label": "Output, scrolls" },
      this.#left,
      this.#rows
    )
    this.#box.addEventListener("scroll", () => this.#scrolled(), { passive: true })
    for (const own of ["wheel", "touchmove", "pointerdown", "keydown"]) {
      this.#box.addEventListener(own, () => (this.#heldUntil = 0), { passive: true })
    }
    // The end of what grows is further down when a browser's own way there has ended.
    this.#box.addEventListener("keydown", (event) => {
      if (event.key !== "End" || event.target !== this.#box) return
      event.preventDefault()
      this.#goToEnd()
    })
    this.#resized = new ResizeObserver(() => this.#stick())
    this.#resized.observe(this.#box)
    this.#tools = h(
      "div",
      { class: "tools log-tools" },
      h("div", { class: "zoom", role: "group", "aria-label": "Show" }, ...this.#manners.values()),
      this.#follow,
      this.#newer,
      h("a", { class: "whole", href: logPath(id), download: `${id}.ndjson` }, "Whole output")
    )
    this.root = h(
      "section",
      { class: "card log-card", "aria-labelledby": "log-title" },
      h("h2", { id: "log-title" }, "Output"),
      this.#tools,
      this.#box,
      this.#said
    )
    // A tab that nobody looks at gives its connection back: a browser has six of them for all its tabs.
    document.addEventListener("visibilitychange", () => this.#watch(), { signal: this.#gone.signal })
  }

  /** The run as it is known now; the first time the output is begun to be read. */
  update(run: RunView): void {
    const isFirst = this.#run === null
    this.#run = run
    if (isFirst) this.#watch()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#gone.abort()
    this.#stream?.abort()
    this.#resized.disconnect()
  }

  #watch(): void {
    if (document.visibilityState !== "visible") {
      this.#stream?.abort()
      this.#stream = null
      return
    }
    if (this.#stream !== null || this.#isOver || this.#run === null || this.#gone.signal.aborted) return
    const stream = new AbortController()
    this.#stream = stream
    void this.#read(stream)
  }

  async #read(stream: AbortController): Promise<void> {
    const { signal } = stream
    const output = this.#output ?? (await this.#begin(signal))
    if (output === null || signal.aborted) return
    this.#output = output
    const url = (): string => `${logPath(this.#id)}?from=${output.at}`
    const message = ({ data, event }: { readonly data: string; readonly event: string }): void => {
      const read = readLogEvent(event, JSON.parse(data))
      if (read === null) return
      this.#say("")
      output.take(read)
      this.#drawSoon()
      if (read.type !== "end") return
      this.#isOver = true
      stream.abort()
    }
    await listen(
      url,
      {
        message,
        lost: () => this.#say(LOST),
        refused: () => this.#say("This browser is not let in any longer: run holdfast open.")
      },
      signal
    )
  }

  /** Where reading begins: null when there is nothing to read any more, or nobody wants it. */
  async #begin(signal: AbortSignal): Promise<RunOutput | null> {
    while (!signal.aborted) {
      const size = await sizeOfLog(this.#id, signal)
      if (size.type === "ok") return new RunOutput(Math.max(0, size.value - WINDOW_BYTES))
      if (size.type === "failed") {
        if (this.#run?.verdict === null) return new RunOutput(0)
        this.#isOver = true
        this.#tools.hidden = true
        this.#box.hidden = true
        this.#say(absenceWords(this.#run))
        return null
      }
      this.#say(LOST)
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    }
    return null
  }

  #say(words: string): void {
    setText(this.#said, words)
  }

  #show(manner: Manner): void {
    this.#manner = manner
    for (const [one, button] of this.#manners) button.setAttribute("aria-pressed", String(one === manner))
    const { scrollTop } = this.#box
    this.#shown.clear()
    this.#rows.replaceChildren()
    this.#draw()
    if (!this.#isFollowing) this.#box.scrollTop = scrollTop
  }

  #drawSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#draw()
    }, DRAW_MS)
  }

  #draw(): void {
    const output = this.#output
    if (output === null) return
    // Who reads further up is not to have the ground moved: rows go, and come, when they are back at the end.
    const newest = [...this.#shown.keys()].at(-1) ?? 0
    if (this.#isFollowing) this.#forgetOld(output.rows[0]?.key ?? 0)
    // What went before it could be shown would be a gap that nobody sees.
    const isJoined = newest === 0 || (output.rows[0]?.key ?? 0) <= newest + 1
    const room = isJoined ? Math.max(0, 2 * ROWS_MAX - this.#shown.size) : 0
    const last = this.#isFollowing ? Infinity : newest + room
    for (const row of output.rows) {
      const known = this.#shown.get(row.key)
      if (known?.row === row || row.key > last || (known === undefined && row.key <= newest)) continue
      const element = rowElement(row, this.#manner)
      if (known === undefined) this.#rows.append(element)
      else known.element.replaceWith(element)
      this.#shown.set(row.key, { row, element })
    }
    const unseen = output.newest - ([...this.#shown.keys()].at(-1) ?? 0)
    setText(this.#newer, unseen > 0 ? `${countWords(unseen, "newer line")} not shown` : "")
    const words = leftOutWords(output.leftOut)
    if (this.#isFollowing) {
      this.#left.hidden = words === ""
      setText(this.#left, words)
    }
    this.#stick()
  }

  #forgetOld(first: number): void {
    for (const [key, { element }] of this.#shown) {
      if (key >= first) return
      element.remove()
      this.#shown.delete(key)
    }
  }

  #stick(): void {
    if (!this.#isFollowing) return
    this.#box.scrollTop = this.#box.scrollHeight
    this.#top = this.#box.scrollTop
  }

  #scrolled(): void {
    const { clientHeight, scrollHeight, scrollTop } = this.#box
    const isUp = scrollTop < this.#top
    this.#top = scrollTop
    const left = scrollHeight - scrollTop - clientHeight
    // The first pixels upwards count, or a slow hand would be pulled back for ever.
    if (isUp && left > 1) {
      if (now() < this.#heldUntil) this.#stick()
      else this.#setFollowing(false)
    } else if (!isUp && left <= NEAR) this.#setFollowing(true)
  }

  #goToEnd(): void {
    this.#heldUntil = now() + HELD_MS
    this.#setFollowing(true)
  }

  #setFollowing(following: boolean): void {
    if (this.#isFollowing !== following) {
      this.#isFollowing = following
      this.#follow.setAttribute("aria-pressed", String(following))
      this.#draw()
    }
    this.#stick()
  }
}

const LOST = "The connection is lost. The output goes on where it stopped, as soon as the daemon answers."

/** Why a run that has ended has no output to show. */
const absenceWords = (run: RunView | null): string => {
  if (run?.started_at === null) return "It never ran: there is no output."
  return run?.output.end === "missing"
    ? "Its output never appeared."
    : "The output was removed with its run: a run keeps it only if it was started so."
}

const leftOutWords = ({ bytes, lines }: LeftOut): string => {
  const parts = [
    ...(bytes > 0 ? [`the first ${sizeWords(bytes)}`] : []),
    ...(lines > 0 ? [`${countWords(lines, "line")}${bytes > 0 ? " after that" : ""}`] : [])
  ]
  return parts.length === 0 ? "" : `Left out here: ${parts.join(" and ")}. “Whole output” has everything.`
}
