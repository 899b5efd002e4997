/** What the document says of agents. */
import { Effect, Option, Schema } from "effect"
import { AGENTS_PLUGIN, type ConfigControl } from "../domain/index.ts"
import type { AgentLimits } from "./AgentHosts.ts"

/**
 * What becomes of a Python file whose imports are missing: `listed`, packages of well-known import names are installed;
 * `ask`, only a person installs; `off`, nothing is said of packages.
 */
export const AutoInstall = Schema.Literals(["listed", "ask", "off"])
export type AutoInstall = typeof AutoInstall.Type

const Settings = Schema.Struct({
  auto_install: Schema.optionalKey(AutoInstall),
  agents_path: Schema.optionalKey(Schema.NonEmptyString),
  call_timeout_seconds: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
  memory_mib: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0)))
})

export interface AgentSettings {
  readonly autoInstall: AutoInstall
  /** The folder of agents; null: the document names none. */
  readonly agentsPath: string | null
  /** What the document says of what an agent may take. */
  readonly limits: Partial<AgentLimits>
}

const decodeSettings = Schema.decodeUnknownOption(Settings)

/** Of the effective document, which waits until that is known. Settings that cannot be understood install nothing. */
export const agentSettings = ({ document }: ConfigControl["Service"]): Effect.Effect<AgentSettings> =>
  Effect.map(document, ({ plugins }): AgentSettings =>
    Option.match(decodeSettings(plugins?.find(({ name }) => name === AGENTS_PLUGIN)?.config ?? {}), {
      onNone: () => ({ autoInstall: "off", agentsPath: null, limits: {} }),
      onSome: ({ agents_path, auto_install, call_timeout_seconds, memory_mib }) => ({
        autoInstall: auto_install ?? "listed",
        agentsPath: agents_path ?? null,
        limits: {
          ...(call_timeout_seconds === undefined ? {} : { callMs: call_timeout_seconds * 1_000 }),
          ...(memory_mib === undefined ? {} : { memoryMiB: memory_mib })
        }
      })
    })
  )
