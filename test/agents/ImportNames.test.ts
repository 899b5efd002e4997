import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { distributionOf, IMPORT_NAMES } from "../../src/agents/ImportNames.ts"
import { askPython, withoutPython } from "../boundary/Python.ts"

const names = Object.keys(IMPORT_NAMES)

describe("the table of well-known imports", () => {
  it("is sorted, and names nothing twice", () => {
    const source = readFileSync(new URL("../../src/agents/ImportNames.ts", import.meta.url), "utf8")
    const written = [...source.matchAll(/^ {2}(\w+): "/gm)].map(([, name]) => name)
    expect(written.length).toBeGreaterThan(100)
    expect(written).toEqual([...new Set(names)].toSorted())
  })

  it("leads from what can be imported to what can be required", () => {
    for (const [name, distribution] of Object.entries(IMPORT_NAMES)) {
      expect(name).toMatch(/^[A-Za-z_][A-Za-z0-9_]*$/)
      expect(distribution).toMatch(/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/)
    }
  })

  it("knows nothing that is not in it, whatever it is called", () => {
    expect(distributionOf("bs4")).toBe("beautifulsoup4")
    expect(distributionOf("requests")).toBe("requests")
    for (const name of ["constructor", "toString", "__proto__", "", "Requests", "request"]) {
      expect(distributionOf(name)).toBeNull()
    }
  })

  it.skipIf(withoutPython !== null)("names nothing that Python has itself, nor what the host of agents brings", () => {
    const script =
      "import json, sys; print(json.dumps(sorted(set(json.load(sys.stdin)) & set(getattr(sys, 'stdlib_module_names', sys.builtin_module_names)))))"
    expect(askPython(script, names)).toEqual([])
    expect(names.filter((name) => ["agents", "basic_agent", "utils", "google"].includes(name))).toEqual([])
  })
})
