export { KEPT_FILES, logsLayer, ROTATE_AT_BYTES } from "./Logs.ts"
