/** Other programs: run to their end, within bounds. */
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
