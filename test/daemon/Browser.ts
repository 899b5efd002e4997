/** A browser, as far as the daemon can tell: it keeps the cookie, and reads streams while they last. */
import * as http from "node:http"
import { Effect, type Scope } from "effect"
import { type RawAnswer, request, sendRaw } from "../http/RawHttp.ts"

export interface Api {
  readonly port: number
  readonly token: string
}

/** Makes a link the way `holdfast open` does. */
export const linkOf = async ({ port, token }: Api): Promise<URL> => {
  const answer = await sendRaw(port, request("POST /open", { authorization: `Bearer ${token}` }))
  if (answer.status !== 201) throw new Error(`${answer.status} ${answer.body}`)
  return new URL((JSON.parse(answer.body) as { readonly url: string }).url)
}

/** Goes to an address of this machine. */
export const visit = (port: number, url: URL): Promise<RawAnswer> =>
  sendRaw(port, request(`GET ${url.pathname}${url.search}`, { accept: "text/html" }))

/** The name and the value of the cookie that an answer sets. */
export const cookieOf = ({ headers }: RawAnswer): string => headers["set-cookie"]?.split(";")[0] ?? ""

/** A new browser's cookie. */
export const signIn = async (api: Api): Promise<string> => cookieOf(await visit(api.port, await linkOf(api)))

export interface Heard {
  readonly event: string
  readonly data: any
}

export interface Listening {
  readonly headers: http.IncomingHttpHeaders
  readonly heard: ReadonlyArray<Heard>
  /** Waits until the events satisfy this. */
  readonly until: (holds: (heard: ReadonlyArray<Heard>) => boolean) => Effect.Effect<void>
  /** How the stream ended. */
  readonly ended: Effect.Effect<"in order" | "cut">
}

/** Listens to the events until the scope closes. */
export const listenTo = (
  port: number,
  cookie: string,
  host = "127.0.0.1"
): Effect.Effect<Listening, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<Listening & { readonly close: () => void }>((resolve, reject) => {
          const asked = http.get({ host, port, path: "/machines/events", headers: { cookie }, agent: false })
          asked.on("error", reject)
          asked.on("response", (response) => {
            const heard: Array<Heard> = []
            let text = ""
            response.on("data", (chunk: Buffer) => {
              const blocks = (text + chunk.toString()).split("\n\n")
              text = blocks.pop() ?? ""
              for (const block of blocks.filter((one) => !one.startsWith(":"))) {
                const [, event = "", data = ""] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? []
                heard.push({ event, data: JSON.parse(data) })
              }
            })
            const ended = new Promise<"in order" | "cut">((done) => {
              response.on("close", () => done(response.complete ? "in order" : "cut"))
              response.on("error", () => {})
            })
            const until: Listening["until"] = (holds) =>
              Effect.promise(async () => {
                for (const end = Date.now() + 10_000; !holds(heard);) {
                  if (Date.now() > end) throw new Error(`did not happen: ${holds}\n${JSON.stringify(heard)}`)
                  await new Promise((later) => setTimeout(later, 10))
                }
              })
            const { headers } = response
            resolve({ headers, heard, until, ended: Effect.promise(() => ended), close: () => asked.destroy() })
          })
        })
    ),
    ({ close }) => Effect.sync(close)
  )
