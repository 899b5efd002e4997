/** The files that the build made for browsers. */
import { Effect, type FileSystem, Path } from "effect"
import { packageRoot } from "../domain/index.ts"
import { makeAssets } from "./Assets.ts"
import { HttpFailure } from "./HttpFailure.ts"
import { HTML_HEADERS } from "./Notices.ts"

/** Where the build puts the pages. */
export const builtPages = Effect.gen(function* () {
  return (yield* Path.Path).join(yield* packageRoot, "dist", "web")
})

/**
 * Answers with a file of that folder, by its name with slashes; a page may be shown in no frame and loads nothing from
 * elsewhere. A file that cannot be read is logged, and 500 `page_missing`. Nothing is read before somebody looks.
 */
export const makePageFiles = Effect.fnUntraced(function* (
  folder: Effect.Effect<string, { readonly message: string }, FileSystem.FileSystem | Path.Path>
) {
  const assets = yield* makeAssets
  return Effect.fnUntraced(
    function* (name: string, contentType: string, headers?: Readonly<Record<string, string>>) {
      const path = yield* Path.Path
      const all = headers ?? (contentType.startsWith("text/html") ? HTML_HEADERS : {})
      return yield* assets(path.join(yield* folder, ...name.split("/")), { contentType, headers: all })
    },
    Effect.catch((error) => Effect.andThen(Effect.logWarning(error.message), Effect.fail(pageMissing())))
  )
})

const pageMissing = () =>
  new HttpFailure({
    status: 500,
    error: "page_missing",
    detail: "This installation is incomplete: a file of its pages cannot be read. Build or install Holdfast again."
  })
