/** What the daemon sends to its pages: shapes, and readers that let nothing else in. */
import type { MachineEntry } from "../domain/index.ts"
import { fieldsOf, listOf, present } from "./Fields.ts"

/** What a machine did. */
export interface Entry extends MachineEntry {
  /** The transitions that were taken, by their ids in a picture; null when the daemon does not know. */
  readonly transitions: ReadonlyArray<string> | null
}

/** Where one machine, or one instance of it, is. */
export interface Current {
  readonly instance: string | null
  readonly state: string
  readonly visible: Readonly<Record<string, unknown>>
}

/** A machine of the catalogue. */
export interface Machine {
  readonly id: string
  readonly title: string
  readonly document: string
  readonly states: ReadonlyArray<Current>
}

/** The first message of every stream. */
export interface Hello {
  readonly version: string
  readonly pid: number
  /** ISO 8601. */
  readonly startedAt: string
  readonly machines: ReadonlyArray<Machine>
  readonly entries: ReadonlyArray<Entry>
}

/** What the proofs say about one machine: `coverage.json`. */
export interface Coverage {
  readonly states: number
  readonly transitions: { readonly all: number; readonly taken: number }
  readonly pairs: number
  readonly guardOutcomes: { readonly all: number; readonly heard: number }
  readonly mutants: { readonly killed: number; readonly alive: number }
  /** For each transition, by id, the moves that lead to it. */
  readonly paths: Readonly<Record<string, ReadonlyArray<string>>>
  /** For each mutant, the properties that met it and what came of that. */
  readonly fates: Readonly<Record<string, Readonly<Record<string, string>>>>
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "")
const numberOf = (value: unknown): number => (typeof value === "number" ? value : 0)

/** An entry, or null for what is none. */
export const readEntry = (value: unknown): Entry | null => {
  const fields = fieldsOf(value)
  if (fields === null || textOf(fields["machine"]) === "" || textOf(fields["event"]) === "") return null
  return {
    machine: textOf(fields["machine"]),
    instance: typeof fields["instance"] === "string" ? fields["instance"] : null,
    at: numberOf(fields["at"]),
    uptime: numberOf(fields["uptime"]),
    event: textOf(fields["event"]),
    cause: textOf(fields["cause"]),
    from: textOf(fields["from"]),
    to: textOf(fields["to"]),
    changed: fields["changed"] !== false,
    visible: fieldsOf(fields["visible"]) ?? {},
    transitions: Array.isArray(fields["transitions"]) ? fields["transitions"].map(textOf) : null
  }
}

const readCurrent = (value: unknown): Current | null => {
  const fields = fieldsOf(value)
  if (fields === null) return null
  return {
    instance: typeof fields["instance"] === "string" ? fields["instance"] : null,
    state: textOf(fields["state"]),
    visible: fieldsOf(fields["visible"]) ?? {}
  }
}

const readMachine = (value: unknown): Machine | null => {
  const fields = fieldsOf(value)
  if (fields === null || textOf(fields["id"]) === "") return null
  return {
    id: textOf(fields["id"]),
    title: textOf(fields["title"]) || textOf(fields["id"]),
    document: textOf(fields["document"]),
    states: listOf(fields["states"]).map(readCurrent).filter(present)
  }
}

/** A first message, or null for what is none. */
export const readHello = (value: unknown): Hello | null => {
  const fields = fieldsOf(value)
  if (fields === null || !Array.isArray(fields["machines"])) return null
  return {
    version: textOf(fields["version"]),
    pid: numberOf(fields["pid"]),
    startedAt: textOf(fields["started_at"]),
    machines: fields["machines"].map(readMachine).filter(present),
    entries: listOf(fields["entries"]).map(readEntry).filter(present)
  }
}
