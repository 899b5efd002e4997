/** What Ctrl-C means to a command that runs until it is stopped. */
import { Context, type Effect } from "effect"

/** Without a call an interrupted command has not done what it was asked to, and exits 130. */
export class OrderlyEnd extends Context.Service<
  OrderlyEnd,
  {
    /** From here on being stopped is how this command ends: exit code 0. */
    readonly expected: Effect.Effect<void>
  }
>()("holdfast/cli/OrderlyEnd") {}
