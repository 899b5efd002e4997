/** The certificate that central serves: what can be used, for how long, and how another takes its place. */
import { Clock, Duration, Effect, FiberHandle, FileSystem, Redacted, Schema } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { isoTime } from "../domain/index.ts"
import type { TlsPair } from "../http/index.ts"

/** A certificate or a key that cannot be served. `message` names the file, and says what to do. */
export class CertificateUnusable extends Schema.TaggedError<CertificateUnusable>()("CertificateUnusable", {
  message: Schema.String
}) {}

/** Where the certificate (with those that vouch for it) and its key are, both PEM. */
export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

/** A pair that belongs together and is valid now. */
export interface Certificate {
  readonly pair: TlsPair
  /** Unix milliseconds. */
  readonly expiresAt: number
  /** Whether it is for this host: a name or an address. */
  readonly isFor: (host: string) => boolean
}

/** Reads a pair, and refuses what no gateway would take. */
export const readCertificate = Effect.fn("central.readCertificate")(function* (files: CertificateFiles) {
  const text = yield* readPem(files.certificate, "certificate")
  const keyText = yield* readPem(files.key, "key")
  // Not imported: only a central with TLS pays for loading it.
  const crypto = globalThis.process.getBuiltinModule("node:crypto")
  const leaf = yield* Effect.try({
    try: () => new crypto.X509Certificate(text),
    catch: () => unusable(`${files.certificate} holds no certificate in PEM: give the file that your authority sent.`)
  })
  const key = yield* Effect.try({
    try: () => crypto.createPrivateKey(keyText),
    catch: () =>
      /ENCRYPTED/.test(keyText)
        ? unusable(
            `The key ${files.key} is encrypted, and nobody is here to type its passphrase: decrypt it ` +
              "(openssl pkey -in FILE -out FILE), and keep it readable for central alone."
          )
        : unusable(`${files.key} holds no private key in PEM: give the key that the certificate was made for.`)
  })
  if (!leaf.checkPrivateKey(key)) {
    return yield* unusable(
      `The key ${files.key} is not the one of the certificate ${files.certificate}: give the two that belong together. ` +
        "In a file with several certificates, central's own comes first."
    )
  }
  const now = yield* Clock.currentTimeMillis
  const expiresAt = leaf.validToDate.getTime()
  if (expiresAt <= now) {
    return yield* unusable(`The certificate ${files.certificate} has expired at ${isoTime(expiresAt)}: renew it.`)
  }
  const validFrom = leaf.validFromDate.getTime()
  if (validFrom > now) {
    return yield* unusable(
      `The certificate ${files.certificate} is not valid before ${isoTime(validFrom)}: check the clock of this machine.`
    )
  }
  yield* Effect.try({
    try: () => globalThis.process.getBuiltinModule("node:tls").createSecureContext({ cert: text, key: keyText }),
    catch: (cause) => unusable(`The certificate ${files.certificate} cannot be served: ${reasonOf(cause)}.`)
  })
  const certificate: Certificate = {
    pair: { certificate: text, key: Redacted.make(keyText) },
    expiresAt,
    isFor: (host) => {
      const bare = host.replace(/^\[|\]$/g, "")
      const { isIP } = globalThis.process.getBuiltinModule("node:net")
      return (isIP(bare) === 0 ? leaf.checkHost(bare) : leaf.checkIP(bare)) !== undefined
    }
  }
  return certificate
})

/** A certificate that is served, and what there is to say about it. */
export interface ServedCertificate {
  /** When it ends, Unix milliseconds. */
  readonly expiresAt: Effect.Effect<number>
  /** What an admin has to do about it: it ends soon, has ended, is for another host, or could not be read again. */
  readonly warnings: Effect.Effect<ReadonlyArray<string>>
  /** Reads the files again. A pair that cannot be used leaves the old one in its place; the log says which it is. */
  readonly renew: Effect.Effect<void, never, FileSystem.FileSystem>
}

/** How long before its end a certificate is spoken of. */
const AHEAD = Duration.days(14)

/**
 * Looks after a certificate until the scope closes: what there is to say about it is said now, when it changes, and once
 * a day.
 */
export const keepCertificate = Effect.fnUntraced(function* (options: {
  readonly files: CertificateFiles
  readonly first: Certificate
  /** The base URL by which gateways reach this server. */
  readonly externalUrl: string
  /** Gives new connections another pair. */
  readonly serve: (pair: TlsPair) => Effect.Effect<void>
}) {
  const { externalUrl, files, serve } = options
  const { hostname } = new URL(externalUrl)
  let current = options.first
  let failure: string | null = null

  const warnings = Effect.map(Clock.currentTimeMillis, (now): ReadonlyArray<string> => {
    const { expiresAt, isFor } = current
    const said: Array<string> = []
    if (failure !== null) said.push(failure)
    if (expiresAt <= now) {
      said.push(
        `The certificate ${files.certificate} has expired at ${isoTime(expiresAt)}: no gateway takes it. ${RENEW}`
      )
    } else if (expiresAt - now <= Duration.toMillis(AHEAD)) {
      said.push(`The certificate ${files.certificate} ends at ${isoTime(expiresAt)}. ${RENEW}`)
    }
    if (!isFor(hostname)) {
      said.push(
        `The certificate ${files.certificate} is not for ${hostname}, and gateways reach this central as ` +
          `${externalUrl}: they will refuse it. Get one for that name, or give --external-url with a name that it has.`
      )
    }
    return said
  })

  const say = Effect.flatMap(
    warnings,
    Effect.forEach((warning) => Effect.logWarning(warning), { discard: true })
  )
  const watching = yield* FiberHandle.make()
  /** Says what there is to say now, and again when that changes. */
  const watch = Effect.andThen(
    say,
    FiberHandle.run(
      watching,
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const turns = [current.expiresAt - Duration.toMillis(AHEAD), current.expiresAt].filter((at) => at > now)
        yield* Effect.sleep(Duration.millis(Math.min(DAY_MS, ...turns.map((at) => at - now))))
        yield* say
      }).pipe(Effect.forever)
    )
  )
  yield* watch

  const served: ServedCertificate = {
    expiresAt: Effect.sync(() => current.expiresAt),
    warnings,
    renew: Effect.gen(function* () {
      const next = yield* readCertificate(files)
      yield* serve(next.pair)
      current = next
      failure = null
      yield* Effect.logInfo("the certificate was read again").pipe(
        Effect.annotateLogs({ certificate: files.certificate, ends: isoTime(next.expiresAt) })
      )
    }).pipe(
      Effect.catch(({ message }) =>
        Effect.sync(() => {
          failure = `The certificate was not renewed, and the one from before is still served: ${message}`
        })
      ),
      Effect.andThen(watch),
      Effect.asVoid
    )
  }
  return served
})

const RENEW = "Renew it, put it in its place, and send this process SIGHUP."

const DAY_MS = 86_400_000

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const unusable = (message: string) => new CertificateUnusable({ message })

const readPem = Effect.fnUntraced(function* (file: string, what: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.mapError(fs.readFileString(file), ({ reason }: PlatformError) =>
    unusable(
      reason._tag === "NotFound"
        ? `The ${what} ${file} is not there: check the path.`
        : reason._tag === "BadResource"
          ? `The ${what} ${file} is a directory: name the file in it.`
          : `The ${what} ${file} cannot be read (${reason._tag}): central runs as a user who must be allowed to.`
    )
  )
})
