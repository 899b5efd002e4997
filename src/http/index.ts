/** What servers share: doors, sessions, bodies, routes, files, events, and errors in JSON. */
export { type Assets, type AssetOptions, makeAssets } from "./Assets.ts"
export { MAX_BODY_BYTES, readJson, readOptionalJson } from "./Body.ts"
export { equalDigests, equalSecrets } from "./ConstantTime.ts"
export { bearerToken, type Credential, type DoorOptions, Shown, withDoors } from "./Doors.ts"
export { failureResponse, HttpFailure } from "./HttpFailure.ts"
export { jsonErrors } from "./JsonErrors.ts"
export { listen, ListenFailed, type ListenOptions, urlHost } from "./Listen.ts"
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
export { randomId, randomSecret } from "./RandomSecret.ts"
export { mountRoutes } from "./Routes.ts"
export { eventResponse, eventText, HEARTBEAT, type ServerEvent } from "./ServerEvents.ts"
export { isSession, newSession, SESSION_SECONDS, sessionCookie, setSession } from "./Session.ts"
export { makeTickets, TICKET_SECONDS, type Tickets, TICKETS_MAX } from "./Tickets.ts"
