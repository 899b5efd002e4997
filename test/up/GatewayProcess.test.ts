import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Option, Ref } from "effect"
import { supervise, type Watcher } from "../../src/up/index.ts"

/** Ends as the next line of its script says; with none left it runs until it is asked to stop. */
const CHILD = `
import { readFileSync, writeFileSync, appendFileSync } from "node:fs"
const folder = process.env.FOLDER
const [next, ...rest] = readFileSync(folder + "/script", "utf8").split("\\n").filter(Boolean)
writeFileSync(folder + "/script", rest.join("\\n"))
if (next === undefined) {
  process.on("SIGTERM", () => { appendFileSync(folder + "/log", "stopped in order"); process.exit(0) })
  setInterval(() => {}, 1000)
} else if (next === "signal") process.kill(process.pid, "SIGKILL")
else {
  console.error(JSON.stringify({ level: "FATAL", message: "ends with " + next }))
  console.error("plain words")
  process.exit(Number(next))
}
`

describe("the supervised gateway", () => {
  it.live("is started again at once after 75, with back-off after any other end, and stopped in order", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped({ prefix: "holdfast-up-" })
      yield* fs.writeFileString(`${folder}/child.mjs`, CHILD)
      yield* fs.writeFileString(`${folder}/script`, ["75", "75", "signal", "75", "3"].join("\n"))
      const story = yield* Ref.make<ReadonlyArray<unknown>>([])
      const add = (entry: unknown) => Ref.update(story, (before) => [...before, entry])
      const watcher: Watcher = {
        started: () => add("started"),
        restarts: add("restarts"),
        ended: ({ code, complaint }, wait) => add([code, complaint, wait])
      }
      const program = { node: process.execPath, script: `${folder}/child.mjs` }
      const fiber = yield* Effect.forkScoped(supervise(program, { FOLDER: folder }, watcher))
      const running = Effect.map(
        Ref.get(story),
        (entries) => entries.filter((entry) => entry === "started").length === 6
      )
      while (!(yield* running)) yield* Effect.sleep(20)
      expect(yield* Ref.get(story)).toEqual([
        "started",
        "restarts",
        "started",
        "restarts",
        "started",
        [null, [], 1],
        "started",
        "restarts",
        "started",
        [3, ["FATAL ends with 3", "plain words"], 1],
        "started"
      ])
      // Not before the child listens to signals.
      yield* Effect.sleep(300)
      yield* Fiber.interrupt(fiber)
      expect(yield* Effect.option(fs.readFileString(`${folder}/log`))).toEqual(Option.some("stopped in order"))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
