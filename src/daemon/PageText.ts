/** What the daemon itself says to a browser. */
import { makeNotices } from "../http/index.ts"

/** The words for who comes without a session, or for one. */
export const notices = makeNotices({
  place: "this machine",
  command: "holdfast open",
  who: "the user that runs the daemon"
})
