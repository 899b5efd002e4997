import { describe, expect, it } from "vitest"
import { mergeLayers } from "../../src/config/Layers.ts"
import type { ConfigDocument } from "../../src/domain/index.ts"
import { central, documentOf, known } from "./Documents.ts"

const NORMAL = { safeStart: false }
const merge = (served: ConfigDocument | null, local: ConfigDocument | null, options = NORMAL) =>
  mergeLayers(served, local, known, options)

describe("the layers of a configuration", () => {
  it("are the served document alone where the user has none, whatever is wrong with it", () => {
    const served = documentOf([{ name: "gone" }, { name: "gone" }], { a: central(), b: central() })
    expect(merge(served, null)).toEqual({ document: served, dropped: [] })
  })

  it("are the user's own alone on a machine that has not joined", () => {
    const local = { ...documentOf([{ name: "plain" }], { a: central() }), query: 1 }
    expect(merge(null, local)).toEqual({ document: local, dropped: [] })
    expect(merge(null, null)).toEqual({ document: { version: 2 }, dropped: [] })
  })

  it("are joined, the user's entries after the served ones", () => {
    const served = documentOf([{ name: "plain" }], { line: central() })
    const local = documentOf([{ name: "tap", config: { x: 1 } }], { mine: { plugin: "tap" } })
    expect(merge(served, local)).toEqual({
      document: documentOf([{ name: "plain" }, { name: "tap", config: { x: 1 } }], {
        line: central(),
        mine: { plugin: "tap" }
      }),
      dropped: []
    })
  })

  it("lose the user's entries that collide with served ones, each by name", () => {
    const served = documentOf([{ name: "plain", enabled: false }, { name: "tap" }], {
      line: central(),
      a: { plugin: "tap" }
    })
    const local = documentOf(
      [{ name: "strict", config: { path: "p" } }, { name: "plain" }, { name: "@holdfast/central", enabled: false }],
      { a: { plugin: "tap", config: { mine: true } }, b: { plugin: "tap" } }
    )
    const { document, dropped } = merge(served, local)
    expect(document).toEqual(
      documentOf([{ name: "plain", enabled: false }, { name: "tap" }, { name: "strict", config: { path: "p" } }], {
        line: central(),
        a: { plugin: "tap" },
        b: { plugin: "tap" }
      })
    )
    expect(dropped).toEqual([
      {
        entry: "/plugins/1",
        reason: expect.stringMatching(/central configures the plugin `plain`.*remove this entry/)
      },
      { entry: "/plugins/2", reason: expect.stringContaining("`@holdfast/central`") },
      { entry: "/sinks/a", reason: expect.stringMatching(/central configures a sink `a`.*another name/) }
    ])
  })

  it("lose a user's entry that brings a problem, and that one alone", () => {
    const served = documentOf([], { line: central() })
    const local = documentOf(
      [
        { name: "gone" },
        { name: "plain" },
        { name: "plain" },
        { name: "strict", config: { level: 1 } },
        { name: "tap" }
      ],
      { w: { writer: "w", destination: "d" }, t: { plugin: "tap" }, u: { plugin: "plain" } }
    )
    const { document, dropped } = merge(served, local)
    expect(document).toEqual(
      documentOf([{ name: "plain" }, { name: "tap" }], { line: central(), t: { plugin: "tap" } })
    )
    expect(dropped.map(({ entry }) => entry)).toEqual([
      "/plugins/0",
      "/plugins/2",
      "/plugins/3",
      "/sinks/w",
      "/sinks/u"
    ])
    expect(dropped[0]?.reason).toMatch(/^\/name: `gone` is not installed on this machine/)
    expect(dropped[2]?.reason).toBe("/config/path: is required")
    expect(dropped[3]?.reason).toMatch(/^has a `writer`/)
  })

  it("lose with a user's plugin the sinks that need it", () => {
    const local = documentOf([{ name: "strict-tap", config: { to: 1 } }], {
      a: { plugin: "strict-tap", config: { to: "x" } }
    })
    expect(merge(null, local).document).toEqual({ version: 2 })
    expect(merge(null, local).dropped).toEqual([
      { entry: "/plugins/0", reason: "/config/to: must be of type string, not number" },
      { entry: "/sinks/a", reason: expect.stringContaining("not listed under `plugins`") }
    ])
  })

  it("keep a user's entry although something served is wrong", () => {
    const served = documentOf([{ name: "gone" }], { line: central(), w: { writer: "w", destination: "d" } })
    const { document, dropped } = merge(served, documentOf([{ name: "plain" }]))
    expect(document.plugins).toEqual([{ name: "gone" }, { name: "plain" }])
    expect(dropped).toEqual([])
  })

  it("have the user's line to central only where none is served", () => {
    const local = documentOf([], { mine: central("http://127.0.0.1:2") })
    expect(merge(documentOf([], { line: central() }), local)).toEqual({
      document: documentOf([], { line: central() }),
      dropped: [{ entry: "/sinks/mine", reason: expect.stringMatching(/only while it does not/) }]
    })
    expect(merge(documentOf([]), local)).toEqual({ document: local, dropped: [] })
  })

  it("have the user's `query` only", () => {
    const served = { ...documentOf([]), query: "served", disambiguate: "served" }
    const local = { ...documentOf([]), query: "mine", disambiguate: "mine" }
    expect(merge(served, local)).toEqual({
      document: { ...served, query: "mine" },
      dropped: [{ entry: "/disambiguate", reason: expect.any(String) }]
    })
    expect(merge(served, null).document).toEqual({ ...documentOf([]), disambiguate: "served" })
  })

  it("are the served one in safe start, with the user's line to central only where none is served", () => {
    const local = { ...documentOf([{ name: "plain" }], { mine: central(), t: { plugin: "tap" } }), query: 1 }
    const bare = merge({ version: 2 }, local, { safeStart: true })
    expect(bare.document).toEqual({ version: 2, sinks: { mine: central() } })
    expect(bare.dropped).toEqual(
      ["/plugins/0", "/sinks/t", "/query"].map((entry) => ({
        entry,
        reason: expect.stringMatching(/^left out in safe start/)
      }))
    )
    const served = documentOf([], { line: central() })
    expect(merge(served, local, { safeStart: true }).document).toEqual(served)
  })
})
