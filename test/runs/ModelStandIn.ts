/**
 * A stand-in for a model behind an OpenAI-compatible API, on loopback: answers every chat with the same words, in pieces.
 *
 * As a program: `node test/runs/ModelStandIn.ts [PORT]`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

export interface ModelOptions {
  readonly port?: number
  readonly words?: string
  /** Between two pieces of an answer, ms. */
  readonly pauseMs?: number
}

export class ModelStandIn {
  /** What the user said in each request, as far as it is text. */
  readonly prompts: Array<string> = []
  /** Answers this instead of a chat, once. */
  failNext: { readonly status: number; readonly body: unknown } | null = null
  private readonly server: Server
  private readonly options: ModelOptions

  private constructor(server: Server, options: ModelOptions) {
    this.server = server
    this.options = options
  }

  static async start(options: ModelOptions = {}): Promise<ModelStandIn> {
    const server = createServer()
    const model = new ModelStandIn(server, options)
    server.on("request", (request, response) => {
      model.serve(request, response).catch((error: unknown) => response.destroy(error as Error))
    })
    await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve))
    return model
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`
  }

  /** What OpenCode needs in its environment to use this model as `standin/words`. */
  get environment(): Readonly<Record<string, string>> {
    return {
      OPENCODE_CONFIG_CONTENT: JSON.stringify({
        provider: {
          standin: {
            npm: "@ai-sdk/openai-compatible",
            options: { baseURL: this.url, apiKey: "nobody-checks" },
            models: { words: { name: "words" } }
          }
        },
        model: "standin/words",
        small_model: "standin/words",
        autoupdate: false,
        share: "disabled"
      }),
      OPENCODE_DISABLE_AUTOUPDATE: "1",
      OPENCODE_DISABLE_MODELS_FETCH: "1"
    }
  }

  async close(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise<void>((resolve) => void this.server.close(() => resolve()))
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (!(request.url ?? "").endsWith("/chat/completions")) {
      response.writeHead(404).end("{}")
      return
    }
    const body = JSON.parse(Buffer.concat(chunks).toString()) as {
      readonly stream?: boolean
      readonly messages: ReadonlyArray<{ readonly role: string; readonly content: unknown }>
    }
    const asked = body.messages.findLast(({ role }) => role === "user")?.content
    this.prompts.push(typeof asked === "string" ? asked : JSON.stringify(asked))
    const failure = this.failNext
    this.failNext = null
    if (failure !== null) {
      response.writeHead(failure.status, { "content-type": "application/json" }).end(JSON.stringify(failure.body))
      return
    }
    const words = this.options.words ?? "Hello wörld 漢字 😀"
    const usage = { prompt_tokens: 150, completion_tokens: 20, total_tokens: 170 }
    if (body.stream !== true) {
      const message = { role: "assistant", content: words }
      response.writeHead(200, { "content-type": "application/json" }).end(
        JSON.stringify({
          id: "c1",
          object: "chat.completion",
          choices: [{ index: 0, message, finish_reason: "stop" }],
          usage
        })
      )
      return
    }
    response.writeHead(200, { "content-type": "text/event-stream" })
    const send = (delta: object, finish: string | null, more: object = {}) =>
      response.write(
        `data: ${JSON.stringify({ id: "c1", object: "chat.completion.chunk", model: "words", choices: [{ index: 0, delta, finish_reason: finish }], ...more })}\n\n`
      )
    for (const piece of words.split(/(?<= )/)) {
      send({ role: "assistant", content: piece }, null)
      await sleep(this.options.pauseMs ?? 5)
    }
    send({}, "stop", { usage })
    response.end("data: [DONE]\n\n")
  }
}

if (process.argv[1] === import.meta.filename) {
  const model = await ModelStandIn.start({ port: Number(process.argv[2] ?? 0) })
  console.log(`A stand-in model listens at ${model.url}`)
  for (const [name, value] of Object.entries(model.environment)) console.log(`  ${name}='${value}'`)
}
