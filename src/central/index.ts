/** The gateway's side of the central protocol. */
export { type CentralAnswer, CentralHttp, CentralUnreachable, REQUEST_DEADLINE_MS } from "./CentralHttp.ts"
export { Identity, refreshInMs } from "./Identity.ts"
export { PullLoop } from "./PullLoop.ts"
