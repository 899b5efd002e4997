/**
 * Statecharts: the pure core, the shell that runs it, elapsed time, the journal and the lines between machines.
 * Tests import `TestTime.ts` by itself, so that it never gets into the bundle.
 */
export * from "./Core.ts"
export type { ActionOf, ActorOf, Handlers, RequirementsOf, TaskError, WiredActionOf } from "./Handlers.ts"
export { interpret, type Interpreter, type Program } from "./Interpreter.ts"
export { type CurrentState, type Following, Journal, JOURNAL_LENGTH, type JournalEntry } from "./Journal.ts"
export { MachineBroke, type Mailbox, Switchboard, WAITING_MAX } from "./Switchboard.ts"
export { takenAtStart, takenBy, transitionName } from "./Taken.ts"
export { CREDIT_MAX_MS, TICK_MS, TIME_SCALE_MAX, Uptime } from "./Uptime.ts"
export { explained } from "./render/Explain.ts"
export { htmlOf } from "./render/Html.ts"
export { layoutOf, LayoutFailed, type Layout } from "./render/Layout.ts"
export { outlineOf, statesOf, transitionsOf } from "./render/Outline.ts"
export { statelyOf } from "./render/Stately.ts"
export { svgOf } from "./render/Svg.ts"
