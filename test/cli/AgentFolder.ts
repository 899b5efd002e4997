/** Agents for tests of `holdfast agent`, and the folder that they lie in. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { javascript, python } from "../agents/AgentStage.ts"
import type { Desk } from "./InProcess.ts"

export const one = javascript("one", 'return "first"')
export const other = javascript("one", 'return "second"')
export const two = python("Two", 'return "two " + kwargs["text"]')

export const placeOf = (desk: Desk, file: string): string => desk.path("home", "agents", file)
export const contentOf = (desk: Desk, file: string): string => readFileSync(placeOf(desk, file), "utf8")
export const put = (desk: Desk, file: string, content: string): void => {
  mkdirSync(desk.path("home", "agents"), { recursive: true })
  writeFileSync(placeOf(desk, file), content)
}
export const namesIn = (directory: string): ReadonlyArray<string> =>
  existsSync(directory) ? readdirSync(directory).sort() : []
