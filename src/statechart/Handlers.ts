/** What a machine needs from the world, derived from the machine's own type: one handler per task and action. */
import type { Effect } from "effect"
import type { AnyStateMachine, InputFrom, OutputFrom, StateMachine } from "xstate"
import type { wiring } from "../../machines/index.ts"

/** How a task may fail: a tagged error. Without `retryable` it is taken to be worth another try. */
export interface TaskError {
  readonly _tag: string
  readonly message: string
  readonly retryable?: boolean
}

/** Carries out tasks and actions of a machine; which ones, and with what, the machine's type says. */
export interface Handlers<M extends AnyStateMachine, R = unknown> {
  /** May take time and fail; interrupted when the machine leaves the state that invoked it. */
  readonly tasks: {
    readonly [Src in ActorOf<M>["src"]]: (
      input: InputFrom<Extract<ActorOf<M>, { readonly src: Src }>["logic"]>
    ) => Effect.Effect<OutputFrom<Extract<ActorOf<M>, { readonly src: Src }>["logic"]>, TaskError, R>
  }
  /** Instantaneous, and cannot fail; every action that the wiring does not carry to another machine. */
  readonly actions: {
    readonly [Type in Exclude<ActionOf<M>["type"], WiredActionOf<M>>]: (
      params: Extract<ActionOf<M>, { readonly type: Type }>["params"]
    ) => Effect.Effect<void, never, R>
  }
}

/** What the handlers themselves require. */
export type RequirementsOf<H> = H extends { readonly tasks: infer Tasks; readonly actions: infer Actions }
  ? RequirementOf<Tasks[keyof Tasks]> | RequirementOf<Actions[keyof Actions]>
  : never

type RequirementOf<F> = F extends (...args: never) => Effect.Effect<infer _A, infer _E, infer R> ? R : never

interface Parts<Actor, Action, Schema> {
  readonly actor: Actor
  readonly action: Action
  readonly schema: Schema
}

type PartsOf<M extends AnyStateMachine> =
  M extends StateMachine<
    infer _Context,
    infer _Event,
    infer _Children,
    infer Actor,
    infer Action,
    infer _Guard,
    infer _Delay,
    infer _Value,
    infer _Tag,
    infer _Input,
    infer _Output,
    infer _Emitted,
    infer _Meta,
    infer Schema,
    infer _TransitionMeta
  >
    ? Parts<Actor, Action, Schema>
    : never

/** The tasks that a machine declares, each with its `src` and its `logic`. */
export type ActorOf<M extends AnyStateMachine> = PartsOf<M>["actor"]

/** The actions that a machine declares, each with its `type` and its `params`. */
export type ActionOf<M extends AnyStateMachine> = PartsOf<M>["action"]

/** The actions that the wiring carries to another machine. */
export type WiredActionOf<M extends AnyStateMachine> = PartsOf<M>["schema"] extends { readonly id: infer Id }
  ? Id extends keyof typeof wiring
    ? keyof (typeof wiring)[Id]
    : never
  : never
