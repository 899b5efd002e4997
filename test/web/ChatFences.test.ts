import { describe, expect, it } from "vitest"
import { FenceCutter, type Piece } from "../../src/web/ChatFences.ts"

/** The blocks that a text comes to when it arrives in pieces of `size` characters. */
const blocks = (text: string, size = text.length): ReadonlyArray<readonly [kind: Piece["kind"], text: string]> => {
  const cutter = new FenceCutter()
  const found: Array<[Piece["kind"], string]> = []
  const take = (pieces: ReadonlyArray<Piece>): void => {
    for (const { begins, kind, text } of pieces) {
      const last = found.at(-1)
      if (begins || last === undefined) found.push([kind, text])
      else last[1] += text
    }
  }
  for (let at = 0; at < text.length; at += size) take(cutter.push(text.slice(at, at + size)))
  take(cutter.end())
  return found
}

const CASES: ReadonlyArray<readonly [name: string, text: string, expected: ReturnType<typeof blocks>]> = [
  ["a text alone", "One line\nand another", [["text", "One line\nand another"]]],
  [
    "paragraphs",
    "\nOne\n\n\nTwo\n \nThree\n\n",
    [
      ["text", "One"],
      ["text", "Two"],
      ["text", "Three"]
    ]
  ],
  [
    "code between texts",
    "Do:\n```sh\nls `pwd`\n\n  cd /\n```\nThen wait.",
    [
      ["text", "Do:"],
      ["code", "ls `pwd`\n\n  cd /"],
      ["text", "Then wait."]
    ]
  ],
  [
    "Windows' ends of lines",
    "Do:\r\n```\r\nls\r\n```\r\n",
    [
      ["text", "Do:"],
      ["code", "ls"]
    ]
  ],
  ["code that holds a fence", "````\n```\ninner\n```\n````", [["code", "```\ninner\n```"]]],
  ["code without an end", "```ts\nconst a = `b`\n``", [["code", "const a = `b`\n``"]]],
  ["backticks that open nothing", "`a` and ```b``` stay", [["text", "`a` and ```b``` stay"]]],
  ["a line that begins with code", "```b``` is code in a line", [["text", "```b``` is code in a line"]]],
  ["no text", "", []]
]

describe("an answer that is cut into paragraphs and code", () => {
  it.each(CASES)("%s: the same however its characters arrive", (_name, text, expected) => {
    for (const size of [1, 2, 3, 5, Math.max(1, text.length)]) expect(blocks(text, size)).toEqual(expected)
  })

  it("shows a word as soon as it is there, and holds back only what may become a fence", () => {
    const cutter = new FenceCutter()
    expect(cutter.push("Wo")).toEqual([{ kind: "text", text: "Wo", begins: true }])
    expect(cutter.push("rd")).toEqual([{ kind: "text", text: "rd", begins: false }])
    expect(cutter.push("\n``")).toEqual([])
    expect(cutter.push("x")).toEqual([{ kind: "text", text: "\n``x", begins: false }])
  })
})
