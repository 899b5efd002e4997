import { describe, expect, it } from "vitest"
import { check, headers, kinds, render, rules, type Rule } from "./References.ts"
import { readTree, type Tree } from "./Tree.ts"

const doc = (type: string, related: string, body: string): string =>
  `# A title\n\n**Type:** ${type}\n**Status:** Accepted\n**Systems:** config\n**Date:** 2026-11-21\n**Related:** ${related}\n\n${body}\n`

const body = [
  "## Commit order",
  "## What's `in` it, and why?",
  "## Twice",
  "## Twice",
  '<a id="by-hand"></a>',
  "```\n## Not a heading\n[not a link](nowhere.md)\n```",
  "see [above](#commit-order), [the map](0000-map.explainer.md#a-title), [code](../src/config/ApplyEngine.ts), [tests](../test/)",
  "`[not a link](nowhere.md)` and [elsewhere](https://example.com/x.md)"
].join("\n\n")

const MAP = "llp/0000-map.explainer.md"
const DOCUMENT = new RegExp(`^llp/((?!0000)\\d{4})-[a-z]+\\.(?:${kinds.join("|")})\\.md$`)

/** The tree with a map of its documents. */
const mapped = (tree: Tree): Tree => {
  const found = Object.keys(tree).flatMap((path) => {
    const [, number] = DOCUMENT.exec(path) ?? []
    return number === undefined ? [] : [{ number, link: `[it](${path.slice("llp/".length)})` }]
  })
  const related = found.map(({ number }) => `LLP ${number}`).join(", ")
  return { ...tree, [MAP]: doc("Explainer", related, found.map(({ link }) => link).join("\n")) }
}

/** What an annotation begins with; put together here, because this file's own comments are checked as well. */
const at = "@ref"

/** A small set of documents and code in which everything resolves. */
const clean: Tree = mapped({
  "llp/0004-apply.spec.md": doc("Spec", "[0000](0000-map.explainer.md)", body),
  "src/config/ApplyEngine.ts": [
    `// ${at} LLP 0004#commit-order [implements]: slot before marker before flip`,
    `// ${at} LLP 0004#whats-in-it-and-why: a slug without its punctuation`,
    `/** ${at} LLP 0004#twice-1 [explains]: the second of two headings */`,
    `/**\n * ${at} LLP 0004#by-hand\n * ${at} LLP 0000\n */`,
    `export const text = "${at} LLP 9999#in-a-string is no annotation"`
  ].join("\n"),
  "test/config/ApplyEngine.test.ts": `// ${at} LLP 0004#commit-order [tests]: each cut between two of them\n`
})

const code = "machines/Bad.ts"
const text = "llp/0005-bad.spec.md"

/** Small wrong changes, each with the one rule that must catch it. */
const mutants: ReadonlyArray<readonly [what: string, rule: Rule, path: string, source: string]> = [
  ["an annotation of no document", "reference", code, `// ${at} LLP 0099#commit-order [implements]: gloss`],
  ["an annotation of no document, in a test", "reference", "test/Bad.test.ts", `// ${at} LLP 0099: gloss`],
  [
    "an annotation of no document, in a property test",
    "reference",
    "property-tests/Bad.ts",
    `// ${at} LLP 0099: gloss`
  ],
  ["an annotation of no heading", "anchor", code, `// ${at} LLP 0004#commit-ordering [implements]: gloss`],
  ["an annotation of a heading in a code block", "anchor", code, `// ${at} LLP 0004#not-a-heading: gloss`],
  ["an annotation of a third heading of two", "anchor", code, `// ${at} LLP 0004#twice-2: gloss`],
  ["an annotation inside a doc comment", "anchor", code, `/**\n * Text.\n * ${at} LLP 0004#gone: gloss\n */`],
  [
    "the second annotation of a comment",
    "anchor",
    code,
    `// ${at} LLP 0000: a\n/* ${at} LLP 0000: a\n ${at} LLP 0004#gone */`
  ],
  ["an annotation without a number", "form", code, `// ${at} LLP apply#commit-order: gloss`],
  ["an annotation with a short number", "form", code, `// ${at} LLP 4#commit-order: gloss`],
  ["an annotation without LLP", "form", code, `// ${at} 0004#commit-order: gloss`],
  ["an annotation with an empty anchor", "form", code, `// ${at} LLP 0004#: gloss`],
  ["an annotation with an empty gloss", "form", code, `// ${at} LLP 0004#commit-order [implements]:`],
  ["an annotation whose gloss lacks the colon", "form", code, `// ${at} LLP 0004#commit-order slot before marker`],
  ["a document that takes a number twice", "number", "llp/0004-zebra.spec.md", doc("Spec", "none", "")],
  ["a document without a number", "name", "llp/apply.spec.md", doc("Spec", "none", "")],
  ["a document without a kind", "name", "llp/0005-apply.md", doc("Spec", "none", "")],
  ["a document of an unknown kind", "name", "llp/0005-apply.rant.md", doc("Rant", "none", "")],
  ["a document in a folder of its own", "name", "llp/old/0005-apply.spec.md", doc("Spec", "none", "")],
  ["a document whose type is not its file's", "header", text, doc("Design", "none", "")],
  ["a document without a readable date", "header", text, doc("Spec", "none", "").replace("2026-11-21", "last week")],
  ["a document with an empty header line", "header", text, doc("Spec", "", "")],
  ["a document related to none that exists", "related", text, doc("Spec", "LLP 0000, LLP 0077", "")],
  ["a link to no file", "link", text, doc("Spec", "none", "[x](0006-gone.spec.md)")],
  ["a link to no file, after a code block", "link", text, doc("Spec", "none", "```\ncode\n```\n[x](../src/Gone.ts)")],
  ["a link to no heading", "anchor", text, doc("Spec", "none", "[x](0004-apply.spec.md#gone)")],
  ["a link to no heading of its own", "anchor", text, doc("Spec", "none", "[x](#gone)")],
  ["a map without a document", "map", MAP, doc("Explainer", "LLP 0004", "`[it](0004-apply.spec.md)`")],
  ["a map that is not related to a document", "map", MAP, doc("Explainer", "none", "[it](0004-apply.spec.md)")],
  ["a root that is no explainer", "root", "llp/0000-map.explainer.md", ""]
]

describe("the checker of references", () => {
  it("finds nothing where everything resolves", () => {
    expect(check(clean).map(render)).toEqual([])
  })

  it.each(mutants)("catches %s", (_, rule, path, source) => {
    const tree: Record<string, string> = { ...(path === MAP ? clean : mapped({ ...clean, [path]: source })) }
    tree[path] = source
    if (rule === "root") {
      delete tree[path]
      tree["llp/0000-map.spec.md"] = doc("Spec", "none", "")
      tree["llp/0004-apply.spec.md"] = doc("Spec", "none", body.replace("0000-map.explainer.md", "0000-map.spec.md"))
    }
    expect(check(tree).map((violation) => violation.rule)).toEqual([rule])
  })

  it.each(headers)("catches a document without its line **%s:**", (name) => {
    const source = doc("Spec", "none", "").replace(new RegExp(`\\*\\*${name}:.*\n`), "")
    expect(check(mapped({ ...clean, [text]: source })).map(render)).toEqual([
      `${text}:1 ${rules.header} (header: **${name}:** is missing)`
    ])
  })

  it.each(kinds)("knows documents of the kind %s", (kind) => {
    expect(check(mapped({ ...clean, [`llp/0005-x.${kind}.md`]: doc(kind, "none", "") }))).toEqual([])
  })

  it("has a mutant for every rule", () => {
    expect([...new Set(mutants.map(([, rule]) => rule))].toSorted()).toEqual(Object.keys(rules).toSorted())
  })

  it("names the line of an annotation", () => {
    expect(check({ ...clean, [code]: `\n/*\n * ${at} LLP 0099: gloss\n */` }).map(render)).toEqual([
      `${code}:3 ${rules.reference} (reference: LLP 0099)`
    ])
  })
})

describe("this repository", () => {
  it("has no dead annotation, link or anchor, and numbers each document once", () => {
    expect(check(readTree()).map(render)).toEqual([])
  })
})
