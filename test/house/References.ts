import { posix } from "node:path"
import { parse } from "./Syntax.ts"
import { isOurs, lineAt, type Tree } from "./Tree.ts"

/** The kinds of documents, as their file names spell them: `NNNN-slug.kind.md`. */
export const kinds = ["explainer", "spec", "decision", "design", "plan", "guide", "issue"] as const

/** The header lines that every document opens with, in bold. */
export const headers = ["Type", "Status", "Systems", "Date", "Related"] as const

/** The rules, each with the sentence that a violation quotes. */
export const rules = {
  anchor: "an anchor names a heading of the document",
  form: "an annotation reads `@ref LLP 0000#anchor [relation]: gloss`",
  header: "a document opens with its header lines",
  link: "a link leads to a file of this repository",
  map: "document 0000 links to every other document, and is related to it",
  name: "a document is named NNNN-slug.kind.md",
  number: "a document's number is its own",
  reference: "an annotation names a document",
  related: "a document is related to documents that exist",
  root: "document 0000 is the root explainer"
} as const

/** The name of a rule. */
export type Rule = keyof typeof rules

/** One broken rule at one place. */
export interface Violation {
  readonly path: string
  readonly line: number
  readonly rule: Rule
  readonly detail: string
}

/** One line for a person. */
export const render = ({ detail, line, path, rule }: Violation): string =>
  `${path}:${line} ${rules[rule]} (${rule}: ${detail})`

interface Doc {
  readonly path: string
  readonly source: string
  readonly number: string
  readonly kind: string
  readonly anchors: ReadonlySet<string>
}

/** Checks a whole tree: documents, the links among them, and the annotations of code that point at them. */
export const check = (tree: Tree): ReadonlyArray<Violation> => {
  const violations: Array<Violation> = []
  const report = (rule: Rule, path: string, line: number, detail: string): void => {
    violations.push({ path, line, rule, detail })
  }
  const docs = new Map<string, Doc>()
  for (const [path, source] of Object.entries(tree)) {
    if (!/^llp\/.*\.md$/.test(path)) continue
    const doc = readDoc(path, source)
    if (doc === undefined) {
      report("name", path, 1, posix.basename(path))
      continue
    }
    const taken = docs.get(doc.number)
    if (taken === undefined) docs.set(doc.number, doc)
    else report("number", path, 1, `${doc.number} is ${posix.basename(taken.path)}`)
  }
  if (docs.size > 0 && docs.get("0000")?.kind !== "explainer") report("root", "llp", 1, "there is none")

  const root = docs.get("0000")
  if (root?.kind === "explainer") checkMap(root, docs, report)
  for (const doc of docs.values()) {
    checkHeader(doc, docs, report)
    checkLinks(doc, tree, report)
  }
  for (const path of Object.keys(tree).filter(isOurs)) checkAnnotations(path, tree[path] ?? "", docs, report)
  return violations
}

type Report = (rule: Rule, path: string, line: number, detail: string) => void

const readDoc = (path: string, source: string): Doc | undefined => {
  const [, number, kind] = /^llp\/(\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.([a-z]+)\.md$/.exec(path) ?? []
  if (number === undefined || kind === undefined || !kinds.some((known) => known === kind)) return undefined
  return { path, source, number, kind, anchors: anchorsOf(source) }
}

const checkHeader = (doc: Doc, docs: ReadonlyMap<string, Doc>, report: Report): void => {
  const lines = doc.source.split("\n")
  const end = lines.findIndex((line) => line.startsWith("## "))
  const values = new Map<string, readonly [value: string, line: number]>()
  for (const [index, line] of lines.slice(0, end < 0 ? undefined : end).entries()) {
    const [, name, value] = /^(?:[-*] )?\*\*([A-Z][a-z]+):\*\*\s*(.*?)\s*(?:\\|<br>)?$/.exec(line) ?? []
    if (name !== undefined && value !== undefined) values.set(name, [value, index + 1])
  }
  for (const name of headers) {
    const [value] = values.get(name) ?? [""]
    if (value === "") report("header", doc.path, 1, `**${name}:** is missing`)
  }
  const [type, typeLine] = values.get("Type") ?? ["", 1]
  if (type !== "" && type.toLowerCase() !== doc.kind) {
    report("header", doc.path, typeLine, `type ${type} in a file named .${doc.kind}.md`)
  }
  const [date, dateLine] = values.get("Date") ?? ["", 1]
  if (date !== "" && !/^\d{4}-\d{2}-\d{2}\b/.test(date)) report("header", doc.path, dateLine, `date ${date}`)
  const [related, relatedLine] = values.get("Related") ?? ["", 1]
  for (const [number] of related.matchAll(/\b\d{4}\b/g)) {
    if (!docs.has(number)) report("related", doc.path, relatedLine, `LLP ${number}`)
  }
}

const checkMap = (root: Doc, docs: ReadonlyMap<string, Doc>, report: Report): void => {
  const [, related = ""] = /^\*\*Related:\*\*(.*)$/m.exec(root.source) ?? []
  const text = prose(root.source)
    .map((line) => line.replaceAll(/`[^`]*`/g, ""))
    .join("\n")
  for (const { number, path } of docs.values()) {
    if (path === root.path) continue
    if (!text.includes(`](${posix.basename(path)}`)) report("map", root.path, 1, `no link to ${posix.basename(path)}`)
    else if (!related.includes(number)) report("map", root.path, 1, `not related to ${number}`)
  }
}

/** Links of the form `[text](target)`; those with a scheme leave the repository and are not looked at. */
const checkLinks = (doc: Doc, tree: Tree, report: Report): void => {
  for (const [index, line] of prose(doc.source).entries()) {
    for (const [, target = ""] of line.replaceAll(/`[^`]*`/g, "").matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)) {
      if (/^[a-z][a-z0-9+.-]*:/i.test(target)) continue
      const [file = "", anchor] = target.split("#", 2)
      const path = file === "" ? doc.path : posix.join(posix.dirname(doc.path), decodeURIComponent(file))
      const source = tree[path]
      const isFolder = Object.keys(tree).some((known) => known.startsWith(path.replace(/\/?$/, "/")))
      if (source === undefined && !isFolder) report("link", doc.path, index + 1, target)
      else if (source !== undefined && path.endsWith(".md") && anchor !== undefined && !anchorsOf(source).has(anchor)) {
        report("anchor", doc.path, index + 1, target)
      }
    }
  }
}

const checkAnnotations = (path: string, source: string, docs: ReadonlyMap<string, Doc>, report: Report): void => {
  if (!source.includes("@ref")) return
  for (const comment of parse(path, source).comments) {
    const text = source.slice(comment.start, comment.end)
    for (const { index } of text.matchAll(/@ref\b/g)) {
      const line = lineAt(source, comment.start + index)
      const [annotation = ""] = text.slice(index).split(/\n|\*\//, 1)
      const [, number, anchor] =
        /^@ref LLP (\d{4})(?:#([^\s:[\]]+))?(?: \[[a-z][a-z-]*\])?(?::\s+\S.*|\s*)$/.exec(annotation) ?? []
      if (number === undefined) {
        report("form", path, line, annotation.trim())
        continue
      }
      const doc = docs.get(number)
      if (doc === undefined) report("reference", path, line, `LLP ${number}`)
      else if (anchor !== undefined && !doc.anchors.has(anchor)) report("anchor", path, line, `LLP ${number}#${anchor}`)
    }
  }
}

/** The lines of a document with fenced code blanked out, so that line numbers stay. */
const prose = (source: string): ReadonlyArray<string> => {
  let fence: string | undefined
  return source.split("\n").map((line) => {
    const [, mark] = /^\s{0,3}(`{3,}|~{3,})/.exec(line) ?? []
    if (fence === undefined && mark === undefined) return line
    if (fence === undefined) fence = mark
    else if (mark?.startsWith(fence) && line.trim() === mark) fence = undefined
    return ""
  })
}

/** What a document's `#…` can name: headings as GitHub turns them into anchors, and explicit `<a id="…">`. */
const anchorsOf = (source: string): ReadonlySet<string> => {
  const anchors = new Set<string>()
  const seen = new Map<string, number>()
  for (const line of prose(source)) {
    for (const [, id = ""] of line.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)) anchors.add(id)
    const [, heading] = /^#{1,6}\s+(.*?)\s*#*$/.exec(line) ?? []
    if (heading === undefined) continue
    const slug = slugOf(heading)
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    anchors.add(count === 0 ? slug : `${slug}-${count}`)
  }
  return anchors
}

/** GitHub's slug of a heading: markup gone, lower case, punctuation dropped, each space a dash. */
const slugOf = (heading: string): string =>
  heading
    .replaceAll(/<[^>]+>/g, "")
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "")
    .replaceAll(" ", "-")
