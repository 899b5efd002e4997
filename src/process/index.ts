/** Other programs, run to their end, within bounds; and the end of this one. */
export { endProcess } from "./EndProcess.ts"
export {
  causeOf,
  hearProgram,
  ProgramFailed,
  type ProgramOptions,
  type ProgramSaid,
  runProgram,
  signalOf,
  stderrText
} from "./Program.ts"
