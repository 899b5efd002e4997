/** What the program says about itself while it runs. */
export { KEPT_FILES, logsLayer, ROTATE_AT_BYTES, terminalLogsLayer } from "./Logs.ts"
