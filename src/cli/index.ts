/** The command line. Loads as little as the command needs, for every command begins here. */

/** Runs one command line; prints and sets the exit code. */
export const run = (argv: ReadonlyArray<string>): void => {
  // The daemon lives long: it does without the parser's memory, and starts sooner.
  void (argv.length === 1 && argv[0] === "daemon"
    ? import("../daemon/index.ts").then(({ daemonMain }) => daemonMain())
    : import("./Cli.ts").then(({ main }) => main(argv)))
}
