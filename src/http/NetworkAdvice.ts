/** What a person can do about a connection that failed, by the code of the system, of TLS, or of the HTTP client. */

const UNTRUSTED =
  "Nobody whom this machine trusts vouches for the server's certificate: join with --ca FILE if it is your own authority's."
const CUT = "Check the server's log, and proxies and firewalls on the way: the connection was cut."
const NAMELESS = "The server's name is not known here: check the URL, and the name resolution of this machine."
const UNROUTED = "There is no way to the server: check the network of this machine."
const FILES =
  "This process has too many files open: raise the limit (ulimit -n, or LimitNOFILE= in the service unit), then restart."

const ADVICE: Readonly<Record<string, string>> = {
  ENOTFOUND: NAMELESS,
  EAI_AGAIN: NAMELESS,
  ECONNREFUSED: "Nothing listens there: check that the server runs, and the port in the URL.",
  ECONNRESET: CUT,
  EPIPE: CUT,
  UND_ERR_SOCKET: CUT,
  ENETUNREACH: UNROUTED,
  EHOSTUNREACH: UNROUTED,
  EMFILE: FILES,
  ENFILE: FILES,
  CERT_HAS_EXPIRED: "The server's certificate has expired: renew it there, and check the clock of this machine.",
  CERT_NOT_YET_VALID: "The server's certificate is not valid yet: check the clock of this machine.",
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  ERR_TLS_CERT_ALTNAME_INVALID: "The server's certificate is for another host: check the URL and the certificate.",
  ERR_SSL_WRONG_VERSION_NUMBER: "What answers there does not speak TLS: check the scheme and the port of the URL."
}

/** One or two sentences, by code or by what was said instead of one. */
export const adviceFor = (cause: string): string =>
  ADVICE[cause] ?? "Check the URL, the network, and that the server runs."
