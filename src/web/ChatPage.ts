/**
 * Talking with a model that may call this machine's agents.
 *
 * @ref LLP 0012#chat [implements]: an answer lives as long as its request, and what came of it stays
 */
import { chatAccount } from "./ChatAccount.ts"
import { agentsPanel } from "./ChatAgents.ts"
import { composer } from "./ChatComposer.ts"
import { conversationList } from "./ChatList.ts"
import { ChatLog } from "./ChatLog.ts"
import { ChatStore, type Conversation } from "./ChatStore.ts"
import { asked, type ChatEvent, historyOf, step, type Turn } from "./ChatTurn.ts"
import { titleOf } from "./ChatWords.ts"
import { streamChat } from "./ChatWire.ts"
import { h, setText } from "./Dom.ts"
import type { Page } from "./Page.ts"
import { isStale, type Seen } from "./Seen.ts"

/** `id` names a conversation that this browser has kept; null begins one. `go` opens another page. */
export const chatPage = (id: string | null, go: (address: string) => void): Page => {
  const store = new ChatStore(() => localStorage)
  const found = id === null ? null : store.load(id)
  let conversation: Conversation = found ?? { id: newId(), at: Date.now(), session: null, turns: [] }
  /** The answer that comes just now; ended when the person stops it or leaves. */
  let stream: AbortController | null = null
  /** What was said since it was last kept. */
  let isUnkept = false
  /** The account, the agents and the connection were last seen so. */
  let connection: Seen["connection"] = "connecting"
  const gone = new AbortController()

  const title = h("h1", { tabindex: -1 }, "Chat")
  const fresh = h("a", { class: "fresh", href: "/chat" }, "New conversation")
  const account = chatAccount(() => log.draw())
  const agents = agentsPanel()
  const list = conversationList((wanted) => remove(wanted))
  const missing = h(
    "p",
    { class: "failure", role: "status" },
    "This browser does not keep that conversation (any more)."
  )
  missing.hidden = id === null || found !== null
  const empty = h(
    "p",
    { class: "none chat-empty" },
    "Ask something. The model answers, and calls this machine's agents where they help."
  )
  const log = new ChatLog({ retry: () => retry(), pickModel: account.pickModel, signUp: account.signUp }, empty)
  const left = h("p", { class: "note chat-left", role: "status", hidden: true })
  const input = composer(
    (question) => send(question),
    () => stop("asked")
  )
  const root = h(
    "div",
    { class: "chat-page" },
    h("div", { class: "heading" }, title, fresh),
    h(
      "div",
      { class: "chat-bench" },
      h(
        "section",
        { class: "card chat-card", "aria-label": "Conversation" },
        h("div", { class: "chat-head" }, account.picker, account.notice, missing),
        log.root,
        left,
        input.root
      ),
      h("div", { class: "side" }, agents.root, list.root)
    )
  )

  const draw = (): void => {
    const { turns } = conversation
    empty.hidden = turns.length > 0
    fresh.hidden = turns.length === 0
    setText(title, turns[0] === undefined ? "Chat" : titleOf(turns[0].question))
    log.show(turns)
  }
  const showList = (): void => list.show(store.list(), conversation.id)
  const keep = (): void => {
    isUnkept = false
    conversation = { ...conversation, at: Date.now() }
    const problem = store.save(conversation)
    if (gone.signal.aborted) return
    list.say(problem)
    showList()
  }

  const send = (question: string): void => {
    if (stream !== null) return
    conversation = { ...conversation, turns: [...conversation.turns, asked(question)] }
    // The address names the conversation from its first question on, so that a reload comes back to it.
    if (location.hash === "") history.replaceState(null, "", `/chat#${conversation.id}`)
    missing.hidden = true
    log.follow()
    void answer(question)
  }
  const retry = (): void => {
    const last = conversation.turns.at(-1)
    if (stream !== null || last === undefined) return
    conversation = { ...conversation, turns: [...conversation.turns.slice(0, -1), asked(last.question)] }
    log.forgetLast()
    log.follow()
    input.focus()
    void answer(last.question)
  }
  const answer = async (text: string): Promise<void> => {
    const mine = new AbortController()
    stream = mine
    input.setBusy(true)
    input.say("")
    keep()
    draw()
    log.draw()
    const { entries, left: untold } = historyOf(conversation.turns.slice(0, -1))
    setText(
      left,
      untold === 0 ? "" : `The model is not told the first ${untold} questions: the conversation is too long.`
    )
    left.hidden = untold === 0
    await streamChat({ text, history: entries, session: conversation.session }, take, mine.signal)
    if (stream === mine) end()
  }
  const take = (event: ChatEvent): void => {
    const last = conversation.turns.at(-1)
    if (last === undefined) return
    const next: Turn = step(last, event)
    const session = event.type === "done" && event.reply.session !== "" ? event.reply.session : conversation.session
    conversation = { ...conversation, session, turns: [...conversation.turns.slice(0, -1), next] }
    isUnkept = true
    draw()
    // The person may have changed an agent's file, and wants to see it.
    if (event.type === "agent") agents.refresh()
  }
  /** Whatever came is kept. */
  const end = (): void => {
    stream = null
    keep()
    if (gone.signal.aborted) return
    log.draw()
    input.setBusy(false)
    input.say(ENDS[conversation.turns.at(-1)?.state ?? "done"])
    agents.refresh()
    if (conversation.turns.at(-1)?.state === "failed") account.refresh()
  }
  const stop = (why: "asked" | "left"): void => {
    if (stream === null) return
    stream.abort()
    take({ type: "stop", why })
    end()
  }
  const remove = (wanted: string | null): void => {
    const isOpen = wanted === null || wanted === conversation.id
    if (isOpen) stop("left")
    const problem = wanted === null ? store.clear() : store.remove([wanted])
    list.say(problem)
    showList()
    if (isOpen && problem === null) go("/chat")
  }

  // Another window may have said something, or deleted it.
  addEventListener("storage", showList, { signal: gone.signal })
  // Whoever closes the window, or loads it anew, has left: the browser would break the connection, and that looks like a fault.
  addEventListener("pagehide", () => stop("left"), { signal: gone.signal })
  document.addEventListener(
    "visibilitychange",
    () => {
      if (document.visibilityState === "visible") agents.refresh()
    },
    { signal: gone.signal }
  )
  agents.refresh()
  showList()
  draw()
  log.draw()

  return {
    title: () => (conversation.turns[0] === undefined ? "Chat" : titleOf(conversation.turns[0].question)),
    root,
    update: (seen) => {
      root.classList.toggle("stale", isStale(seen))
      account.update(seen)
      if (seen.connection === "live" && connection === "lost") agents.refresh()
      connection = seen.connection
    },
    tick: () => {
      if (isUnkept) keep()
    },
    close: () => {
      gone.abort()
      stop("left")
      log.close()
      account.close()
    }
  }
}

const ENDS: Readonly<Record<Turn["state"], string>> = {
  asking: "",
  done: "The answer is complete.",
  failed: "There is no whole answer.",
  stopped: "Stopped."
}

const newId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("")
