import * as fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { interpret } from "../../src/statechart/index.ts"
import { loadMutant, removeMutants } from "../Mutants.ts"
import { describeFailure, hunt, options } from "../Options.ts"
import { divergence, history, runShell } from "./ShellRun.ts"

type Shell = { readonly interpret: typeof interpret }

const FILE = "src/statechart/Interpreter.ts"

const refines = (shell: Shell) =>
  fc.asyncProperty(history, async (one) => {
    const problem = divergence(one, await runShell(shell.interpret, one))
    if (problem !== undefined) throw new Error(problem)
  })

const mutants: ReadonlyArray<readonly [what: string, search: string, replacement: string]> = [
  [
    "takes the result of a task that was stopped for the result of its successor",
    "tasks.get(message.id)?.turn !== message.turn",
    "!tasks.has(message.id)"
  ],
  ["does not stop tasks", "Effect.void : Fiber.interrupt(task.fiber)", "Effect.void : Effect.void"],
  [
    "does not wait for a task to stop",
    "Effect.void : Fiber.interrupt(task.fiber)",
    "Effect.void : Effect.asVoid(Effect.forkChild(Fiber.interrupt(task.fiber)))"
  ],
  [
    "carries commands out in another order",
    "for (const command of commands) yield*",
    "for (const command of [...commands].reverse()) yield*"
  ],
  ["never arms its alarm again", "armed = NEVER\n    for", "for"],
  [
    "fires timers before they are due",
    "firings(program, instance, now)",
    "firings(program, instance, { ...now, uptime: now.uptime + 1_600 })"
  ],
  [
    "counts delays from the start of the machine",
    "step(program, instance, event as EventFromLogic<M>, now)",
    "step(program, instance, event as EventFromLogic<M>, began)"
  ],
  ["leaves tasks running when it closes", "yield* Scope.close(workers, Exit.void)", ""]
]

afterAll(removeMutants)

describe("the shell", () => {
  it("goes through the states, timers and effects of the core, in the same order, whatever happens", async () => {
    await fc.assert(refines({ interpret }), options())
  })

  it.each(mutants)("is told apart from a shell that %s", async (_what, search, replacement) => {
    const details = await fc.check(refines(await loadMutant<Shell>(FILE, search, replacement)), hunt)
    expect(details.failed, describeFailure(details)).toBe(true)
  })
})
