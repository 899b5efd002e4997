/** What servers share: doors, sessions, bodies, routes, files, events, and errors in JSON. */
export { type Assets, type AssetOptions, makeAssets } from "./Assets.ts"
export { MAX_BODY_BYTES, readJson, readJsonBytes, readOptionalJson } from "./Body.ts"
export { equalDigests, equalSecrets } from "./ConstantTime.ts"
export { bearerToken, type Credential, type DoorOptions, Shown, withDoors, withToken } from "./Doors.ts"
export { namesTag } from "./EntityTags.ts"
export { failureResponse, HttpFailure } from "./HttpFailure.ts"
export { apiAnswers, jsonErrors } from "./JsonErrors.ts"
export { type AtOnce, listen, ListenFailed, type ListenOptions, type TlsPair, urlHost } from "./Listen.ts"
export { HTML_HEADERS, makeNotices, type Notices, orSignIn, wantsHtml } from "./Notices.ts"
export {
  type Download,
  type DownloadOptions,
  makeDownload,
  makeOutgoing,
  makeStreaming,
  type OutgoingAnswer,
  type OutgoingOptions,
  type OutgoingRequest,
  printable,
  Unreachable
} from "./Outgoing.ts"
export { ownToken, tokenIn } from "./OwnToken.ts"
export { builtPages, makePageFiles } from "./PageFiles.ts"
export { randomId, randomSecret } from "./RandomSecret.ts"
export { mountRoutes } from "./Routes.ts"
export { eventResponse, eventText, HEARTBEAT, type ServerEvent } from "./ServerEvents.ts"
export { isSession, newSession, SESSION_SECONDS, sessionCookie, setSession } from "./Session.ts"
export { makeSignedTickets, signTicket } from "./SignedTickets.ts"
export { makeTickets, TICKET_SECONDS, type Tickets, TICKETS_MAX } from "./Tickets.ts"
