/** What the daemon and the process of an agent file say to each other: JSON, a line each. */
import { Schema } from "effect"
import { HOST_FAILURES } from "../../machines/index.ts"
import type { CallContext } from "../domain/index.ts"

/** The argument of a host's program. */
export interface HostSetup {
  /** Absolute. */
  readonly file: string
  /** SHA-256 of the file; another one is not loaded. */
  readonly hash: string
  /** Where the file's packages lie, absolute; null: there are none. */
  readonly packages: string | null
  /** Where agents keep what they keep, absolute. */
  readonly data: string
  /** Bytes of address space, where that can be limited. */
  readonly memory: number
  /** The longest answer, in characters. */
  readonly output: number
}

/** What a call asks an agent of the file for; `agent` is its class, null in JavaScript. */
export type HostRequest =
  | {
      readonly do: "perform"
      readonly agent: string | null
      readonly args: Readonly<Record<string, unknown>>
      readonly context: CallContext
    }
  | { readonly do: "context"; readonly agent: string | null; readonly context: CallContext }

/** What a process is told. */
export type HostOrder = (HostRequest & { readonly call: number }) | { readonly do: "end" }

/** One agent of a file, as it says itself: nothing of it has been judged. */
export const DescribedAgent = Schema.Union([
  Schema.Struct({
    class: Schema.NullOr(Schema.String),
    /** Why it cannot be used. */
    broken: Schema.String
  }),
  Schema.Struct({
    class: Schema.NullOr(Schema.String),
    name: Schema.optionalKey(Schema.Unknown),
    description: Schema.optionalKey(Schema.Unknown),
    parameters: Schema.optionalKey(Schema.Unknown),
    /** It adds to the system prompt. */
    context: Schema.Boolean
  })
])
export type DescribedAgent = typeof DescribedAgent.Type

const Failure = Schema.Literals(HOST_FAILURES)

/** What a process says: first whether it has loaded its file, then an answer for each call. */
export const HostWord = Schema.Union([
  Schema.Struct({ loaded: Schema.Array(DescribedAgent) }),
  Schema.Struct({
    failed: Failure,
    message: Schema.String,
    /** The top-level module that the file imports and that is nowhere. */
    missing: Schema.optionalKey(Schema.NonEmptyString)
  }),
  Schema.Struct({ call: Schema.Int, output: Schema.String }),
  Schema.Struct({ call: Schema.Int, failure: Failure, message: Schema.String })
])
export type HostWord = typeof HostWord.Type

export const decodeHostWord = Schema.decodeUnknownOption(Schema.fromJsonString(HostWord))

/** Puts lines together; what is longer than `most` characters is none. */
export class HostLines {
  private rest = ""
  private readonly decoder = new TextDecoder()
  private readonly most: number

  constructor(most: number) {
    this.most = most
  }

  /** The lines that end in these bytes; null: there is one that is too long. */
  take(bytes: Uint8Array): ReadonlyArray<string> | null {
    const lines = (this.rest + this.decoder.decode(bytes, { stream: true })).split("\n")
    this.rest = lines.pop() ?? ""
    return this.rest.length > this.most ? null : lines
  }
}
