// A placeholder until the commands are written.
// @effect-diagnostics globalConsole:off - a placeholder, replaced by the command line proper

/** Runs one command line; prints and sets the exit code. */
export const run = (argv: ReadonlyArray<string>): void => {
  console.error(`holdfast ${argv.join(" ")}: not written yet`)
  process.exitCode = 1
}
