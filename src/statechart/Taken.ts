/** Which transitions of its chart a machine takes in a step, by the names that pictures and coverage know them by. Pure. */
import type {
  AnyActorScope,
  AnyMachineSnapshot,
  AnyStateMachine,
  AnyTransitionDefinition,
  EventObject,
  InputFrom
} from "xstate"
import { purely } from "./Purely.ts"

/** The transitions on the way into the first state, in the order in which they are taken. */
export const takenAtStart = <M extends AnyStateMachine>(machine: M, facts: InputFrom<M>): ReadonlyArray<string> =>
  watched((scope) => machine.getInitialSnapshot(scope, facts))

/** The transitions that an event leads to, in the order in which they are taken; works the step out once more. */
export const takenBy = (
  machine: AnyStateMachine,
  snapshot: AnyMachineSnapshot,
  event: EventObject
): ReadonlyArray<string> => watched((scope) => machine.transition(snapshot, event, scope))

/** `loading · loadIdentity done #1`: the source, the event in words, and the place among the transitions of that event. */
export const transitionName = (definition: AnyTransitionDefinition): string => {
  const { eventType, source } = definition
  const siblings = (eventType === "" ? source.always : source.transitions.get(eventType)) ?? []
  const place = siblings.length > 1 ? ` #${siblings.indexOf(definition) + 1}` : ""
  return `${source.path.length === 0 ? "(root)" : source.path.join(".")} · ${eventName(definition)}${place}`
}

const eventName = ({ eventType, source }: AnyTransitionDefinition): string => {
  if (eventType === "") return "always"
  if (eventType.startsWith(AFTER)) return `after ${eventType.slice(AFTER.length, -source.id.length - 1)}`
  const [, ending, task] = RESULT.exec(eventType) ?? []
  if (ending === undefined) return eventType
  const src = source.invoke.find(({ id }) => id === task)?.src
  return `${typeof src === "string" ? src : task} ${ending === "done" ? "done" : "failed"}`
}

const AFTER = "xstate.after."
const RESULT = /^xstate\.(done|error)\.actor\.(.*)$/

const watched = (compute: (scope: AnyActorScope) => AnyMachineSnapshot): ReadonlyArray<string> => {
  const names: Array<string> = []
  purely((scope) => {
    // The system is made for this one step, so nobody else watches it, and the watcher goes with it.
    scope.system.inspect((event) => {
      if (event.type === "@xstate.microstep") names.push(...event._transitions.map(transitionName))
    })
    return compute(scope)
  })
  return names
}
