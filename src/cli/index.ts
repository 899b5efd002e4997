/** The command line. Loads as little as the command needs, for every command begins here. */

/** Runs one command line; prints and sets the exit code. */
export const run = (argv: ReadonlyArray<string>): void => void start(argv)

/** The daemon and the status, which are started most, do without the parser unless there is something to parse. */
const start = (argv: ReadonlyArray<string>): Promise<void> => {
  switch (argv.join(" ")) {
    case "daemon":
      return import("../daemon/index.ts").then(({ daemonMain }) => daemonMain())
    case "status":
      return import("./QuickStatus.ts").then(({ main }) => main({ json: false }))
    case "status --json":
      return import("./QuickStatus.ts").then(({ main }) => main({ json: true }))
    default:
      return import("./Cli.ts").then(({ main }) => main(argv))
  }
}
