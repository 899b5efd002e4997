/** Real servers on loopback: one that offers a version, one that serves git repositories over smart HTTP. */
import { spawn } from "node:child_process"
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http"
import type { AddressInfo, Server } from "node:net"

/** A server that remembers what it was asked for. */
export interface Serving {
  readonly url: string
  /** Methods and paths, in order. */
  readonly asked: Array<string>
  readonly close: () => Promise<void>
}

/** Listens on any free port of loopback. */
export const listening = async (server: Server, scheme: "http" | "https", asked: Array<string>): Promise<Serving> => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        if ("closeAllConnections" in server && typeof server.closeAllConnections === "function")
          server.closeAllConnections()
      })
  }
}

const serve = (answer: RequestListener): Promise<Serving> => {
  const asked: Array<string> = []
  const listener: RequestListener = (request, response) => {
    asked.push(`${request.method} ${request.url}`)
    answer(request, response)
  }
  return listening(createServer(listener), "http", asked)
}

/** What answers a request for the VERSION file: its content, or a way of its own. */
export type Offer = string | Uint8Array | ((request: IncomingMessage, response: ServerResponse) => void)

export interface VersionServer extends Serving {
  offer: Offer
}

export const versionServer = async (first: Offer = "0.1.0\n"): Promise<VersionServer> => {
  const state = { offer: first }
  const serving = await serve((request, response) => {
    if (typeof state.offer === "function") state.offer(request, response)
    else response.writeHead(200, { "content-type": "text/plain" }).end(state.offer)
  })
  return Object.assign(state, serving)
}

/** Serves the repositories below a folder by `git http-backend`, as a web server does that runs it by CGI. */
export const gitServer = (root: string): Promise<Serving> =>
  serve((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://127.0.0.1")
    const header = (name: string): string => String(request.headers[name] ?? "")
    const backend = spawn("git", ["http-backend"], {
      env: {
        PATH: process.env["PATH"],
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: "1",
        PATH_INFO: pathname,
        QUERY_STRING: searchParams.toString(),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: header("content-type"),
        HTTP_CONTENT_ENCODING: header("content-encoding"),
        GIT_PROTOCOL: header("git-protocol")
      },
      stdio: ["pipe", "pipe", "ignore"]
    })
    // A client that goes away, and a backend that wants no more.
    backend.stdin.on("error", () => {})
    request.pipe(backend.stdin)
    let head = Buffer.alloc(0)
    const readHead = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk])
      const end = head.indexOf("\r\n\r\n")
      if (end < 0) return
      backend.stdout.off("data", readHead)
      const fields = head
        .subarray(0, end)
        .toString()
        .split("\r\n")
        .map((line): [string, string] => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()])
      const status = fields.find(([name]) => name === "Status")
      response.writeHead(Number.parseInt(status?.[1] ?? "200", 10), Object.fromEntries(fields))
      response.write(head.subarray(end + 4))
      backend.stdout.pipe(response)
    }
    backend.stdout.on("data", readHead)
    backend.on("close", () => response.end())
  })
