/**
 * A stand-in for a model behind an OpenAI-compatible `/chat/completions`, on loopback. A script says what it answers, one
 * step per request; without one it repeats what it was told last.
 *
 * As a program: `node test/agents/StandInModel.ts [PORT]` prints how to use it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

/** A request as it came. */
export interface ModelReceived {
  readonly body: {
    readonly model?: string
    readonly stream?: boolean
    readonly messages: ReadonlyArray<Record<string, unknown>>
    readonly tools?: ReadonlyArray<Readonly<Record<string, unknown>>>
    readonly tool_choice?: unknown
  }
  readonly headers: IncomingMessage["headers"]
  /** The client left before the answer was over. */
  left: boolean
}

/** How one request is answered. */
export interface ModelStep {
  /** 200 when left out. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** The whole answer: an object as JSON, a string as it is. */
  readonly whole?: unknown
  /** A stream's events: objects as JSON, strings as they are. Sent instead of `whole` where a stream was asked for. */
  readonly events?: ReadonlyArray<unknown>
  /** What comes after: `[DONE]` and the end, the end alone, a cut connection, or nothing for ever. */
  readonly after?: "done" | "end" | "cut" | "hang"
  /** Between two events, ms. */
  readonly everyMs?: number
}

/** A call as a script writes it. */
export interface ScriptedCall {
  readonly name: string
  readonly arguments: string
  readonly id?: string
}

export class StandInModel {
  readonly received: Array<ModelReceived> = []
  readonly script: Array<ModelStep | ((request: ModelReceived) => ModelStep)> = []
  /** What `GET /models` lists. */
  readonly models: ReadonlyArray<string> = ["stand-in-1", "stand-in-2"]
  /** Kept when it is closed. */
  readonly url: string
  private readonly server: Server

  private constructor(server: Server) {
    this.server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(port = 0): Promise<StandInModel> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
    const standIn = new StandInModel(server)
    server.on("request", (request, response) => {
      standIn.serve(request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(500).end(String(error))
      })
    })
    return standIn
  }

  /** The last request. */
  get last(): ModelReceived {
    const last = this.received.at(-1)
    if (last === undefined) throw new Error("the stand-in was asked nothing")
    return last
  }

  async close(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise<void>((resolve) => void this.server.close(() => resolve()))
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { pathname } = new URL(request.url ?? "/", this.url)
    if (pathname === "/models") {
      response.writeHead(200, { "content-type": "application/json" })
      return void response.end(JSON.stringify({ data: this.models.map((id) => ({ id })) }))
    }
    if (pathname !== "/chat/completions") return void response.writeHead(404).end()
    const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as ModelReceived["body"]
    const received: ModelReceived = { body, headers: request.headers, left: false }
    this.received.push(received)
    response.on("close", () => {
      received.left = !response.writableFinished
    })
    const next = this.script.shift() ?? say(`You said: ${String(body.messages.at(-1)?.["content"])}`)
    await answer(response, typeof next === "function" ? next(received) : next, body.stream === true)
  }
}

const answer = async (response: ServerResponse, step: ModelStep, stream: boolean): Promise<void> => {
  const { events, everyMs = 0, headers = {}, after = "done", status = 200, whole } = step
  if (events === undefined || (!stream && whole !== undefined)) {
    const text = typeof whole === "string" ? whole : JSON.stringify(whole)
    response.writeHead(status, { "content-type": "application/json", ...headers })
    if (after === "hang") return void response.flushHeaders()
    if (after !== "cut") return void response.end(text)
    response.write(text.slice(0, text.length / 2), () => response.socket?.destroy())
    return
  }
  response.writeHead(status, { "content-type": "text/event-stream", ...headers })
  response.flushHeaders()
  for (const event of events) {
    if (everyMs > 0) await sleep(everyMs)
    const text = typeof event === "string" ? event : `data: ${JSON.stringify(event)}\n\n`
    await new Promise<void>((resolve) => response.write(text, () => resolve()))
  }
  if (after === "done") response.end("data: [DONE]\n\n")
  else if (after === "end") response.end()
  else if (after === "cut") response.socket?.destroy()
}

/** One event of a stream. */
export const event = (delta: unknown, finish: string | null = null, model = "stand-in-1") => ({
  model,
  choices: [{ index: 0, delta, finish_reason: finish }]
})

/** An answer in words, which come one by one where a stream is asked for. */
export const say = (text: string, { finish = "stop", model = "stand-in-1" } = {}): ModelStep => ({
  whole: {
    model,
    choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: finish }]
  },
  events: [...text.split(/(?<= )/).map((content) => event({ content }, null, model)), event({}, finish, model)]
})

/** Calls of tools, whose arguments come in pieces where a stream is asked for. */
export const call = (...calls: ReadonlyArray<ScriptedCall>): ModelStep => {
  const whole = calls.map(({ arguments: text, id, name }, at) => ({
    id: id ?? `id-${at}`,
    type: "function",
    function: { name, arguments: text }
  }))
  return {
    whole: {
      model: "stand-in-1",
      choices: [{ index: 0, message: { content: null, tool_calls: whole }, finish_reason: "tool_calls" }]
    },
    events: [
      ...whole.flatMap(({ function: { arguments: text, name }, id }, index) => [
        event({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] }),
        ...(text.match(/.{1,5}/gsu) ?? []).map((piece) =>
          event({ tool_calls: [{ index, function: { arguments: piece } }] })
        )
      ]),
      event({}, "tool_calls")
    ]
  }
}

/** A refusal in the words of this kind of API. */
export const refuse = (status: number, error: Record<string, unknown> = {}, headers = {}): ModelStep => ({
  status,
  headers,
  whole: { error }
})

if (process.argv[1] === import.meta.filename) {
  const standIn = await StandInModel.start(Number(process.argv[2] ?? 0))
  console.log(`A stand-in model listens at ${standIn.url}: name it as \`base_url\` of an openai-compatible provider.`)
}
