/** The daemon as a process, without build and command line. */
import { daemonMain } from "../../src/daemon/index.ts"

daemonMain()
