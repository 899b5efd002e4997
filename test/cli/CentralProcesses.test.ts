/** Admins at once, as processes of their own on one directory. */
import { writeFileSync } from "node:fs"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { Programs } from "../support/Program.ts"

let programs: Programs
beforeEach(() => {
  programs = new Programs()
})
afterEach(() => programs.close())

const central = (...argv: ReadonlyArray<string>) =>
  programs.run("central", ...argv, "--data", programs.path("central"), "--json")

const put = (name: string, query: number, ...flags: ReadonlyArray<string>) => {
  const file = programs.path(`${name}-${query}.json`)
  writeFileSync(file, JSON.stringify({ version: 2, query }))
  return central("config", "put", name, file, "--force", ...flags)
}

const history = async (name: string): Promise<ReadonlyArray<{ seq: number; etag: string; saved_by: string }>> =>
  JSON.parse((await central("config", "history", name)).stdout)

describe("a document", () => {
  it("that nobody reads to its end is no failure", async () => {
    const file = programs.path("long.json")
    writeFileSync(file, JSON.stringify({ version: 2, query: "x".repeat(1_000_000) }))
    expect((await central("config", "put", "long", file, "--force")).code).toBe(0)
    const reader = programs.start(["central", "config", "get", "long", "--data", programs.path("central")])
    reader.stopReading()
    expect(await reader.ended).toMatchObject({ code: 0, stderr: expect.not.stringContaining("cannot be written") })
  })
})

describe("admins at once", () => {
  it("of two who have seen the same revision exactly one saves, and the other is told when and by whom", async () => {
    const { etag } = JSON.parse((await put("fleet", 0)).stdout)
    const both = await Promise.all([put("fleet", 1, "--if-match", etag), put("fleet", 2, "--if-match", etag)])
    expect(both.map(({ code }) => code).toSorted()).toEqual([0, 1])
    const [won, lost] = [both.find(({ code }) => code === 0), both.find(({ code }) => code === 1)]
    expect(JSON.parse(won?.stdout ?? "")).toMatchObject({ seq: 2 })
    expect(lost?.stdout).toBe("")
    expect(lost?.stderr).toMatch(
      /fleet has changed since you looked: revision 2, "[0-9a-f]{64}", was saved at \S+Z \(command\)/
    )
    expect((await history("fleet")).map(({ seq }) => seq)).toEqual([2, 1])
  })

  it("twenty who look at nothing all have their revision in the history, on a directory that was not there", async () => {
    const saves = await Promise.all(Array.from({ length: 20 }, (_, query) => put("many", query)))
    expect(saves.filter(({ code }) => code !== 0).map(({ stderr }) => stderr)).toEqual([])
    const said = saves.map(({ stdout }) => JSON.parse(stdout)).toSorted((a, b) => b.seq - a.seq)
    expect((await history("many")).map(({ etag, seq }) => ({ etag, seq }))).toEqual(said)
    expect(said.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, index) => 20 - index))
  }, 60_000)
})
