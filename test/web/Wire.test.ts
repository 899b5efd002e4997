import { describe, expect, it } from "vitest"
import { MessageCutter } from "../../src/web/EventStream.ts"
import { readEntry, readHello } from "../../src/web/Wire.ts"
import { entry, hello } from "./Entries.ts"

describe("a stream of events", () => {
  const text =
    ': here\n\nevent: hello\ndata: {"a":1}\n\ndata: one\ndata: two\nretry: 5\n\nevent: transition\r\ndata:x\r\n\r\n'
  const messages = [
    { event: "hello", data: '{"a":1}' },
    { event: "message", data: "one\ntwo" },
    { event: "transition", data: "x" }
  ]

  it("is cut into messages, without its comments", () => {
    expect(new MessageCutter().push(text)).toEqual(messages)
  })

  it("is the same however it arrives", () => {
    for (let size = 1; size < 9; size += 1) {
      const cutter = new MessageCutter()
      const parts = text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? []
      expect(parts.flatMap((part) => cutter.push(part))).toEqual(messages)
    }
  })

  it("holds back a message that is not whole", () => {
    expect(new MessageCutter().push("data: half\n")).toEqual([])
  })
})

describe("what the daemon sends", () => {
  it("is read as it was meant", () => {
    expect(readEntry(JSON.parse(JSON.stringify(entry({ transitions: ["idle · BEGIN #1"] }))))).toEqual(
      entry({ transitions: ["idle · BEGIN #1"] })
    )
    const { startedAt, ...rest } = hello({ entries: [entry()] })
    expect(readHello({ ...rest, started_at: startedAt })).toEqual(hello({ entries: [entry()] }))
  })

  it("may leave out who sent an event and what was taken", () => {
    const { cause: _, transitions: __, ...rest } = entry()
    expect(readEntry(rest)).toEqual(entry({ cause: "", transitions: null }))
  })

  it.each([null, 1, "text", [], {}, { machine: "join" }, { machine: 1, event: "X" }])(
    "is not an entry: %j",
    (value) => {
      expect(readEntry(value)).toBeNull()
    }
  )

  it.each([null, [], {}, { machines: {} }])("is not a first message: %j", (value) => {
    expect(readHello(value)).toBeNull()
  })
})
