/** One config: how far its newest revision has spread, its editor, and its history. */
import { h, setChildren, setText } from "./Dom.ts"
import { bar, legend, piecesOf, piecesWords } from "./FleetBar.ts"
import { fetchDocument, fetchRevisions, replyWords } from "./FleetAsk.ts"
import { editorView, type EditorView } from "./FleetEditorView.ts"
import { historyView, type HistoryView } from "./FleetHistory.ts"
import type { FleetPage, Shell } from "./FleetPage.ts"
import type { FleetState } from "./FleetState.ts"
import { headlineOf, line } from "./FleetWords.ts"

export const configPage = (name: string, { changed, go }: Shell): FleetPage => {
  let state: FleetState | null = null
  let now: number | null = null
  let editor: EditorView | null = null
  let history: HistoryView | null = null
  let isClosed = false
  let isAsking = false

  const headline = h("p", { class: "headline" })
  const large = bar("large")
  // Where they stand is listed on the first page.
  const words = legend(() => go("#"))
  const failure = h("p", { class: "failure", role: "alert", hidden: true })
  const again = h("button", { type: "button", hidden: true, click: () => void load() }, "Try again")
  const editing = h(
    "section",
    { class: "card", "aria-labelledby": "editing-title" },
    h("h2", { id: "editing-title" }, "Document")
  )
  const past = h(
    "section",
    { class: "card", "aria-labelledby": "past-title", hidden: true },
    h("h2", { id: "past-title" }, "History")
  )
  const root = h(
    "div",
    { class: "config-page" },
    h("p", { class: "crumbs" }, h("a", { href: "#" }, "Fleet")),
    h("div", { class: "heading" }, h("h1", { tabindex: -1, class: "name" }, line(name, 200)), headline),
    h("div", { class: "spread-now" }, large.root, words.root),
    failure,
    again,
    editing,
    past
  )

  const draw = (): void => {
    const config = state?.fleet?.configs.find((one) => one.name === name)
    setText(headline, config === undefined ? "" : headlineOf(config))
    const pieces = config === undefined ? [] : piecesOf(config)
    large.root.hidden = pieces.length === 0
    large.update(pieces, `Where its gateways stand: ${piecesWords(pieces)}`)
    words.update(pieces, null)
    if (config === undefined) return
    const [newest] = config.newest
    if (newest !== undefined) editor?.newest(newest)
    if (history === null && editor !== null && config.newest.length > 0) {
      history = historyView(name, config.newest, changed)
      past.append(history.root)
    }
    past.hidden = history === null
    history?.update(config.newest, config.gateways, now)
  }
  const load = async (): Promise<void> => {
    if (isAsking || editor !== null) return
    isAsking = true
    const found = await newestOf()
    isAsking = false
    if (isClosed) return
    failure.hidden = found.type === "ok"
    again.hidden = found.type === "ok"
    if (found.type === "failed") return setText(failure, found.words)
    const { base, revisions } = found
    const template = templateOf(state?.fleet?.central.external_url ?? "")
    editor = editorView({ name, base, template, changed })
    editing.append(editor.root)
    if (revisions.length > 0) {
      history = historyView(name, revisions, changed)
      past.append(history.root)
    }
    root.dataset["known"] = "true"
    draw()
  }
  const newestOf = async () => {
    const listed = await fetchRevisions(name, null)
    const isNew = listed.type === "failed" && listed.status === 404
    if (isNew || (listed.type === "ok" && listed.value.length === 0)) {
      return { type: "ok", base: null, revisions: [] } as const
    }
    if (listed.type !== "ok") {
      return { type: "failed", words: listed.type === "same" ? "" : replyWords(listed, "The revisions") } as const
    }
    const [newest] = listed.value
    if (newest === undefined) return { type: "ok", base: null, revisions: [] } as const
    const document = await fetchDocument(name, newest.seq)
    if (document.type === "ok") {
      const base = { seq: newest.seq, etag: newest.etag, text: document.value }
      return { type: "ok", base, revisions: listed.value } as const
    }
    return { type: "failed", words: document.type === "same" ? "" : replyWords(document, "The document") } as const
  }

  return {
    title: () => `${line(name, 60)} · Fleet`,
    root,
    update: (next, at) => {
      state = next
      now = at
      // Until the fleet is known, the address that a new document points at is not.
      if (editor === null && next.fleet !== null && next.connection === "live") void load()
      draw()
    },
    tick: (at) => {
      now = at
      editor?.tick(at)
      history?.tick(at)
    },
    close: () => {
      isClosed = true
      editor?.close()
      history?.close()
      setChildren(editing)
    }
  }
}

/** What a new config begins with: a document whose gateways stay connected. */
export const templateOf = (url: string): string => {
  const document = {
    version: 2,
    sinks: { central: { plugin: "@holdfast/central", config: { url, identity: {}, poll_interval_seconds: 60 } } }
  }
  return `${JSON.stringify(document, null, 2)}\n`
}
