/** A desk with a central that runs beside it. */
import { Effect } from "effect"
import { serve } from "../../src/central-server/index.ts"
import { atDesk, type Desk, type Terminal } from "./InProcess.ts"

export interface CentralDesk {
  readonly desk: Desk
  readonly url: string
  /** Runs `holdfast central …` on the directory of that central. */
  readonly central: (argv: ReadonlyArray<string>, terminal?: Terminal) => ReturnType<Desk["run"]>
  /** A file with a document that this central accepts. */
  readonly document: (name: string, more?: object) => ReturnType<Desk["write"]>
}

export const centralDocument = (url: string, more: object = {}): object => ({
  version: 2,
  sinks: { central: { plugin: "@holdfast/central", config: { url, identity: {} } } },
  ...more
})

export const withCentralDesk = <A, E, R>(use: (it: CentralDesk) => Effect.Effect<A, E, R>) =>
  atDesk((desk) =>
    Effect.gen(function* () {
      const data = desk.path("central")
      const { url } = yield* serve({ data, host: "127.0.0.1", port: 0 })
      return yield* use({
        desk,
        url,
        central: (argv, terminal) => desk.run(["central", ...argv, "--data", data], terminal),
        document: (name, more) => desk.write(name, JSON.stringify(centralDocument(url, more)))
      })
    })
  )
