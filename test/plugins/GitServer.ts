/** Repositories made with the machine's own git, served by git's own smart HTTP on loopback. */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"

const missing = spawnSync("git", ["--version"]).status === 0 ? null : "git is missing (Debian's git)"

/** Null when tests with real git can run. With CI set, a missing git is a failure. */
export const withoutGit: string | null = missing
if (missing !== null) {
  if (process.env["CI"] !== undefined) throw new Error(missing)
  console.log(`Tests with a real git are skipped: ${missing}`)
}

/** The machine's own settings of git get nowhere near. */
const alone = {
  PATH: process.env["PATH"],
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "Somebody",
  GIT_AUTHOR_EMAIL: "somebody@example.com",
  GIT_COMMITTER_NAME: "Somebody",
  GIT_COMMITTER_EMAIL: "somebody@example.com"
}

/** What a commit holds: by path, bytes, or a mode and what stands there. */
export type Tree = Readonly<
  Record<string, string | Buffer | { readonly mode: "120000" | "160000"; readonly to: string }>
>

/** A bare repository. */
export const makeRepository = (root: string, name: string) => {
  const directory = join(root, name)
  mkdirSync(directory, { recursive: true })
  const git = (args: ReadonlyArray<string>, input: string | Buffer = ""): string =>
    execFileSync("git", ["-C", directory, ...args], { env: alone, encoding: "utf8", input, stdio: "pipe" }).trim()
  git(["init", "--quiet", "--bare", "--initial-branch=main"])
  return {
    directory,
    git,
    /** A commit of exactly these bytes, on a branch of its own; its id. */
    commit: (tree: Tree, branch = "main"): string => {
      const data = (bytes: string | Buffer) => [`data ${Buffer.byteLength(bytes)}\n`, bytes, "\n"]
      const changes = Object.entries(tree).flatMap(([path, what]) => {
        if (typeof what === "string" || Buffer.isBuffer(what)) return [`M 100644 inline ${path}\n`, ...data(what)]
        return what.mode === "160000"
          ? [`M 160000 ${what.to} ${path}\n`]
          : [`M 120000 inline ${path}\n`, ...data(what.to)]
      })
      const head = `commit refs/heads/${branch}\ncommitter Somebody <somebody@example.com> 1700000000 +0000\ndata 0\n`
      const script = Buffer.concat([head, "deleteall\n", ...changes].map((part) => Buffer.from(part)))
      git(["fast-import", "--quiet", "--force"], script)
      return git(["rev-parse", `refs/heads/${branch}`])
    }
  }
}

/** What git asks for: what there is to talk to, which refs, and the pack. */
export type Question = "service" | "refs" | "pack"

/** How a question is answered; undefined: as it should be. */
export type Answer =
  | undefined
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  | { readonly ends: "hang" | "cut"; readonly after: number }

export interface GitServer {
  /** Ends with a slash. */
  readonly url: string
  readonly questions: Array<Question>
  /** Asked before each answer, with the credential that came. */
  interfere: (question: Question, authorization: string | undefined) => Answer
  readonly close: () => Promise<void>
}

type Listen = (listener: RequestListener) => Server

/** Serves every repository below `root`. */
export const startGitServer = async (root: string, listen: Listen = createServer): Promise<GitServer> => {
  const server = listen((request, response) => void handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const scheme = listen === createServer ? "http" : "https"
  const self: GitServer = {
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    questions: [],
    interfere: () => undefined,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => void server.close(() => resolve()))
    }
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const question = request.method === "GET" ? "service" : body.includes("command=fetch") ? "pack" : "refs"
    self.questions.push(question)
    const answer = self.interfere(question, request.headers.authorization)
    if (answer !== undefined && "status" in answer) {
      return void response.writeHead(answer.status, answer.headers).end()
    }
    serve(request, body, response, answer)
  }

  const serve = (
    request: IncomingMessage,
    body: Buffer,
    response: ServerResponse,
    end: Extract<Answer, { readonly ends: unknown }> | undefined
  ): void => {
    const [path = "", query = ""] = (request.url ?? "").split("?")
    const backend = spawn("git", ["http-backend"], {
      env: {
        ...alone,
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: "1",
        GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
        PATH_INFO: decodeURIComponent(path),
        QUERY_STRING: query,
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers["content-type"],
        CONTENT_LENGTH: String(body.length),
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"]
      },
      stdio: ["pipe", "pipe", "ignore"]
    })
    response.on("close", () => backend.kill())
    let head = Buffer.alloc(0)
    let sent = 0
    backend.stdout.on("data", (chunk: Buffer) => {
      let rest = chunk
      if (!response.headersSent) {
        head = Buffer.concat([head, chunk])
        const at = head.indexOf("\r\n\r\n")
        if (at < 0) return
        const headers = head
          .subarray(0, at)
          .toString()
          .split("\r\n")
          .map((line) => line.split(": ") as [string, string])
        const status = headers.find(([name]) => name === "Status")?.[1] ?? "200"
        response.writeHead(Number.parseInt(status, 10), Object.fromEntries(headers))
        rest = head.subarray(at + 4)
      }
      const part = end === undefined ? rest : rest.subarray(0, Math.max(0, end.after - sent))
      sent += part.length
      if (part.length > 0) response.write(part)
      if (end !== undefined && sent >= end.after) {
        backend.stdout.removeAllListeners("data").resume()
        if (end.ends === "cut") response.socket?.end()
      }
    })
    backend.on("close", () => {
      if (end === undefined || sent < end.after) response.end()
    })
    // One that was killed with its connection, or has answered already, takes no more of the question.
    backend.stdin.on("error", () => undefined)
    backend.stdin.end(body)
  }

  return self
}
