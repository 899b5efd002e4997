/** The layers of commands that work on a home by themselves; areas are loaded when a command needs them. */
import { Effect, Layer } from "effect"
import { Home, PluginCatalogue, Version } from "../domain/index.ts"
import { DaemonLock, DurableFiles, IdentityStore, Slots } from "../storage/index.ts"

/** This home, its durable files and its lock. */
export const homeLayer = Layer.mergeAll(Slots.layer, IdentityStore.layer, DaemonLock.layer).pipe(
  Layer.provideMerge(DurableFiles.layer),
  Layer.provideMerge(Layer.mergeAll(Home.layer, Version.layer))
)

/** Reads and changes of the control files. */
export const loadControl = Effect.promise(() =>
  import("../config/index.ts").then(({ ControlFiles }) => ControlFiles.layer.pipe(Layer.provideMerge(homeLayer)))
)

/** For commands that look at what is stored and ask for no plugin. */
const noCatalogue = Layer.succeed(PluginCatalogue, {
  known: () => Effect.succeed([]),
  environment: Effect.succeed("")
})

/** What the disk says about the configuration. */
export const loadInspection = Effect.promise(() =>
  import("../config/index.ts").then(({ ControlFiles, Inspection }) =>
    Inspection.layer.pipe(
      Layer.provideMerge(ControlFiles.layer),
      Layer.provideMerge(homeLayer),
      Layer.provideMerge(noCatalogue)
    )
  )
)
