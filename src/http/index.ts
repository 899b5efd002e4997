/** What servers share: doors, bodies, routes, and errors in JSON. */
export { MAX_BODY_BYTES, readJson } from "./Body.ts"
export { equalDigests, equalSecrets } from "./ConstantTime.ts"
export { Authenticated, bearerToken, type DoorOptions, withDoors } from "./Doors.ts"
export { failureResponse, HttpFailure } from "./HttpFailure.ts"
export { jsonErrors } from "./JsonErrors.ts"
export { listen, ListenFailed, type ListenOptions, urlHost } from "./Listen.ts"
export { mountRoutes } from "./Routes.ts"
