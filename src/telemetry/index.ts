/** What the program says about itself while it runs. */
export { exportLayer, type ExportOptions } from "./Export.ts"
export { KEPT_FILES, logsLayer, ROTATE_AT_BYTES, terminalLogsLayer } from "./Logs.ts"
export * from "./Metrics.ts"
