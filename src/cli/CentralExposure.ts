/** How a central is reached: over TLS of its own, behind a proxy that speaks it, or in the clear. */
import { Effect, Option } from "effect"
import { Flag } from "effect/cli"
import { isLoopbackHost } from "../domain/index.ts"
import { UsageError } from "./Failures.ts"

/** The flags that say so. */
export const exposureFlags = {
  host: Flag.String("host").pipe(Flag.withDescription("Address to listen on"), Flag.withDefault("127.0.0.1")),
  externalUrl: Flag.String("external-url").pipe(
    Flag.withDescription("Base URL by which gateways reach this server; else what it listens on"),
    Flag.optional
  ),
  tlsCert: Flag.String("tls-cert").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("Serve TLS with this certificate (PEM, with its chain); read again on SIGHUP"),
    Flag.optional
  ),
  tlsKey: Flag.String("tls-key").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("The certificate's key (PEM, not encrypted)"),
    Flag.optional
  ),
  behindProxy: Flag.Boolean("behind-proxy").pipe(
    Flag.withDescription("Plain HTTP, for a proxy that speaks TLS to everybody else; needs an https --external-url"),
    Flag.withDefault(false)
  ),
  insecureLan: Flag.Boolean("insecure-lan").pipe(
    Flag.withDescription("Plain HTTP on a network, where anybody on the way reads tokens and documents"),
    Flag.withDefault(false)
  )
}

interface Exposure {
  readonly host: string
  readonly externalUrl: Option.Option<string>
  readonly tlsCert: Option.Option<string>
  readonly tlsKey: Option.Option<string>
  readonly behindProxy: boolean
  readonly insecureLan: boolean
}

/** What the flags say together; refuses (exit code 2) what would put secrets on a network in the clear. */
export const exposureOf = Effect.fnUntraced(function* (flags: Exposure) {
  const { behindProxy, host, insecureLan } = flags
  const certificate = Option.getOrUndefined(flags.tlsCert)
  const key = Option.getOrUndefined(flags.tlsKey)
  const externalUrl = Option.getOrUndefined(flags.externalUrl)
  if ((certificate === undefined) !== (key === undefined)) {
    return yield* misused("--tls-cert and --tls-key go together: give the certificate and its key.")
  }
  const tls = certificate === undefined || key === undefined ? undefined : { certificate, key }
  if (behindProxy && tls !== undefined) {
    return yield* misused(
      "With --behind-proxy the proxy speaks TLS: leave out --tls-cert and --tls-key, or --behind-proxy."
    )
  }
  if (behindProxy && !/^https:/i.test(externalUrl ?? "")) {
    return yield* misused("--behind-proxy needs the URL of the proxy: --external-url https://…")
  }
  if (tls !== undefined && externalUrl !== undefined && !/^https:/i.test(externalUrl)) {
    return yield* misused("With --tls-cert this central answers over https only: give an https --external-url.")
  }
  if (tls === undefined && !behindProxy && !insecureLan && !isLoopbackHost(host)) {
    return yield* misused(
      `--host ${host} is not this machine alone, and over plain HTTP anybody on the way reads tokens and documents. Give ` +
        "--tls-cert and --tls-key, or --behind-proxy with a proxy that speaks TLS, or --insecure-lan if you accept that."
    )
  }
  return { host, externalUrl, tls, behindProxy }
})

const misused = (message: string) => new UsageError({ message })
