/** The gateway's side of the central protocol. */
export { type CentralAnswer, CentralHttp, CentralUnreachable, REQUEST_DEADLINE_MS } from "./CentralHttp.ts"
export { Identity, refreshInMs } from "./Identity.ts"
export { PullLoop } from "./PullLoop.ts"
export { makeSpool, type Row, SEGMENT_BYTES, SEGMENT_ROWS, type Spool, SPOOL_BYTES } from "./Spool.ts"
export { Uplink } from "./Uplink.ts"
