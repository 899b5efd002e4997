/** XState's transitions without the actor that its pure functions make around them. */
import {
  transition,
  type AnyActorLogic,
  type AnyActorScope,
  type AnyMachineSnapshot,
  type ExecutableActionObject,
  type Snapshot
} from "xstate"

/**
 * What a machine computes and asks for. XState's pure functions first make an actor of the logic that they are given, and
 * of a machine that means its first state worked out again, from no input. This logic has none, which halves a transition.
 */
export const purely = (
  compute: (scope: AnyActorScope) => AnyMachineSnapshot
): [AnyMachineSnapshot, ReadonlyArray<Pick<ExecutableActionObject, "type" | "params">>] => {
  const logic: AnyActorLogic = {
    transition: (_snapshot, _event, scope) => compute(scope),
    getInitialSnapshot: () => NO_SNAPSHOT,
    getPersistedSnapshot: () => NO_SNAPSHOT
  }
  return transition(logic, NO_SNAPSHOT, NO_EVENT)
}

const NO_SNAPSHOT: Snapshot<undefined> = { status: "active", output: undefined, error: undefined }
const NO_EVENT = { type: "none" }
