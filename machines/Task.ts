/**
 * How a machine declares work that it does not do itself.
 *
 * A machine is pure: it names tasks (invoked, may take time and fail) and actions (instantaneous, cannot fail), and
 * the shell carries them out. The logic declared here carries types only; nothing in it ever runs.
 */
import { fromPromise, type PromiseActorLogic } from "xstate"

/** What a machine learns of a failed task: plain data made by the shell from the tagged error (`Defect` for a bug). */
export interface TaskFailure {
  readonly _tag: string
  readonly message: string
  readonly retryable: boolean
}

/** Declares invocable work with its input and its output, both plain serialisable data. */
export const task = <Input = undefined, Output = undefined>(): PromiseActorLogic<Output, Input> =>
  fromPromise<Output, Input>(() => Promise.reject(new Error("a task is carried out by the shell, never by XState")))

/** Declares an action with its params, plain serialisable data. */
export const action =
  <Params = undefined>() =>
  (_args: unknown, _params: Params): void => {}

const isFailure = (value: unknown): value is TaskFailure =>
  typeof value === "object" && value !== null && "_tag" in value && "message" in value && "retryable" in value

/** Reads the failure of an `onError` event; anything that the shell did not make is reported as a defect. */
export const failureOf = (event: unknown): TaskFailure => {
  const error = typeof event === "object" && event !== null && "error" in event ? event.error : undefined
  return isFailure(error) ? error : { _tag: "Defect", message: String(error), retryable: false }
}

/** Reads the output of an `onDone` event where the type of the event is not narrowed (guards). */
export const outputOf = <Output>(event: unknown): Output => (event as { readonly output: Output }).output
