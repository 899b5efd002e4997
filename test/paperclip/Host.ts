/**
 * A bare host in a process of its own: loads the built adapter by its path and does what it is told by lines of JSON on
 * stdin. Everything it is given, it writes down on stdout before it answers.
 */
import { createInterface } from "node:readline"
import { writeSync } from "node:fs"

const [adapterPath = ""] = process.argv.slice(2)

const tell = (line: Record<string, unknown>): void => {
  let rest = Buffer.from(`${JSON.stringify(line)}\n`)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      // A full pipe: the other side reads in a moment.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error
    }
  }
}

const module: any = await import(adapterPath)
const adapter: any = module.createServerAdapter()
tell({ op: "loaded", type: adapter.type, outOfProcess: adapter.hasOutOfProcessLiveness, exported: Object.keys(module) })

const stops = new Map<string, AbortController>()

const contextOf = ({ ctx, options }: any) => {
  const controller = new AbortController()
  stops.set(ctx.runId, controller)
  if (options.aborted) controller.abort()
  let inside = 0
  return {
    ...ctx,
    onLog: async (stream: string, chunk: string) => {
      inside += 1
      if (inside > 1) tell({ op: "overlap", runId: ctx.runId })
      tell({ op: "log", runId: ctx.runId, stream, chunk, bytes: Buffer.byteLength(chunk) })
      await new Promise((resolve) => setTimeout(resolve, options.slowMs ?? 0))
      inside -= 1
    },
    onMeta: async (meta: unknown) => tell({ op: "meta", runId: ctx.runId, meta }),
    onDispatch: () => tell({ op: "dispatch", runId: ctx.runId }),
    ...(options.signal === false
      ? {}
      : {
          signal: controller.signal,
          onCancellationReady: async () => tell({ op: "ready", runId: ctx.runId })
        })
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line)
  const { ctx, op } = command
  if (op === "abort") stops.get(command.runId)?.abort()
  if (op === "execute") {
    adapter.execute(contextOf(command)).then(
      (result: unknown) => tell({ op: "result", runId: ctx.runId, result }),
      (error: unknown) => tell({ op: "broke", runId: ctx.runId, error: String(error) })
    )
  }
  if (op === "test") {
    adapter.testEnvironment(ctx).then((result: unknown) => tell({ op: "tested", runId: "test", result }))
  }
})
