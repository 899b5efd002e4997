/** Certificate authorities that the person who joined this machine vouched for, besides the system's. */
import { Effect } from "effect"
import { ControlFiles } from "./ControlFiles.ts"

/** A file that cannot be read, or no certificate, costs the connection that needs it and says so there. */
export const trustJoinedAuthorities = Effect.gen(function* () {
  const control = yield* ControlFiles
  const { ca } = yield* control.readTrust
  if (ca === undefined) return
  // Not imported: only a machine that joined with --ca pays for loading it.
  const tls = globalThis.process.getBuiltinModule("node:tls")
  yield* Effect.try({
    try: () => tls.setDefaultCACertificates([...tls.getCACertificates("default"), ca]),
    catch: (cause) => String(cause)
  })
}).pipe(
  Effect.catch((error) =>
    Effect.logWarning(
      `the certificate authority of the join cannot be used: ${typeof error === "string" ? error : error.message}`
    )
  )
)
