/** Other programs: run to their end, within bounds. */
export { hearProgram, ProgramFailed, type ProgramOptions, type ProgramSaid, runProgram, stderrText } from "./Program.ts"
