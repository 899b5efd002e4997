/** The command line without a process: real files, a console that remembers, and an environment of the test's own. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConfigProvider, Context, Effect, FileSystem, Layer, Path, Sink, Stdio, Stream } from "effect"
import { TestConsole } from "effect/testing"
import { cli } from "../../src/cli/Cli.ts"
import { OrderlyEnd } from "../../src/cli/OrderlyEnd.ts"

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
  /** What went to standard output as bytes, not as lines. */
  readonly bytes: Uint8Array
}

export interface Terminal {
  /** What standard input holds; a terminal when there is none. */
  readonly stdin?: string
  /** What a person types at the terminal that standard input is then. */
  readonly answer?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A folder with a home in it, and the command line on that home. */
export class Desk {
  readonly root: string
  readonly home: string
  constructor(root: string) {
    this.root = root
    this.home = `${root}/home`
  }

  path(...names: ReadonlyArray<string>): string {
    return [this.root, ...names].join("/")
  }

  /** Runs one command line to its end. */
  readonly run = (argv: ReadonlyArray<string>, terminal: Terminal = {}) =>
    Effect.gen(function* () {
      const code = yield* cli(argv)
      const out = (yield* TestConsole.logLines).join("\n")
      const err = (yield* TestConsole.errorLines).join("\n")
      return { code, out, err, chunks: yield* Chunks } as const
    }).pipe(
      Effect.map(({ chunks, ...said }): Said => ({
        ...said,
        bytes: Buffer.concat(chunks.map((each) => Buffer.from(each)))
      })),
      Effect.provide(
        Layer.mergeAll(
          TestConsole.layer,
          stdioLayer(terminal),
          ConfigProvider.layer(
            ConfigProvider.fromUnknown({ HOLDFAST_HOME: this.home, HOME: this.root, NO_COLOR: "1", ...terminal.env })
          ),
          Layer.succeed(OrderlyEnd, { expected: Effect.void, onHangup: () => Effect.void })
        )
      )
    )

  /** The names of all files below the home. */
  readonly files = Effect.flatMap(FileSystem.FileSystem, (fs) =>
    fs.readDirectory(this.home, { recursive: true }).pipe(
      Effect.map((names) => names.toSorted()),
      Effect.orElseSucceed((): ReadonlyArray<string> => [])
    )
  )

  readonly write = Effect.fnUntraced(function* (this: Desk, name: string, text: string) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const file = this.path(name)
    yield* fs.makeDirectory(path.dirname(file), { recursive: true })
    yield* fs.writeFileString(file, text)
    return file
  })

  readonly read = (name: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(this.path(name)))
}

class Chunks extends Context.Service<Chunks, Array<string | Uint8Array>>()("test/cli/InProcess/Chunks") {}

const stdioLayer = ({ answer, stdin }: Terminal) =>
  Layer.unwrap(
    Effect.sync(() => {
      const chunks: Array<string | Uint8Array> = []
      const typed = stdin ?? answer
      return Layer.merge(
        Layer.succeed(Chunks, chunks),
        Stdio.layerTest({
          stdin: typed === undefined ? Stream.never : Stream.make(new TextEncoder().encode(typed)),
          stdinIsTerminal: Effect.succeed(stdin === undefined),
          stdout: () => Sink.forEach((chunk: string | Uint8Array) => Effect.sync(() => void chunks.push(chunk)))
        })
      )
    })
  )

/** Gives a test a desk of its own. */
export const atDesk = <A, E, R>(use: (desk: Desk) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const root = yield* Effect.flatMap(fs.makeTempDirectoryScoped({ prefix: "holdfast-cli-" }), fs.realPath)
    return yield* use(new Desk(root))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
