/** `holdfast central token`. */
import { Effect, Option, Redacted } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { administer, administerExisting, dataFlag, jsonFlag } from "./CentralData.ts"
import { UsageError } from "./Failures.ts"
import { note, plain, print, printJson, table } from "./Output.ts"

const createCommand = Command.make(
  "create",
  {
    data: dataFlag,
    config: Flag.String("config").pipe(
      Flag.withMetavar("<name>"),
      Flag.withDescription("The config that machines get which join with this token")
    ),
    expires: Flag.String("expires").pipe(
      Flag.withMetavar("<duration>"),
      Flag.withDescription("How long machines may join with it, such as 12h or 30d; else until it is revoked"),
      Flag.optional
    ),
    json: jsonFlag
  },
  Effect.fnUntraced(function* ({ config, data, expires, json }) {
    const expiresInSeconds = Option.isNone(expires) ? undefined : yield* secondsOf(expires.value)
    const { id, token } = yield* administer(data, (admin) => admin.createToken({ config, expiresInSeconds }))
    if (json) return yield* printJson({ id, token: Redacted.value(token) })
    yield* print(Redacted.value(token))
    yield* note(`Token ${id} for the config ${plain(config)}. It cannot be shown again; keep it like a password.`)
  })
).pipe(
  Command.withDescription("Make a policy token: what machines join with."),
  Command.withExamples([
    { command: "holdfast central token create --data DIR --config fleet > token.txt" },
    { command: "holdfast central token create --data DIR --config fleet --expires 12h" }
  ])
)

const secondsOf = (text: string): Effect.Effect<number, UsageError> => {
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? []
  const seconds = Number(amount) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[unit ?? ""] ?? Number.NaN)
  return Number.isFinite(seconds)
    ? Effect.succeed(seconds)
    : Effect.fail(new UsageError({ message: `--expires ${text} is no duration: write it like 90m, 12h or 30d.` }))
}

const listCommand = Command.make(
  "list",
  { data: dataFlag, json: jsonFlag },
  Effect.fnUntraced(function* ({ data, json }) {
    const tokens = yield* administerExisting(data, (admin) => admin.listTokens)
    if (json) return yield* printJson(tokens)
    if (tokens.length === 0) return yield* note("There are no tokens yet: holdfast central token create")
    yield* print(
      table([
        ["ID", "CONFIG", "CREATED", "EXPIRES", "REVOKED", "GATEWAYS"],
        ...tokens.map(({ config, created_at, expires_at, gateways, id, revoked_at }) => [
          id,
          plain(config),
          created_at,
          expires_at ?? "never",
          revoked_at ?? "no",
          String(gateways)
        ])
      ])
    )
  })
).pipe(
  Command.withDescription("List the policy tokens, without their secrets."),
  Command.withExamples([{ command: "holdfast central token list --data DIR" }])
)

const revokeCommand = Command.make(
  "revoke",
  { id: Argument.String("id").pipe(Argument.withDescription("The token's id")), data: dataFlag },
  Effect.fnUntraced(function* ({ data, id }) {
    yield* administerExisting(data, (admin) => admin.revokeToken(id))
    yield* print(`Token ${plain(id)} admits nobody any more; machines that joined with it stay.`)
  })
).pipe(
  Command.withDescription("End a policy token. Machines that joined with it stay."),
  Command.withExamples([{ command: "holdfast central token revoke tok_… --data DIR" }])
)

/** The parent of `central token create`, `list` and `revoke`. */
export const tokenCommand = Command.make("token").pipe(
  Command.withDescription("Policy tokens: what machines join with."),
  Command.withExamples([{ command: "holdfast central token create --config fleet --data DIR" }]),
  Command.withSubcommands([createCommand, listCommand, revokeCommand])
)
