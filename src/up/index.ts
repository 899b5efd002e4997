/** The whole thing on one machine: what `holdfast up` and `npm start` run. */
export { documentsFor, thingsToTry } from "./Documents.ts"
export { type Ended, type Program, supervise, type Watcher } from "./GatewayProcess.ts"
export { type Event, nothingTold, tell, type Told } from "./Story.ts"
export { up, type UpOptions } from "./Up.ts"
export { openHome, type UpHome, UpRefused } from "./UpHome.ts"
